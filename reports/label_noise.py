"""How noisy the labels are, and what error that leaves to win.

Two independent ways to the noise:

* Duplicates. Two labels of one point of one picture differ by the noise of both, so that the mean of their squared
  difference is twice its variance. This assumes that the second label was set without a look at the first, and it does
  not see what both share, such as the habits of one annotator.
* Shared error. Where two opinions err independently of each other and of the label's noise, the covariance of
  (label - one) and (label - other) is the noise's variance: the "three-cornered hat" of Grubbs (1948), for a label
  with two instruments. Opinions that fail on the same faces share more than the noise, so the figure is an upper end.
"""

from dataclasses import dataclass

import numpy as np

from reports.bootstrap import Interval
from reports.label_duplicates import copied, differences
from reports.label_shared import compare
from reports.label_statistics import FEWEST, as_interval, means, resampled, root


@dataclass(frozen=True)
class Noise:
    """Noise per output slot and over all, in px per coordinate. A slot without a figure has NaN.

    Args:
        duplicates: list of Intervals per slot. pairs: int [slots]. copies: pairs with the very same numbers, left out.
        shared, error, rest: lists of Intervals per slot, of held-out rows that are not likely wrong: noise by shared
            error, RMSE of `member`, and what is left to win, sqrt(error^2 - shared^2).
        values: int [slots], labels behind them.
        overall: dict of "duplicates", "shared", "error", "rest", "all" (error with the likely wrong rows), "relatives"
            (what base and specialists share) to Interval; without a network, of "duplicates" only.
        by_kind: dict of convention index to a dict with the same keys.
        split: float [slots + 1, 3]: shares of the squared error that are wrong rows, noise, left to win; the last is
            over all slots.
        member: name of the member whose error it is; "" where nothing can be said.
    """

    duplicates: list
    pairs: np.ndarray
    copies: int
    shared: list
    error: list
    rest: list
    values: np.ndarray
    overall: dict
    by_kind: dict
    split: np.ndarray
    member: str


def of_duplicates(labels, wrong, seed=0):
    """Half the mean squared difference of duplicates, as sums and counts over resamples of pairs, and the copies.

    Args:
        labels: `Labels`. wrong: bool [n], rows to leave out: gross errors are counted apart, not as noise.
    """
    pairs, apart = differences(labels)
    same = copied(apart)
    apart = np.where((same | wrong[pairs].any(1))[:, None, None], np.nan, apart)
    return (*resampled(np.square(apart).mean(-1) / 2, pairs[:, 0], seed), int(same.sum()))


def measure_noise(labels, doubts, predictions=None, seed=0):
    """`Noise` of `Labels`.

    Args:
        doubts: `Doubts` about them.
        predictions: `Predictions` on held-out rows, found again by their ids. None = the base's answers on those.

    Raises:
        RunError: the predictions are of other labels.
    """
    sums, counts, copies = of_duplicates(labels, doubts.wrong, seed)
    variance = means(sums, counts)
    names = range(variance.shape[1])
    found = compare(labels, doubts.wrong, predictions, seed)
    kinds = {int(kind): labels.schema.slots[kind] for kind in np.unique(labels.convention)}
    overall = {"duplicates": pooled(variance, counts, _label_counts(labels))} | found.overall
    return Noise(
        duplicates=[as_interval(root(variance[:, s]), counts[0, s]) for s in names],
        pairs=counts[0].astype(int),
        copies=copies,
        overall=overall,
        by_kind={
            kind: {"duplicates": pooled(variance[:, s], counts[:, s], _label_counts(labels, kind)[s])}
            | found.by_kind.get(kind, {})
            for kind, s in kinds.items()
        },
        **found.per_slot,
    )


def pooled(variance, counts, weights):
    """Interval of the root of variances [1 + R, slots] averaged by `weights` [slots]: labels of slots with a figure."""
    known = counts[0] >= FEWEST
    if not (weights * known).sum():
        return Interval(np.nan)
    return as_interval(root(np.nan_to_num(variance[:, known]) @ weights[known] / weights[known].sum()))


def _label_counts(labels, kind=None):
    """float64 [slots]: labels in each slot, of all rows or of those of one convention."""
    own = labels.slots if kind is None else labels.slots[labels.convention == kind]
    return np.isfinite(own).all(-1).sum(0).astype(np.float64)
