"""Charts of error vectors, of radii, and of what faces are like. Python gives them their look; the page's scripts fill
them, for all faces at first and then for whatever the reader chooses."""

import numpy as np

from reports import theme
from reports.charts import row_axis, rows_height
from reports.theme import MEMBERS, point_label

CELLS = 560  # px of height that the error vectors start with; their script finds the best one
PANEL = 232  # px of height of one attribute's chart
TALLEST = 620  # px of the calibration chart, beside one that grows with the points
LINE = 36  # px of height of a row of the overall chart


def face_charts(predictions, figures):
    """The charts that scripts fill.

    Returns:
        dict of slot name to Bokeh figure: "overall", "vectors", one per attribute, and, with radii, "calibration".
    """
    plots = {"overall": _overall(figures), "vectors": _vectors(figures.main)}
    faces = _empty("faces", "y", "id", "error", *(attribute.key for attribute, _ in figures.attributes))
    plots |= {attribute.key: _panel(attribute, figures.main, faces) for attribute, _ in figures.attributes}
    if np.isfinite(predictions.radius).any():
        plots["calibration"] = _calibration(min(rows_height(int((figures.counts > 0).sum())), TALLEST))
    return plots


def _empty(name, *columns):
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({column: [] for column in columns}, name=name)


# ---- overall -----------------------------------------------------------------------------------------------------


def overall_rows(figures):
    """Rows of the overall chart, the lowest RMSE first: (key, name, Interval); an anchor's key is None."""
    rows = [(member, _member_name(figures, member), figures.overall[member]) for member in figures.members]
    rows += [(None, point_label(name), (value, np.nan, np.nan)) for name, value in figures.anchors.items()]
    return sorted(rows, key=lambda row: row[2][0] if np.isfinite(row[2][0]) else np.inf)


def _member_name(figures, member):
    has, asked = np.isfinite([i.value for i in figures.points[member]]).sum(), (figures.counts > 0).sum()
    return MEMBERS[member].label + ("" if has == asked else f" ({has} of {asked} points)")


def _overall(figures):
    """RMSE of every member with its interval, and the anchors."""
    from bokeh.core.properties import value
    from bokeh.models import ColumnDataSource, Range1d

    rows = overall_rows(figures)
    numbers = np.array([row[2] for row in rows], np.float64)
    styles = [MEMBERS[key] if key else theme.ANCHOR for key, _, _ in rows]
    columns = {"y": np.arange(len(rows))[::-1], "value": numbers[:, 0], "low": numbers[:, 1], "high": numbers[:, 2]}
    columns |= {"key": [key or "" for key, _, _ in rows], "name": [name for _, name, _ in rows]}
    columns |= {"colour": [style.colour for style in styles], "marker": [style.marker for style in styles]}
    columns |= {"size": [11 if key else 15 for key, _, _ in rows]}
    columns |= {"text": [f"{number:.2f}" if np.isfinite(number) else "–" for number in numbers[:, 0]]}
    source = ColumnDataSource(columns, name="overall")
    ends = {"x_range": Range1d(0, 1.15 * np.nanmax(numbers) or 1.0), "y_range": Range1d(-0.6, len(rows) - 0.4)}
    plot = theme.chart(LINE * max(len(rows), 3) + 50, **ends)
    row_axis(plot, columns["y"], columns["name"])
    plot.segment(0, "y", "value", "y", source=source, line_color=theme.HAIRLINE, line_width=2)
    plot.segment("low", "y", "high", "y", source=source, line_color="colour", line_width=8, line_alpha=0.25)
    plot.scatter("value", "y", marker="marker", source=source, size="size", fill_color="colour", line_color=theme.PAPER)
    text = {"text_font": value(theme.FONT), "text_font_size": "12px", "text_color": theme.INK}
    text |= {"text_baseline": "bottom", "text_align": "center", "y_offset": -6}
    plot.text("value", "y", text="text", source=source, **text)
    plot.x_range.name = "overall-range"
    plot.xaxis.axis_label = "RMSE per coordinate, px"
    return plot


# ---- error vectors -----------------------------------------------------------------------------------------------


def _vectors(main):
    """A cell per point with every error as a dot. One unit of the axes is one px of the screen, y downwards."""
    from bokeh.core.properties import value
    from bokeh.models import HoverTool, LassoSelectTool, Range1d, TapTool

    ranges = {"x_range": Range1d(0, 1000), "y_range": Range1d(CELLS, 0)}
    plot = theme.chart(CELLS, name="vectors", toolbar_location="above", min_border=0, **ranges)
    plot.axis.visible = plot.grid.visible = False
    rings, titles = _empty("rings", "xs", "ys"), _empty("titles", "x", "y", "text", "size")
    notes = _empty("notes", "x", "y", "text")
    plot.multi_line("xs", "ys", source=rings, line_color=theme.HAIRLINE, line_width=1.5)
    cells = _empty("cells", "x", "y", "id", "point", "error")
    look = {
        "radius": 2.5,
        "radius_units": "screen",
        "line_color": None,
        "fill_color": MEMBERS[main].colour,
        "fill_alpha": 0.3,
    }
    look |= {"selection_fill_alpha": 0.8, "nonselection_fill_color": theme.QUIET, "nonselection_fill_alpha": 0.15}
    dots = plot.circle("x", "y", source=cells, **look)
    plot.multi_line("xs", "ys", source=_empty("ellipses", "xs", "ys"), line_color=theme.INK, line_width=1.5)
    bias = {"source": _empty("biases", "x0", "y0", "x1", "y1"), "line_color": theme.INK, "line_width": 3}
    plot.segment("x0", "y0", "x1", "y1", **bias)
    plot.scatter("x1", "y1", source=bias["source"], marker="cross", size=11, line_color=theme.INK, line_width=3)
    text = {"text_font": value(theme.FONT), "text_baseline": "top", "text_align": "center"}
    plot.text("x", "y", text="text", source=titles, text_color=theme.INK, text_font_size="12.5px", **text)
    plot.text("x", "y", text="text", source=notes, text_color=theme.MUTED, text_font_size="11.5px", **text)
    lasso = LassoSelectTool(renderers=[dots], continuous=False)
    tips = [("face", "@id"), ("point", "@point"), ("error", "@error{0.00} px")]
    plot.add_tools(lasso, TapTool(renderers=[dots]), HoverTool(visible=False, renderers=[dots], tooltips=tips))
    plot.toolbar.active_drag = lasso
    return plot


# ---- attributes --------------------------------------------------------------------------------------------------


def _panel(attribute, main, faces):
    """Faces as dots, their error over one attribute; a bar for each part of them."""
    from bokeh.models import FixedTicker, HoverTool, LassoSelectTool, Range1d, TapTool

    low, high = float(attribute.edges[0]), float(attribute.edges[-1])
    room = 0.02 * (high - low)
    ends = {"x_range": Range1d(low - room, high + room), "y_range": Range1d(0, 1)}
    plot = theme.chart(PANEL, name=f"panel-{attribute.key}", toolbar_location="above", **ends)
    parts = _empty(f"parts-{attribute.key}", "left", "right", "top", "low", "high", "middle", "count")
    look = {"fill_color": MEMBERS[main].colour, "fill_alpha": 0.35, "line_color": theme.PAPER, "line_width": 2}
    look |= {"selection_fill_alpha": 0.7, "nonselection_fill_alpha": 0.15, "nonselection_fill_color": theme.QUIET}
    bars = plot.quad("left", "right", "top", 0, source=parts, **look)
    dim = {"line_color": None, "fill_color": theme.INK, "fill_alpha": 0.35, "selection_fill_alpha": 0.8}
    dim |= {"nonselection_fill_color": theme.QUIET, "nonselection_fill_alpha": 0.3}
    dots = plot.scatter(attribute.key, "y", source=faces, size=3.5, **dim)
    whisker = {"source": parts, "line_color": theme.INK, "line_width": 2.5, "nonselection_line_alpha": 1.0}
    plot.segment("middle", "low", "middle", "high", **whisker)
    lasso = LassoSelectTool(renderers=[dots], continuous=False)
    bar_tips = [("faces", "@count{0,0}"), ("median", "@top{0.00} px")]
    plot.add_tools(
        lasso,
        TapTool(renderers=[bars]),
        HoverTool(visible=False, renderers=[dots], tooltips=[("face", "@id"), ("RMSE", "@error{0.00} px")]),
        HoverTool(visible=False, renderers=[bars], tooltips=bar_tips, point_policy="follow_mouse"),
    )
    plot.toolbar.active_drag = lasso
    plot.xgrid.grid_line_color = None
    if attribute.names:
        plot.xaxis.ticker = FixedTicker(ticks=list(range(len(attribute.names))))
        plot.xaxis.major_label_overrides = dict(enumerate(map(point_label, attribute.names)))
    plot.xaxis.axis_label, plot.yaxis.axis_label = attribute.axis, "face RMSE, px"
    return plot


# ---- calibration -------------------------------------------------------------------------------------------------


def _calibration(height):
    """What the radii say against what the errors are, for groups of points with like radii."""
    from bokeh.models import HoverTool, LassoSelectTool, Range1d, TapTool

    plot = theme.chart(
        height, name="calibration", toolbar_location="above", x_range=Range1d(0, 1), y_range=Range1d(0, 1)
    )
    promised = {"line_color": theme.MUTED, "line_dash": "dashed", "line_width": 1.5}
    plot.line([0, 1e4], [0, 1e4], **promised)
    source = _empty("calibration-dots", "x", "y", "low", "high", "fill", "level", "count")
    plot.segment("x", "low", "x", "high", source=source, line_color=theme.INK, line_width=1.5, line_alpha=0.45)
    look = {"size": 11, "fill_color": "fill", "line_color": theme.INK, "line_width": 2, "nonselection_alpha": 0.25}
    dots = plot.scatter("x", "y", source=source, **look)
    lasso = LassoSelectTool(renderers=[dots], continuous=False)
    tips = [("radius", "@level: @x{0.00} px"), ("true", "@y{0.00} px"), ("labelled points", "@count{0,0}")]
    plot.add_tools(lasso, TapTool(renderers=[dots]), HoverTool(visible=False, renderers=[dots], tooltips=tips))
    plot.toolbar.active_drag = lasso
    plot.xaxis.axis_label, plot.yaxis.axis_label = "expected radius, px", "radius that holds as many, px"
    return plot
