"""Drawn faces with exactly known points: the embedded default, so that everything runs without a download.

    python -m data.synthetic --out DIR [--count N] [--test-count N] [--seed S]

writes such faces as Kaggle-format files (training.csv, test.csv, IdLookupTable.csv, ...), so that the whole path of a
competition can be tried with no data. Positions, missing labels and both labelling conventions follow the real set.
"""

from dataclasses import dataclass

import numpy as np

from data.errors import Parser, UsageError, command
from data.faces import Faces
from data.keypoints import KAGGLE15

REPEATS = 0.08  # share of rows that show another row's picture again
SAME_PERSON = 0.35  # share of new pictures that show the person of the picture before
LEAST = {"count": 1, "size": 16, "seed": 0}
TRAINING, TEST = 0, 1  # streams of randomness: their persons differ
ROW, PICTURE, PERSON, LABEL = range(4)  # what a generator's seed is for


@dataclass(frozen=True)
class Plan:
    """Who and what each row shows, in the order of the file.

    Args:
        convention: uint8 [n], of the row's labels.
        picture: int64 [n], which picture it shows: the number of the first draw that does.
        framing: uint8 [n], the convention that the picture was framed for.
        person: int64 [n].
        draw: int64 [n], the row's number before the rows of the first convention were put first.
    """

    convention: np.ndarray
    picture: np.ndarray
    framing: np.ndarray
    person: np.ndarray
    draw: np.ndarray


def plan_rows(count, seed, stream=TRAINING, repeats=REPEATS):
    """Plan of `count` rows. A draw is the same whatever the count; only its place among the rows depends on it."""
    from data.synthetic_labels import FIFTEEN_SHARE

    draw = np.arange(count)
    chance = np.random.default_rng([seed, stream, ROW]).random((count, 3))
    convention = (chance[:, 0] >= FIFTEEN_SHARE).astype(np.uint8)
    new_picture = (chance[:, 1] >= repeats) | (draw == 0)
    picture = np.maximum.accumulate(np.where(new_picture, draw, 0))
    new_person = new_picture & ((chance[:, 2] >= SAME_PERSON) | (draw == 0))
    person = np.cumsum(new_person) - 1
    order = np.argsort(convention, kind="stable")
    return Plan(convention[order], picture[order], convention[picture][order], person[order], draw[order])


def draw_face(rng, person=None, framing=0, size=96):
    """Draw one face.

    Args:
        rng: numpy Generator; it decides everything about the shot.
        person: Person; None for a random one.
        framing: 0 or 1, the convention whose framing the picture has.
        size: px of a side.

    Returns:
        uint8 [size, size] image, and float64 [17, 2] exact positions of the output slots of `KAGGLE15`, px.
    """
    from data.synthetic_drawing import render
    from data.synthetic_people import draw_person, draw_shot
    from data.synthetic_points import sample_face

    person = person or draw_person(rng)
    shot = draw_shot(rng)
    face = sample_face(rng, person.shape, framing)
    image, slots = render(face, person, shot, rng, size)
    return image, _to_size(slots, size)


def _to_size(points, size):
    """Positions in an image of `size` px from those in one of 96; (0, 0) is the centre of the first pixel."""
    return (points + 0.5) * (size / 96) - 0.5


def _pictures(plan, seed, stream, size, images=None):
    """Images uint8 [n, size, size, 1] and exact slot positions float64 [n, 17, 2] of a plan's rows."""
    from data.synthetic_people import draw_person

    images = np.empty((len(plan.picture), size, size, 1), np.uint8) if images is None else images
    slots = np.empty((len(images), len(KAGGLE15.slot_names), 2))
    _, first, again = np.unique(plan.picture, return_index=True, return_inverse=True)
    for row in first:
        person = draw_person(np.random.default_rng([seed, stream, PERSON, plan.person[row]]))
        rng = np.random.default_rng([seed, stream, PICTURE, plan.picture[row]])
        image, slots[row] = draw_face(rng, person, plan.framing[row], size)
        images[row] = image[..., None]
    source = first[again]
    for row in np.flatnonzero(source != np.arange(len(images))):
        images[row] = images[source[row]]
    return images, slots[source]


def make_faces(count=2000, seed=0, size=96, noise=1.0, gross=0.008, images=None):
    """A set of drawn faces, as the real set would label them.

    Args:
        count: rows.
        seed: the same seed gives the same bytes.
        size: px of a side.
        noise: factor on the annotators' error of 0.25 to 1.5 px of a 96 px image per coordinate; 0 for exact labels.
        gross: share of rows whose labels are plainly wrong.
        images: what takes the images, such as `data.images.Writer`; None = an array in memory.

    Returns:
        Faces of schema KAGGLE15, rows of the 15-point convention first; `group` is the person.

    Raises:
        UsageError: a count under 1, a size under 16, or a seed under 0.
    """
    from data.synthetic_labels import annotate

    _check(count=count, size=size, seed=seed)
    plan = plan_rows(count, seed)
    images, slots = _pictures(plan, seed, TRAINING, size, images)
    exact = (slots + 0.5) * (96 / size) - 0.5
    labels = [
        annotate(exact[row], plan.convention[row], np.random.default_rng([seed, TRAINING, LABEL, draw]), noise, gross)
        for row, draw in enumerate(plan.draw)
    ]
    points = _to_size(np.stack(labels), size).astype(np.float32)
    return Faces(images, points, plan.convention, plan.person, np.arange(count), KAGGLE15, "synthetic")


def _check(**options):
    for name, value in options.items():
        if value < LEAST[name]:
            raise UsageError(f"synthetic faces, {name}: expected at least {LEAST[name]}; received {value}")


def make_test(count, seed, size=96):
    """Faces of other persons than `make_faces(..., seed)` draws, with exact labels: a third of the 15-point kind.

    Returns:
        Faces; the four-point rows are labelled at their four points only.
    """
    _check(count=count, size=size, seed=seed)
    plan = plan_rows(count, seed, TEST, repeats=0)
    images, slots = _pictures(plan, seed, TEST, size)
    points = KAGGLE15.from_slots(slots, plan.convention).clip(0, size).astype(np.float32)
    four = [KAGGLE15.index(name) for name in KAGGLE15.conventions[1].labelled]
    unasked = np.setdiff1d(np.arange(len(KAGGLE15)), four)
    points[np.ix_(plan.convention == 1, unasked)] = np.nan
    return Faces(images, points, plan.convention, plan.person, np.arange(1, count + 1), KAGGLE15, "synthetic")


def make_files(folder, count=2000, test_count=500, seed=0):
    """Write drawn faces as the Kaggle competition's files, and the answers to its test.

    Args:
        folder: made where missing.
        count: rows of training.csv.
        test_count: images of test.csv; none of their persons is in training.csv.
        seed: the same seed gives the same bytes.

    Returns:
        Names of the files written: training.csv, training_persons.csv, test.csv, IdLookupTable.csv and
        test_truth.csv (exact answers, for scoring only).
    """
    from data.synthetic_files import write_kaggle

    return write_kaggle(folder, make_faces(count, seed), make_test(test_count, seed))


def main(argv=None):
    parser = Parser(prog="python -m data.synthetic", description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the Kaggle-format files")
    parser.add_argument("--count", type=int, default=2000, help="training rows (default %(default)s)")
    parser.add_argument("--test-count", type=int, default=500, help="test images (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default %(default)s)")
    options = parser.parse_args(argv)
    names = make_files(options.out, options.count, options.test_count, options.seed)
    print(f"{options.count} training rows and {options.test_count} test images in {options.out}: {', '.join(names)}")


if __name__ == "__main__":
    command(main)
