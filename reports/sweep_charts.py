"""The charts of a sweep: overlaid curves with the spread over seeds, and where they end."""

import numpy as np

from reports import theme
from reports.comparison_charts import log_axis

HEIGHT, ROW = 360, 30  # px
# Okabe and Ito's colours; the default is ink. More arms than colours are dashed too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d00")
DASHES = ("solid", "dashed", "dotted")
STEEP = 3.0  # the chart of curves ends at so many times its lowest value; beginnings are above it


def factor_charts(i, known):
    """Charts of factor number `i`.

    Args:
        known: list of (arm, its `reports.sweep.arm_figures`), the default first, each with figures.

    Returns:
        dict of slot name to Bokeh figure.
    """
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource(_columns(known), name=f"arms{i}")
    return {f"curves{i}": _curves(source), f"finals{i}": _finals(source, known)}


def _columns(known):
    curves = [_curve(arm) for arm, _ in known]
    count = [max(i - 1, 0) for i in range(len(known))]
    first = known[0][0]["label"] == "default"
    colours = [theme.INK if first and i == 0 else COLOURS[c % len(COLOURS)] for i, c in enumerate(count)]
    return {
        "label": [figures["label"] for _, figures in known],
        "colour": colours,
        "dash": [DASHES[c // len(COLOURS) % len(DASHES)] for c in count],
        "width": [3.0 if first and i == 0 else 2.0 for i in range(len(known))],
        "epochs": [list(range(1, len(mean) + 1)) for mean, _, _ in curves],
        "mean": [mean.tolist() for mean, _, _ in curves],
        "band_x": [[*range(1, len(m) + 1), *range(len(m), 0, -1)] for m, _, _ in curves],
        "band_y": [[*low, *high[::-1]] for _, low, high in curves],
        "place": list(range(len(known)))[::-1],
        "value": [figures["trimmed"][0] for _, figures in known],
        "text": [f"{figures['trimmed'][0]:.3f} px" for _, figures in known],
    }


def _curve(arm):
    """(mean, lowest, highest) of every epoch that all of its trainings have."""
    curves = [t["curve"]["val_trimmed"] for t in arm["trainings"] if "why" not in t]
    shortest = min(map(len, curves))
    stacked = np.array([curve[:shortest] for curve in curves])
    return stacked.mean(0), stacked.min(0), stacked.max(0)


def _curves(source):
    from bokeh.models import FixedTicker, HoverTool, Range1d, TapTool

    lowest = min(min(ys) for ys in source.data["band_y"])
    axis = log_axis(lowest, min(max(max(ys) for ys in source.data["band_y"]), STEEP * lowest))
    last = max(map(len, source.data["epochs"]))
    ends = {"x_range": Range1d(0.7, last + 0.3), "y_range": Range1d(axis["start"], axis["end"])}
    plot = theme.chart(HEIGHT, y_axis_type="log", **ends)
    plot.yaxis.ticker = plot.ygrid.ticker = FixedTicker(ticks=axis["ticks"])
    plot.yaxis.major_label_overrides = {tick: f"{tick:g}" for tick in axis["ticks"]}
    bands = {"fill_color": "colour", "fill_alpha": 0.13, "line_color": None, "nonselection_fill_alpha": 0.02}
    plot.patches("band_x", "band_y", source=source, **bands, hover_fill_alpha=0.2, hover_fill_color="colour")
    look = {"line_color": "colour", "line_dash": "dash", "line_width": "width", "nonselection_line_alpha": 0.12}
    lines = plot.multi_line("epochs", "mean", source=source, **look, hover_line_width=4, hover_line_color="colour")
    tips = [("", "@label"), ("in the end", "@text")]
    plot.add_tools(TapTool(renderers=[lines]), HoverTool(visible=False, renderers=[lines], tooltips=tips))
    plot.xaxis.axis_label, plot.yaxis.axis_label = "epoch", "trimmed validation RMSE, px"
    return plot


def _finals(source, known):
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d, TapTool

    seeds = _seeds(source, known)
    low, high = min(seeds["value"]), max(seeds["value"])
    room = max(high - low, 0.01) * 0.06
    ends = {"x_range": Range1d(low - room, high + room), "y_range": Range1d(-0.6, len(known) - 0.4)}
    plot = theme.chart(max(ROW * len(known) + 60, HEIGHT if len(known) > 5 else 240), **ends)
    plot.yaxis.ticker = FixedTicker(ticks=sorted(source.data["place"]))
    plot.yaxis.major_label_overrides = dict(zip(source.data["place"], source.data["label"], strict=True))
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = None
    plot.yaxis.major_label_text_color = theme.INK
    plot.scatter("value", "place", size=8, fill_color="colour", fill_alpha=0.35, line_color="colour",
                 source=ColumnDataSource(seeds))  # fmt: skip
    look = {"marker": "dash", "angle": np.pi / 2, "size": 24, "line_color": "colour", "line_width": 4}
    bars = plot.scatter("value", "place", source=source, **look, nonselection_line_alpha=0.15)
    tips = [("", "@label"), ("mean", "@text")]
    plot.add_tools(TapTool(renderers=[bars]), HoverTool(visible=False, renderers=[bars], tooltips=tips))
    plot.xaxis.axis_label = "trimmed validation RMSE, px"
    return plot


def _seeds(source, known):
    """A dot of every training, at the place of its arm."""
    rows = [
        (t["val_trimmed"], place, colour)
        for (arm, _), place, colour in zip(known, source.data["place"], source.data["colour"], strict=True)
        for t in arm["trainings"]
        if "why" not in t
    ]
    return dict(zip(("value", "place", "colour"), map(list, zip(*rows, strict=True)), strict=True))
