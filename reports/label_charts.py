"""The charts of the label page."""

import numpy as np

from reports import theme
from reports.label_doubts import LOOK
from reports.theme import MEMBERS, point_label

DOTS = 30_000  # labels that are drawn at most, evenly chosen; the doubtful ones always
ROW = 29  # px of height per point
NOISE_COLOUR, LEFT_COLOUR = "#7b8794", "#e69f00"
TWICE_COLOUR, SHARED_COLOUR = "#009e73", theme.INK


def slot_label(schema, slot):
    """A slot as people write it: the point, and the convention where it draws the point in its own way."""
    point, _, kind = schema.slot_names[slot].partition("@")
    return point_label(point) + (f", “{kind}”" if kind else "")


def pair_label(schema, side):
    """A slot and its mirror partner in one name: `eye center (both)`."""
    name = slot_label(schema, side.slot)
    if side.slot == side.partner:
        return name
    both = " ".join(name.replace("left", "").replace("right", "").split())
    return f"{both} (both)" if both != name else f"{name} / {slot_label(schema, side.partner)}"


def cloud(labels, doubts):
    """All labels over the mean face, the doubtful ones crossed out; labels.js hides what is not chosen."""
    from bokeh.models import CDSView, ColumnDataSource, HoverTool, IndexFilter, Range1d

    height, width = labels.size
    axes = {"x_range": Range1d(-0.5, width - 0.5), "y_range": Range1d(height - 0.5, -0.5)}
    plot = theme.chart(
        None, aspect_ratio=width / height, toolbar_location="above", tools="pan,wheel_zoom,reset", **axes
    )
    plot.image([labels.mean_picture], x=-0.5, y=-0.5, dw=width, dh=height, palette="Greys256", alpha=0.6)
    doubtful = np.nan_to_num(doubts.times, nan=0) >= LOOK
    known = np.isfinite(labels.points).all(-1)
    looks = {
        "dots": (
            {"marker": "dot", "size": 9, "line_color": theme.ACCENT, "fill_color": theme.ACCENT, "alpha": 0.35},
            known & ~doubtful,
        ),
        "doubts": ({"marker": "x", "size": 9, "line_color": "#d55e00", "line_width": 2}, known & doubtful),
    }
    for name, (look, chosen) in looks.items():
        source = ColumnDataSource(_dots(labels, doubts, *_thinned(chosen)), name=name)
        view = CDSView(filter=IndexFilter(), name=f"{name}-view")
        drawn = plot.scatter("x", "y", source=source, view=view, **look)
        if name == "doubts":
            plot.add_tools(
                HoverTool(
                    visible=False,
                    renderers=[drawn],
                    tooltips=[("row", "@id"), ("point", "@name"), ("off by", "@off{0.0} px")],
                )
            )
    plot.toolbar.active_scroll = None  # the wheel scrolls the page
    plot.xaxis.axis_label, plot.yaxis.axis_label = "x, px", "y, px"
    plot.grid.grid_line_color = None
    return plot


def _thinned(chosen):
    row, point = np.nonzero(chosen)
    step = -(-len(row) // DOTS) or 1
    return row[::step], point[::step]


def _dots(labels, doubts, row, point):
    columns = {axis: labels.points[row, point, i].astype(np.float32) for i, axis in enumerate("xy")}
    columns |= {"point": point.astype(np.uint8 if len(labels.schema) < 256 else np.uint16)}
    columns |= {"kind": labels.convention[row].astype(np.uint8)}
    if len(row) > 2000:  # a name for each dot would make the page large
        return columns
    names = [point_label(labels.schema.points[p]) for p in point]
    off = doubts.distance[row, point].astype(np.float32)
    return columns | {"id": [str(labels.ids[r]).replace("$", "＄") for r in row], "name": names, "off": off}


def _row_axis(names, low, high, label):
    """A chart with one named row per entry, the first on top."""
    from bokeh.models import FixedTicker, Range1d

    count = len(names)
    plot = theme.chart(ROW * max(count, 3) + 60, x_range=Range1d(low, high), y_range=Range1d(-0.6, count - 0.4))
    places = list(range(count))[::-1]
    plot.yaxis.ticker = FixedTicker(ticks=sorted(places))
    plot.yaxis.major_label_overrides = dict(zip(places, names, strict=True))
    plot.yaxis.major_tick_line_color = plot.yaxis.axis_line_color = None
    plot.yaxis.major_label_text_color = theme.INK
    plot.ygrid.grid_line_color = None
    plot.xaxis.axis_label = label
    return plot, np.array(places, float)


def _marks(plot, intervals, places, look, shift=0.0):
    """Dots with their intervals as pale bands; rows without a figure are left out. Returns the dots."""
    from bokeh.models import ColumnDataSource

    table = np.array([tuple(interval) for interval in intervals], float).reshape(-1, 3)
    known = np.isfinite(table[:, 0])
    columns = {"y": places[known] + shift} | {n: table[known, i] for i, n in enumerate(("value", "low", "high"))}
    source = ColumnDataSource(columns)
    plot.segment(
        x0="low", x1="high", y0="y", y1="y", source=source, line_color=look["fill_color"], line_width=7, line_alpha=0.28
    )
    return plot.scatter("value", "y", source=source, size=11, line_color=theme.PAPER, **look)


def noise_chart(labels, noise):
    """Noise by duplicates, noise by shared error, and error, of every slot that has one of them; None without any."""
    series = {"duplicates": noise.duplicates, "shared": noise.shared, "error": noise.error}
    table = np.array([[interval.value for interval in own] for own in series.values()])
    slots = np.flatnonzero(np.isfinite(table).any(0))
    if not len(slots):
        return None
    slots = slots[np.argsort(-np.nan_to_num(table[:, slots], nan=0).max(0), kind="stable")]
    ends = [i.high if np.isfinite(i.high) else i.value for own in series.values() for i in own]
    top = float(np.nanmax(ends)) * 1.05
    plot, places = _row_axis([slot_label(labels.schema, s) for s in slots], 0, top or 1.0, "px per coordinate")
    for name, look in noise_looks(noise.member).items():
        _marks(plot, [series[name][s] for s in slots], places, look)
    return plot


def noise_looks(member):
    """dict of series to how its marks look."""
    own = MEMBERS.get(member, MEMBERS["base"])
    return {
        "duplicates": {"marker": "diamond", "fill_color": TWICE_COLOUR},
        "shared": {"marker": "triangle", "fill_color": SHARED_COLOUR},
        "error": {"marker": own.marker, "fill_color": own.colour},
    }


SPLIT = {
    "noise": ("noise of the labels, at most", NOISE_COLOUR, "right_diagonal_line"),
    "left": ("left to win, at least", LEFT_COLOUR, None),
}


def split_chart(labels, noise):
    """Shares of the squared error per slot without rows that are likely wrong, all points on top; None without any."""
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool

    share = shares(noise)
    known = np.flatnonzero(np.isfinite(share))
    if not len(known):
        return None
    known = np.roll(known, 1)  # all points come last in the table and first on the chart
    slots = len(labels.schema.slot_names)
    names = ["all points" if s == slots else slot_label(labels.schema, s) for s in known]
    plot, places = _row_axis(names, 0, 100, "squared error, %")
    columns = {"y": places, "name": names, "zero": np.zeros(len(known)), "noise": share[known]}
    source = ColumnDataSource(columns | {"whole": np.full(len(known), 100.0), "left": 100 - share[known]})
    bars = []
    for (_, colour, hatch), ends in zip(SPLIT.values(), (("zero", "noise"), ("noise", "whole")), strict=True):
        look = {"fill_color": colour, "line_color": theme.PAPER, "hatch_pattern": hatch, "hatch_color": theme.PAPER}
        bars.append(plot.hbar(y="y", left=ends[0], right=ends[1], height=0.7, source=source, **look))
    tips = [("", "@name"), *((words, f"@{name}{{0}} %") for name, (words, _, _) in SPLIT.items())]
    plot.add_tools(HoverTool(visible=False, renderers=bars, tooltips=tips))
    plot.xaxis.ticker = FixedTicker(ticks=[0, 25, 50, 75, 100])
    return plot


def shares(noise):
    """float64 [slots + 1]: percent of the squared error of rows that are not likely wrong that is noise at most."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * noise.split[:, 1] / noise.split[:, 1:].sum(1)


def mirror_chart(labels, mirror):
    """Offsets of pairs of slots, as the mirror shows them; None without any."""
    from bokeh.models import Span

    sides = [side for side in mirror.sides if np.isfinite(side.x.value)]
    if not sides:
        return None
    ends = np.abs([end for side in sides for end in (*side.x, *side.y) if np.isfinite(end)])
    far = max(float(ends.max()) * 1.08, 0.5)
    plot, places = _row_axis([pair_label(labels.schema, side) for side in sides], -far, far, "px")
    plot.add_layout(Span(location=0, dimension="height", line_color=theme.MUTED, line_dash="dashed"))
    plot.xaxis.ticker.desired_num_ticks = 4  # more would run into each other on a phone
    for axis, look in MIRROR.items():
        _marks(plot, [getattr(side, axis) for side in sides], places, look[1], look[2])
    return plot


MIRROR = {
    "x": ("both too far right (left where negative)", {"marker": "circle", "fill_color": "#0072b2"}, 0.13),
    "y": ("left point lower than right, half the difference", {"marker": "square", "fill_color": "#e69f00"}, -0.13),
}


def charts(labels, doubts, noise, mirror):
    """dict of name to Bokeh figure, of those that have something to show."""
    plots = {
        "cloud": cloud(labels, doubts),
        "noise": noise_chart(labels, noise),
        "split": split_chart(labels, noise),
        "mirror": mirror_chart(labels, mirror),
    }
    return {name: plot for name, plot in plots.items() if plot is not None}
