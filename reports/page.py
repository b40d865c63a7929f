"""The error report as one page: words first, then charts, faces and a table that answer each other."""

from string import Template

import numpy as np

from reports import charts, face_charts, gallery, sections, words
from reports.frame import findings_list, page_frame
from reports.markup import asset, text
from reports.theme import MEMBERS, point_label

# Of reports/scripts, in the order in which they need each other.
SCRIPTS = (
    *("faces.js", "choice.js", "virtual.js", "gallery.js", "table.js", "dialog.js", "large.js"),
    *("point_charts.js", "vectors.js", "attributes.js", "calibration.js", "error_report.js"),
)


def error_page(predictions, figures, title):
    """The whole page as HTML; it needs no other file and no network.

    Args:
        predictions: Predictions on n faces, n >= 0, with truth or without.
        figures: `measure(predictions)`.
        title: any text.
    """
    frame = {"lede": f"{words.tested(predictions, figures)}.", "synthetic": words.is_synthetic(predictions.info)}
    found = findings_list(words.findings(figures, predictions.schema))
    if not len(predictions):
        return page_frame(title, found, **frame)
    truth = figures.values > 0
    plots = error_plots(predictions, figures) if truth else {"radii": charts.radius_chart(predictions)}
    sheet = gallery.sprite_sheet(predictions.images)
    slots = {
        "opening": sections.large(predictions, figures) + found + sections.jumps(figures),
        "status": text(words.counted(figures.faces, "face")),
        "charts": sections.error_cards(predictions, figures) if truth else sections.radius_card(),
        "by_point": sections.by_point(predictions, figures) if truth else "",
    }
    slots |= sections.filters(predictions, figures) | sections.faces(figures)
    after = sections.face_view(figures, sheet.pop("uri"))
    return page_frame(
        title,
        Template(asset("page.html")).substitute(slots),
        after=after,
        plots=plots,
        data=page_data(predictions, figures, sheet),
        scripts=SCRIPTS,
        footer=sections.footer(predictions, figures),
        **frame,
    )


def error_plots(predictions, figures):
    """dict of slot name to Bokeh figure, of a page with truth."""
    return charts.error_charts(predictions, figures) | face_charts.face_charts(predictions, figures)


def page_data(predictions, figures, sheet):
    """Everything that the scripts read, as JSON values."""
    schema, known = predictions.schema, np.flatnonzero(figures.counts)
    own = {
        "faces": figures.faces,
        "values": figures.values,
        "members": figures.members,
        "labels": {member: MEMBERS[member].label for member in figures.members},
        "marks": {member: MEMBERS[member].marker for member in figures.members} | {"truth": "cross"},
        "points": [point_label(point) for point in schema.points],
        "known": [int(j) for j in known],
        "conventions": [convention.name for convention in schema.conventions],
        "sheet": sheet,
        "groups": _groups(predictions.group),
        "attributes": [_attribute(attribute) for attribute, _ in figures.attributes],
    }
    if figures.values:
        values = charts.value_columns(predictions, figures.members)
        limit = charts.error_limit(values[figures.main])
        own |= {"limit": limit, "rings": charts.ring_radii(limit), "within": gallery.coded(values["within"], "i1")}
        own["errors"] = {member: gallery.coded(values[member], "<f4") for member in figures.members}
    return own | gallery.packed_faces(predictions, figures.members)


def _groups(group):
    """The group of every face as small numbers, None where it is not known."""
    return None if group is None else np.unique(group, return_inverse=True)[1].tolist()


def _attribute(attribute):
    spread = float(attribute.edges[-1] - attribute.edges[0])
    return {
        "key": attribute.key,
        "title": attribute.title,
        "digits": 0 if spread > 20 else 1 if spread > 2 else 2,
        "values": gallery.coded(attribute.values, "<f4"),
        "edges": [float(edge) for edge in attribute.edges],
        "names": list(attribute.names),
    }
