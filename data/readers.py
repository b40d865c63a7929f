"""Every face set on photos by name: how its files are found, read and written. A new set is one file and one row."""

from dataclasses import dataclass
from pathlib import Path

from data import coco, ibug, imm, own, pts, youtube
from data.crops import FaceSettings, cut_faces
from data.errors import DataError
from data.keypoints import IBUG68, IMM58, IMM58_ALONG
from data.photos import only, refused

VERSION = 1  # of what readers and crops make of files; raise it with any change of that, so that caches are made anew


@dataclass(frozen=True)
class Reader:
    """A row of READERS.

    Args:
        find: function of a folder to the paths in it that `read` takes.
        read: function of a path to an `Album`.
        write: function of an `Album`, a folder, and the function that puts a photo there, to a dict of file to text.
        what: one of its files, in words.
        schemas: those it can be written with; () = any.
    """

    find: object
    read: object
    write: object
    what: str
    schemas: tuple = ()


READERS = {
    "youtube": Reader(youtube.find, youtube.read, youtube.write, "frames_keypoints.csv", (IBUG68,)),
    "imm": Reader(imm.find, imm.read, imm.write, ".asf files", (IMM58, IMM58_ALONG)),
    "dlib": Reader(ibug.find, ibug.read, ibug.write, "an XML file of dlib's"),
    "coco": Reader(coco.find, coco.read, coco.write, "a COCO JSON file"),
    "csv": Reader(own.find, own.read, own.write, "a CSV file of photos and points"),
    "pts": Reader(pts.find, pts.read, pts.write, ".pts files", (IBUG68,)),
}
ENDINGS = {".asf": "imm", ".xml": "dlib", ".json": "coco", ".pts": "pts"}


def recognised(place):
    """(name of the reader, path that it takes) of a file or folder; None where no reader knows it.

    Raises:
        DataError: several of one kind, none of which is named as the training part.
    """
    place = Path(place)
    if place.is_file():
        return _file(place)
    for name, reader in READERS.items():
        found = only(reader.find(place), place, reader.what)
        if found:
            return name, found
    return None


def _file(path):
    name = ENDINGS.get(path.suffix.lower())
    if name is None and path.suffix.lower() == ".csv":
        columns = own.header(path)
        if columns == youtube.COLUMNS:
            return "youtube", path
        name = "csv" if own.is_own(columns) else None
    return (name, path) if name else None


def read_album(place, settings):
    """Read a face set on photos.

    Args:
        place: path of a file or folder.
        settings: `FaceSettings`.

    Returns:
        `Album`, or None where it is none.

    Raises:
        DataError: naming file and line.
    """
    known = recognised(place)
    if known is None:
        return None
    name, path = known
    return pts.read(path, settings.pts_first) if name == "pts" else READERS[name].read(path)


def read_test_album(place, settings=None):
    """Like `read_album`, but of a folder with several files the one for the test: with answers, where it has both."""
    settings = settings or FaceSettings()
    if place.is_file():
        return read_album(place, settings)
    for name, reader in READERS.items():
        found = [path for path in reader.find(place) if path != place]
        tests = [path for path in found if "test" in path.name.lower()]
        plain = [path for path in tests if "_parsed" not in path.name] or tests  # 300-W's has boxes without answers
        if len(found) > 1 and plain:
            return READERS[name].read(only(plain, place, f"test part of {reader.what}", "test"))
    return read_album(place, settings)


def faces_of(album, settings):
    """Faces cut out of an album, from the cache where neither photos nor settings changed."""
    from data.cache import cached

    if not len(album):
        raise DataError(f"{album.source}: expected faces; received none")
    names = " ".join(shot.name for shot in album.shots)  # they say who is who, and are no file's content
    return cached(album.key_files, lambda: cut_faces(album, settings), f"photos {VERSION} {settings} {names}")


def check_writable(album, name):
    """Raise DataError where a format cannot hold an album's points."""
    wanted = READERS[name].schemas
    if wanted and album.schema not in wanted:
        raise refused(f"--to {name}", " or ".join(schema.name for schema in wanted), f"{album.schema.name} points")
