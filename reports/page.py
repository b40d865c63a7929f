"""The error report as one page: words first, then charts, faces and a table that answer each other."""

from string import Template

from reports import charts, gallery, sections, words
from reports.markup import SHAPES, asset, document, json_block, text
from reports.theme import MEMBERS, point_label


def error_page(predictions, figures, title):
    """The whole page as HTML; it needs no other file and no network.

    Args:
        predictions: Predictions on n faces, n >= 0, with truth or without.
        figures: `measure(predictions)`.
        title: any text.
    """
    opening = sections.opening(predictions, figures, title)
    if not len(predictions):
        return document(title, opening, [])
    truth = figures.values > 0
    plots = charts.error_charts(predictions, figures) if truth else {"radii": charts.radius_chart(predictions)}
    sheet = gallery.sprite_sheet(predictions.images)
    slots = {
        "shapes": SHAPES,
        "opening": opening,
        "status": text(words.counted(figures.faces, "face")),
        "charts": sections.error_cards(predictions, figures) if truth else sections.radius_card(),
        "by_point": sections.by_point(predictions, figures) if truth else "",
        "footer": sections.footer(predictions, figures),
        "sheet": sheet.pop("uri"),
        "data": json_block("report-data", page_data(predictions, figures, plots, sheet)),
    }
    slots |= sections.filters(predictions, figures) | sections.faces(figures) | sections.large_view(figures)
    return document(title, Template(asset("page.html")).substitute(slots), [bokeh_script(), asset("page.js")])


def bokeh_script():
    """Bokeh's own script, for pages that load nothing."""
    from bokeh.resources import Resources

    # A browser reads "\r" as "\n", and would then refuse the script for its checksum.
    return Resources(mode="inline", components=["bokeh"]).js_raw[0].replace("\r", "")


def page_data(predictions, figures, plots, sheet):
    """Everything that page.js reads, as JSON values."""
    schema = predictions.schema
    own = {
        "faces": figures.faces,
        "values": figures.values,
        "members": figures.members,
        "labels": {member: MEMBERS[member].label for member in figures.members},
        "marks": {member: MEMBERS[member].marker for member in figures.members} | {"truth": "cross"},
        "points": [point_label(point) for point in schema.points],
        "conventions": [convention.name for convention in schema.conventions],
        "limit": charts.error_limit(predictions.errors(figures.main)),
        "sheet": sheet,
        "charts": embedded(plots),
    }
    return own | gallery.packed_faces(predictions, figures.members)


def embedded(plots):
    """`plots` as JSON for `Bokeh.embed.embed_items`; equal plots give equal JSON, in whatever process."""
    from bokeh.document import Document

    page = Document()
    for plot in plots.values():
        page.add_root(plot)
    names = {}
    made = _renamed(page.to_json(deferred=False), names)
    return {"document": made, "roots": {names[plot.id]: f"chart-{name}" for name, plot in plots.items()}}


def _renamed(value, names):
    """JSON with Bokeh's ids, which count up over a process, counted from one; `names` collects old to new."""
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value.get("id"), str):
        renamed["id"] = names.setdefault(value["id"], f"m{len(names) + 1}")
    return renamed
