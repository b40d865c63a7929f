"""YouTube Faces frames: a CSV of file name and 68 points, and photos of any size beside it, PNG or JPEG."""

import csv
import io
import re

import numpy as np

from data.archives import Located
from data.csv_rows import read_rows
from data.keypoints import IBUG68
from data.photos import Album, Shot, number, photo_in, refused

ENDING = "frames_keypoints.csv"
COLUMNS = ("", *map(str, range(2 * len(IBUG68))))
OFFSET = 0.015  # share of the face; found by comparing a network's answers with those on mirrored faces


def find(folder):
    """Paths of the tables in a folder."""
    return [path for path in sorted(folder.glob(f"*{ENDING}")) if path.is_file()]


def read(path):
    """Read a table such as frames_keypoints.csv; its photos lie in frames/, or beside it.

    Returns:
        Album of schema IBUG68; a person is a photo's name without its number.

    Raises:
        DataError: naming file, line and column.
    """
    folders, shots = None, []
    with Located(path).open() as stream:
        for row in read_rows(stream, str(path), COLUMNS):
            where = f"{row.file}:{row.line}"
            name = row[0].decode().strip()
            folders = folders or _photos(path, name)
            values = [number(row[i + 1].decode(), f"column {i}", where) for i in range(2 * len(IBUG68))]
            points = np.array(values).reshape(-1, 2)
            shots.append(Shot(photo_in(folders, name, where), name, points, where, person=person(name)))
    return Album(IBUG68, "youtube", shots, (path,), OFFSET)


def _photos(path, name):
    """The folder of the first photo: frames/ for frames_keypoints.csv, training/ for training_frames_keypoints.csv."""
    stem = path.name.removesuffix(ENDING).rstrip("_")
    choices = [path.parent / part for part in (stem, "frames") if part] + [path.parent]
    found = next((folder for folder in choices if (folder / name).is_file()), None)
    if found is None:
        raise refused(f"{path}:2", f"the photo {name!r} in {', '.join(map(str, choices))}", "none")
    return found


def person(name):
    """`Luis_Fonsi` of `Luis_Fonsi_21.jpg`."""
    return re.sub(r"_\d+\.\w+$", "", name)


def write(album, folder, put):
    """Write an album of 68 points as frames_keypoints.csv and frames/.

    Args:
        album: `Album`, all of its points labelled.
        folder: Path.
        put: function of shot and folder that writes the photo and returns its name.

    Raises:
        DataError: other points, some not labelled, or two faces on one photo.
    """
    out, seen = io.StringIO(), set()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for shot in album.shots:
        name = put(shot, folder / "frames")
        if not np.isfinite(shot.points).all() or name in seen:
            raise refused(shot.where, "one face with all points on each photo for this format", "something else")
        seen.add(name)
        table.writerow([name, *map(repr, shot.points.ravel().tolist())])
    return {ENDING: out.getvalue()}
