"""The error report's charts. Python draws them for all faces; page.js fills the same sources again for a selection."""

import numpy as np

from reports import theme
from reports.predictions import LEVELS
from reports.theme import MEMBERS, point_label

BINS = 40  # of the histogram, before the last one that holds everything further
STEPS = 160  # of the cumulative curves
ROW, DENSE, MANY = 31, 26, 20  # px of height per point; where there are more than MANY
WIDE = 1000  # times the axis: a row's band goes on where page.js stretches the axis
BEYOND = 98.5  # percentile of the errors at which the error axes end


def error_limit(errors):
    """Where error axes end, in px: a round number above nearly all errors, 1 where there are none."""
    known = errors[np.isfinite(errors)]
    far = float(np.percentile(known, BEYOND)) if known.size else 0.0
    if far <= 0:
        return 1.0
    step = 10.0 ** np.floor(np.log10(far)) / 2
    return float(np.ceil(far / step) * step)


def value_columns(predictions, members):
    """One row per labelled point that the main member found, face by face.

    Returns:
        dict of arrays: face, point; within: 2 inside the 50 % radius, 1 inside the 90 % radius, 0 outside, -1 where
        there is no radius; one float32 column of errors in px per member.
    """
    errors = {member: predictions.errors(member) for member in members}
    main = errors[members[-1]]
    face, point = np.nonzero(np.isfinite(main))
    radius = predictions.radius[:, face, point]
    inside = (main[face, point] <= radius).sum(axis=0)
    within = np.where(np.isfinite(radius).all(axis=0), inside, -1).astype(np.int8)
    columns = {member: own[face, point].astype(np.float32) for member, own in errors.items()}
    return {"face": face, "point": point, "within": within} | columns


def point_order(figures):
    """Indices of the points that have values, from the largest RMSE of the main member to the smallest."""
    scores = np.array([interval.value for interval in figures.points[figures.main]])
    return np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]


def error_charts(predictions, figures):
    """The linked charts of a page with truth.

    Returns:
        dict of slot name to Bokeh figure: "rmse", "curve", "histogram", and, with radii, "coverage".
    """
    from bokeh.models import ColumnDataSource

    values = value_columns(predictions, figures.members)
    limit = error_limit(values[figures.main])
    order = point_order(figures)
    points = ColumnDataSource(_point_columns(figures, predictions.schema, order), name="points")
    curve = _curve(values, figures.members, limit)
    return {
        "rmse": _rmse_chart(points, figures),
        "curve": curve,
        "histogram": _histogram(values, figures.main, limit, curve.x_range),
    } | ({"coverage": _coverage_chart(points)} if np.isfinite(figures.point_coverage).any() else {})


def _point_columns(figures, schema, order):
    """One row per point, in `order`; the y axis counts upwards, so the first row gets the largest y."""
    table = {m: np.array([figures.points[m][j].value for j in order]) for m in figures.members}
    spread = np.stack(list(table.values()))
    with np.errstate(all="ignore"):
        ends = {"left": np.fmin.reduce(spread), "right": np.fmax.reduce(spread)}
    main = [figures.points[figures.main][j] for j in order]
    table |= ends | {"low": [i.low for i in main], "high": [i.high for i in main]}
    table |= {"half": 100 * figures.point_coverage[0][order], "most": 100 * figures.point_coverage[1][order]}
    columns = {name: np.asarray(column, np.float32) for name, column in table.items()}
    names = [point_label(schema.points[j]) for j in order]
    whole = {"y": np.arange(len(order))[::-1], "point": order, "count": figures.counts[order]}
    return columns | {name: np.asarray(column, np.int32) for name, column in whole.items()} | {"name": names}


def _row_chart(source, right):
    """A chart with one row per point: names on the left, and a band behind each row that a tap chooses."""
    from bokeh.models import HoverTool, Range1d, TapTool

    places = [int(y) for y in source.data["y"]]
    plot = theme.chart(
        rows_height(len(places)),
        x_range=Range1d(-0.02 * right, right),
        y_range=Range1d(-0.6, len(places) - 0.4),
        tools="",
    )
    row_axis(plot, places, source.data["name"])
    fills = {"fill_alpha": 0, "nonselection_fill_alpha": 0, "selection_fill_alpha": 0.12}
    band = plot.hbar(
        y="y", left=-1, right=WIDE * right, height=0.96, source=source, line_color=None, color=theme.ACCENT, **fills
    )
    plot.add_tools(
        TapTool(renderers=[band], mode="toggle"),
        HoverTool(visible=False, renderers=[band], point_policy="follow_mouse"),
    )
    return plot


def rows_height(rows):
    """px of height of a chart with one row per point."""
    return (ROW if rows <= MANY else DENSE) * max(rows, 4) + 56


def row_axis(plot, places, names):
    """A y axis with a name at each of `places` and nothing else."""
    from bokeh.models import FixedTicker

    places = [int(place) for place in places]
    plot.yaxis.ticker = FixedTicker(ticks=sorted(places))
    plot.yaxis.major_label_overrides = dict(zip(places, names, strict=True))
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = None
    plot.yaxis.major_label_text_color = theme.INK
    plot.ygrid.grid_line_color = None


def _rmse_chart(source, figures):
    highest = np.nanmax([source.data[name] for name in ("right", "high")])
    plot = _row_chart(source, right=float(highest) * 1.05 or 1.0)
    line = {"y0": "y", "y1": "y", "source": source, "nonselection_line_alpha": 1.0}
    plot.segment(x0="left", x1="right", line_color=theme.HAIRLINE, line_width=2, **line)
    line |= {"line_alpha": 0.25, "nonselection_line_alpha": 0.25}
    plot.segment(x0="low", x1="high", line_color=MEMBERS[figures.main].colour, line_width=8, **line)
    for member in figures.members:
        style = MEMBERS[member]
        look = {"marker": style.marker, "fill_color": style.colour, "line_color": theme.PAPER, "size": 11}
        plot.scatter(x=member, y="y", source=source, nonselection_alpha=1.0, **look)
    tips = [(MEMBERS[member].label, f"@{member}{{0.00}} px") for member in reversed(figures.members)]
    plot.hover.tooltips = [("point", "@name"), *tips, ("labelled", "@count{0,0}")]
    plot.x_range.name = "rmse-range"
    plot.xaxis.axis_label = "RMSE per coordinate, px"
    return plot


def _coverage_chart(source):
    from bokeh.models import FixedTicker, Span

    plot = _row_chart(source, right=106)  # room for a mark at 100 %
    for level in LEVELS:
        plot.add_layout(Span(location=100 * level, dimension="height", line_color=theme.MUTED, line_dash="dashed"))
    look = {"source": source, "size": 11, "line_color": theme.INK, "line_width": 2, "nonselection_alpha": 1.0}
    plot.scatter(x="half", y="y", fill_color=theme.PAPER, **look)
    plot.scatter(x="most", y="y", fill_color=theme.INK, **look)
    plot.hover.tooltips = [
        ("point", "@name"),
        ("in the 50 % radius", "@half{0} %"),
        ("in the 90 % radius", "@most{0} %"),
    ]
    plot.xaxis.ticker = FixedTicker(ticks=[0, 50, 90])
    plot.xaxis.axis_label = "errors within the radius, %"
    return plot


def ring_radii(limit):
    """Radii in px of the circles of equal error: round numbers, then `limit`, which holds everything further out."""
    step = 10.0 ** np.floor(np.log10(limit / 2))
    step *= max(nice for nice in (1, 2, 5) if nice * step <= limit / 2)
    return [*(float(ring) for ring in np.arange(step, limit - step / 3, step)), float(limit)]


def cumulative(errors, limit):
    """float32 [STEPS + 1]: percent of the known `errors` that are at most each of STEPS + 1 even steps to `limit`."""
    known = np.sort(errors[np.isfinite(errors)])
    places = np.searchsorted(known, np.linspace(0, limit, STEPS + 1).astype(np.float32), side="right")
    return (100 * places / max(known.size, 1)).astype(np.float32)


def histogram(errors, limit):
    """int32 [BINS + 1]: errors per bin of limit / BINS px; the last bin holds everything beyond `limit`."""
    known = errors[np.isfinite(errors)]
    bins = np.minimum(np.floor(known.astype(np.float32) * np.float32(BINS / limit)), BINS).astype(int)
    return np.bincount(bins, minlength=BINS + 1).astype(np.int32)


def _curve(values, members, limit):
    from bokeh.models import ColumnDataSource, CrosshairTool, Range1d

    columns = {"x": np.linspace(0, limit, STEPS + 1, dtype=np.float32)}
    columns |= {member: cumulative(values[member], limit) for member in members}
    source = ColumnDataSource(columns, name="curve")
    ends = {"x_range": Range1d(0, limit * (1 + 1 / BINS)), "y_range": Range1d(0, 102)}
    plot = theme.chart(270, **ends)
    for member in members:
        style = MEMBERS[member]
        plot.line("x", member, source=source, line_color=style.colour, line_width=2.5)
        every = {"x": "x", "y": member, "source": source, "view": _every(source, STEPS // 8)}
        plot.scatter(marker=style.marker, size=8, fill_color=style.colour, line_color=theme.PAPER, **every)
    plot.add_tools(CrosshairTool(line_color=theme.QUIET))
    plot.yaxis.axis_label = "points within, %"
    plot.xaxis.major_label_text_font_size = "0px"
    return plot


def _every(source, step):
    from bokeh.models import CDSView, IndexFilter

    return CDSView(filter=IndexFilter(list(range(step, len(source.data["x"]), step))))


def _histogram(values, main, limit, x_range):
    """Bars to choose a range of errors with, by dragging across or tapping."""
    from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool, TapTool

    left = np.linspace(0, limit, BINS + 1, dtype=np.float32)
    columns = {"left": left, "right": left + np.float32(limit / BINS), "count": histogram(values[main], limit)}
    source = ColumnDataSource(columns, name="bars")
    plot = theme.chart(170, x_range=x_range)
    plot.y_range.start = 0
    look = {"fill_color": MEMBERS[main].colour, "line_color": theme.PAPER, "nonselection_fill_color": theme.QUIET}
    bars = plot.quad(
        left="left", right="right", bottom=0, top="count", source=source, nonselection_fill_alpha=0.5, **look
    )
    box = BoxSelectTool(renderers=[bars], dimensions="width", continuous=False)
    plot.add_tools(
        box, TapTool(renderers=[bars]), HoverTool(visible=False, renderers=[bars], tooltips=[("points", "@count{0,0}")])
    )
    plot.toolbar.active_drag = box
    plot.xaxis.axis_label = "error, px"
    plot.yaxis.axis_label = "points"
    return plot


def radius_chart(predictions):
    """For a page without truth: the radii that the ensemble expects of each point, as medians over the faces."""
    from bokeh.models import ColumnDataSource

    half, most = _medians(predictions.radius)
    order = np.argsort(-np.where(np.isfinite(most), most, -1), kind="stable")
    names = [point_label(predictions.schema.points[j]) for j in order]
    columns = {"y": np.arange(len(order))[::-1].astype(np.int32), "point": order.astype(np.int32), "name": names}
    source = ColumnDataSource(columns | {"half": half[order], "most": most[order]}, name="points")
    top = float(np.nanmax(most, initial=0))
    plot = _row_chart(source, right=top * 1.05 or 1.0)
    look = {"source": source, "size": 11, "line_color": theme.INK, "line_width": 2, "nonselection_alpha": 1.0}
    plot.scatter(x="half", y="y", fill_color=theme.PAPER, **look)
    plot.scatter(x="most", y="y", fill_color=theme.INK, **look)
    plot.hover.tooltips = [("point", "@name"), ("50 % radius", "@half{0.00} px"), ("90 % radius", "@most{0.00} px")]
    plot.xaxis.axis_label = "expected error radius, px"
    return plot


def _medians(radius):
    """float32 [2, k]: median over faces, NaN for a point without any radius."""
    table = np.full((radius.shape[0], radius.shape[2]), np.nan, np.float32)
    for level, column in np.ndindex(*table.shape):
        known = radius[level, :, column][np.isfinite(radius[level, :, column])]
        if known.size:
            table[level, column] = np.median(known)
    return table
