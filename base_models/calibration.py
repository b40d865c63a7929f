"""What a set's own framing and drawing say of a point, which augmentation hides from the networks.

Flips make networks answer alike on both sides, though labels of the left and the right differ; turns and shifts make
them blind to where in its image a set has its faces, though images that were cut out around the labels tell it. So the
errors on training faces still depend on the answer: a ridge regression (Hoerl and Kennard 1970) from the whole shape
that the base sees to the error of each point, robust against wrong labels (Huber 1964), takes that part out. It counts
only for faces that are cut out as the training faces are: of sets that come as faces, such as Kaggle's.
"""

from dataclasses import dataclass

import numpy as np

from base_models.predict import WORST, score

RIDGE = 1.0  # px squared at 96 px: a direction of the shape that varies less than that is believed by less than half
COMPONENTS = 32  # most directions of the shape that count
FOLDS = 5
LARGE = 4.0  # times the median error: beyond it an error counts linearly
STEPS = 4  # of the iteratively reweighted least squares
MOST = 6000  # faces to fit on
LEAST = 20  # labels of a point that is corrected
USUAL = 0.99  # share of the training faces whose corrections are not cut: no other face is corrected by more


@dataclass(frozen=True)
class Calibration:
    """A correction of positions that is linear in the shape, up to a limit.

    Args:
        centre: float [2 * slots] px, the mean shape.
        axes: float [c, 2 * slots], directions of the shape.
        weight: float [1 + c, slots, 2]: px for all faces, then px per px along each direction.
        limit: float [slots] px, the longest correction.
    """

    centre: np.ndarray
    axes: np.ndarray
    weight: np.ndarray
    limit: np.ndarray

    def __call__(self, shapes):
        """float32 [n, slots, 2] px to add, for the base's answers float [n, slots, 2] px."""
        found = np.tensordot(_columns(shapes, self.centre, self.axes), self.weight, 1)
        length = np.linalg.norm(found, axis=-1)
        return (found * np.minimum(1, self.limit / np.maximum(length, 1e-9))[..., None]).astype(np.float32)

    def moved(self, shapes, size):
        """The base's answers [n, slots, 2] px with their correction, within images of (H, W) px."""
        return within(shapes + self(shapes), size)


def within(positions, size):
    """Positions [..., 2] px, those outside moved to the edge of images of (H, W) px. NaN stays NaN."""
    return np.clip(positions, 0, np.array(size[::-1], np.float32))


def framed(faces, source):
    """Whether `Faces` are cut out as those of a training set from `source` are: of the same, which itself cuts them
    out."""
    return faces.matrices is None and faces.source == source


def calibration_of(faces, rows, look, held, answers):
    """The calibration of a base; None where there is none, or where it makes the base worse on held-out faces.

    Args:
        faces: all `Faces` of a run. Those cut out of photos have none.
        rows: int [n], those that may be fitted on; at most MOST of them are, evenly.
        look: function of rows to the base's answers, float [n, slots, 2] px.
        held: held-out `Faces`.
        answers: the base's on those, px within the image.
    """
    if faces.matrices is not None:
        return None
    picked = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).round().astype(int)]
    if not len(picked):
        return None
    shapes = within(look(picked), faces.size)
    found = fit_calibration(shapes, faces.slots[picked], faces.group[picked], faces.size)
    if found is None:
        return None
    before, after = (score(p, held.slots, WORST) for p in (answers, found.moved(answers, held.size)))
    return found if after <= before else None


def fit_calibration(shapes, truth, group, size):
    """Fit the correction on training faces. Whether there is any at all is decided by cross-validation over groups.

    Args:
        shapes: float [n, slots, 2] px, the base's answers.
        truth: float [n, slots, 2] px; NaN = not labelled.
        group: int [n]; rows of a group are never on both sides.
        size: (H, W) of the images, px.

    Returns:
        `Calibration`; None where there are too few groups or labels, or where it does not help.
    """
    found = cross_fitted(shapes, truth, group, size)
    return None if found is None else found[0]


def cross_fitted(shapes, truth, group, size):
    """(`Calibration`, corrections float32 [n, slots, 2] px of the very shapes it is fitted on, each fitted without its
    group) or None; arguments as of `fit_calibration`."""
    names, member = np.unique(group, return_inverse=True)
    if len(names) < FOLDS or not np.isfinite(truth).all(-1).any() or not np.isfinite(shapes).all():
        return None
    ridge, found = RIDGE * (size[1] / 96) ** 2, np.zeros(shapes.shape, np.float32)
    for fold in range(FOLDS):
        held = member % FOLDS == fold
        found[held] = _fitted(shapes[~held], truth[~held], ridge)(shapes[held])
    if not score(shapes + found, truth, WORST) < score(shapes, truth, WORST):
        return None
    return _fitted(shapes, truth, ridge), found


def _fitted(shapes, truth, ridge):
    n, slots = shapes.shape[:2]
    flat = shapes.reshape(n, -1).astype(float)
    centre = flat.mean(0)
    axes = np.linalg.svd(flat - centre, full_matrices=False)[2][:COMPONENTS]
    columns, error = _columns(shapes, centre, axes), truth - shapes
    weight = np.zeros((columns.shape[1], slots, 2))
    for slot in range(slots):
        known = np.isfinite(error[:, slot]).all(-1)
        if known.sum() >= LEAST:
            weight[:, slot] = _regression(columns[known], error[known, slot].astype(float), ridge)
    length = np.linalg.norm(np.tensordot(columns, weight, 1), axis=-1)
    return Calibration(centre, axes, weight, np.quantile(length, USUAL, axis=0))


def _columns(shapes, centre, axes):
    """float [n, 1 + c]: 1, and how far each shape lies from the centre along each direction."""
    flat = shapes.reshape(len(shapes), -1) - centre
    return np.hstack([np.ones((len(flat), 1)), flat @ axes.T])


def _regression(columns, error, ridge):
    """float [columns, 2]: the ridge regression of errors [n, 2] on columns, of which the first is 1."""
    penalty = np.eye(columns.shape[1]) * ridge * len(columns)
    penalty[0, 0] = 0.0
    counts = np.ones(len(columns))
    for _ in range(STEPS):
        weighted = columns * counts[:, None]
        found = np.linalg.solve(weighted.T @ columns + penalty, weighted.T @ error)
        left = np.linalg.norm(error - columns @ found, axis=-1)
        counts = np.minimum(1, np.maximum(LARGE * np.median(left), 1e-9) / np.maximum(left, 1e-9))
    return found
