"""`Predictor`: points on a person's own photos, in two lines.

predictor = Predictor("runs/default")
faces = predictor("photo.jpg")
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UsageError
from specialists.photos import alike, back, training_of

TOGETHER = 128  # faces looked at in one go; bounds memory
DOUBT = 1.1  # times the doubt that 99 % of the run's held-out faces stay under: more, and it is hardly a face
FEWEST = 50  # held-out faces from which that can be told
SAME = 0.25  # face sizes; two answers that are nearer, point by point, are of one face that was found twice


@dataclass(frozen=True)
class Face:
    """One face on a photo.

    Args:
        names: of the k points.
        points: float32 [k, 2], x and y in px of the photo as viewers show it, (0, 0) the centre of its first pixel.
        radii: float32 [2, k] px: the error is expected to be smaller for 50 % and for 90 % of the faces.
        box: (left, top, width, height) px from the photo's left and top edge: where the face was found.
        doubt: median 90 % radius as a share of the training crop's width; small = the networks agree.
    """

    names: tuple
    points: np.ndarray
    radii: np.ndarray
    box: tuple
    doubt: float

    def __getitem__(self, name):
        """(x, y) of a point by its name."""
        return self.points[self.names.index(name)]


class Predictor:
    """Finds faces on photos and the points on them.

    Args:
        run: folder of a run with a merged ensemble.
        model: instead of a run, a file that `specialists.export` wrote from one; needs neither Keras nor TensorFlow.
        convention: which of the schema's conventions the answers follow; None = its first, such as "fifteen".
        looks: how often a face is looked at, at most: first as the detector's box frames it, then as the answer does.
        doubt: what the detector took for a face is left out where the networks' doubt is larger; inf = nothing is;
            None = a limit from the run's held-out faces.

    Raises:
        RunError: no merged ensemble, or a damaged one. UsageError: no such convention, or `model` needs a package that
            is not there.
    """

    def __init__(self, run="runs/default", convention=None, looks=3, doubt=None, model=None):
        self.run = str(run if model is None else model)
        self._read_run(run, convention) if model is None else self._read_file(model, convention)
        self.looks, self.doubt = looks, self.doubt if doubt is None else doubt

    def _read_run(self, run, convention):
        from base_models.options import load_keras

        load_keras()
        from specialists.ensemble import load_ensemble

        self.ensemble = load_ensemble(run)
        found = held_faces(run, self.ensemble)
        (self.training, self.convention), self.doubt = training_of(found, convention), doubt_limit(found)

    def _read_file(self, path, convention):
        from specialists.exported import load_exported

        self.ensemble = made = load_exported(path)
        self.training, self.convention, self.doubt = made.training, made.convention, made.doubt
        if convention not in (None, made.convention_name):
            raise UsageError(f"--convention: expected {made.convention_name}, of {path}; received {convention!r}")

    @property
    def schema(self):
        """The table of the points."""
        return self.training.schema

    @property
    def about(self):
        """A JSON object on how the answers are made."""
        convention = self.schema.conventions[self.convention].name
        return {"run": self.run, "schema": self.schema.name, "convention": convention, "units": "px of the photo"}

    def __call__(self, photo, boxes=None):
        """Faces on one photo.

        Args:
            photo: path of a picture, or uint8 [H, W], [H, W, 1] or [H, W, 3] RGB.
            boxes: [n, 4] left, top, width, height px of faces; None = find them.

        Returns:
            list of `Face`, the largest first; empty where there is none.

        Raises:
            DataError: the picture cannot be read.
        """
        return self.many([photo], None if boxes is None else [boxes])[0]

    def many(self, photos, boxes=None):
        """The same for several photos, whose faces are looked at together: list of lists of `Face`."""
        from specialists.detect import find_faces

        photos = [as_photo(photo) for photo in photos]
        if not photos:
            return []
        limit = self.doubt if boxes is None else np.inf  # whoever says where a face is knows that it is one
        boxes = [find_faces(photo) for photo in photos] if boxes is None else boxes
        boxes = [np.asarray(found, float).reshape(-1, 4) for found in boxes]
        owner = np.repeat(np.arange(len(photos)), [len(found) for found in boxes])
        boxes = np.concatenate([np.zeros((0, 4)), *boxes])
        points, radii, doubts = self.answer(photos, owner, self.training.from_boxes(boxes))
        faces = [[] for _ in photos]
        for i in np.flatnonzero(~(doubts > limit)):  # a run with too few labels for radii has none to doubt by
            face = Face(self.schema.points, points[i], radii[:, i], tuple(boxes[i].tolist()), float(doubts[i]))
            if limit == np.inf or not any(_same(face, other) for other in faces[owner[i]]):
                faces[owner[i]].append(face)
        return faces

    def answer(self, photos, owner, frames, looks=None):
        """Points [n, k, 2], radii [2, n, k] and doubts [n] of faces, framed by matrices, on photos[owner].

        A face is looked at again in the frame that the last answer gives. Where the two frames are much alike, both
        answers count; else only the last one does, and the face is looked at once more.
        """
        points, radii, doubts = self._look(photos, owner, frames)
        rows = np.arange(len(owner))
        for _ in range((looks or self.looks) - 1):
            better = self.training.from_points(points[rows])
            again, their_radii, doubts[rows] = self._look(photos, owner[rows], better)
            share = np.where(alike(frames, better, self.training.size), 0.5, 0.0)
            points[rows] += (1 - share[:, None, None]) * (again - points[rows])
            radii[:, rows] += (1 - share[:, None]) * (their_radii - radii[:, rows])
            rows, frames = rows[share == 0], better[share == 0]
        return points, radii, doubts

    def _look(self, photos, owner, frames):
        crops = [self.training.cut(photos[i], frame[None]) for i, frame in zip(owner, frames, strict=True)]
        found, radii = self._predict(np.concatenate([self.training.cut(photos[0], frames[:0]), *crops]))
        doubts = np.median(radii[1], -1) / self.training.size[1]
        return *back(found, radii, frames), doubts

    def _predict(self, crops):
        """Points [n, k, 2] and radii [2, n, k] px of crops."""
        k = len(self.schema)
        points, radii = [np.zeros((0, k, 2), np.float32)], [np.zeros((2, 0, k), np.float32)]
        for start in range(0, len(crops), TOGETHER):
            some = crops[start : start + TOGETHER]
            found, radius = self.ensemble.predict(some, np.full(len(some), self.convention))
            points.append(found["ensemble"])
            radii.append(radius)
        return np.concatenate(points), np.concatenate(radii, 1)


def _check_same(found, made):
    """Raise ValueError where `Predictions` are not of the faces and points that a base's settings tell."""
    shape, stored = list(found.images.shape[1:]), found.schema.stored
    if (shape, stored) != (made["shape"], made["schema"]) or "ensemble" not in found.points or not len(found):
        raise ValueError(f"{len(found)} faces of {shape} px, {found.schema.name}, {', '.join(found.points)}")


def held_faces(run, ensemble):
    """`Predictions` of a run's ensemble on its held-out faces. Raises RunError where they are not of this ensemble."""
    from data.runs import Part
    from data.storage import understood
    from reports.predictions import Predictions

    source = Part(Path(run) / "ensemble").checked("predictions.npz")
    found = Predictions.load(source)
    with understood(source, "predictions of this ensemble"):
        _check_same(found, ensemble.base.part.settings())
    return found


def doubt_limit(predictions):
    """The most doubt of a face, from `Predictions` on a run's held-out faces.

    inf where its radii say nothing, and where the faces are too few: three of them do not tell what most look like.
    """
    doubts = np.median(predictions.radius[1], -1) / predictions.images.shape[2]
    known = doubts[np.isfinite(doubts)]
    return DOUBT * float(np.quantile(known, 0.99)) if len(known) >= FEWEST else np.inf


def _same(face, other):
    size = np.ptp(other.points, 0).max()
    return np.linalg.norm(face.points - other.points, axis=-1).mean() < SAME * size


def as_photo(photo):
    """uint8 [H, W, 3] RGB of a path or an array. Raises DataError."""
    from data.errors import DataError
    from data.pictures import read_picture

    if not isinstance(photo, np.ndarray):
        return read_picture(photo)
    if photo.ndim == 2:
        photo = photo[..., None]
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] not in (1, 3) or not photo.size:
        raise DataError(f"photo: expected uint8 [H, W], [H, W, 1] or [H, W, 3]; received {photo.dtype} {photo.shape}")
    return np.repeat(photo, 3, 2) if photo.shape[2] == 1 else photo
