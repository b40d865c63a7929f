"""The charts of a comparison of networks. comparison.js switches the measure and finds places for the names."""

import math

import numpy as np

from reports import theme

HEADS = {
    "dense": ("dense head", "#0072b2"),
    "pooled": ("pooled head", "#e69f00"),
    "heatmap": ("heat-map head", "#009e73"),
}  # Okabe and Ito's colours, as in theme.py
LARGEST, SMALLEST = 72, 8  # px, diameter of the bubbles of the most parameters and of next to none
HEIGHT = 540  # px of the bubble chart
ROW = 32  # px of a network's bars


def colour(head):
    """Colour of a network with this head."""
    return HEADS.get(head, ("", theme.QUIET))[1]


def short(number):
    """A large number as people write it: 950, 41.0 k, 1.7 M, 2.31 G."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= 0.9995 * factor:
            return digits(number / factor) + unit
    return f"{number:g}"


def _round(number):
    """`short` of a round number, without empty decimals."""
    value, space, unit = short(number).partition(" ")
    return f"{float(value):g}{space}{unit}"


def digits(number):
    """Three figures, but at most three decimals."""
    if number <= 0:
        return "0"
    number = float(f"{number:.2e}")
    return f"{number:.{min(3, max(0, 2 - math.floor(math.log10(number) + 1e-9)))}f}"


def ms(number):
    return f"{digits(number)} ms"


def span(interval):
    """`1.31–1.39` of [value, low, high]; a dash where there is none."""
    return "–" if interval[1] is None else f"{interval[1]:.2f}–\u2060{interval[2]:.2f}"


def px(interval):
    """`1.35 px (1.31–1.39)` of [value, low, high]."""
    return f"{interval[0]:.2f} px" + ("" if interval[1] is None else f" ({span(interval)})")


def error(row):
    """[value, low, high] px of what networks are judged by: the validation RMSE without the largest errors, which a few
    wrong labels would decide."""
    return row["scores"]["all"]["trimmed"]


MEASURES = (  # part of a row, name in it, prefix of its key, and how it is called
    ("scores", "trimmed", "", "Trimmed RMSE"),
    ("scores", "rmse", "", "RMSE"),
    ("test_scores", "rmse", "test-", "Test RMSE"),
    ("test_scores", "trimmed", "test-", "Trimmed test RMSE"),
)
AXES = {"scores": "validation error, px", "test_scores": "test error, px"}


def metrics(known):
    """What the error may be: list of {"key", "part", "kind", "name", "label", "axis"}, the first one shown at first.

    `axis` has start, end, ticks and label of a logarithmic axis in px.
    """
    return [
        _metric(known, kind, *measure)
        for part in AXES
        for kind in kinds(known, part)
        for measure in MEASURES
        if measure[0] == part
    ]


def _metric(known, kind, part, name, prefix, label):
    of = "all labels" if kind == "all" else f"“{kind}” labels"
    found = [row[part][kind][name] for row in known if kind in row.get(part, ())]
    ends = [v for one in found for v in one if v is not None]
    axis = log_axis(min(ends), max(ends)) | {"label": AXES[part]}
    about = {"part": part, "kind": kind, "name": name, "axis": axis}
    return {"key": f"{prefix}{kind}-{name}", "label": f"{label}, {of}", **about}


def kinds(known, part="scores"):
    """The groups of labels that any row has figures of: "all", then conventions."""
    return list(dict.fromkeys(kind for row in known for kind in row.get(part, ())))


def log_axis(low, high, room=0.06):
    """Start, end and ticks of a logarithmic axis for values from `low` to `high`, with `room` of its length free."""
    low, high = max(low, 1e-6), max(high, low, 1e-6)
    margin = max(math.log(high / low) * room, math.log(1.05))
    start, end = low * math.exp(-margin), high * math.exp(margin)
    return {"start": start, "end": end, "ticks": _ticks(start, end)}


def _ticks(start, end):
    """Round numbers within the axis: even steps where it is short, 1, 2, 5 or powers of ten where it is long."""
    ratio = end / start
    if ratio < 4:
        raw = (end - start) / 5
        step = 10.0 ** math.floor(math.log10(raw))
        step *= next(nice for nice in (1, 2, 5, 10) if nice * step >= raw)
        return [float(f"{i * step:.6g}") for i in range(math.ceil(start / step), math.floor(end / step) + 1)]
    nice = (1, 2, 5) if ratio < 150 else (1,)
    powers = range(math.floor(math.log10(start)), math.ceil(math.log10(end)) + 1)
    return [n * 10.0**p for p in powers for n in nice if start <= n * 10.0**p <= end]


def comparison_charts(known, found):
    """The linked charts.

    Args:
        known: rows with figures, in the order in which they are drawn.
        found: `metrics` of them.

    Returns:
        dict of slot name to Bokeh figure: "bubbles", "epochs", "speed".
    """
    from bokeh.models import ColumnDataSource

    source = ColumnDataSource(_columns(known, found), name="networks")
    return {
        "bubbles": _bubbles(source, found[0]),
        "epochs": _bars(source, {"epoch_seconds": (0.62, 0.0, 0.85)}, "seconds per epoch", "s"),
        "speed": _bars(source, {"ms_1": (0.36, 0.19, 0.85), "ms_64": (0.36, -0.19, 0.4)}, "ms per face", "ms"),
    }


def _columns(known, found):
    most = max(row["parameters"] for row in known)
    columns = {
        name: [row[name] for row in known] for name in ("network", "parameters", "epoch_seconds", "ms_1", "ms_64")
    }
    columns |= {"multiply_adds": [max(row["multiply_adds"], 1) for row in known]}
    columns |= {"head": [HEADS.get(row["head"], (row["head"],))[0] for row in known]}
    columns |= {"colour": [colour(row["head"]) for row in known]}
    columns |= {"full": [max(SMALLEST, LARGEST * math.sqrt(row["parameters"] / most)) for row in known]}
    columns |= {
        "costs": [f"{short(r['parameters'])} parameters, {short(r['multiply_adds'])} multiply-adds" for r in known]
    }
    for name, unit in (("epoch_seconds", "s"), ("ms_1", "ms"), ("ms_64", "ms")):
        columns[f"{name}_text"] = [f"{digits(row[name])} {unit}" for row in known]
    for metric in found:
        columns |= _scores(known, metric)
    first = found[0]["key"]
    shown = {name: columns[f"{first}-{name}"] for name in ("value", "low", "high", "text")}
    return columns | shown | {"size": columns["full"], "place": _places(known)}


def _places(known):
    """Where each network's bars are, counted upwards from the least accurate."""
    order = sorted(range(len(known)), key=lambda i: -error(known[i])[0])
    return [order.index(i) for i in range(len(known))]


def _scores(known, metric):
    """Columns of one measure; NaN where a network has none."""
    key, kind, name = (metric[part] for part in ("key", "kind", "name"))
    scores = [row.get(metric["part"], {}).get(kind, {name: [None] * 3})[name] for row in known]
    made = {
        f"{key}-{end}": np.array([math.nan if one[i] is None else one[i] for one in scores], float)
        for i, end in enumerate(("value", "low", "high"))
    }
    return made | {f"{key}-text": ["–" if one[0] is None else px(one) for one in scores]}


TIPS = [("network", "@network, @head"), ("error", "@text"), ("costs", "@costs"), ("one epoch", "@epoch_seconds_text")]
TIPS += [("a face alone", "@ms_1_text"), ("one of 64", "@ms_64_text")]


def _linked(plot, glyphs, policy):
    from bokeh.models import HoverTool, TapTool

    hover = HoverTool(visible=False, renderers=glyphs, tooltips=TIPS, point_policy=policy)
    plot.add_tools(TapTool(renderers=glyphs, mode="toggle"), hover)


def _bubbles(source, metric):
    from bokeh.models import ColumnDataSource, FixedTicker, Range1d

    cost, error = log_axis(*_ends(source.data["multiply_adds"]), room=0.1), metric["axis"]
    ranges = {"x_range": Range1d(cost["start"], cost["end"]), "y_range": Range1d(error["start"], error["end"])}
    scales = {"x_axis_type": "log", "y_axis_type": "log"}
    plot = theme.chart(HEIGHT, name="bubbles", **ranges, **scales)
    for axis, ticks, label in ((plot.xaxis, cost["ticks"], _round), (plot.yaxis, error["ticks"], "{:g}".format)):
        axis.ticker = FixedTicker(ticks=ticks)
        axis.major_label_overrides = {tick: label(tick) for tick in ticks}
    for grid, axis in ((plot.xgrid, plot.xaxis), (plot.ygrid, plot.yaxis)):
        grid.ticker = axis[0].ticker
    plot.yaxis.name = "error-axis"
    plot.xaxis.axis_label, plot.yaxis.axis_label = "multiply-adds per face", error["label"]
    dim = {"nonselection_line_alpha": 0.12, "selection_line_alpha": 0.8}
    plot.segment("multiply_adds", "low", "multiply_adds", "high", source=source, line_color="colour", line_width=1.5,
                 line_alpha=0.45, **dim)  # fmt: skip
    look = {"fill_color": "colour", "fill_alpha": 0.6, "line_color": theme.PAPER, "line_width": 1.5}
    look |= {"hover_fill_alpha": 0.9, "hover_line_color": theme.INK, "hover_fill_color": "colour"}
    look |= {"selection_fill_alpha": 0.85, "selection_line_color": theme.INK, "nonselection_fill_alpha": 0.15}
    bubbles = plot.scatter("multiply_adds", "value", size="size", source=source, **look)
    _names(plot, ColumnDataSource({"x": [], "y": [], "text": [], "alpha": []}, name="names"),
           ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": [], "alpha": []}, name="leaders"))  # fmt: skip
    _linked(plot, [bubbles], "follow_mouse")
    return plot


def _ends(values):
    return min(values), max(values)


def _names(plot, names, leaders):
    """The networks' names, and lines from those that found no place beside their bubble; filled by comparison.js."""
    from bokeh.core.properties import value

    plot.segment("x0", "y0", "x1", "y1", source=leaders, line_color=theme.MUTED, line_width=1, line_alpha="alpha")
    look = {"text_font": value(theme.FONT), "text_font_size": "12px", "text_color": theme.INK, "text_alpha": "alpha"}
    look |= {"text_baseline": "middle"}
    plot.text("x", "y", text="text", source=names, **look)


def _bars(source, columns, label, unit):
    """One row per network with a bar per column: {column: (height, offset, opacity)}, with its figure at its end."""
    from bokeh.core.properties import value
    from bokeh.models import FixedTicker, Range1d
    from bokeh.transform import dodge

    places = source.data["place"]
    longest = max(max(source.data[name]) for name in columns) or 1.0
    ends = {"x_range": Range1d(0, 1.32 * longest), "y_range": Range1d(-0.6, len(places) - 0.4)}
    plot, bars = theme.chart(ROW * max(len(places), 3) + 56, **ends), []
    plot.yaxis.ticker = FixedTicker(ticks=sorted(places))
    plot.yaxis.major_label_overrides = dict(zip(places, source.data["network"], strict=True))
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = plot.ygrid.grid_line_color = None
    plot.yaxis.major_label_text_color = theme.INK
    for name, (height, offset, alpha) in columns.items():
        y = dodge("place", offset)
        look = {"fill_color": "colour", "line_color": "colour", "fill_alpha": alpha, "hover_fill_alpha": alpha}
        look |= {"hover_line_color": theme.INK, "hover_fill_color": "colour", "nonselection_alpha": 0.15}
        look |= {"selection_line_color": theme.INK}
        bars.append(plot.hbar(y=y, left=0, right=name, height=height, source=source, **look))
        text = {"text_font": value(theme.FONT), "text_font_size": "11px", "text_color": theme.MUTED, "x_offset": 5}
        plot.text(name, y, text=f"{name}_text", source=source, text_baseline="middle", nonselection_alpha=0.35, **text)
    _linked(plot, bars, "follow_mouse")
    plot.xaxis.axis_label = label
    return plot
