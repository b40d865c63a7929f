"""The page of two runs compared: which points and faces got better or worse, and what is beyond chance."""

from string import Template

import numpy as np

from reports import gallery, pair_charts, words
from reports.bootstrap import RESAMPLES
from reports.frame import findings_list, footer_of, page_frame
from reports.large import RADII, RADIUS_LAYERS, large_view
from reports.markup import asset, chart_card, mark, table, text, tiles
from reports.pair_charts import change_order, verdict
from reports.pairing import BLOCKS, SURE
from reports.sections import chip, conventions
from reports.theme import PAIR, point_label

SCRIPTS = ("faces.js", "choice.js", "virtual.js", "gallery.js", "table.js", "dialog.js", "large.js", "pair.js")
EVEN = 0.005  # px; a smaller change of a face is none


def pair_page(pair, figures, title):
    """The whole page as HTML.

    Args:
        pair: `pairing.pair_up(...)`. figures: `pairing.measure_pair(pair)`.
        title: any text.
    """
    info = pair.predictions.info
    sheet = gallery.sprite_sheet(pair.predictions.images)
    slots = {
        "opening": tiles(large_figures(pair, figures), "second") + findings_list(findings(pair, figures)),
        "status": text(words.counted(len(pair.predictions), "face")),
        "bounds": "",
        "charts": _cards(pair, figures),
        "by_point": _by_point(pair, figures),
        "faces_note": "Both predictions are drawn.",
        "faces_legend": _legend(pair),
        "orders": chip("order", "worst", "Most worsened first", True) + chip("order", "best", "Most improved first"),
        "conventions": conventions(pair.predictions),
        "points": "".join(
            chip("chip", j, point_label(pair.predictions.schema.points[j])) for j in sorted(change_order(figures))
        ),
    }
    return page_frame(
        title,
        Template(asset("page.html")).substitute(slots),
        lede=f"{pair.names[1]} against {pair.names[0]}, on {words.counted(len(pair.predictions), 'face')} of both.",
        synthetic=words.is_synthetic(info),
        after=_face_view(pair, sheet.pop("uri")),
        plots=pair_charts.pair_charts(pair, figures),
        data=page_data(pair, figures, sheet),
        scripts=SCRIPTS,
        footer=_footer(pair, figures),
    )


def page_data(pair, figures, sheet):
    """What the scripts read, as JSON values."""
    shared = pair.predictions
    errors = [shared.errors(key) for key in PAIR]
    known = np.isfinite(errors).all(axis=0)
    return {
        "paired": True,
        "faces": len(shared),
        "values": int(known.sum()),
        "members": list(PAIR),
        "labels": dict(zip(PAIR, pair.names, strict=True)),
        "marks": {key: style.marker for key, style in PAIR.items()} | {"truth": "cross"},
        "points": [point_label(point) for point in shared.schema.points],
        "known": sorted(change_order(figures)),
        "conventions": [convention.name for convention in shared.schema.conventions],
        "sheet": sheet,
        "attributes": [],
        "errors": {key: gallery.coded(own[known], "<f4") for key, own in zip(PAIR, errors, strict=True)},
        "within": gallery.coded(np.full(known.sum(), -1), "i1"),
    } | gallery.packed_faces(shared, tuple(PAIR))


# ---- words -------------------------------------------------------------------------------------------------------


def _signed(value):
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "−")


def _change_words(change):
    """`−0.014 px (95 % interval −0.030 to +0.002, p = 0.08)`."""
    if not np.isfinite(change.p):
        return f"{_signed(change.change.value)} px (one group of faces gives no interval)"
    low, high = (_signed(end) for end in change.change[1:])
    return f"{_signed(change.change.value)} px (95 % interval {low} to {high}, p {_p(change.p)})"


def _p(p):
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def large_figures(pair, figures):
    """List of (label, value, note)."""
    change, faces = figures.overall, face_counts(figures)
    spread = "" if not np.isfinite(change.change.low) else " to ".join(map(_signed, change.change[1:]))
    return [
        (
            "Change of RMSE",
            f"{_signed(change.change.value)} px",
            f"95 % interval {spread}" if spread else "no interval",
        ),
        (f"RMSE, {pair.names[0]}", f"{change.first:.3f} px", pair.members[0]),
        (f"RMSE, {pair.names[1]}", f"{change.second:.3f} px", pair.members[1]),
        ("Faces better / worse", f"{faces[0]:,} / {faces[1]:,}", f"of {words.counted(len(figures.faces), 'face')}"),
    ]


def face_counts(figures):
    """(better, worse): faces whose RMSE changed by more than EVEN px."""
    change = figures.faces[:, 1] - figures.faces[:, 0]
    return int((change < -EVEN).sum()), int((change > EVEN).sum())


def findings(pair, figures):
    """List of (lead, sentence), most important first."""
    told = verdict(figures.overall)
    sure = "within chance" if told == "within chance" else f"{told} beyond chance"
    found = [("Overall", f"“{pair.names[1]}” is {sure}: {_change_words(figures.overall)}.")]
    found += [("Points", _points_words(pair, figures)), ("Faces", _faces_words(figures))]
    found += _kind_words(pair, figures)
    lost = [f"{count:,} of “{name}”" for count, name in zip(pair.left_out, pair.names, strict=True) if count]
    if lost:
        found.append(("Left out", f"Faces that the other does not have: {', '.join(lost)}."))
    if pair.relabelled:
        faces = words.counted(pair.relabelled, "face")
        found.append(("Labels", f"{faces} carry other labels in “{pair.names[1]}”; those of “{pair.names[0]}” count."))
    return found


def _points_words(pair, figures):
    names = pair.predictions.schema.points
    kinds = {"better": [], "worse": []}
    for j in change_order(figures):
        told = verdict(figures.points[j])
        if told in kinds:
            kinds[told].append(f"{point_label(names[j])} ({_signed(figures.points[j].change.value)} px)")
    parts = [f"{kind}: {', '.join(own)}" for kind, own in kinds.items() if own]
    if not parts:
        return "No point changed beyond chance."
    return words.sentence("; ".join(parts)) + ". The others changed within chance."


def _faces_words(figures):
    better, worse = face_counts(figures)
    return f"{better:,} got better, {worse:,} worse, {len(figures.faces) - better - worse:,} stayed as they were."


def _kind_words(pair, figures):
    if len(figures.conventions) < 2:
        return []
    names = pair.predictions.schema.conventions
    told = "; ".join(f"“{names[kind].name}” {_change_words(change)}" for kind, change in figures.conventions.items())
    return [("Labelling", f"{told}.")]


# ---- pieces ------------------------------------------------------------------------------------------------------


def _legend(pair):
    items = f"<li>{mark('truth')}label (truth)</li>" + "".join(
        f"<li>{mark(key)}{text(name)}</li>" for key, name in zip(PAIR, pair.names, strict=True)
    )
    return f'<ul class="legend">{items}</ul>'


POINTS_NOTE = (
    "The most worsened point on top, with 95 % intervals; ▲ better and ▼ worse beyond chance, ● within it. Tap rows to "
    "choose points."
)
FACES_NOTE = (
    "Each dot is a face; below the dashed line it got better. Both axes are logarithmic. Draw a lasso around some to "
    "see them."
)


def _cards(pair, figures):
    names = pair.predictions.schema.points
    told = ", ".join(
        f"{point_label(names[j])} {_signed(figures.points[j].change.value)} px" for j in change_order(figures)
    )
    cards = chart_card("points", "Change by point", POINTS_NOTE, f"Change of RMSE of each point: {told}.")
    cards += chart_card("faces", "Face by face", FACES_NOTE, f"RMSE of every face in both. {_faces_words(figures)}")
    return f'<h2>What changed</h2><div class="charts even">{cards}</div>'


def _by_point(pair, figures):
    head = ["Point", "Labelled", *(f"{name}, px" for name in pair.names), "Change, px", "95 % interval, px", "p", ""]
    rows = [_point_row(pair, figures.points[j], j) for j in change_order(figures)]
    return (
        '<h2 id="points-title">Figures by point</h2><p class="note">RMSE per coordinate over all faces, the most '
        "worsened point first; p values by Holm hold for all points together.</p><div class='card table'>"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="points-title">{table(head, rows)}</div></div>'
    )


def _point_row(pair, change, j):
    low, high = change.change[1:]
    spread = f"{_signed(low)} to {_signed(high)}" if np.isfinite(low) else "–"
    numbers = [f"{change.values:,}", f"{change.first:.3f}", f"{change.second:.3f}", _signed(change.change.value)]
    own = point_label(pair.predictions.schema.points[j])
    return [own, *numbers, spread, _p(change.p).removeprefix("= "), verdict(change)]


def _face_view(pair, sheet):
    layers = [("truth", f"{mark('truth')}label")]
    layers += [(key, mark(key) + text(name)) for key, name in zip(PAIR, pair.names, strict=True)]
    return large_view(layers + RADIUS_LAYERS, [("Error, px", pair.names), RADII], sheet)


def _footer(pair, figures):
    kind = "faces" if figures.groups is None else f"{figures.groups:,} groups of faces (a person, or one image)"
    notes = (
        "RMSE is the root of the mean squared error over all labelled coordinates that both have. Intervals "
        f"and p values are of {BLOCKS * RESAMPLES:,} paired bootstrap resamples of the {kind}: each counts for both "
        f"alike. Beyond chance: p < {SURE:g}, for points by Holm's correction. Radii are those of the second.",
        "In the names of points, left and right are the person's own; elsewhere they are the image's.",
    )
    return footer_of(notes, pair.predictions.info)
