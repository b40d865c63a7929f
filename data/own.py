"""A person's own set: a CSV of photos and points, such as

    image,nose_x,nose_y,left_ear_x,left_ear_y,right_ear_x,right_ear_y
    anna.jpg,120,88.5,61,70,,

A blank is a point that is not labelled. Further columns may say who it is (person), where the face is (box_left,
box_top, box_width, box_height) and how it was labelled (convention). The points are those of the columns or of the
schema file beside it: data/schema_files.py.
"""

import csv
import io
from pathlib import Path

import numpy as np

from data.archives import Located
from data.csv_rows import read_rows
from data.keypoints import MOST_POINTS
from data.photos import Album, Shot, box_of, number, photo_in, refused
from data.schema_files import check_name, find_schema, read_schema, schema_file, schema_from

PHOTO = ("image", "file", "filename", "file_name", "photo", "path")  # what the column of photos may be called
BOX = ("box_left", "box_top", "box_width", "box_height")
OPTIONAL = ("person", "convention", *BOX)


def header(path):
    """Names of the columns of a CSV file; () where its first line is not one of text."""
    with Located(path).open() as stream:
        line = stream.readline(200_000)
    try:
        return tuple(name.strip() for name in next(csv.reader([line.decode("utf-8-sig")]), ()))
    except (UnicodeDecodeError, csv.Error):
        return ()


def is_own(names):
    """Whether columns are those of a person's own set."""
    return any(name in names for name in PHOTO)


def find(folder):
    """Paths of the CSV files of this kind in a folder."""
    return [path for path in sorted(folder.glob("*.csv")) if path.is_file() and is_own(header(path))]


def read(path):
    """Read a CSV file of photos and points.

    Returns:
        Album; photos are looked for beside the file.

    Raises:
        DataError: naming file, line and column.
    """
    path, names = Path(path), header(path)
    column = next((name for name in PHOTO if name in names), None)
    if column is None:
        raise refused(f"{path}:1", f"a column of photos: {', '.join(PHOTO)}", ", ".join(names[:5]) or "none")
    file = find_schema(path)
    schema = read_schema(file) if file else _schema(path, [n for n in names if n not in (column, *OPTIONAL)])
    there = [name for name in OPTIONAL if name in names]
    if 0 < len(set(BOX) & set(there)) < len(BOX):
        raise refused(f"{path}:1", f"all of {', '.join(BOX)} or none", ", ".join(n for n in BOX if n in there))
    with Located(path).open() as stream:
        rows = read_rows(stream, str(path), (column, *schema.columns, *there))
        shots = [_shot(row, path.parent, schema, there) for row in rows]
    return Album(schema, "own", shots, (path, *([file] if file else [])))


def _schema(path, names):
    """The schema that columns tell: NAME_x and NAME_y side by side."""
    points = tuple(name[:-2] for name in names[::2])
    for i, name in enumerate(names):
        wanted = f"{name[:-2]}_{'xy'[i % 2]}" if i % 2 == 0 else f"{names[i - 1][:-2]}_y"
        if name != wanted or not 1 <= len(points) <= MOST_POINTS:
            raise refused(f"{path}:1", f"columns NAME_x and NAME_y side by side, such as {wanted}", repr(name[:60]))
        check_name(name[:-2], f"{path}:1: {name[:60]}")
    if not points:
        raise refused(f"{path}:1", "columns NAME_x and NAME_y of the points", "none")
    return schema_from(points, path)


def _shot(row, folder, schema, there):
    where = f"{row.file}:{row.line}"
    name = row[0].decode().strip()
    points = np.array([_value(row, i + 1, column) for i, column in enumerate(schema.columns)]).reshape(-1, 2)
    half = np.flatnonzero(np.isnan(points).sum(1) == 1)
    if len(half):
        raise refused(where, f"x and y of {schema.points[half[0]]} both blank or neither", "a blank and a number")
    start = 1 + len(schema.columns)
    more = {column: row[start + i].decode().strip() for i, column in enumerate(there)}
    box = None
    if any(more.get(column) for column in BOX):
        box = box_of([number(more[column], column, where) for column in BOX], where)
    kind = _convention(schema, more.get("convention", ""), where)
    return Shot(photo_in(folder, name, where), name, points, where, box, more.get("person", ""), None, kind)


def _value(row, i, column):
    text = row[i].decode()
    return number(text, column, f"{row.file}:{row.line}") if text.strip() else np.nan


def _convention(schema, name, where):
    names = [convention.name for convention in schema.conventions]
    if name and name not in names:
        raise refused(where, f"a convention: {', '.join(names)}", repr(name[:40]))
    return names.index(name) if name else 0


def write(album, folder, put):
    """Write an album as faces.csv, schema.json and photos/; `put` as for `data.youtube.write`."""
    extra = [name for name, there in _extras(album).items() if there]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["image", *extra, *album.schema.columns])
    for shot in album.shots:
        own = {"person": shot.person, "convention": album.schema.conventions[shot.convention].name}
        own |= dict(zip(BOX, map(repr, map(float, shot.box)) if shot.box else [""] * 4, strict=True))
        values = ["" if value != value else repr(value) for value in shot.points.ravel().tolist()]
        table.writerow([f"photos/{put(shot, folder / 'photos')}", *(own[name] for name in extra), *values])
    return {"faces.csv": out.getvalue(), **schema_file(album.schema)}


def _extras(album):
    """dict of optional column to whether the album needs it."""
    boxes = any(shot.box for shot in album.shots)
    people = any(shot.person for shot in album.shots)
    return {"person": people, "convention": len(album.schema.conventions) > 1, **dict.fromkeys(BOX, boxes)}
