"""300-W as dlib ships it: an XML file of photos, boxes and their parts. The 68 points are those of IBUG68.

The parts are numbers, 00 to 67, or names of points; a box may have some of them, or none, as in a test set.
"""

import re
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import numpy as np

from data.keypoints import IBUG68
from data.photos import Album, Shot, box_of, number, photo_in, refused
from data.schema_files import check_name, find_schema, read_schema, schema_file, schema_from

KNOWN = {"dataset", "images", "image", "box", "part"}
INSIDE = {"image": "images", "box": "image", "part": "box"}
LIMIT = 512 << 20  # bytes
MIRROR = re.compile(r"_mirror(?=\.\w+$)")  # dlib's set has every photo twice, once mirrored


def find(folder):
    """Paths of the XML files in a folder that begin like dlib's."""
    return [path for path in sorted(folder.glob("*.xml")) if path.is_file() and b"<dataset" in path.read_bytes()[:4096]]


def read(path):
    """Read an XML file of photos, boxes and parts. Boxes marked `ignore` are left out.

    Returns:
        Album of IBUG68 or, where the parts are named, of those points; its points are NaN where a part is missing.

    Raises:
        DataError: naming file, line and column.
    """
    parser = _Parser(Path(path))
    boxes = parser.parse()
    if not boxes:
        raise refused(f"{path}:1", "at least one box", "none")
    schema, order = _schema(Path(path), boxes)
    shots = []
    for box in boxes:
        points = np.full((len(schema), 2), np.nan)
        for name, at in box["parts"].items():
            points[order[name]] = at
        shots.append(Shot(box["photo"], box["name"], points, box["where"], box["box"], box["person"], box["size"]))
    return Album(schema, "300-W" if schema is IBUG68 else "dlib", shots, (Path(path),))


class _Parser:
    """Collects boxes, each a dict, from an XML file; whatever is wrong is refused with its place."""

    def __init__(self, path):
        self.path, self.boxes, self.stack = path, [], []
        self.image = self.box = None
        self.found = {}  # name of a photo to its path: looked for once

    def parse(self):
        """List of dicts with photo, name, where, box, person, size and parts."""
        self.expat = parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            if self.path.stat().st_size > LIMIT:
                raise refused(self.path, f"at most {LIMIT >> 20} MB", f"{self.path.stat().st_size >> 20} MB")
            with open(self.path, "rb") as file:
                parser.ParseFile(file)
        except expat.ExpatError as error:
            where = f"{self.path}:{error.lineno}:{error.offset + 1}"
            raise refused(where, "XML", expat.errors.messages[error.code]) from error
        except OSError as error:
            raise refused(self.path, "a file that can be read", error.strerror) from error
        return self.boxes

    @property
    def where(self):
        return f"{self.path}:{self.expat.CurrentLineNumber}:{self.expat.CurrentColumnNumber + 1}"

    def _doctype(self, *_):
        raise refused(self.where, "XML without a document type", "one, which could pull in other files")

    def _start(self, tag, attributes):
        if not self.stack and tag != "dataset":
            raise refused(self.where, "<dataset>", f"<{tag}>")
        if tag in INSIDE and self.stack[-1] != INSIDE[tag]:
            raise refused(self.where, f"<{tag}> inside <{INSIDE[tag]}>", f"it inside <{self.stack[-1]}>")
        self.stack.append(tag)
        if tag in INSIDE:
            getattr(self, f"_{tag}")(attributes)

    def _end(self, tag):
        self.stack.pop()
        if tag == "box" and self.box.pop("ignore") != "1":
            self.boxes.append(self.box)

    def _attribute(self, attributes, name, owner):
        if name not in attributes:
            raise refused(self.where, f"{name} of <{owner}>", f"only {', '.join(attributes) or 'nothing'}")
        return attributes[name]

    def _numbers(self, attributes, names, owner):
        return [number(self._attribute(attributes, name, owner), name, self.where) for name in names]

    def _image(self, attributes):
        name = self._attribute(attributes, "file", "image").replace("\\", "/")
        if name not in self.found:
            self.found[name] = photo_in(self.path.parent, name, self.where)
        size = None
        if "width" in attributes and "height" in attributes:
            size = tuple(int(value) for value in self._numbers(attributes, ("width", "height"), "image"))
        self.image = {"photo": self.found[name], "name": name, "person": MIRROR.sub("", name), "size": size}

    def _box(self, attributes):
        values = self._numbers(attributes, ("left", "top", "width", "height"), "box")
        own = {"box": box_of(values, self.where), "where": self.where, "parts": {}}
        self.box = {**self.image, **own, "ignore": attributes.get("ignore", "0")}

    def _part(self, attributes):
        name = self._attribute(attributes, "name", "part")
        if name in self.box["parts"]:
            raise refused(self.where, "each part once", f"a second {name!r}")
        if not name.isdigit():
            check_name(name, self.where)
        self.box["parts"][name] = self._numbers(attributes, ("x", "y"), "part")


def _schema(path, boxes):
    """(schema, dict of part to point): of a file beside it; of 68 numbers or none; or of the parts' names."""
    names = list(dict.fromkeys(name for box in boxes for name in box["parts"]))
    file = find_schema(path)
    schema = read_schema(file) if file else IBUG68
    if all(name.isdigit() for name in names):
        order = {name: int(name) for name in names}
        wrong = [name for name, i in order.items() if i >= len(schema)]
        if wrong:
            wanted = f"parts 00 to {len(schema) - 1}, or a schema.json beside it that names all points"
            raise refused(path, wanted, f"part {wrong[0]}")
        return schema, order
    if not file:
        schema = schema_from(tuple(names), path)
    missing = [name for name in names if name not in schema.points]
    if missing:
        raise refused(path, f"parts named {', '.join(schema.points[:4])}, ...", repr(missing[0]))
    return schema, {name: schema.points.index(name) for name in names}


def write(album, folder, put):
    """Write an album as one XML file with the photos beside it; `put` as for `data.youtube.write`.

    Boxes are as they are, else around the points, in whole px. The 68 points are numbered, others named.
    """
    from data.pictures import shot_size

    lines = ["<?xml version='1.0' encoding='UTF-8'?>", "<dataset>", "<images>"]
    labels = [f"{i:02d}" if album.schema is IBUG68 else name for i, name in enumerate(album.schema.points)]
    last = None
    for shot in album.shots:
        name = put(shot, folder / "faces")
        if name != last:
            width, height = shot_size(shot.photo)
            lines += ["  </image>"] * (last is not None)
            lines.append(f"  <image file={quoteattr('faces/' + name)} width='{width}' height='{height}'>")
        last = name
        lines += _box_lines(shot, labels)
    lines += ["  </image>", "</images>", "</dataset>", ""]
    return {"labels_train.xml": "\n".join(lines), **schema_file(album.schema)}


def _box_lines(shot, labels):
    left, top, width, height = shot.box or box_around(shot)
    yield f"    <box top='{top:.12g}' left='{left:.12g}' width='{width:.12g}' height='{height:.12g}'>"
    for label, (x, y) in zip(labels, shot.points.tolist(), strict=True):
        if x == x:
            yield f"      <part name='{label}' x='{x!r}' y='{y!r}'/>"
    yield "    </box>"


def box_around(shot):
    """(left, top, width, height) in whole px around a shot's points. Raises DataError where there are none."""
    known = shot.points[np.isfinite(shot.points).all(1)]
    if not len(known):
        raise refused(shot.where, "a box or labelled points", "none")
    low, high = np.floor(known.min(0)), np.ceil(known.max(0))
    return (*low.tolist(), *(high - low + 1).tolist())
