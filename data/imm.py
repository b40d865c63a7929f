"""The IMM face database: one .asf file per photo with 58 points as fractions of the photo's width and height.

The format is that of the AAM tools of Stegmann 2002: comments, the number of points, a line for each with its path,
type, x, y, number and neighbours, and the photo's name.
"""

import re

import numpy as np

from data.keypoints import IMM58, IMM58_ALONG
from data.photos import Album, Shot, number, photo_in, refused, text_lines
from data.pictures import picture_size

LARGEST = 3.0  # fraction; a point lies no farther out of its photo


def find(folder):
    """The folder itself, as a list, where it has .asf files."""
    return [folder] if next(folder.glob("*.asf"), None) else []


def read(path):
    """Read the .asf files of a folder, or one of them; the photos lie beside them.

    Returns:
        Album of schema IMM58 or, where the points are seen to follow that order, IMM58_ALONG; a person is the number
        before the dash: 07 of 07-3m.

    Raises:
        DataError: naming file and line.
    """
    files = sorted(path.glob("*.asf")) if path.is_dir() else [path]
    shots = [_shot(file) for file in files]
    schema = min((IMM58, IMM58_ALONG), key=lambda schema: _lopsided(schema, np.stack([s.points for s in shots])))
    return Album(schema, "imm", shots, tuple(files))


def _shot(file):
    lines = [(i, line) for i, line in text_lines(file) if line and not line.startswith("#")]
    if len(lines) < 2:
        raise refused(f"{file}:1", "the number of points, the points and the photo's name", f"{len(lines)} lines")
    (first, count), (last, name) = lines[0], lines[-1]
    if count != str(len(IMM58)):
        raise refused(f"{file}:{first}", f"{len(IMM58)}, the number of points", repr(count[:40]))
    if len(lines) != len(IMM58) + 2:
        raise refused(f"{file}:{last}", f"{len(IMM58)} lines of points, then the photo's name", f"{len(lines) - 2}")
    photo = photo_in(file.parent, name, f"{file}:{last}")
    points = np.array([_point(line, k, f"{file}:{i}") for k, (i, line) in enumerate(lines[1:-1])])
    return Shot(photo, name, points * picture_size(photo), f"{file}:{first}", person=person(file.stem))


def _point(line, k, where):
    """(x, y) as fractions."""
    parts = line.split()
    if len(parts) < 7:
        raise refused(where, "path, type, x, y, point, from, to", f"{len(parts)} fields")
    if parts[4] != str(k):
        raise refused(where, f"point {k}", repr(parts[4][:40]))
    return [number(parts[i], what, where, -LARGEST, LARGEST) for i, what in ((2, "x"), (3, "y"))]


def person(stem):
    """`07` of `07-3m`."""
    return re.split("[-_]", stem)[0]


def _lopsided(schema, points):
    """How far the mean face [k, 2] is from its mirror image under a schema: small for the right order of points."""
    upright = points - points.mean(1, keepdims=True)
    mean = (upright / np.sqrt((upright**2).sum((1, 2), keepdims=True))).mean(0)
    return np.abs(mean - mean[schema.mirror] * [-1, 1]).mean()


def write(album, folder, put):
    """Write an album of 58 points as .asf files with the photos beside them. As for `data.youtube.write`."""
    from data.pictures import shot_size

    texts = {}
    for shot in album.shots:
        name = put(shot, folder)
        stem = name.rpartition(".")[0]
        if not np.isfinite(shot.points).all() or f"{stem}.asf" in texts:
            raise refused(shot.where, "one face with all points on each photo for this format", "something else")
        texts[f"{stem}.asf"] = _asf(album.schema, shot.points / shot_size(shot.photo), name)
    return texts


def _asf(schema, fractions, photo):
    """Text of an .asf file."""
    rows = []
    for k, (point, (x, y)) in enumerate(zip(schema.points, fractions.tolist(), strict=True)):
        path, before, after = _neighbours(schema, point)
        rows.append(f"{path}\t0\t{x!r}\t{y!r}\t{k}\t{before}\t{after}\n")
    note = "#\n# {}\n#\n".format
    head = [note("number of model points"), f"{len(schema)}\n\n", note("model points")]
    return "".join([*head, *rows, "\n", note("host image"), f"{photo}\n"])


def _neighbours(schema, point):
    """(number of the point's line, the point before it, the one after it); an open line ends with the point itself."""
    path, line = next(
        ((i, line) for i, line in enumerate(schema.lines) if point in line), (len(schema.lines), (point,))
    )
    at, closed = line.index(point), line[0] == line[-1] and len(line) > 1
    before = line[at - 1] if at else line[-2 if closed else 0]
    after = line[min(at + 1, len(line) - 1)]
    return path, schema.points.index(before), schema.points.index(after)
