"""The charts of two runs compared: change by point, and every face's error in one against the other."""

import numpy as np

from reports import theme
from reports.charts import row_axis, rows_height
from reports.pairing import SURE
from reports.theme import point_label

TICKS = [nice * 10.0**power for power in range(-2, 4) for nice in (1, 2, 5)]
SQUARE = 520  # px of height of the chart of faces


def pair_charts(pair, figures):
    """dict of slot name to Bokeh figure: "points", "faces"."""
    return {"points": _points(pair, figures), "faces": _faces(pair)}


def verdict(change):
    """ "better", "worse" or "within chance"."""
    if not change.p < SURE:
        return "within chance"
    return "better" if change.change.value < 0 else "worse"


COLOURS = {"better": theme.BETTER, "worse": theme.WORSE, "within chance": theme.QUIET}
MARKERS = {"better": "triangle", "worse": "inverted_triangle", "within chance": "circle"}


def change_order(figures):
    """Indices of the points that have values, the most worsened first."""
    known = [j for j, change in enumerate(figures.points) if change.values]
    return sorted(known, key=lambda j: -figures.points[j].change.value)


def _points(pair, figures):
    """A row per point with the change of its RMSE; the band behind it is what a tap chooses."""
    from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span, TapTool

    order = change_order(figures)
    changes = [figures.points[j] for j in order]
    numbers = np.array([change.change for change in changes], float).reshape(-1, 3)
    told = [verdict(change) for change in changes]
    columns = {"y": np.arange(len(order))[::-1], "point": np.array(order, np.int32), "told": told}
    columns |= dict(zip(("value", "low", "high"), numbers.T, strict=True))
    columns |= {"colour": [COLOURS[one] for one in told], "marker": [MARKERS[one] for one in told]}
    columns |= {"name": [point_label(pair.predictions.schema.points[j]) for j in order]}
    source = ColumnDataSource(columns, name="points")
    far = 1.1 * (np.nanmax(np.abs(numbers), initial=0) or 1.0)
    ends = {"x_range": Range1d(-far, far), "y_range": Range1d(-0.6, len(order) - 0.4)}
    plot = theme.chart(rows_height(len(order)), **ends)
    plot.x_range.name = "change-range"
    row_axis(plot, columns["y"], columns["name"])
    plot.add_layout(Span(location=0, dimension="height", line_color=theme.MUTED, line_width=1.5))
    fills = {"fill_alpha": 0, "nonselection_fill_alpha": 0, "selection_fill_alpha": 0.12, "line_color": None}
    band = plot.hbar("y", left=-1e4, right=1e4, height=0.96, source=source, fill_color=theme.ACCENT, **fills)
    line = {"line_color": "colour", "line_width": 8, "line_alpha": 0.3, "nonselection_line_alpha": 0.3}
    plot.segment("low", "y", "high", "y", source=source, **line)
    look = {"fill_color": "colour", "line_color": theme.PAPER, "size": 12, "nonselection_alpha": 1.0}
    plot.scatter("value", "y", marker="marker", source=source, **look)
    tips = [("point", "@name"), ("change", "@value{0.000} px"), ("that is", "@told")]
    hover = HoverTool(visible=False, renderers=[band], tooltips=tips, point_policy="follow_mouse")
    plot.add_tools(TapTool(renderers=[band], mode="toggle"), hover)
    plot.xaxis.axis_label = "← better   px   worse →"
    return plot


def _faces(pair):
    """A dot per face; the script fills it."""
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, LassoSelectTool, Range1d, TapTool

    ends = {"x_range": Range1d(0.1, 10), "y_range": Range1d(0.1, 10)}
    plot = theme.chart(
        SQUARE, name="pair-faces", toolbar_location="above", x_axis_type="log", y_axis_type="log", **ends
    )
    for axis, grid in ((plot.xaxis, plot.xgrid), (plot.yaxis, plot.ygrid)):
        axis.ticker = grid.ticker = FixedTicker(ticks=TICKS)
        axis.major_label_overrides = {tick: f"{tick:g}" for tick in TICKS}
    plot.line([1e-3, 1e4], [1e-3, 1e4], line_color=theme.MUTED, line_dash="dashed", line_width=1.5)
    empty = {name: [] for name in ("x", "y", "id", "change", "colour")}
    source = ColumnDataSource(empty, name="faces")
    look = {"fill_color": "colour", "line_color": None, "fill_alpha": 0.55, "selection_fill_alpha": 0.9}
    look |= {"nonselection_fill_color": theme.QUIET, "nonselection_fill_alpha": 0.25, "size": 6}
    dots = plot.scatter("x", "y", source=source, **look)
    lasso = LassoSelectTool(renderers=[dots], continuous=False)
    tips = [("face", "@id"), ("first, second", "@x{0.00}, @y{0.00} px"), ("change", "@change{0.00} px")]
    plot.add_tools(lasso, TapTool(renderers=[dots]), HoverTool(visible=False, renderers=[dots], tooltips=tips))
    plot.toolbar.active_drag = lasso
    plot.xaxis.axis_label = f"face RMSE in {point_label(pair.names[0])}, px"
    plot.yaxis.axis_label = f"face RMSE in {point_label(pair.names[1])}, px"
    return plot
