"""The sections of the error report: HTML from figures and words."""

import numpy as np

from reports import charts, face_charts, words
from reports.bootstrap import RESAMPLES
from reports.figures import WORST
from reports.frame import footer_of
from reports.large import RADII, RADIUS_LAYERS, large_view
from reports.markup import chart_card, legend, mark, place, table, text, tiles
from reports.theme import MEMBERS, point_label

ORDERS = {True: ("Failures first", "Successes first"), False: ("Least certain first", "Most certain first")}


def large(predictions, figures):
    """The large figures of a page with truth."""
    return tiles(large_figures(predictions, figures), figures.main) if figures.values else ""


def jumps(figures):
    """Ways to the faces that fail and to those that succeed."""
    names = ORDERS[figures.values > 0]
    buttons = "".join(
        f'<button type="button" class="plain" data-jump="{order}">{text(name)}</button>'
        for order, name in zip(("worst", "best"), names, strict=True)
    )
    return f'<p class="jumps">See the faces: {buttons}</p>'


def large_figures(predictions, figures):
    """List of (label, value, note), the page's own member first."""
    main = figures.overall[figures.main]
    found = [(f"RMSE, {MEMBERS[figures.main].label}", f"{main.value:.2f} px", _interval(main))]
    for member in reversed(figures.members[:-1]):
        value = figures.overall[member].value
        found.append((f"RMSE, {MEMBERS[member].label}", _or_dash(value, f"{value:.2f} px"), _gain(figures, member)))
    if len(figures.conventions) > 1:
        found += [_convention_figure(predictions, figures, kind) for kind in figures.conventions]
    if np.isfinite(figures.coverage[1].value):
        held = " / ".join(f"{100 * interval.value:.0f}" for interval in figures.coverage)
        found.append(("Errors within the radii", f"{held} %", "promised: 50 / 90 %"))
    return found


def _convention_figure(predictions, figures, kind):
    faces, _, own = figures.conventions[kind]
    label = f"RMSE, “{predictions.schema.conventions[kind].name}” faces"
    return label, f"{own[figures.main].value:.2f} px", f"{words.counted(faces, 'face')}, {_interval(own[figures.main])}"


def _or_dash(value, shown):
    return shown if np.isfinite(value) else "–"


def _interval(interval):
    if not np.isfinite(interval.low):
        return "one face gives no interval"
    return f"95 % interval {words.span(interval)}"


def _gain(figures, member):
    """How `member` compares with the main member on the points that both have."""
    gain = figures.gain[member]
    if not np.isfinite(gain.value):
        return "no labelled point"
    has, asked = sum(np.isfinite(i.value) for i in figures.points[member]), int((figures.counts > 0).sum())
    where = "" if has == asked else f"on {has} of {asked} points; there "
    interval = f" ({gain.low:+.2f} to {gain.high:+.2f})" if np.isfinite(gain.low) else ""
    return f"{where}{gain.value:+.2f} px against {figures.main}{interval}".replace("-", "−")


def filters(predictions, figures):
    """Slots of the controls: "points", "conventions", "bounds"."""
    known = [j for j in range(len(predictions.schema)) if not figures.values or figures.counts[j]]
    points = "".join(chip("chip", j, point_label(predictions.schema.points[j])) for j in known)
    return {
        "points": points,
        "conventions": conventions(predictions),
        "bounds": BOUNDS if figures.values else "",
    }


def conventions(predictions):
    """Buttons to choose a labelling convention by; nothing where there is one only."""
    kinds = [(int(kind), predictions.schema.conventions[kind].name) for kind in np.unique(predictions.convention)]
    buttons = "".join(chip("convention", value, name) for value, name in [("", "all"), *kinds])
    caption = '<span class="caption">Labelling</span>'
    group = f'<span class="group" role="group" aria-label="Labelling">{caption}{buttons}</span>'
    return group if len(kinds) > 1 else ""


BOUNDS = (
    '<span class="group"><label for="low">Errors from</label>'
    '<input type="number" id="low" min="0" step="any" placeholder="0">'
    '<label for="high">to</label><input type="number" id="high" min="0" step="any" placeholder="any">'
    '<span class="caption">px</span></span>'
)


def chip(kind, value, name, pressed=False):
    """A button that scripts find by `data-kind`."""
    state = str(pressed).lower()
    return (
        f'<button type="button" class="chip" data-{kind}="{text(value)}" aria-pressed="{state}">{text(name)}</button>'
    )


def error_cards(predictions, figures):
    """The charts of a page with truth, each with its words."""
    where = chart_card("rmse", "Error by point", RMSE_NOTE, _rmse_words(predictions, figures))
    where += chart_card("curve", "How large the errors are", CURVE_NOTE, CURVE_WORDS, HISTOGRAM)
    note = f"{VECTOR_NOTE} {_rings(predictions, figures)}"
    vectors = chart_card("vectors", "Which way the points miss", note, _vector_words(predictions, figures))
    return (
        f'<h2>Where the error is</h2>{legend(figures.members)}<div class="charts single">{_overall_card(figures)}</div>'
        f'<div class="{_side_by_side(figures)}">{where}</div><div class="charts single">{vectors}</div>'
        f"{_attribute_cards(figures)}{_radius_cards(figures)}"
    )


def _side_by_side(figures):
    """Class of two cards beside each other: of one height, unless a chart of many points makes one of them tall."""
    return "charts uneven" if (figures.counts > 0).sum() > charts.MANY else "charts"


def _rings(predictions, figures):
    """`The rings are 2, 4 and 5.5 px from the label.`"""
    *inner, last = charts.ring_radii(charts.error_limit(predictions.errors(figures.main)))
    return f"The rings are {', '.join(f'{ring:g}' for ring in inner)} and {last:g} px from the label."


def _overall_card(figures):
    given = "; ◆ what you gave to compare with" if figures.anchors else ""
    rows = (f"{name} {value[0]:.2f} px" for _, name, value in face_charts.overall_rows(figures))
    note = f"The pale band is the 95 % interval{given}."
    return chart_card("overall", "Overall", note, "RMSE, lowest first: " + ", ".join(rows))


def _attribute_cards(figures):
    """One chart for each thing that faces differ in."""
    shown = (
        (attribute, place(attribute.key, _attribute_words(attribute, own))) for attribute, own in figures.attributes
    )
    places = "".join(f'<div class="panel"><h4>{text(attribute.title)}</h4>{chart}</div>' for attribute, chart in shown)
    if not places:
        return ""
    return (
        '<h2>What makes faces hard</h2><figure class="card"><figcaption><p>'
        f'{text(ATTRIBUTE_NOTE)}</p></figcaption><div class="panels">{places}</div></figure>'
    )


def _attribute_words(attribute, medians):
    names = attribute.names or [f"fifth {i + 1}" for i in range(len(medians))]
    told = ", ".join(f"{name} {_or_dash(m.value, f'{m.value:.2f} px')}" for name, m in zip(names, medians, strict=True))
    return f"Median error of faces by {attribute.title.lower()}, lowest values first: {told}."


def _radius_cards(figures):
    """Whether the radius holds, by point and by its size."""
    if not np.isfinite(figures.point_coverage).any():
        note = '<p class="note">These predictions carry no error radius.</p>'
        return f'<h2>Whether the error radius holds</h2><div class="card">{note}</div>'
    half, most = (words.percent(interval.value) for interval in figures.coverage)
    shown = f"Share of errors within the radius, by point. Over all points: {half} and {most}; promised: 50 % and 90 %."
    cards = chart_card("coverage", "By point", COVERAGE_NOTE, shown)
    cards += chart_card("calibration", "By its size", CALIBRATION_NOTE, "Expected radius against the one that holds.")
    return f'<h2>Whether the error radius holds</h2><div class="{_side_by_side(figures)}">{cards}</div>'


RMSE_NOTE = "Worst point on top; the pale band is the 95 % interval. Tap rows to choose points: the whole page follows."
VECTOR_NOTE = (
    "Each dot is one error, its label at the cell’s centre. The line leads to the mean error, whose size and direction "
    "stand below the name; the ellipse is two standard deviations around it. Errors beyond the last ring lie on it and "
    "count in neither. Draw a lasso around dots to see their faces; a single chosen point fills the chart."
)
HISTOGRAM = place("histogram", "Number of points by error.")
CURVE_WORDS = "Share of points within each error."
CURVE_NOTE = (
    "Above, the share of points with a smaller error. Below, how many points have each error, the last bar all beyond "
    "the axis; drag across the bars to choose a range."
)
ATTRIBUTE_NOTE = (
    "Each dot is a face, each bar the median of a fifth of the faces with its 95 % interval; faces beyond the axis lie "
    "on its end, intervals leave it. Tap bars or draw a lasso to choose faces. Turn and roll are estimated from the "
    "points."
)
CALIBRATION_NOTE = (
    "Points with like radii together: the radius promised against the one that holds 50 % (○) or 90 % (●) of them, "
    "with 95 % intervals. On the dashed line the promise is kept; above it, the radius is too small. Tap marks."
)
COVERAGE_NOTE = (
    "○ within the 50 % radius, ● within the 90 % radius. Each belongs on its dashed line; left of it, the radius is "
    "too small."
)


def _rmse_words(predictions, figures):
    names = predictions.schema.points
    scores = (
        f"{point_label(names[j])} {figures.points[figures.main][j].value:.2f} px" for j in charts.point_order(figures)
    )
    return "RMSE of each point, worst first: " + ", ".join(scores)


def _vector_words(predictions, figures):
    names = predictions.schema.points
    told = (f"{point_label(names[o.point])} {words.direction(o.dx, o.dy)}" for o in figures.offsets)
    return "Error vectors of each point. Mean errors: " + ", ".join(told)


def radius_card():
    """The chart of a page without truth."""
    note = "○ 50 % radius, ● 90 % radius, median over faces. Tap rows to choose points."
    card = chart_card("radii", "Expected error by point", note, "Median of the expected error radius by point.")
    return f'<h2>What the ensemble expects of itself</h2><div class="charts single">{card}</div>'


def faces(figures):
    """Slots of the gallery: "orders", "faces_note", "faces_legend"."""
    truth = figures.values > 0
    names = ORDERS[truth]
    return {
        "orders": chip("order", "worst", names[0], pressed=True) + chip("order", "best", names[1]),
        "faces_note": "A line joins each label to its prediction." if truth else "Circles are the 50 % radius.",
        "faces_legend": legend(["truth", figures.main] if truth else [figures.main]),
    }


def face_view(figures, sheet):
    """The large view of a face; `sheet` as in `large_view`."""
    truth = figures.values > 0
    layers = [("truth", f"{mark('truth')}label")] if truth else []
    layers += [(member, mark(member) + text(MEMBERS[member].label)) for member in figures.members]
    return large_view(layers + RADIUS_LAYERS, [("Error, px", figures.members if truth else ()), RADII], sheet)


def by_point(predictions, figures):
    """The charts' figures as a table, for reading, copying and screen readers."""
    head = ["Point", "Labelled", *(f"{MEMBERS[member].label.capitalize()}, px" for member in figures.members)]
    head += ["95 % interval, px", "In 50 % radius", "In 90 % radius"]
    rows = [_point_row(predictions, figures, j) for j in charts.point_order(figures)]
    return (
        '<h2 id="points-title">Figures by point</h2>'
        '<p class="note">RMSE per coordinate over all faces, worst point first.</p><div class="card table">'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="points-title">{table(head, rows)}</div></div>'
    )


def _point_row(predictions, figures, j):
    main = figures.points[figures.main][j]
    scores = [figures.points[member][j].value for member in figures.members]
    return [
        point_label(predictions.schema.points[j]),
        f"{figures.counts[j]:,}",
        *(_or_dash(score, f"{score:.2f}") for score in scores),
        _or_dash(main.low, words.span(main)),
        *(words.percent(share) for share in figures.point_coverage[:, j]),
    ]


def footer(predictions, figures):
    """How the figures are made, and what the file says about itself."""
    kind = "the faces" if figures.groups is None else f"the {figures.groups:,} groups of faces (a person, or one image)"
    truth = (
        "The error of a point is the distance between prediction and label. RMSE is the root of the mean squared "
        "error over all coordinates, x and y counted one by one, as Kaggle scores it: a point that is off by d has "
        f"RMSE d / √2. Intervals are percentiles of {RESAMPLES:,} bootstrap resamples of {kind}; those of medians and "
        "of radii, which follow every choice, are Woodruff's (1952), with all values of such a group counted together. "
        f"The worst {WORST} faces are those with the largest sum of squared errors."
    )
    sides = "In the names of points, left and right are the person's own; elsewhere they are the image's."
    return footer_of([truth, sides] if figures.values else [sides], predictions.info)
