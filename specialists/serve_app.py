"""The page of `specialists.serve`: a photo in, its faces with points, radii and a table out."""

import base64
import binascii
import io
from pathlib import Path

import numpy as np

from data.errors import DataError, one_line
from specialists.photos_files import NOBODY

LIMIT = 20_000_000  # bytes of a photo that is uploaded
SHOWN = 1400  # px; a larger photo is shown smaller, with positions in its own px
COLUMNS = {
    "face": "Face",
    "keypoint": "Point",
    "x": "x, px",
    "y": "y, px",
    "radius_50": "50 % radius, px",
    "radius_90": "90 % radius, px",
}
WIDTHS = (38, 100, 58, 58, 54, 54)  # px of the columns on a phone; a wider page gives each its share
HEAD, ROW, ROWS = 62, 32, 15  # px of the headings and of a row, where words may break, and how many rows are seen
# How thick marks are, px on the screen: a share of the face's size there, at least, at most. Those of a small face
# would hide it otherwise.
MARKS = {"dot": (1 / 30, 1.5, 5), "ring": (1 / 120, 0.3, 1), "line": (1 / 80, 0.5, 1.5)}
RESIZE = """
const zoom = plot.inner_width / Math.abs(plot.x_range.end - plot.x_range.start);
if (!(zoom > 0 && isFinite(zoom)) || (cb_obj === plot.x_range && zoom === plot.tags[0])) return;
plot.tags[0] = zoom;
for (const source of [points, lines]) {
  for (const [name, [share, least, most]] of marks.filter(([name]) => source.data[name])) {
    source.data[name] = Array.from(source.data.size, (size) => Math.min(most, Math.max(least, share * size * zoom)));
  }
  source.change.emit();
}"""
TABLE = """
.slick-header-columns { display: flex; }
.slick-header-column.ui-state-default { display: flex; flex: none; align-items: flex-end; height: 16px; }
.slick-header-column:nth-child(n+3) { justify-content: flex-end; text-align: right; }
.slick-column-name { margin: 0; white-space: normal; }
.slick-sort-indicator { position: absolute; top: 0; right: 2px; margin: 0; }
.slick-cell { display: flex; align-items: center; line-height: 14px; white-space: normal; }
.slick-cell > * { width: 100%; }
@media (max-width: 800px) { .slick-header-column.ui-state-default { height: 48px; } }
"""
WAITING = "No photo yet."


class Upload(io.BytesIO):
    """A picture in memory that errors call by the name it was sent with."""

    def __init__(self, name, content):
        super().__init__(content)
        self.name = name

    def __str__(self):
        return self.name


def decoded(name, content):
    """An `Upload` from base64 text.

    Raises:
        DataError: nothing, too much, or no base64.
    """
    name = one_line(name, 80) or "photo"
    if len(content) > LIMIT * 4 // 3 + 4:
        raise DataError(f"{name}: expected at most {LIMIT / 1e6:g} MB; received more")
    try:
        return Upload(name, base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name}: expected a picture; received something else") from error


class Page:
    """One visitor's page.

    Args:
        predictor: `Predictor`, shared by all.
    """

    def __init__(self, predictor):
        from bokeh.models import ColumnDataSource, Div

        self.predictor = predictor
        self.upload = ColumnDataSource({"name": [], "content": []}, name="upload")
        self.photo = ColumnDataSource({"image": [], "w": [], "h": []}, name="photo")
        self.points = ColumnDataSource(_rows([]), name="points")
        self.lines = ColumnDataSource(_lines([], predictor.schema), name="lines")
        self.status = Div(text=WAITING, render_as_text=True, name="status", sizing_mode="stretch_width", margin=0)
        self.status.html_attributes = {"role": "status"}
        self.status.styles = {"font-size": "18px", "font-weight": "650"}
        self.upload.on_change("data", self._arrived)

    def add_to(self, document):
        """Put the page into a Bokeh document."""
        self.document = document
        self.figure, self.table = _figure(self.photo, self.points, self.lines), _table(self.points)
        document.title = "Points on your photo"
        document.template = _asset("serve.html")
        own = {"style": _style(), "script": _asset("serve.js"), "limit": LIMIT, "about": self.predictor.about}
        document.template_variables.update(own)
        for root in (self.status, self.figure, self.table, self.upload):
            document.add_root(root)

    def _arrived(self, attribute, old, new):
        name, content = (_first(new.get(column)) for column in ("name", "content"))
        if name is None:
            return
        self.status.text = "Looking for faces ..."
        # In the next turn, so that the words are on the page while the networks work.
        self.document.add_next_tick_callback(lambda: self.look(name, content or ""))

    def look(self, name, content):
        """Show what is on a photo: its file's name, and its bytes as base64."""
        from specialists.predictor import as_photo

        try:
            photo = as_photo(decoded(name, content))
            faces = self.predictor(photo)
        except DataError as error:
            self.show(np.zeros((0, 0, 3), np.uint8), [])
            self.status.text = one_line(error)
        else:
            self.show(photo, faces)
            found = f"{len(faces)} face{'' if len(faces) == 1 else 's'}" if faces else NOBODY
            self.status.text = f"{one_line(name, 80)}: {found} on {photo.shape[1]} x {photo.shape[0]} px."
        self.upload.data = {"name": [], "content": []}

    def show(self, photo, faces):
        """Draw a photo uint8 [H, W, 3] and its faces; an empty one clears the page."""
        from specialists.photos_draw import shrunk

        h, w = photo.shape[:2]
        small = shrunk(photo, [], SHOWN)[0] if photo.size else photo
        self.photo.data = {"image": [_rgba(small)], "w": [w], "h": [h]} if photo.size else _empty("image", "w", "h")
        self.points.data = _rows(faces)
        self.lines.data = _lines(faces, self.predictor.schema)
        self.figure.visible, self.table.visible = bool(photo.size), bool(faces)
        if photo.size:
            self.figure.x_range.update(start=-0.5, end=w - 0.5)
            self.figure.y_range.update(start=h - 0.5, end=-0.5)
            self.figure.aspect_ratio = w / h


def _first(column):
    """The first text of a column; None where there is none, whatever a program that is not our page may send."""
    return column[0] if isinstance(column, list) and column and isinstance(column[0], str) else None


def _empty(*names):
    return {name: [] for name in names}


def _rows(faces):
    """Columns of COLUMNS and of marks: one row per face and point."""
    if not faces:
        return _empty(*COLUMNS, "size", "dot", "ring")
    numbers = [np.concatenate([column]) for column in np.concatenate([np.c_[f.points, f.radii.T] for f in faces]).T]
    number = np.repeat(np.arange(1, len(faces) + 1), [len(face.names) for face in faces])
    names = [name.replace("_", " ") for face in faces for name in face.names]
    rounded = [np.round(column.astype(float), 2) for column in numbers]
    columns = dict(zip(COLUMNS, (number, names, *rounded), strict=True))
    return columns | _sizes(faces, len(faces[0].names), "dot", "ring")


def _lines(faces, schema):
    """Columns of the lines: one row per face and line."""
    lines = [np.array([face[name] for name in line]) for face in faces for line in schema.lines]
    ends = {axis: [line[:, i].tolist() for line in lines] for i, axis in enumerate(("xs", "ys"))}
    return ends | _sizes(faces, len(schema.lines), "line")


def _sizes(faces, each, *marks):
    """Columns: the faces' sizes in px of the photo, `each` times, and marks as thick as those of a large face."""
    sizes = np.repeat([float(np.ptp(face.points, 0).max()) for face in faces], each).tolist()
    return {"size": sizes} | {mark: [MARKS[mark][2]] * len(sizes) for mark in marks}


def _rgba(photo):
    """Bokeh's form of a photo: uint32 [H, W]."""
    full = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(full).view(np.uint32)[..., 0]


def _figure(photo, points, lines):
    from bokeh.models import Range1d

    from reports.theme import chart

    ranges = {"x_range": Range1d(0, 4), "y_range": Range1d(3, 0)}
    tools = {"tools": "pan,wheel_zoom,box_zoom,tap,reset", "toolbar_location": "above"}
    plot = chart(None, aspect_ratio=4 / 3, max_width=1100, name="plot", visible=False, **ranges, **tools)
    plot.axis.visible = plot.grid.visible = False
    plot.image_rgba("image", x=-0.5, y=-0.5, dw="w", dh="h", source=photo)
    _draw(plot, points, lines)
    _resize(plot, points, lines)
    return plot


def _draw(plot, points, lines):
    from bokeh.models import HoverTool

    from reports.theme import MEMBERS, TRUTH

    colour = MEMBERS["ensemble"].colour
    plot.multi_line("xs", "ys", source=lines, color=TRUTH.colour, line_width="line")
    ring = {"fill_color": None, "line_color": colour, "line_width": "ring", "nonselection_line_alpha": 0.25}
    plot.circle("x", "y", radius="radius_90", source=points, **ring)
    dot = {"color": colour, "line_color": None, "nonselection_alpha": 0.25}
    plot.scatter("x", "y", size="dot", source=points, **dot)
    # Unseen, as large as a pointer can hit.
    place = plot.scatter("x", "y", size=8, source=points, alpha=0, nonselection_alpha=0)
    tips = [("point", "@keypoint"), ("x, y", "@x, @y px"), ("radius", "@radius_50 px (50 %), @radius_90 px (90 %)")]
    plot.add_tools(HoverTool(renderers=[place], tooltips=tips))


def _resize(plot, points, lines):
    """Let the browser draw marks in proportion to a face, whenever its size on the screen changes."""
    from bokeh.models import CustomJS

    plot.tags = [0]  # the zoom that marks are drawn for
    args = {"plot": plot, "points": points, "lines": lines, "marks": [[name, [*how]] for name, how in MARKS.items()]}
    resize = CustomJS(args=args, code=RESIZE)
    plot.js_on_change("inner_width", resize)
    for name in ("start", "end"):
        plot.x_range.js_on_change(name, resize)
    for source in (points, lines):
        source.js_on_change("data", resize)


def _table(points):
    from bokeh.models import DataTable, NumberFormatter, TableColumn

    right = NumberFormatter(format="0.00", text_align="right")
    columns = [
        TableColumn(field=name, title=title, width=width, **({"formatter": right} if "px" in title else {}))
        for (name, title), width in zip(COLUMNS.items(), WIDTHS, strict=True)
    ]
    look = {"index_position": None, "row_height": ROW, "height": HEAD + ROWS * ROW, "min_width": sum(WIDTHS)}
    look |= {"sizing_mode": "stretch_width", "margin": 0, "stylesheets": [TABLE], "visible": False}
    return DataTable(source=points, columns=columns, name="table", reorderable=False, **look)


def _style():
    from reports import theme

    names = ("INK", "MUTED", "HAIRLINE", "QUIET", "ACCENT", "PAPER", "FONT")
    colours = ";".join(f"--{name.lower()}:{getattr(theme, name)}" for name in names)
    return f":root{{{colours}}}\n" + _asset("serve.css")


def _asset(name):
    return Path(__file__).with_name(name).read_text("utf-8")
