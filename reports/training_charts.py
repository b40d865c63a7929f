"""The charts of the training page. Sources have one row per network; training.js switches measure and choice."""

import numpy as np

from reports import theme
from reports.comparison_charts import log_axis
from reports.theme import MEMBERS

MEASURES = {  # of an epoch: words on the button, and on the axis
    "val_trimmed": ("Trimmed RMSE", "validation RMSE without the worst 2 %, px"),
    "val_rmse": ("RMSE", "validation RMSE, px"),
    "loss": ("Loss", "training loss"),
}
MARKERS = {"best": "circle", "patience": "square_x", "epochs": "dash", "training": "triangle"}
ROW, HIGH_ROW = 22, 34  # px of a row: of the copied kernels, of the scores before and after


def measures(trainings):
    """List of {"key", "label", "axis"}: what the curves may show, with a logarithmic axis for each."""
    found = []
    for key, (label, axis) in MEASURES.items():
        values = np.concatenate([one.column(key) for one in trainings])
        values = values[np.isfinite(values) & (values > 0)]
        if len(values):
            ends = log_axis(float(values.min()), float(np.percentile(values, 99.5)), room=0.04)
            found.append({"key": key, "label": label, "axis": ends | {"label": axis}})
    return found


def training_charts(trainings, found):
    """The linked charts over epochs.

    Args:
        trainings: list of `Training`, each with an epoch at least.
        found: `measures` of them.

    Returns:
        dict of slot name to Bokeh figure: "curves", "rate", "dropout", "seconds", and "memory" where it was kept.
    """
    from bokeh.models import ColumnDataSource, Range1d

    source = ColumnDataSource(_columns(trainings, found), name="networks")
    marks = ColumnDataSource(_marks(trainings, found), name="marks")
    epochs = Range1d(0, max(len(one.epochs) for one in trainings) * 1.02 + 0.5)
    curves = _curves(source, marks, epochs, found[0])
    made = {"curves": curves}
    made["rate"] = _small(source, "learning_rate", "learning rate", epochs, log=True)
    made["dropout"] = _small(source, "dropout", "dropout factor", epochs)
    made["seconds"] = _small(source, "seconds", "seconds per epoch", epochs)
    if any(np.isfinite(one.peak_mb) for one in trainings):
        made["memory"] = _small(source, "peak_mb", "most memory so far, MB", epochs)
    for name in ("seconds", "memory"):
        if name in made:
            made[name].xaxis.axis_label = "epoch"
    return made


LINES = {
    "base": (MEMBERS["base"].colour, 3.0),
    "teacher": ("#009e73", 2.0),
    "specialist": (MEMBERS["specialist"].colour, 1.5),
    "student": ("#cc79a7", 2.0),
}


def colour(training):
    return LINES[training.kind][0]


def _columns(trainings, found):
    columns = {"label": [one.label for one in trainings], "colour": [colour(one) for one in trainings]}
    columns |= {"width": [LINES[one.kind][1] for one in trainings]}
    columns["xs"] = [np.arange(1, len(one.epochs) + 1).tolist() for one in trainings]
    for name in (*MEASURES, "learning_rate", "dropout", "seconds", "peak_mb"):
        columns[name] = [_plain(one.column(name)) for one in trainings]
    return columns | {"ys": columns[found[0]["key"]]}


def _plain(values):
    """A list for a line; NaN where it breaks."""
    return [float(f"{value:.5g}") for value in values]


def _marks(trainings, found):
    """Two rows per network: its best epoch, and where and why it ended."""
    rows = []
    for i, one in enumerate(trainings):
        if one.best >= 0:
            rows.append((i, one, one.best, "best"))
        rows.append((i, one, len(one.epochs) - 1, one.ended))
    columns = {"network": [i for i, *_ in rows], "label": [one.label for _, one, *_ in rows]}
    columns |= {"x": [epoch + 1 for *_, epoch, _ in rows], "marker": [MARKERS[why] for *_, why in rows]}
    columns |= {"size": [11 if why == "best" else 13 for *_, why in rows], "colour": [colour(o) for _, o, *_ in rows]}
    columns["what"] = [f"{ENDS[why]}, epoch {epoch + 1}" for *_, epoch, why in rows]
    for key in MEASURES:
        columns[key] = [float(one.column(key)[epoch]) for _, one, epoch, _ in rows]
    return columns | {"y": columns[found[0]["key"]]}


ENDS = {
    "best": "best epoch",
    "patience": "stopped early: no better epoch for its patience",
    "epochs": "all epochs done",
    "training": "still training",
}


def _curves(source, marks, epochs, measure):
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d, TapTool

    axis = measure["axis"]
    ranges = {"x_range": epochs, "y_range": Range1d(axis["start"], axis["end"], name="range")}
    plot = theme.chart(430, y_axis_type="log", **ranges)
    plot.yaxis.ticker = FixedTicker(ticks=axis["ticks"])
    plot.yaxis.major_label_overrides = {tick: f"{tick:g}" for tick in axis["ticks"]}
    plot.ygrid.ticker = plot.yaxis[0].ticker
    plot.yaxis.name = "axis"
    lines = _lines(plot, source, "ys")
    look = {"source": marks, "fill_color": theme.PAPER, "line_color": "colour", "line_width": 2, "size": "size"}
    plot.scatter("x", "y", marker="marker", nonselection_alpha=0.1, **look)
    names = ColumnDataSource({"x": [], "y": [], "text": []}, name="names")
    text = {
        "text_font_size": "12px",
        "text_color": theme.INK,
        "text_baseline": "middle",
        "x_offset": -8,
        "y_offset": -12,
    }
    plot.text("x", "y", text="text", source=names, text_align="right", **text)
    tips = [("network", "@label"), ("epoch", "$x{0}"), ("value", "$y{0.000}")]
    hover = HoverTool(visible=False, renderers=[lines], tooltips=tips, line_policy="nearest")
    plot.add_tools(hover, TapTool(renderers=[lines], mode="toggle"))
    plot.add_tools(
        HoverTool(visible=False, renderers=[plot.renderers[1]], tooltips=[("network", "@label"), ("", "@what")])
    )
    plot.xaxis.axis_label, plot.yaxis.axis_label = "epoch", axis["label"]
    return plot


def _lines(plot, source, ys):
    alphas = {"line_alpha": 0.75, "selection_line_alpha": 1.0, "nonselection_line_alpha": 0.1}
    return plot.multi_line(
        "xs", ys, source=source, line_color="colour", line_width="width", line_join="round", **alphas
    )


def _small(source, name, label, epochs, log=False):
    """One value per epoch, in a chart that is linked with the others. A single value has an axis around it."""
    from bokeh.models import HoverTool, Range1d, TapTool

    values = np.concatenate([np.array(row, float) for row in source.data[name]])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if log and low > 0:
        ends = log_axis(low, high)
        ends, kind = (ends["start"], ends["end"]), "log"
    else:
        ends, kind = (0.0, 1.08 * high or 1.0), "linear"
    plot = theme.chart(190, x_range=epochs, y_range=Range1d(*ends), y_axis_type=kind)
    lines = _lines(plot, source, name)
    tips = [("network", "@label"), ("epoch", "$x{0}"), (label, "$y{0.[00000]}")]
    plot.add_tools(HoverTool(visible=False, renderers=[lines], tooltips=tips, line_policy="nearest"))
    plot.add_tools(TapTool(renderers=[lines], mode="toggle"))
    plot.yaxis.axis_label = label
    return plot


def transfer_chart(rows):
    """One row per specialist: its score with the copied weights, at its best epoch, and the base's on its point.

    Args:
        rows: list of dicts: label, base, end, start: trimmed RMSE in px; `start` and `base` may be NaN.
    """
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

    rows = sorted(rows, key=lambda row: row["end"])
    columns = {name: [row[name] for row in rows] for name in ("label", "base", "end", "start")}
    places = list(range(len(rows)))
    source = ColumnDataSource(columns | {"place": places}, name="transfer")
    values = np.array([[row[name] for row in rows] for name in ("base", "end", "start")], float)
    known = values[np.isfinite(values) & (values > 0)]
    axis = log_axis(float(known.min()), float(known.max()))
    ends = {"x_range": Range1d(axis["start"], axis["end"]), "y_range": Range1d(-0.6, len(rows) - 0.4)}
    plot = theme.chart(max(4, len(rows)) * HIGH_ROW + 56, x_axis_type="log", **ends)
    _name_rows(plot.yaxis, places, columns["label"])
    plot.ygrid.grid_line_color = None
    plot.xaxis.ticker = FixedTicker(ticks=axis["ticks"])
    plot.xaxis.major_label_overrides = {tick: f"{tick:g}" for tick in axis["ticks"]}
    plot.segment("start", "place", "end", "place", source=source, line_color=theme.QUIET, line_width=2)
    look = {"source": source, "size": 11, "line_color": theme.INK}
    plot.scatter("start", "place", marker="triangle", fill_color=theme.PAPER, **look)
    base, own = MEMBERS["base"], MEMBERS["specialist"]
    dots = [plot.scatter("base", "place", marker=base.marker, fill_color=base.colour, **look)]
    dots.append(plot.scatter("end", "place", marker=own.marker, fill_color=own.colour, **look))
    tips = [("point", "@label"), ("copied weights", "@start{0.00} px"), ("trained", "@end{0.00} px")]
    plot.add_tools(HoverTool(visible=False, renderers=dots, tooltips=[*tips, ("base", "@base{0.00} px")]))
    plot.xaxis.axis_label = "trimmed validation RMSE, px"
    return plot


def _name_rows(axis, places, names):
    from bokeh.models import FixedTicker

    axis.ticker = FixedTicker(ticks=places)
    axis.major_label_overrides = dict(zip(places, names, strict=True))
    axis.major_tick_line_color = axis.axis_line_color = None
    axis.major_label_text_color = theme.INK


def blues(steps=64):
    """Colours from nearly white to nearly black, by way of the house's blue."""
    stops = np.array([[236, 243, 248], [0, 114, 178], [8, 29, 48]], float)
    places = np.linspace(0, 1, steps)
    mixed = np.stack([np.interp(places, (0, 0.55, 1), stops[:, i]) for i in range(3)], -1).round().astype(int)
    return ["#" + "".join(f"{part:02x}" for part in colour) for colour in mixed]


def moves_chart(moves):
    """A table of colours: how far each kernel of each specialist moved from the base's; hatched where not copied."""
    from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper, Range1d

    k, p = moves.share.shape
    row, column = np.divmod(np.arange(k * p), p)
    share = moves.share.ravel()
    columns = {"x": column, "y": k - 1 - row, "share": 100 * share}
    columns |= {"kernel": [moves.kernels[i] for i in row], "point": [moves.points[i] for i in column]}
    columns["words"] = ["not copied" if np.isnan(s) else "kept" if s == 0 else f"moved {100 * s:.1f} %" for s in share]
    copied = np.isfinite(share)
    ends = {"x_range": Range1d(-0.5, p - 0.5), "y_range": Range1d(-0.5, k - 0.5), "x_axis_location": "above"}
    plot = theme.chart(k * ROW + 190, **ends)
    plot.grid.grid_line_color = None
    _name_rows(plot.yaxis, list(range(k)), moves.kernels[::-1])
    _name_rows(plot.xaxis, list(range(p)), moves.points)
    plot.xaxis.major_label_orientation = "vertical"
    top = float(np.nanmax(100 * share)) if copied.any() else 0.0
    mapper = LinearColorMapper(palette=blues(), low=0, high=top or 1.0)
    cell = {"width": 0.94, "height": 0.9, "line_color": None}
    some = {name: [v for v, keep in zip(values, copied, strict=True) if keep] for name, values in columns.items()}
    rest = {name: [v for v, keep in zip(values, copied, strict=True) if not keep] for name, values in columns.items()}
    fill = {"field": "share", "transform": mapper}
    rest |= {"share": [0.0] * len(rest["share"])}
    drawn = [plot.rect("x", "y", source=ColumnDataSource(some, name="moves"), fill_color=fill, **cell)]
    hatch = {"fill_color": theme.PAPER, "hatch_pattern": "/", "hatch_color": theme.QUIET, "hatch_scale": 6}
    drawn.append(plot.rect("x", "y", source=ColumnDataSource(rest, name="fresh"), **hatch, **cell))
    tips = [("layer", "@kernel"), ("specialist", "@point"), ("", "@words")]
    plot.add_tools(HoverTool(visible=False, renderers=drawn, tooltips=tips))
    bar = ColorBar(color_mapper=mapper, height=10, width=240, padding=6, title="change of the kernel, % of its length")
    bar.title_text_font = bar.major_label_text_font = theme.FONT
    bar.title_text_font_size, bar.title_text_font_style, bar.title_text_color = "12px", "normal", theme.MUTED
    bar.title_standoff = 6
    plot.add_layout(bar, "below")
    return plot
