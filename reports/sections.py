"""The sections of the error report: HTML from figures and words."""

import numpy as np

from reports import charts, words
from reports.figures import RESAMPLES, WORST
from reports.markup import chart_card, legend, mark, table, text, tiles
from reports.theme import MEMBERS, point_label


def opening(predictions, figures, title):
    """What was tested, the large figures, and where the model fails in words."""
    synthetic = '<p class="badge">SYNTHETIC drawn faces, not photos</p>' if words.is_synthetic(predictions.info) else ""
    lede = f'<p class="lede">{text(words.tested(predictions, figures))}.</p>'
    numbers = tiles(large_figures(predictions, figures), figures.main) if figures.values else ""
    found = words.findings(figures, predictions.schema)
    lines = "".join(f"<dt>{text(lead)}</dt><dd>{text(line)}</dd>" for lead, line in found)
    return (
        f'<header>{synthetic}<h1>{text(title)}</h1>{lede}</header>{numbers}<dl class="card findings">{lines}</dl>'
        '<noscript><p class="note">Charts and faces need JavaScript, which is part of this file.</p></noscript>'
    )


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
    points = "".join(_chip("chip", j, point_label(predictions.schema.points[j])) for j in known)
    kinds = [(int(kind), predictions.schema.conventions[kind].name) for kind in np.unique(predictions.convention)]
    buttons = "".join(_chip("convention", value, name) for value, name in [("", "all"), *kinds])
    caption = '<span class="caption">Labelling</span>'
    conventions = f'<span class="group" role="group" aria-label="Labelling">{caption}{buttons}</span>'
    return {
        "points": points,
        "conventions": conventions if len(kinds) > 1 else "",
        "bounds": BOUNDS if figures.values else "",
    }


BOUNDS = (
    '<span class="group"><label for="low">Errors from</label>'
    '<input type="number" id="low" min="0" step="any" placeholder="0">'
    '<label for="high">to</label><input type="number" id="high" min="0" step="any" placeholder="any">'
    '<span class="caption">px</span></span>'
)


def _chip(kind, value, name, pressed=False):
    state = str(pressed).lower()
    return (
        f'<button type="button" class="chip" data-{kind}="{text(value)}" aria-pressed="{state}">{text(name)}</button>'
    )


def error_cards(predictions, figures):
    """The charts of a page with truth, each with its words."""
    histogram = '<div class="chart" id="chart-histogram" role="group" aria-label="Number of points by error."></div>'
    cards = (
        chart_card("rmse", "Error by point", RMSE_NOTE, _rmse_words(predictions, figures)),
        chart_card("vectors", "Which way the points miss", VECTOR_NOTE, "Error vectors of all points."),
        chart_card("curve", "How large the errors are", CURVE_NOTE, "Share of points within each error.", histogram),
        _coverage_card(figures),
    )
    return f'<h2>Where the error is</h2>{legend(figures.members)}<div class="charts">{"".join(cards)}</div>'


RMSE_NOTE = "Worst point on top; the pale band is the 95 % interval. Tap rows to choose points: the whole page follows."
VECTOR_NOTE = (
    "Each dot is one point's error, its label at the centre; the cross is the mean. Draw a lasso around some to see "
    "their faces."
)
CURVE_NOTE = (
    "Above, the share of points with a smaller error. Below, how many points have each error, the last bar all beyond "
    "the axis; drag across the bars to choose a range."
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


def _coverage_card(figures):
    title = "Whether the error radius holds"
    if not np.isfinite(figures.point_coverage).any():
        return f'<div class="card"><h3>{title}</h3><p class="note">These predictions carry no error radius.</p></div>'
    half, most = (words.percent(interval.value) for interval in figures.coverage)
    shown = f"Share of errors within the radius, by point. Over all points: {half} and {most}; promised: 50 % and 90 %."
    return chart_card("coverage", title, COVERAGE_NOTE, shown)


def radius_card():
    """The chart of a page without truth."""
    note = "○ 50 % radius, ● 90 % radius, median over faces. Tap rows to choose points."
    card = chart_card("radii", "Expected error by point", note, "Median of the expected error radius by point.")
    return f'<h2>What the ensemble expects of itself</h2><div class="charts single">{card}</div>'


def faces(figures):
    """Slots of the gallery: "orders", "faces_note", "faces_legend"."""
    truth = figures.values > 0
    names = ("Worst first", "Best first") if truth else ("Least certain first", "Most certain first")
    return {
        "orders": _chip("order", "worst", names[0], pressed=True) + _chip("order", "best", names[1]),
        "faces_note": "A line joins each label to its prediction." if truth else "Circles are the 50 % radius.",
        "faces_legend": legend(["truth", figures.main] if truth else [figures.main]),
    }


def large_view(figures):
    """Slots of the large view: "layers", "large_groups", "large_head"."""
    truth = figures.values > 0
    layers = [("truth", f"{mark('truth')}label")] if truth else []
    layers += [(member, mark(member) + text(MEMBERS[member].label)) for member in figures.members]
    layers += [("radius0", "50 % radius"), ("radius1", "90 % radius")]
    columns = [*(figures.members if truth else ()), "50 %", "90 %"]
    boxes = (f'<label><input type="checkbox" data-layer="{key}">{shown}</label>' for key, shown in layers)
    return {
        "layers": "".join(boxes),
        "large_groups": (f'<th scope="colgroup" colspan="{len(figures.members)}">Error, px</th>' if truth else "")
        + '<th scope="colgroup" colspan="2">Radius, px</th>',
        "large_head": "".join(f'<th scope="col" class="number">{text(column)}</th>' for column in columns),
    }


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
    truth = (
        "<p>The error of a point is the distance between prediction and label. RMSE is the root of the mean squared "
        "error over all coordinates, x and y counted one by one, as Kaggle scores it: a point that is off by d has "
        f"RMSE d / √2. Intervals are percentiles of {RESAMPLES:,} bootstrap resamples of the faces. The worst {WORST} "
        "faces are those with the largest sum of squared errors.</p>"
    )
    sides = "<p>In the names of points, left and right are the person's own; elsewhere they are the image's.</p>"
    plain = sorted((key, value) for key, value in predictions.info.items() if isinstance(value, str | int | float))
    facts = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in plain)
    return f"<footer>{truth if figures.values else ''}{sides}<dl>{facts}</dl></footer>"
