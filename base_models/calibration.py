"""What a set's own framing and drawing say of a point, which augmentation hides from the networks.

Flips make networks answer alike on both sides, though labels of the left and the right differ; turns and shifts make
them blind to where in its image a set has its faces, though images that were cut out around the labels tell it. So the
errors on training faces still depend on the answer: a ridge regression (Hoerl and Kennard 1970) from the whole shape
that the base sees to the error of each point, robust against wrong labels (Huber 1964), takes that part out. It counts
only for faces that are cut out as the training faces are.
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


@dataclass(frozen=True)
class Calibration:
    """A correction of positions that is linear in the shape.

    Args:
        centre: float [2 * slots] px, the mean shape.
        slope: float [2 * slots, slots, 2], px per px.
        offset: float [slots, 2] px.
    """

    centre: np.ndarray
    slope: np.ndarray
    offset: np.ndarray

    def __call__(self, shapes):
        """float32 [n, slots, 2] px to add, for the base's answers float [n, slots, 2] px."""
        flat = shapes.reshape(len(shapes), -1) - self.centre
        return (self.offset + np.einsum("nf,fka->nka", flat, self.slope)).astype(np.float32)

    def moved(self, shapes, size):
        """The base's answers [n, slots, 2] with their correction, within images of (H, W) px."""
        return within(shapes + self(shapes), size)


def within(positions, size):
    """Positions [..., 2] px, those outside moved to the edge of images of (H, W) px. NaN stays NaN."""
    return np.clip(positions, 0, np.array(size[::-1], np.float32))


def calibration_of(looked, held):
    """The calibration of a base; None where there is none, or where it makes the base worse on held-out faces.

    Args:
        looked: (training `Faces`, the base's answers on them, float [n, slots, 2] px).
        held: the same of held-out faces.
    """
    (train, shapes), (others, answers) = looked, held
    found = fit_calibration(shapes, train.slots, train.group, train.size)
    if found is None or score(found.moved(answers, others.size), others.slots, WORST) > score(
        within(answers, others.size), others.slots, WORST
    ):
        return None
    return found


def sampled(count):
    """Indices of those of `count` training faces that are looked at: all, or evenly MOST of them at most."""
    return np.arange(0, count, max(1, -(-count // MOST)))


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
    names, member = np.unique(group, return_inverse=True)
    if len(names) < FOLDS or not np.isfinite(truth).all(-1).any():
        return None
    ridge, found = RIDGE * (size[1] / 96) ** 2, np.array(shapes, float)
    for fold in range(FOLDS):
        held = member % FOLDS == fold
        found[held] += _fitted(shapes[~held], truth[~held], ridge)(shapes[held])
    if not score(found, truth, WORST) < score(shapes, truth, WORST):
        return None
    return _fitted(shapes, truth, ridge)


def _fitted(shapes, truth, ridge):
    n, slots = shapes.shape[:2]
    flat = shapes.reshape(n, -1).astype(float)
    centre = flat.mean(0)
    axes = np.linalg.svd(flat - centre, full_matrices=False)[2][:COMPONENTS]
    columns = np.hstack([np.ones((n, 1)), (flat - centre) @ axes.T])
    error = truth - shapes
    weight = np.zeros((columns.shape[1], slots, 2))
    for slot in range(slots):
        known = np.isfinite(error[:, slot]).all(-1)
        if known.sum() >= FOLDS:
            weight[:, slot] = _regression(columns[known], error[known, slot].astype(float), ridge)
    return Calibration(centre, np.einsum("cf,cka->fka", axes, weight[1:]), weight[0])


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
