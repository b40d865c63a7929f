"""`Album`: labelled faces on photos of any size, as a face set has them before `data.crops` cuts them out."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from data.errors import DataError
from data.keypoints import Schema

NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
FARTHEST = 1e6  # px; no label or box lies farther out


@dataclass(frozen=True)
class Shot:
    """One face on a photo.

    Args:
        photo: Path of the photo, or uint8 [H, W, C] where it is no file.
        name: of the photo within its set, with `/` between folders.
        points: float64 [k, 2] px of the photo, (0, 0) the centre of its first pixel; NaN = not labelled.
        where: `file:line` for errors.
        box: (left, top, width, height) px as whoever made the set drew it, or None.
        person: who it is, or "" where that is not known; the same photo is the same person.
        size: (width, height) px that the set says the photo has, or None.
        convention: index into the schema's conventions.
    """

    photo: object
    name: str
    points: np.ndarray
    where: str
    box: tuple | None = None
    person: str = ""
    size: tuple | None = None
    convention: int = 0


@dataclass(frozen=True)
class Album:
    """A face set on photos.

    Args:
        schema: the table of points.
        source: one word on where it comes from.
        shots: list of `Shot`, in the set's order.
        files: paths that it was read from, the photos apart.
        offset: how far the labels of this set are known to lie too far right, as a share of the face's size.
    """

    schema: Schema
    source: str
    shots: list
    files: tuple = ()
    offset: float = field(default=0.0)

    def __len__(self):
        return len(self.shots)

    @property
    def key_files(self):
        """Paths of everything that the faces depend on, each once."""
        photos = (shot.photo for shot in self.shots if isinstance(shot.photo, Path))
        return list(dict.fromkeys([*self.files, *photos]))


def refused(where, expected, received):
    """The error of all readers, to raise."""
    return DataError(f"{where}: expected {expected}; received {received}")


def number(text, what, where, low=-FARTHEST, high=FARTHEST):
    """A finite number from text. Raises DataError naming `what` and `where`."""
    text = text.strip()
    value = float(text) if NUMBER.fullmatch(text) else math.nan
    if not low <= value <= high:
        raise refused(where, f"{what}, a number from {low:g} to {high:g}", repr(text[:40]) if text else "nothing")
    return value


def box_of(values, where):
    """A box (left, top, width, height) with an area. Raises DataError."""
    if not (values[2] > 0 and values[3] > 0):
        raise refused(where, "a box of more than 0 px", f"{values[2]:g}x{values[3]:g}")
    return tuple(values)


def photo_in(folder, name, where):
    """Path of a photo that a file of a set names; it must lie below the set's folder.

    Raises:
        DataError: an absolute path, one that leaves the folder, or no such file.
    """
    parts = PurePosixPath(name.strip().replace("\\", "/"))
    if not parts.name or parts.is_absolute() or ".." in parts.parts or "\0" in name:
        raise refused(where, "the name of a photo below the set's folder", repr(name[:80]))
    path = Path(folder) / parts
    if not path.is_file():
        raise refused(where, f"the photo {parts}", f"no file {path}")
    return path


def text_lines(path, limit=64 << 20):
    """(number, text) of the lines of a text file, counted from 1, without what surrounds them.

    Raises:
        DataError: it cannot be read, is no UTF-8 text, or is huge.
    """
    try:
        if path.stat().st_size > limit:
            raise refused(path, f"at most {limit >> 20} MB", f"{path.stat().st_size >> 20} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise refused(path, "a file that can be read", error.strerror) from error
    except UnicodeDecodeError as error:
        raise refused(path, "UTF-8 text", f"the byte 0x{error.object[error.start]:02x}") from error
    return [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]


def only(found, folder, what, preferred="train"):
    """The one path of `found`, or the one whose name holds `preferred`; None where there is none.

    Raises:
        DataError: several, and the names do not say which.
    """
    chosen = [path for path in found if preferred in path.name] if len(found) > 1 else found
    if len(found) > 1 and len(chosen) != 1:
        names = ", ".join(path.name for path in found[:5])
        raise refused(folder, f"one {what}, or one with {preferred!r} in its name", f"{names}: give the path of one")
    return chosen[0] if chosen else None
