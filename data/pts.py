"""300-W as its authors ship it: beside each photo a .pts file of the same name with its points.

version: 1
n_points: 68
{
45.0 98.0
...
}
"""

import re

import numpy as np

from data.keypoints import IBUG68
from data.photos import Album, Shot, number, refused, text_lines
from data.schema_files import find_schema, read_schema

PHOTOS = (".jpg", ".jpeg", ".png", ".bmp")
MOST_FOLDERS = 3  # levels below the one that is given


def find(folder):
    """The folder itself, as a list, where it or one below it has .pts files."""
    return [folder] if _files(folder) else []


def _files(folder):
    levels = ("/".join(["*"] * depth + ["*.pts"]) for depth in range(MOST_FOLDERS + 1))
    return sorted(path for level in levels for path in folder.glob(level))


def read(path, first=0):
    """Read the .pts files of a folder and those below it, or one of them.

    Args:
        path: of the folder or file.
        first: what the files call the first pixel; 300-W's own, made in Matlab, call it 1.

    Returns:
        Album of schema IBUG68, or of the schema.json that lies there.

    Raises:
        DataError: naming file and line.
    """
    folder, files = (path, _files(path)) if path.is_dir() else (path.parent, [path])
    named = find_schema(path)
    schema = read_schema(named) if named else IBUG68
    shots = [_shot(file, folder, len(schema), first) for file in files]
    return Album(schema, "300-W", shots, (*files, *([named] if named else [])))


def _shot(file, folder, count, first):
    lines = [(i, line) for i, line in text_lines(file) if line]
    wanted = (r"version:\s*1(\.0*)?", rf"n_points:\s*{count}", r"\{")
    for (i, line), pattern, what in zip(lines, wanted, ("version: 1", f"n_points: {count}", "{"), strict=False):
        if not re.fullmatch(pattern, line):
            raise refused(f"{file}:{i}", what, repr(line[:40]))
    end = f"{file}:{lines[-1][0] if lines else 1}"
    if len(lines) != count + 4 or lines[-1][1] != "}":
        raise refused(end, f"{count} lines of points between braces", f"{max(0, len(lines) - 4)}")
    points = np.array([_point(line, f"{file}:{i}") for i, line in lines[3:-1]]) - first
    photo = next(
        (p for end in PHOTOS for p in (file.with_suffix(end), file.with_suffix(end.upper())) if p.is_file()), None
    )
    if photo is None:
        raise refused(file, f"a photo beside it: {file.stem} with {', '.join(PHOTOS)}", "none")
    name = photo.relative_to(folder).as_posix()
    return Shot(photo, name, points, f"{file}:1", person=re.sub(r"_mirror(?=\.\w+$)", "", name))


def _point(line, where):
    parts = line.split()
    if len(parts) != 2:
        raise refused(where, "x and y", repr(line[:40]))
    return [number(part, axis, where) for part, axis in zip(parts, "xy", strict=True)]


def write(album, folder, put):
    """Write an album as photos with .pts files beside them; `put` as for `data.youtube.write`."""
    texts = {}
    for shot in album.shots:
        name = put(shot, folder).rpartition(".")[0] + ".pts"
        if not np.isfinite(shot.points).all() or name in texts:
            raise refused(shot.where, "one face with all points on each photo for this format", "something else")
        rows = "".join(f"{x!r} {y!r}\n" for x, y in shot.points.tolist())
        texts[name] = f"version: 1\nn_points: {len(shot.points)}\n{{\n{rows}}}\n"
    return texts
