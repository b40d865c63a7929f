"""Which labels are likely wrong, and how: each is held against another opinion on the same face.

A deviation is measured in *times the usual*: the distance between label and opinion over the median distance of that
output slot. The median does not notice wrong labels, as long as they are the minority.
"""

from dataclasses import dataclass

import numpy as np

WRONG = 6.0  # times the usual; Rayleigh-distributed deviations reach it once in 10^10, clumsy but right labels rarely
LOOK = 4.0  # worth a look
TOGETHER = 0.35  # a face is shifted as a whole where no more than this share of its deviation is left without the shift
EXCHANGED = 0.25  # and points are exchanged where another order leaves no more than this share
KINDS = {
    "shift": "whole face shifted",
    "exchange": "points change places",
    "point": "one point off",
    "several": "several points off",
}


@dataclass(frozen=True)
class Doubts:
    """How doubtful each row is.

    Args:
        score: float64 [n], the row's largest deviation in times the usual; 0 without labels or opinion.
        times: float64 [n, k] per point. distance: float64 [n, k] px, label to opinion.
        point: int64 [n], the point with the largest deviation.
        second: float64 [n] px, label to the second opinion at that point; NaN where there is none.
        usual: float64 [slots] px, median distance of each slot.
        order: int64 [n], rows from the most doubtful on.
        kind: list of n keys of KINDS; "" below LOOK.
        words: list of n sentences on what is wrong; "" below LOOK.
    """

    score: np.ndarray
    times: np.ndarray
    distance: np.ndarray
    point: np.ndarray
    second: np.ndarray
    usual: np.ndarray
    order: np.ndarray
    kind: list
    words: list

    @property
    def wrong(self):
        """bool [n]: rows with a label that is likely wrong."""
        return self.score >= WRONG

    @property
    def look(self):
        """int: rows worth a look, the likely wrong ones among them."""
        return int((self.score >= LOOK).sum())


def judge_rows(labels):
    """`Doubts` about the rows of `Labels`."""
    opinion = labels.opinions[labels.judge]
    usual = typical(labels.slots - opinion)
    there = labels.schema.from_slots(opinion, labels.convention).astype(np.float64)
    off = labels.points - there
    distance = np.linalg.norm(off, axis=-1)
    times = distance / usual[labels.schema.slots[labels.convention]]
    filled = np.where(np.isfinite(times), times, 0)
    score = filled.max(1, initial=0)
    point = filled.argmax(1)
    kind, words = [""] * len(labels), [""] * len(labels)
    for row in np.flatnonzero(score >= LOOK):
        kind[row], words[row] = explain(off[row], there[row], times[row], labels.schema)
    order = np.argsort(-score, kind="stable")
    return Doubts(score, times, distance, point, _second(labels, point), usual, order, kind, words)


def typical(residuals):
    """float64 [slots] px: median length of residuals [n, slots, 2]; 1 px where a slot has none or they are all 0."""
    length = np.linalg.norm(residuals.astype(np.float64), axis=-1)
    middle = np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in length.T])
    return np.where(middle > 0, middle, 1.0)


def _second(labels, point):
    others = [name for name in labels.opinions if name != labels.judge]
    if not others:
        return np.full(len(labels), np.nan)
    there = labels.schema.from_slots(labels.opinions[others[0]], labels.convention)
    return np.linalg.norm(labels.points - there, axis=-1)[np.arange(len(labels)), point].astype(np.float64)


def explain(off, there, times, schema):
    """What is wrong with one row.

    Args:
        off: float [k, 2] px, label - opinion. there: float [k, 2] px, the opinion.
        times: float [k], deviations in times the usual.
        schema: the table of points.

    Returns:
        (key of KINDS, sentence).
    """
    known = np.isfinite(times)
    squared = np.square(off[known]).sum()
    bad = np.flatnonzero(np.where(known, times, 0) >= LOOK)
    mean = off[known].mean(0)
    if known.sum() > 1 and np.square(off[known] - mean).sum() <= TOGETHER * squared:
        return "shift", f"all {known.sum()} labels lie {_way(mean)}"
    moved, left = _best_order(off[known] + there[known], there[known])
    if len(moved) > 1 and left <= EXCHANGED * squared:
        return "exchange", f"{_listed(np.flatnonzero(known)[moved], schema)} stand in each other's places"
    if len(bad) == 1:
        return "point", f"{_listed(bad, schema)} lies {_way(off[bad[0]])}"
    return "several", f"{_listed(bad, schema)} are off by up to {np.linalg.norm(off[bad], axis=-1).max():.0f} px"


def _best_order(labelled, there):
    """The points that the cheapest assignment of labels to places moves, and the squared distance it leaves."""
    from scipy.optimize import linear_sum_assignment

    cost = np.square(labelled[:, None] - there[None]).sum(-1)
    places, taken = linear_sum_assignment(cost)
    return np.flatnonzero(places != taken), cost[places, taken].sum()


def _way(vector):
    """`12 px too far left and 5 px too high`; a part under a third of the other is left out."""
    size = np.abs(vector).max()
    named = zip(vector, ("too far right", "too low"), ("too far left", "too high"), strict=True)
    return " and ".join(f"{abs(v):.0f} px {a if v > 0 else b}" for v, a, b in named if abs(v) >= size / 3)


def _listed(points, schema, most=3):
    """`a and b`; of more than `most`, the first ones and how many there are besides."""
    from reports.theme import point_label

    names = [point_label(schema.points[p]) for p in points]
    if len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more points"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
