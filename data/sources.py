"""Where faces come from: the one place that turns `--data` into `Faces`."""

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from data import kaggle
from data.archives import COMPETITION, Located, find, is_zip, zipped
from data.cache import cached
from data.crops import FaceSettings
from data.errors import DataError, UsageError
from data.mapped import NAME, find_mapped, read_mapped

SYNTHETIC_COUNT = 600  # faces; trains within minutes on two cores
STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # not the network's errors


def read_training(data, seed=0, settings=None):
    """Read the faces to train on.

    Args:
        data: "synthetic" or "synthetic:COUNT"; "kaggle", to fetch the competition's files; or the path of a folder
            with them, zipped or not, of the competition's zip, or of one file like training.csv; or the path of a set
            on photos, as data/readers.py recognises them; or that of a set that stays on disk, as data/mapped.py does.
        seed: of the synthetic faces.
        settings: `FaceSettings`: how faces are cut out of photos; None = the defaults.

    Returns:
        Faces; read-only, and memory-mapped where the cache can be written.

    Raises:
        DataError: nothing there, or a file that cannot be read, with its line and column.
        UsageError: a COUNT that is not one.
    """
    if _is_synthetic(data):
        from data.synthetic import make_faces

        return make_faces(synthetic_count(data), seed)
    place = _place(data)
    mapped = find_mapped(place)
    if mapped:
        return read_mapped(mapped, settings)
    album = read_photos(place, settings)
    if album is not None:
        return _cut(album, settings)
    training = _training(place)
    persons = _persons(training)
    files = [training, persons] if persons else [training]
    return cached([file.path for file in files], lambda: _read_training(training, persons), _version(files))


def read_photos(place, settings=None):
    """`Album` of a set on photos; None where the place is none of them, or the competition's."""
    place = Path(place)
    if find_mapped(place) or _competition(place):
        return None
    from data.readers import read_album  # after that look: a cached start with the competition's files needs none of it

    return read_album(place, settings or FaceSettings())


def read_test_photos(data, settings=None):
    """`Album` of a test set on photos: a file, or the test part of a folder; None where it is Kaggle's.

    Args:
        data: its path.
        settings: `FaceSettings`; None = the defaults.

    Raises:
        DataError: several files that could be it, or one that cannot be read.
    """
    place = Path(os.path.expanduser(data))
    if not place.exists() or _competition(place):
        return None
    from data.readers import read_test_album

    return read_test_album(place, settings)


def read_test(data):
    """Read the competition's test images and what is asked of them.

    Args:
        data: as for `read_training`; test.csv and IdLookupTable.csv may also lie beside the file it names.

    Returns:
        (Faces without labels, in the order of test.csv and with the convention that the questions give away; Lookup).

    Raises:
        DataError: synthetic faces, which have no test; a missing file; or one that cannot be read.
    """
    if _is_synthetic(data):
        raise DataError(f"{data}: expected a source with test.csv and IdLookupTable.csv; synthetic faces have none")
    place = _place(data)
    test, lookup = _beside(place, "test.csv"), _beside(place, "IdLookupTable.csv")
    faces = cached([test.path], lambda: _read_test(test), _version([test]))
    with lookup.open() as stream:
        asked = kaggle.read_lookup(stream, faces.ids, lookup.name)
    return replace(faces, convention=asked.convention(len(faces))), asked


def read_labelled_test(data, seed=0, settings=None):
    """Read the test part of a set with its answers: to score networks on, no choice is made by it.

    Args:
        data: place of the competition's files with test_truth.csv (RowId, Location) beside test.csv, as data/replica.py
            and data/synthetic.py write it; or a set on photos, a folder's test part where it has one; or anything else
            that `read_training` takes, all of its faces.
        seed, settings: as for `read_training`.

    Returns:
        Faces.

    Raises:
        DataError: as for `read_training` and `read_test`; no label at all; one coordinate of a point without the other.
    """
    if _is_synthetic(data):
        return read_training(data, seed, settings)
    place = _place(data)
    if _competition(place) and find(place, "test.csv"):
        faces = _answered(str(place))
    elif find_mapped(place) or (album := read_test_photos(place, settings)) is None:
        faces = read_training(str(place), seed, settings)
    else:
        faces = _cut(album, settings)
    if not np.isfinite(faces.points).any():
        raise DataError(f"{data}: expected labelled faces; received {len(faces)} without any label")
    return faces


def _answered(data):
    """The competition's test faces with their answers as labels."""
    faces, asked = read_test(data)
    truth = _beside(Path(data), "test_truth.csv")
    with truth.open() as stream:
        answers = kaggle.read_answers(stream, asked, truth.name)
    points = np.full(faces.points.shape, np.nan, np.float32)
    points[asked.image, asked.point, asked.axis] = answers
    if (np.isfinite(points[..., 0]) != np.isfinite(points[..., 1])).any():
        raise DataError(f"{truth.name}: expected both coordinates of a point or neither; received one")
    return replace(faces, points=points)


def _cut(album, settings):
    from data.readers import faces_of

    return faces_of(album, settings or FaceSettings())


def _competition(place):
    """Whether a place is a zip, or a folder with files of the competition's names."""
    if place.is_dir():
        return bool(find(place, "training.csv") or find(place, "test.csv"))
    return place.is_file() and is_zip(place)


def _is_synthetic(data):
    return data.partition(":")[0] == "synthetic"


def synthetic_count(data):
    """How many faces "synthetic" or "synthetic:COUNT" asks for; None where `data` is neither."""
    if not _is_synthetic(data):
        return None
    _, colon, count = data.partition(":")
    if colon and not re.fullmatch("[1-9][0-9]{0,6}", count):
        raise UsageError(f"--data: expected synthetic:COUNT with COUNT from 1 to 9999999; received {data!r}")
    return int(count) if colon else SYNTHETIC_COUNT


def _place(data):
    place = os.path.expanduser(_fetch() if data == "kaggle" else data)
    if not (os.path.isdir(place) or os.path.isfile(place)):  # a pipe, too: its content is read more than once
        wanted = "synthetic, synthetic:COUNT, kaggle, or the path of a folder or file"
        raise DataError(f"--data: expected {wanted}; received {data!r}, which is none of them")
    return Path(place)


def _training(place):
    if place.is_file() and not is_zip(place):
        return Located(place)
    return _wanted("training.csv", [place])


def _persons(training):
    """The persons file beside training.csv, where there is one: training_persons.csv."""
    stem = "training" if training.wanted else training.path.stem
    beside = training.path.with_name(f"{stem}_persons.csv")
    if beside.is_file():
        return Located(beside)
    return find(training.path, beside.name) if training.wanted else None


def _beside(place, name):
    """A file in the place itself or, where that is a file, in its folder."""
    inside = [place] if place.is_dir() or is_zip(place) else []
    return _wanted(name, inside if place.is_dir() else [*inside, place.parent])


def _wanted(name, places):
    for where in places:
        found = find(where, name)
        if found:
            return found
    wanted = f"{name}, {zipped(name)} or {COMPETITION}.zip with {name} inside"
    if name == "training.csv":
        from data.readers import READERS

        wanted += f", or {NAME} of a set larger than memory, or a set on photos: "
        wanted += ", ".join(reader.what for reader in READERS.values())
    raise DataError(f"{places[-1]}: expected {wanted}; received none of them")


def _version(files):
    return f"kaggle {kaggle.VERSION} " + " ".join(file.wanted or "csv" for file in files)


def _read_training(training, persons):
    with training.open() as stream:
        faces = kaggle.read_training(stream, training.name)
    if persons is None:
        return faces
    with persons.open() as stream:
        known = kaggle.read_persons(stream, len(faces), persons.name)
    return replace(faces, group=kaggle.groups(faces.images, known))


def _read_test(test):
    with test.open() as stream:
        return kaggle.read_test(stream, test.name)


def _fetch():
    """Fetch the competition's files, or find them where kagglehub put them before. Returns their folder."""
    by_hand = f"or fetch the files from kaggle.com/c/{COMPETITION}/data and give their folder as --data"
    try:
        import kagglehub
    except ImportError as error:
        raise DataError(f"kaggle: expected kagglehub; it is not installed: pip install kagglehub, {by_hand}") from error
    try:
        return kagglehub.competition_download(COMPETITION)
    except Exception as error:  # of kagglehub, requests and urllib3, differing between their versions
        raise DataError(f"kaggle: {_failure(error)}, {by_hand}") from error


def _failure(error):
    """What went wrong in a download, and what to do, by what all versions of kagglehub have in common."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 403:
        return f"the rules are not accepted: open kaggle.com/c/{COMPETITION}/rules, accept them and try again"
    if status == 401 or type(error).__name__ in ("CredentialError", "UnauthenticatedError"):
        return "no account: put a token from kaggle.com/settings where kagglehub looks for it (~/.kaggle/kaggle.json)"
    if isinstance(error, OSError) and status is None and error.errno not in STORAGE:
        return f"no network: {type(error).__name__}; try again with a connection"
    return f"the download failed ({type(error).__name__}: {error}): try again"
