"""The charts of a search. All share one source of trials, so that a choice in one is a choice in all."""

import math

import numpy as np

from reports import theme
from reports.comparison_charts import log_axis

HEIGHT, SMALL, ROW = 320, 190, 26  # px
GOOD, BAD = "#08306b", "#c6d5e6"  # of lines: dark blue to pale, told apart by lightness alone
UNUSED = -0.09  # where a line passes an axis whose setting does not count for it


def unique(space):
    """The settings of a space, each once."""
    return list({setting["name"]: setting for setting in space}.values())


def shown(value):
    """A value as people write it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def changed(row, space):
    """What a trial has other than the defaults, in words; empty where nothing."""
    plain = {setting["name"]: setting["default"] for setting in space}
    own = {k: v for k, v in row["values"].items() if k in plain and plain[k] != v}
    return ", ".join(f"{name} {shown(value)}" for name, value in own.items())


def search_charts(results, known):
    """dict of slot name to Bokeh figure.

    Args:
        results: of `reports.search.build_search`.
        known: its trials with a score, at least one.
    """
    from bokeh.models import ColumnDataSource

    objective, space = results["objective"], unique(results["space"])
    source = ColumnDataSource(_columns(results, known, space, objective), name="trials")
    scores = [row[objective] for row in known]
    axis = log_axis(min(scores), max(scores))
    made = {"history": _history(source, results, known, axis), "parallel": _parallel(source, axes(results, known))}
    for i, setting in enumerate(space):
        made[f"setting{i}"] = _setting(source, i, setting, known, axis)
    if results["importance"]:
        made["importance"] = _importance(results["importance"]["settings"])
    return made


def _columns(results, known, space, objective):
    scores = np.array([row[objective] for row in known])
    best = int(np.argmin(scores))
    lines = [[axis["at"][i] for axis in axes(results, known)] for i in range(len(known))]
    columns = {
        "trial": [row["trial"] for row in known],
        "score": scores,
        "text": [f"{score:.3f} px" for score in scores],
        "values": [changed(row, space) or "the defaults" for row in known],
        "colour": [_shade(rank) for rank in _ranks(scores)],
        "xs": [list(range(len(line))) for line in lines],
        "ys": lines,
        "size": [11 if i == best else 8 for i in range(len(known))],
        "edge": [theme.INK if i == best else theme.PAPER for i in range(len(known))],
    }
    return columns | {f"x{i}": _places(setting, known) for i, setting in enumerate(space)}


def _ranks(scores):
    """0 for the lowest score, 1 for the highest."""
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    return order / max(len(scores) - 1, 1)


def _shade(rank):
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (GOOD, BAD)]
    return "#" + "".join(f"{round(a + rank * (b - a)):02x}" for a, b in zip(*ends, strict=True))


def _places(setting, known):
    """Where trials lie on the axis of one setting: a number's own value, a choice's place with some jitter."""
    jitter = np.random.default_rng([9, len(known)]).uniform(-0.22, 0.22, len(known))
    values = [row["values"].get(setting["name"]) for row in known]
    if setting["choices"]:
        known_values = list(setting["choices"])
        return [
            known_values.index(v) + j if v in known_values else math.nan for v, j in zip(values, jitter, strict=True)
        ]
    return [math.nan if v is None else v for v in values]


def axes(results, known):
    """The axes of all settings and of the score: list of dicts.

    Each has name; at, where each trial crosses it, 0 to 1; marks, list of (height, text).
    """
    objective = results["objective"]
    made = [_axis(setting, known) for setting in unique(results["space"])]
    scores = np.array([row[objective] for row in known])
    low, high = np.log(scores.min()), np.log(scores.max())
    at = 1 - (np.log(scores) - low) / max(high - low, 1e-9)
    marks = [(1.0, f"{scores.min():.2f} px"), (0.0, f"{scores.max():.2f} px")]
    return [*made, {"name": "score", "at": at.tolist(), "marks": marks}]


def _axis(setting, known):
    values = [row["values"].get(setting["name"]) for row in known]
    if setting["choices"]:
        step = max(len(setting["choices"]) - 1, 1)
        heights = {value: i / step for i, value in enumerate(setting["choices"])}
        marks = [(height, shown(value)) for value, height in heights.items()]
    else:
        ends = (setting["low"], setting["high"])
        scale = math.log if setting["scale"] == "log" else float
        low, high = map(scale, ends)
        heights = {v: (scale(v) - low) / max(high - low, 1e-12) for v in values if v is not None}
        marks = [(0.0, shown(float(ends[0]))), (1.0, shown(float(ends[1])))]
    at = [heights.get(value, UNUSED) for value in values]
    return {"name": setting["name"], "at": at, "marks": marks + ([(UNUSED, "unused")] if UNUSED in at else [])}


LOOK = {
    **{"nonselection_fill_alpha": 0.12, "nonselection_line_alpha": 0.12},
    **{"selection_fill_alpha": 0.95, "selection_line_alpha": 1, "hover_fill_alpha": 1, "hover_line_color": theme.INK},
}
TIPS = [("trial", "@trial"), ("score", "@text"), ("changes", "@values")]


def _dots(plot, source, x):
    from bokeh.models import HoverTool, TapTool

    look = {"fill_color": theme.ACCENT, "fill_alpha": 0.75, "line_color": "edge", "line_width": 1.5}
    look |= {"hover_fill_color": theme.ACCENT, **LOOK}
    dots = plot.scatter(x, "score", size="size", source=source, **look)
    tip = HoverTool(visible=False, renderers=[dots], tooltips=TIPS, point_policy="follow_mouse")
    plot.add_tools(TapTool(renderers=[dots], mode="toggle"), tip)


def _score_axis(plot, axis):
    from bokeh.models import FixedTicker

    plot.yaxis.ticker = plot.ygrid.ticker = FixedTicker(ticks=axis["ticks"])
    plot.yaxis.major_label_overrides = {tick: f"{tick:g}" for tick in axis["ticks"]}


def _history(source, results, known, axis):
    from bokeh.models import Range1d, Span

    last = max(row["trial"] for row in results["trials"])
    ends = {"x_range": Range1d(-0.7, last + 0.7), "y_range": Range1d(axis["start"], axis["end"])}
    plot = theme.chart(HEIGHT, name="history", y_axis_type="log", **ends)
    _score_axis(plot, axis)
    objective = results["objective"]
    so_far = np.minimum.accumulate([row[objective] for row in known])
    numbers = [row["trial"] for row in known]
    plot.step([*numbers, last + 0.7], [*so_far, so_far[-1]], mode="after", line_color="#d55e00", line_width=2)
    if numbers[0] == 0:
        look = {"line_color": theme.MUTED, "line_dash": "dashed", "line_width": 1}
        plot.add_layout(Span(location=known[0][objective], dimension="width", **look))
    failed = [row["trial"] for row in results["trials"] if row["status"] == "FAILED"]
    crosses = {"marker": "x", "size": 9, "line_color": theme.INK, "line_width": 2}
    plot.scatter(failed, [axis["end"] / (axis["end"] / axis["start"]) ** 0.02] * len(failed), **crosses)
    _dots(plot, source, "trial")
    plot.xaxis.axis_label, plot.yaxis.axis_label = "trial", "validation error, px"
    return plot


def _parallel(source, found):
    from bokeh.core.properties import value
    from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool, Range1d

    ends = {"x_range": Range1d(-0.6, len(found) - 0.3), "y_range": Range1d(-0.2, 1.34)}
    plot = theme.chart(430, name="parallel", toolbar_location="above", **ends)
    plot.axis.visible = plot.grid.visible = False
    plot.segment(list(range(len(found))), [0] * len(found), list(range(len(found))), [1] * len(found),
                 line_color=theme.QUIET)  # fmt: skip
    look = {"line_color": "colour", "line_width": 1.8, "line_alpha": 0.75, "nonselection_line_alpha": 0.06}
    look |= {"selection_line_width": 2.4, "hover_line_color": "#d55e00", "hover_line_width": 3, "hover_line_alpha": 1}
    lines = plot.multi_line("xs", "ys", source=source, **look)
    brushes = ColumnDataSource({"x": [], "low": [], "high": []}, name="brushes")
    plot.vbar("x", 0.3, "high", "low", source=brushes, fill_color="#e69f00", fill_alpha=0.35, line_color="#b36b00")
    small = {"text_font": value(theme.FONT), "text_font_size": "11px", "text_color": theme.INK}
    marks = [(i, height, word) for i, axis in enumerate(found) for height, word in axis["marks"]]
    x, y, words = zip(*marks, strict=True)
    plot.text(x, y, list(words), x_offset=4, y_offset=0, text_baseline="middle", background_fill_color=theme.PAPER,
              background_fill_alpha=0.75, **small)  # fmt: skip
    names = [axis["name"].rpartition(".")[2] for axis in found]
    plot.text(list(range(len(found))), [1.08] * len(found), names, angle=0.55, **small | {"text_font_size": "12px"})
    tip = HoverTool(visible=False, renderers=[lines], tooltips=TIPS, line_policy="interp")
    box = BoxSelectTool(renderers=[], persistent=False)
    plot.add_tools(box, tip)
    plot.toolbar.active_drag = box
    return plot


def _setting(source, place, setting, known, axis):
    from bokeh.models import FixedTicker, Range1d

    ends = {"y_range": Range1d(axis["start"], axis["end"])}
    if setting["choices"]:
        choices = setting["choices"]
        plot = theme.chart(SMALL, y_axis_type="log", x_range=Range1d(-0.5, len(choices) - 0.5), **ends)
        plot.xaxis.ticker = FixedTicker(ticks=list(range(len(choices))))
        plot.xaxis.major_label_overrides = {i: shown(v) for i, v in enumerate(choices)}
        plot.xaxis.major_label_text_font_size = (
            "11px" if max(len(shown(v)) for v in choices) * len(choices) < 34 else "9px"
        )
        plot.xgrid.visible = False
    else:
        low, high = setting["low"], setting["high"]
        log = setting["scale"] == "log"
        room = (high - low) * 0.05
        ends["x_range"] = Range1d(low / 1.15, high * 1.15) if log else Range1d(low - room, high + room)
        plot = theme.chart(SMALL, y_axis_type="log", x_axis_type="log" if log else "linear", **ends)
        if log:
            ticks = log_axis(low, high)["ticks"]
            plot.xaxis.ticker = FixedTicker(ticks=ticks)
            plot.xaxis.major_label_overrides = {tick: f"{tick:g}" for tick in ticks}
    _score_axis(plot, axis)
    _dots(plot, source, f"x{place}")
    return plot


def _importance(settings):
    """Bars with their 95 % range, the most important on top."""
    from bokeh.models import FixedTicker, Range1d

    places = list(range(len(settings)))[::-1]
    low, high = min([0, *(s["low"] for s in settings)]), max(s["high"] for s in settings)
    room = max(high - low, 1e-6) * 0.04
    ends = {"x_range": Range1d(low - room, high + room), "y_range": Range1d(-0.6, len(settings) - 0.4)}
    plot = theme.chart(ROW * max(len(settings), 3) + 60, name="importance", **ends)
    plot.yaxis.ticker = FixedTicker(ticks=sorted(places))
    plot.yaxis.major_label_overrides = {p: s["name"] for p, s in zip(places, settings, strict=True)}
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = plot.ygrid.grid_line_color = None
    plot.hbar(places, 0.6, [s["value"] for s in settings], 0, fill_color=theme.ACCENT, fill_alpha=0.75, line_color=None)
    plot.segment([s["low"] for s in settings], places, [s["high"] for s in settings], places, line_color=theme.INK,
                 line_width=1.5)  # fmt: skip
    plot.xaxis.axis_label = "guess worse by, px"
    return plot
