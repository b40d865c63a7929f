"""A replica of Kaggle's facial-keypoints-detection files from faces with 68 points: two conventions, label noise,
missing labels, repeated images, a test part of other persons with lookup table and truth.

What it copies was measured on the real labels: where the eyes are (near (66, 37) and (30, 37) px) and how that varies,
32 % of rows with 15 points and the others with 4, drawn in their own way, complete rows first, 0.8 % grossly wrong rows
and 8 % repeated images; the test asks for 15 points on a third of its images.
"""

import csv
import hashlib
import io
from dataclasses import dataclass

import numpy as np

from data.crops import cut, grey, levelled, photo_of
from data.errors import DataError
from data.keypoints import IBUG68, KAGGLE15
from data.mapping import fifteen_of_68, four_of_68
from data.storage import write_text

SIDE = 96  # px
ZOOM, SHIFT = 0.05, 1.5  # standard deviations of how a face detector frames: relative, and px
TEST_PART = 5  # one person in so many
TEST_DETAILED = 1 / 3  # of the test images are asked in full
GROSS, GROSS_SHIFT = 0.008, 12  # share of wrong rows; px
REPEATED, DETAILED, INCOMPLETE = 0.08, 0.32, 0.06  # shares of rows; the last of the rows with 15 points
CARELESS = 1.2  # how much more the labels of four-point rows stray
FOUR = [KAGGLE15.index(name) for name in KAGGLE15.conventions[1].labelled]
# Mean positions in the real rows with 15 points, tenths of a px; x y of each point.
MEAN = np.array(
    "661 369 297 371 592 379 733 377 367 380 224 380 561 293 795 297 393 295 159 304 479 574 633 760 329 762 480 729 "
    "480 824".split(),
    float,
).reshape(15, 2)
MEAN = MEAN / 10
# Standard deviations of one annotator, hundredths of a px: half of what the other 14 points leave unexplained.
NOISE = np.array(
    "50 35 50 35 50 40 50 40 50 40 50 40 100 80 100 110 100 80 100 110 90 130 90 70 90 70 50 100 50 130".split(), float
)
NOISE = NOISE.reshape(15, 2) / 100


@dataclass(frozen=True)
class Face:
    """A framed face: who it is, its image uint8 [96, 96], and its 15 points [2, 15, 2] px by both conventions."""

    who: str
    image: np.ndarray
    drawn: np.ndarray


def write_replica(album, folder, seed=0, all_test=False):
    """Write an album of 68 points as the competition's files.

    Args:
        album: `Album` of IBUG68, all points labelled; each photo's person should be known.
        folder: Path of a folder that exists.
        seed: the same seed gives the same bytes.
        all_test: put every person into the test part.

    Returns:
        One line of text: how many rows and answers.

    Raises:
        DataError: other points, or missing ones.
    """
    if album.schema is not IBUG68 or not all(np.isfinite(shot.points).all() for shot in album.shots):
        raise DataError(f"{album.source}: expected all of ibug68's 68 points on each face; received others or fewer")
    rng = np.random.default_rng(seed)
    faces = [_framed(shot, album.offset, rng) for shot in album.shots]
    tested = [all_test or _in_test(face.who) for face in faces]
    full, four = _training([face for face, test in zip(faces, tested, strict=True) if not test], rng)
    _write_training(folder, [*full, *four])
    test = [face for face, there in zip(faces, tested, strict=True) if there]
    answers = _write_test(folder, [test[i] for i in rng.permutation(len(test))])
    return (
        f"{len(full)} complete-convention and {len(four)} four-point training rows, {len(test)} test images, "
        f"{answers} answers"
    )


def _in_test(who):
    """Whether a person is tested: by the name alone, so that more photos change nothing."""
    return int(hashlib.sha256(who.encode()).hexdigest(), 16) % TEST_PART == 0


def _framed(shot, offset, rng):
    """A `Face` where a face detector would have framed it: about the mean face, a little off."""
    points = levelled(shot.points, offset)
    own = fifteen_of_68(points)
    fit = np.sqrt(_spread(MEAN) / _spread(own))
    scale = fit * rng.normal(1, ZOOM)
    shift = MEAN.mean(0) - scale * own.mean(0) + rng.normal(0, SHIFT, 2)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    seen = points * scale + shift
    image = cut(grey(photo_of(shot)), matrix, (SIDE, SIDE))[..., 0]
    return Face(shot.person or shot.name, image, np.stack([fifteen_of_68(seen), four_of_68(seen)]))


def _spread(points):
    return ((points - points.mean(0)) ** 2).sum()


def _training(faces, rng):
    """(rows with 15 points, rows with 4): lists of (who, image, labels [15, 2]), each in random order."""
    full, four = [], []
    for face in faces:
        wrong = rng.random() < GROSS
        for again in range(1 + (rng.random() < REPEATED)):
            sparse = rng.random() >= DETAILED
            labels = _labels(face.drawn[int(sparse)], sparse, wrong and not again, rng)
            (four if sparse else full).append((face.who, face.image, labels))
    rng.shuffle(full)
    rng.shuffle(four)
    return full, four


def _labels(points, sparse, wrong, rng):
    """What an annotator gives: float [15, 2] px, NaN where not labelled."""
    labels = points + rng.normal(size=(15, 2)) * NOISE * (CARELESS if sparse else 1)
    if wrong:
        labels = labels + rng.normal(0, GROSS_SHIFT, (1, 2)) if rng.random() < 0.5 else rng.permutation(labels)
    labels = np.clip(labels, 0, SIDE)
    if sparse:
        labels[np.setdiff1d(np.arange(15), FOUR)] = np.nan
    elif rng.random() < INCOMPLETE:
        labels[rng.choice(15, rng.integers(1, 5), replace=False)] = np.nan
    return labels


def _write_training(folder, rows):
    labels = [
        [*("" if np.isnan(v) else _number(v) for v in points.ravel()), _pixels(image)] for _, image, points in rows
    ]
    _write(folder / "training.csv", [*KAGGLE15.columns, "Image"], labels)
    _write(folder / "training_persons.csv", ["row", "person"], ([i, who] for i, (who, _, _) in enumerate(rows)))


def _write_test(folder, faces):
    """Write the four files of the test part; returns how many answers they ask for."""
    asked = []
    detailed = round(len(faces) * TEST_DETAILED)
    for i, face in enumerate(faces):
        points = np.clip(face.drawn[0 if i < detailed else 1], 0, SIDE)
        for k in range(15) if i < detailed else FOUR:
            asked += [(i + 1, KAGGLE15.columns[2 * k + axis], _number(points[k, axis])) for axis in (0, 1)]
    images = ([i, _pixels(face.image)] for i, face in enumerate(faces, 1))
    _write(folder / "test.csv", ["ImageId", "Image"], images)
    lookup = ([row, image, name, ""] for row, (image, name, _) in enumerate(asked, 1))
    _write(folder / "IdLookupTable.csv", ["RowId", "ImageId", "FeatureName", "Location"], lookup)
    _write(folder / "test_truth.csv", ["RowId", "Location"], ([i, value] for i, (*_, value) in enumerate(asked, 1)))
    _write(folder / "SampleSubmission.csv", ["RowId", "Location"], ([i, 0] for i in range(1, len(asked) + 1)))
    return len(asked)


def _write(path, header, rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    write_text(path, out.getvalue())


def _number(value):
    return repr(round(float(value), 6))


def _pixels(image):
    return " ".join(map(str, image.ravel().tolist()))
