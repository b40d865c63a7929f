"""One visual language for all pages: colours, marks and the look of a chart.

The colours are Okabe and Ito's (2008), told apart with every common kind of colour blindness; each member also has a
mark of its own, so that nothing depends on colour alone.
"""

from typing import NamedTuple

INK = "#1f2933"
MUTED = "#52606d"
HAIRLINE = "#e4e7eb"
QUIET = "#9aa5b1"  # what is not chosen
ACCENT = "#0072b2"
PAPER = "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


class Style(NamedTuple):
    """How one member is drawn, in charts and on faces."""

    label: str
    colour: str
    marker: str  # a Bokeh marker; page.js draws the same shapes on faces


MEMBERS = {
    "base": Style("base network", "#0072b2", "square"),
    "specialist": Style("specialists", "#e69f00", "triangle"),
    "ensemble": Style("ensemble", "#d55e00", "circle"),
}
PAIR = {"first": Style("first", "#0072b2", "square"), "second": Style("second", "#d55e00", "circle")}
BETTER, WORSE = "#0072b2", "#d55e00"
ANCHOR = Style("given to compare with", "#009e73", "diamond")
TRUTH = Style("label (truth)", "#f0e442", "cross")


def point_label(name):
    """A point's name as people write it. A `$$` would make Bokeh look for a formula renderer, so it is broken up."""
    return name.replace("_", " ").replace("$", "＄")


def chart(height, **options):
    """An empty Bokeh figure in the house's look, as wide as its place on the page."""
    from bokeh.plotting import figure

    options = {"toolbar_location": None, "tools": "", "min_border": 4} | options
    plot = figure(height=height, sizing_mode="stretch_width", background_fill_color=PAPER, **options)
    plot.border_fill_color = PAPER
    plot.outline_line_color = None
    plot.toolbar.logo = None
    for axis in plot.axis:
        _quiet_axis(axis)
    plot.grid.grid_line_color = HAIRLINE
    return plot


def _quiet_axis(axis):
    axis.axis_line_color = QUIET
    axis.major_tick_line_color = QUIET
    axis.minor_tick_line_color = None
    axis.major_label_text_font = axis.axis_label_text_font = FONT
    axis.major_label_text_font_size = axis.axis_label_text_font_size = "12px"
    axis.major_label_text_color = axis.axis_label_text_color = MUTED
    axis.axis_label_text_font_style = "normal"
