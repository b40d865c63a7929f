"""Sets larger than memory: a folder whose images stay in their file while a network trains on them.

SET/images.npy   uint8 [n, H, W, C], as `numpy.save` writes it
SET/labels.npz   points, convention, group, ids and, for faces cut out of photos, matrices
SET/mapped.json  schema, source, how the faces were cut out, the faces' digest, the SHA-256 of the other two files;
                 written last, so a folder that has one is whole

Both files are hashed when a set is seen for the first time; later only where `stat` says that they changed, by the
notes of data/cache.py. Their lengths are looked at every time.
"""

import dataclasses
from pathlib import Path

from data.cache import hashes_of
from data.crops import FaceSettings
from data.errors import DataError, RunError, UsageError
from data.faces import Faces
from data.images import Images, Writer
from data.keypoints import schema_of
from data.storage import read_arrays, read_json, understood, write_arrays, write_atomically, write_json

NAME = "mapped.json"
FORMAT = 1
FILES = ("images.npy", "labels.npz")
LABELS = ("points", "convention", "group", "ids")
LARGEST = 16 << 30  # bytes of labels.npz: 100 million faces of 15 points


def find_mapped(place):
    """Folder of the set that a path names, its folder or its mapped.json; None where it is none."""
    place = Path(place)
    folder = place.parent if place.name == NAME else place
    return folder if (folder / NAME).is_file() else None


def write_mapped(folder, shape, fill, cut=None):
    """Write a set without ever holding it in memory.

    Args:
        folder: an existing one.
        shape: (n, H, W, C) of the images.
        fill: called with a `data.images.Writer`, all of whose images it sets; returns the `Faces` with their labels,
            whose own images are not looked at.
        cut: `FaceSettings` that the faces were cut out of photos by; None where they are of no photos.

    Returns:
        The `Faces`, as `read_mapped` reads them.

    Raises:
        DataError: the folder cannot be written to.
    """
    folder, made = Path(folder), []
    write_atomically(folder / "images.npy", lambda file: made.append(fill(Writer(file, shape))))
    faces = dataclasses.replace(made[0], images=Images(folder / "images.npy"))
    labels = LABELS if faces.matrices is None else (*LABELS, "matrices")
    write_arrays(folder / "labels.npz", {name: getattr(faces, name) for name in labels})
    about = {"format": FORMAT, "schema": faces.schema.stored, "source": faces.source, "shape": list(faces.images.shape)}
    about |= {"digest": faces.digest(), "sha256": _sums(folder)}
    write_json(folder / NAME, about | ({"cut": dataclasses.asdict(cut)} if cut else {}))
    return read_mapped(folder)


def copy_images(faces):
    """A `fill` for `write_mapped` that copies faces, image by image."""

    def fill(writer):
        for row, image in enumerate(faces.images):
            writer[row] = image
        return faces

    return fill


def read_mapped(folder, settings=None):
    """Read a set; its images only when they are asked for.

    Args:
        folder: as `find_mapped` gives it.
        settings: `FaceSettings` of a run, which must be those that the set was cut out of photos by; None = any.

    Raises:
        DataError: damaged, cut off, or not as this version writes it. UsageError: other `FaceSettings`.
    """
    folder = Path(folder)
    try:
        with understood(folder / NAME, "a set of faces"):
            about = read_json(folder / NAME)
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}")
            images = Images(folder / "images.npy")
            _check_sums(folder, about["sha256"])
            labels = read_arrays(folder / "labels.npz", LARGEST)
            faces = Faces(images=images, schema=schema_of(about["schema"]), source=str(about["source"]), **labels)
            faces, cut = faces.known_as(str(about["digest"])), cut_of(folder)
    except RunError as error:
        raise DataError(str(error)) from error
    _check_cut(folder, cut, settings)
    return faces


def cut_of(folder):
    """`FaceSettings` that the faces of a set were cut out of photos by; None where they are of no photos."""
    with understood(Path(folder) / NAME, "a set of faces"):
        about = read_json(Path(folder) / NAME)
        return FaceSettings(**about["cut"]) if "cut" in about else None


def _sums(folder):
    return dict(zip(FILES, hashes_of([folder / name for name in FILES]), strict=True))


def _check_sums(folder, wanted):
    for name, found in _sums(folder).items():
        if found != wanted[name]:
            raise DataError(f"{folder / name}: damaged: its SHA-256 differs from {NAME}'s; write the set again")


def _check_cut(folder, cut, settings):
    """A run keeps how its faces were cut out, to cut others out alike: it must be told the same."""
    if cut is None or settings is None or cut == settings:
        return
    wanted, asked = dataclasses.asdict(cut), dataclasses.asdict(settings)
    options = [f"--set faces.{name}={value}" for name, value in wanted.items() if value != asked[name]]
    raise UsageError(f"{folder}: expected the settings that its faces were cut out by: give {' '.join(options)}")
