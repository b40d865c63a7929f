"""How good a run is on whole photos whose points are known: python -m specialists.photos_score --data PATH --run RUN.

Compares the detector's boxes, with one look and with several, with the crops that the known points give.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DataError, Parser, UsageError, command

CHUNK = 32  # photos whose faces are looked at together
NEAR = 0.35  # ideal crops; a box whose middle is farther from a face's is not that face's
ALIKE = (0.5, 1.6)  # box to ideal crop, likewise
ROUGH_ZOOM, ROUGH_SHIFT = 0.2, 0.12  # standard deviations: log of the size; share of the width


@dataclass(frozen=True)
class Known:
    """One photo and the points of its faces.

    Args:
        photo: path.
        points: float [n, k, 2] px, NaN where not labelled.
        person: who it is.
    """

    photo: object
    points: np.ndarray
    person: str


def known_photos(data, schema, without=()):
    """List of `Known` of a face set on photos, but for the persons in `without`.

    Raises:
        DataError: no such set, one of other points, or nobody left.
    """
    from data.crops import FaceSettings, levelled
    from data.keypoints import KAGGLE15
    from data.mapping import to_kaggle15
    from data.readers import read_album

    album = read_album(Path(data), FaceSettings())
    if album is None:
        raise DataError(f"--data: expected a face set on photos; received {data}, which is none")
    album = to_kaggle15(album) if schema is KAGGLE15 else album
    if album.schema != schema:
        raise DataError(f"{data}: expected the points of {schema.name}; received {album.schema.name}")
    found = {}
    for shot in album.shots:
        who = shot.person or shot.name
        if who not in without and np.isfinite(shot.points).all(1).sum() > 2:
            found.setdefault(shot.photo, []).append((levelled(shot.points, album.offset), who))
    if not found:
        raise DataError(f"{data}: expected photos of persons that the run was not trained on; received none")
    return [Known(photo, np.array([p for p, _ in faces]), faces[0][1]) for photo, faces in found.items()]


def read_persons(path):
    """Names in the column `person` of a CSV file such as training_persons.csv."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            names = {row["person"] for row in csv.DictReader(file)}
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}:1: expected a CSV file with the column person; received {error}") from error
    return names


def spread(photos, most):
    """At most `most` of a list, evenly spread over it; all where `most` is None."""
    if most is None or most >= len(photos):
        return photos
    return [photos[i] for i in np.linspace(0, len(photos) - 1, most).round().astype(int)]


def matched(frames, boxes, size):
    """int [n]: the box [m, 4] px that was found for each face, framed by ideal matrices [n, 2, 3]; -1 = none.

    Each box is one face's at most, the nearest one's.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    side = size[1] / frames[:, 0, 0]
    middle = ((np.array(size[::-1]) - 1) / 2 - frames[:, :, 2]) / frames[:, :1, 0]
    away = np.linalg.norm(middle[:, None] - (boxes[:, :2] + boxes[:, 2:] / 2 - 0.5), axis=-1) / side[:, None]
    ratio = boxes[None, :, 2] / side[:, None]
    away[(away > NEAR) | (ratio < ALIKE[0]) | (ratio > ALIKE[1])] = np.inf
    found = np.full(len(frames), -1)
    while np.isfinite(away).any():
        face, box = np.unravel_index(np.argmin(away), away.shape)
        found[face] = box
        away[face], away[:, box] = np.inf, np.inf
    return found


def score_photos(photos, predictor, rough=False):
    """Errors of every way to look at each face.

    Args:
        photos: list of `Known`.
        predictor: `Predictor`; its `looks` is what several looks are.
        rough: try boxes drawn roughly by hand too: the detector's, moved and scaled at random.

    Returns:
        (dict of way to float [faces, k]: distances in px of the training crop, NaN where not labelled or not found;
        float [faces, k]: the same unit per px of the distance between the eyes; persons [faces]; boxes that were no
        face's; and of these, those that the networks did not doubt).
    """
    errors, persons, eyes, extra = {}, [], [], [0, 0]
    for start in range(0, len(photos), CHUNK):
        some = photos[start : start + CHUNK]
        for way, found in _chunk(some, predictor, rough, np.random.default_rng([start]), extra).items():
            errors.setdefault(way, []).append(found)
        persons += [photo.person for photo in some for _ in photo.points]
        eyes += [_between_eyes(predictor, p) for photo in some for p in photo.points]
    return {way: np.concatenate(found) for way, found in errors.items()}, np.array(eyes), np.array(persons), extra


def _between_eyes(predictor, points):
    """Distance between the eyes in px of the training crop."""
    names = predictor.schema.groups.get("eyes", ())
    left, right = ([predictor.schema.index(n) for n in names if side in n] for side in ("left", "right"))
    apart = np.linalg.norm(np.nanmean(points[left], 0) - np.nanmean(points[right], 0)) if left and right else np.nan
    return apart * predictor.training.around(points[None])[0, 0, 0]


def _chunk(photos, predictor, rough, rng, extra):
    from specialists.detect import find_faces
    from specialists.predictor import as_photo

    training, shown = predictor.training, [as_photo(photo.photo) for photo in photos]
    truth = np.concatenate([photo.points for photo in photos])
    ideal, owner = training.around(truth), np.repeat(np.arange(len(photos)), [len(p.points) for p in photos])
    boxes = [find_faces(photo) for photo in shown]
    which = np.concatenate([matched(ideal[owner == i], boxes[i], training.size) for i in range(len(photos))])
    rows = np.flatnonzero(which >= 0)
    taken = np.array([boxes[owner[i]][which[i]] for i in rows]).reshape(-1, 4)
    _count_others(predictor, shown, boxes, owner, which, extra)
    starts = {"ideal crop": (np.arange(len(truth)), ideal), "detector": (rows, training.from_boxes(taken))}
    if rough:
        starts["rough box"] = rows, training.from_boxes(_roughly(taken, rng))
    made = {}
    for way, (faces, frames) in starts.items():
        for looks in (1, predictor.looks):
            points = predictor.answer(shown, owner[faces], frames, looks)[0]
            distance = np.full(truth.shape[:2], np.nan)
            distance[faces] = np.linalg.norm(points - truth[faces], axis=-1) * ideal[faces, :1, 0]
            made[f"{way}, {'one look' if looks == 1 else f'up to {looks} looks'}"] = distance
    return made


def _count_others(predictor, shown, boxes, owner, which, extra):
    """Count boxes that are no face's, and those of them that the networks let pass."""
    for i, photo in enumerate(shown):
        left = np.delete(boxes[i], which[(owner == i) & (which >= 0)], 0)
        extra[0] += len(left)
        if len(left):
            doubts = predictor.answer([photo], np.zeros(len(left), int), predictor.training.from_boxes(left))[2]
            extra[1] += int((doubts <= predictor.doubt).sum())


def _roughly(boxes, rng):
    zoom = np.exp(rng.normal(0, ROUGH_ZOOM, (len(boxes), 1)))
    shift = rng.normal(0, ROUGH_SHIFT, (len(boxes), 2)) * boxes[:, 2:]
    return np.concatenate([boxes[:, :2] + (1 - zoom) / 2 * boxes[:, 2:] + shift, zoom * boxes[:, 2:]], 1)


def table(errors, eyes, persons, extra, photos):
    """Lines of text: per way the RMSE in px of the training crop with its 95 % interval over persons, and as shares.

    All ways are judged on the faces that the detector found; the first line tells of all.
    """
    from reports.bootstrap import interval, resamples

    found = np.isfinite(errors["detector, one look"]).any(1)
    of = f"{photos} photos, {len(found)} faces of {len(np.unique(persons))} persons"
    lines = [
        f"{of}; found {found.sum()} ({found.mean():.1%})",
        f"boxes that are no labelled face: {extra[0]}, of which the networks let {extra[1]} pass",
    ]
    for way, distances in {"ideal crop, one look (all faces)": errors["ideal crop, one look"], **errors}.items():
        kept = np.isfinite(distances).any(1) if "all" in way else found
        some = distances[kept]
        value = interval(some, resamples(len(some), group=persons[kept]))
        share = np.nanmean(some / eyes[kept, None])
        median = np.median(np.sqrt(np.nanmean(some**2, 1) / 2))
        lines.append(
            f"{way:34} RMSE {value.value:.3f} px ({value.low:.3f}-{value.high:.3f}), median face {median:.3f} px, "
            f"mean error {share:.2%} of the distance between the eyes"
        )
    return lines


def main(argv=None):
    parser = Parser(prog="python -m specialists.photos_score", description=__doc__)
    add = parser.add_argument
    add("--data", required=True, metavar="PATH", help="a face set on photos: YouTube frames, 300-W, IMM, COCO, CSV")
    add("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    add("--without", metavar="FILE", help="leave out the persons in this training_persons.csv: the run knows them")
    add("--rough", action="store_true", help="try boxes as drawn roughly by hand, too")
    add("--most", type=int, metavar="N", help="only N photos, evenly spread over the set (default: all)")
    a = parser.parse_args(argv)
    if a.most is not None and a.most < 1:
        raise UsageError(f"--most: expected at least 1; received {a.most}")
    without = read_persons(a.without) if a.without else ()
    from specialists.predictor import Predictor

    predictor = Predictor(a.run)
    photos = spread(known_photos(a.data, predictor.schema, without), a.most)
    print("\n".join(table(*score_photos(photos, predictor, a.rough), len(photos))))


if __name__ == "__main__":
    command(main)
