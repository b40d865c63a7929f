"""Which files `specialists.predict` looks at, and what it writes about them: overlays, JSON, CSV."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DataError, one_line
from data.storage import json_text, write_atomically, write_text

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2", ".avif", ".heic")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp")
LONGEST = 2048  # px of an overlay; a larger photo's is drawn smaller
COLUMNS = ("photo", "face", "keypoint", "x", "y", "radius_50", "radius_90")
NOBODY = "no face found"


@dataclass(frozen=True)
class Answer:
    """What was found on one photo.

    Args:
        photo: Path.
        size: (width, height) px as viewers show it; None where it could not be read.
        faces: list of `Face`.
        error: one sentence where it could not be read, else "".
    """

    photo: Path
    size: tuple | None
    faces: list
    error: str = ""

    @property
    def says(self):
        """In words: `2 faces`, `no face found`, or why it could not be read."""
        if self.error:
            return self.error
        count = len(self.faces)
        return f"{count} face{'' if count == 1 else 's'}" if count else NOBODY


def list_files(names):
    """The photos and videos that names of files and folders stand for, in their order; folders sorted and whole.

    Args:
        names: of files, taken whatever their endings, and of folders, of which files with a known ending are taken.

    Returns:
        (list of Path of photos, list of Path of videos), each file once.

    Raises:
        DataError: no such file or folder, or a folder without photos and videos.
    """
    found = {}
    for name in names:
        place = Path(name).expanduser()
        if not place.exists():
            raise DataError(f"{place}: expected a photo, a video or a folder of them; received no file")
        files = _inside(place) if place.is_dir() else [place]
        if not files:
            raise DataError(f"{place}: expected photos or videos in this folder; received none")
        found |= dict.fromkeys(files)
    videos = [path for path in found if path.suffix.lower() in VIDEOS]
    return [path for path in found if path not in set(videos)], videos


def _inside(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES + VIDEOS)
    return [path for path in files if path.is_file() and not path.name.startswith(".")]


def own_names(paths, ending):
    """Names for files about `paths` in one folder: the stems, with numbers where two are alike."""
    names, taken = [], set()
    for path in paths:
        stem, number = path.stem or "photo", 1
        while (name := f"{stem}{'' if number == 1 else f'-{number}'}{ending}").lower() in taken:
            number += 1
        taken.add(name.lower())
        names.append(name)
    return names


def write_answers(out, answers, about):
    """Write faces.json and points.csv.

    Args:
        out: Path of the folder.
        answers: list of `Answer`.
        about: a JSON object on how they were made: run, convention, units.
    """
    write_text(out / "faces.json", json_text({**about, "photos": [_as_json(answer) for answer in answers]}))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(row for answer in answers for row in rows_of(answer.photo, answer.faces))
    write_text(out / "points.csv", text.getvalue())


def rows_of(first, faces):
    """Rows of COLUMNS, `first` in the first column."""
    for number, face in enumerate(faces, 1):
        for name, (x, y), (half, most) in zip(face.names, face.points, face.radii.T, strict=True):
            yield first, number, name, f"{x:.2f}", f"{y:.2f}", f"{half:.2f}", f"{most:.2f}"


def _as_json(answer):
    width, height = answer.size or (None, None)
    faces = [face_as_json(face) for face in answer.faces]
    photo = one_line(answer.photo)
    return {"photo": photo, "width": width, "height": height, "answer": one_line(answer.says), "faces": faces}


def face_as_json(face):
    """A `Face` as a JSON object: box, doubt, and of each point x, y and radii in px of the photo."""
    numbers = np.round(np.column_stack([face.points, face.radii.T]).astype(float), 2).tolist()
    keys = ("x", "y", "radius_50", "radius_90")
    points = {name: dict(zip(keys, values, strict=True)) for name, values in zip(face.names, numbers, strict=True)}
    return {"box": [round(side, 2) for side in face.box], "doubt": round(face.doubt, 4), "points": points}


def write_overlay(path, photo, faces, schema):
    """Write a photo uint8 [H, W, 3] RGB with its faces drawn on it as JPEG."""
    import cv2

    from specialists.photos_draw import draw_faces, shrunk

    shown = draw_faces(*shrunk(photo, faces, LONGEST), schema)
    _, coded = cv2.imencode(".jpg", np.ascontiguousarray(shown[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])
    write_atomically(path, lambda file: file.write(coded.tobytes()))
