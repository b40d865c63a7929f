"""How annotators see drawn faces: which row belongs to which convention, what is missing, and how far labels stray."""

import numpy as np

from data.kaggle_statistics import FOUR_ROWS_MISSING, POINT_MISSING, ROWS, ROWS_MISSING
from data.keypoints import KAGGLE15
from data.synthetic_points import NOISE

FIFTEEN_SHARE = ROWS["fifteen"] / sum(ROWS.values())
FOUR = np.array([KAGGLE15.index(name) for name in KAGGLE15.conventions[1].labelled])
SPARSE_FACTOR = 1.2  # the four-point rows were labelled a little less carefully
GROSS_SHIFT = 12.0  # px, sd of a label set that was put on another face


def annotate(slots, convention, rng, noise=1.0, gross=0.008):
    """Labels of one row as an annotator gives them, in px of a 96 px image.

    Args:
        slots: float [17, 2], exact positions.
        convention: 0 or 1.
        rng: numpy Generator.
        noise: factor on the annotators' error of 0.25 to 1.5 px per coordinate; 0 for none.
        gross: share of rows that are plainly wrong: shifted as a whole, or with names mixed up.

    Returns:
        float32 [15, 2], NaN where not labelled.
    """
    points = slots[KAGGLE15.slots[convention]]
    stray = rng.standard_normal((15, 2)) * NOISE * (SPARSE_FACTOR if convention else 1) * noise
    wrong, kind, shift, order = rng.random(), rng.random(), rng.normal(0, GROSS_SHIFT, 2), rng.permutation(15)
    points = points + stray
    if wrong < gross:
        points = points + shift if kind < 0.5 else points[order]
    points = np.clip(points, 0, 96)
    points[~_labelled(convention, rng)] = np.nan
    return points.astype(np.float32)


def _labelled(convention, rng):
    """bool [15]: which points the row carries, with the real set's frequencies of missing ones."""
    known = np.ones(15, bool)
    if not convention:
        missing = rng.choice(len(ROWS_MISSING), p=ROWS_MISSING / ROWS_MISSING.sum())
        known[rng.choice(15, missing, replace=False, p=POINT_MISSING / POINT_MISSING.sum())] = False
        return known
    known[:] = False
    known[FOUR] = True
    if rng.random() < FOUR_ROWS_MISSING / ROWS["four"]:
        known[rng.choice(FOUR[[0, 1, 3]])] = False
    return known
