"""Rows that repeat a picture: how far their labels disagree, and what noise of the labels that speaks of."""

from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """Two rows with the same picture.

    Args:
        first, second: rows.
        point: the point that they disagree most on, of those that both label alike; -1 where there is none.
        distance: px between its two labels; NaN without one.
        rms: px per coordinate over all labels that both have in the same slot; NaN without one.
        shared: number of those labels.
    """

    first: int
    second: int
    point: int
    distance: float
    rms: float
    shared: int


def pairs_of(image):
    """int64 [pairs, 2]: rows with the same picture, each with the next one that has it, of `Labels.image` [n]."""
    order = np.argsort(image, kind="stable")
    same = np.flatnonzero(image[order][1:] == image[order][:-1])
    return np.stack([order[same], order[same + 1]], 1).astype(np.int64)


def differences(labels):
    """(int64 [pairs, 2] rows, float64 [pairs, slots, 2] px second - first, NaN where not both label a slot)."""
    pairs, slots = pairs_of(labels.image), labels.slots.astype(np.float64)
    return pairs, slots[pairs[:, 1]] - slots[pairs[:, 0]]


def disagreements(labels):
    """List of Pairs, those that disagree most first, those without a common label last."""
    found = []
    for (first, second), apart in zip(*differences(labels), strict=True):
        length = np.linalg.norm(apart, axis=-1)
        known = np.isfinite(length)
        if not known.any():
            found.append(Pair(int(first), int(second), -1, np.nan, np.nan, 0))
            continue
        slot = int(np.nanargmax(length))
        rms = float(np.sqrt(np.square(apart[known]).mean()))
        point = int(labels.schema.slot_points[slot])
        found.append(Pair(int(first), int(second), point, float(length[slot]), rms, int(known.sum())))
    return sorted(found, key=lambda pair: -pair.distance if pair.shared else np.inf)


def copied(apart):
    """bool [pairs]: the labels are the same numbers; such a pair was copied, not labelled twice."""
    known = np.isfinite(apart)
    return known.any((1, 2)) & (np.where(known, apart, 0) == 0).all((1, 2))
