"""Whether labels lie askew, and how two labelling conventions differ.

The mirror test: an opinion that is averaged with its mirror image cannot lean to one side. What of (label - opinion)
does not turn into itself in a mirror is the labels' own offset, as long as the faces look left as often as right. What
does turn into itself, such as eyes labelled too high on both sides, no mirror can show.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reports.bootstrap import Interval
from reports.label_statistics import FEWEST, as_interval, means, resampled

NOTABLE = 0.2  # px; a smaller offset is not worth a sentence


class Side(NamedTuple):
    """The offset of a slot and of its mirror partner, in px; y grows downwards.

    Args:
        slot: the slot; `partner` is its mirror partner, the same for a point without a side.
        x: Interval; both lie this far to the right (positive) in the image.
        y: Interval; the slot lies this much lower than its partner's mirror image, half of the difference of both.
        values: labels behind it.
    """

    slot: int
    partner: int
    x: Interval
    y: Interval
    values: int


@dataclass(frozen=True)
class Mirror:
    """The mirror test against one opinion.

    Args:
        opinion: its name. rows: rows behind it.
        all: Interval in px, how far all labels lie to the right. by_kind: dict of convention index to the same.
        sides: list of Sides, one per pair of slots or single slot.
    """

    opinion: str
    rows: int
    all: Interval
    by_kind: dict
    sides: list

    @property
    def notable(self):
        """Sides whose offset is larger than NOTABLE and than chance."""
        return [side for side in self.sides if sure(side.x) or sure(side.y)]


def sure(interval):
    """Whether an offset is neither small nor chance."""
    return abs(interval.value) >= NOTABLE and interval.low * interval.high > 0


def mirror_test(labels, wrong, opinion, seed=0):
    """`Mirror` of `Labels` against an opinion, on rows that it did not learn from.

    Args:
        wrong: bool [n], rows to leave out.
        opinion: "base" (held-out rows count) or "regression" (all do).
    """
    used = ~wrong & (labels.held if opinion == "base" else True)
    off = np.where(used[:, None, None], labels.slots - labels.opinions[opinion], np.nan).astype(np.float64)
    x, y = (resampled(off[..., axis], labels.group, seed) for axis in (0, 1))
    mirror = labels.schema.slot_mirror
    sides = [_side(s, int(mirror[s]), x, y) for s in range(len(mirror)) if s <= mirror[s]]
    kinds = {int(k): labels.convention == k for k in np.unique(labels.convention)}
    by_kind = {k: _across(off[own], labels.group[own], seed) for k, own in kinds.items()}
    rows = int(np.isfinite(off).any((1, 2)).sum())
    return Mirror(opinion, rows, _across(off, labels.group, seed), by_kind, sides)


def _side(slot, partner, x, y):
    across, down = means(*x), means(*y)
    count = min(x[1][0, slot], x[1][0, partner])
    lean = as_interval((across[:, slot] + across[:, partner]) / 2, count)
    tilt = as_interval((down[:, slot] - down[:, partner]) / 2, count) if slot != partner else Interval(np.nan)
    return Side(slot, partner, lean, tilt, int(x[1][0, [slot, partner]].sum() / (1 + (slot == partner))))


def _across(off, group, seed):
    sums, counts = resampled(off[..., 0], group, seed)
    return as_interval(means(sums.sum(1), counts.sum(1)), counts[0].sum())


class Difference(NamedTuple):
    """How a further convention draws one point, against the first one, in px; y grows downwards.

    Args:
        point, convention: indices.
        own: whether the schema says that they differ.
        dx, dy: Intervals: on the same faces where `own`, else what labels of one differ more from the opinion.
        counts: labels of the point in the first and in this convention.
        cost: px RMSE per coordinate that no network can avoid which answers both alike.
    """

    point: int
    convention: int
    own: bool
    dx: Interval
    dy: Interval
    counts: tuple
    cost: float


def convention_differences(labels, wrong, seed=0):
    """List of Differences for every point that the first and a further convention label."""
    opinion = labels.opinions["regression"].astype(np.float64)
    off = np.where(wrong[:, None, None], np.nan, labels.slots - opinion)
    first, found = labels.schema.slots[0], []
    for kind in range(1, len(labels.schema.conventions)):
        for point, (slot, other) in enumerate(zip(first, labels.schema.slots[kind], strict=True)):
            rows = [np.isfinite(off[:, s, 0]) & (labels.convention == k) for s, k in ((slot, 0), (other, kind))]
            counts = tuple(int(r.sum()) for r in rows)
            if min(counts) >= FEWEST:
                apart = opinion[:, other] - opinion[:, slot] if slot != other else None
                axes = _apart(off[:, slot], rows, apart, labels.group, seed)
                share = counts[0] / sum(counts)
                cost = np.sqrt(share * (1 - share) * (axes[0].value ** 2 + axes[1].value ** 2) / 2)
                found.append(Difference(point, kind, bool(slot != other), *axes, counts, float(cost)))
    return found


def _apart(off, rows, apart, group, seed):
    """Intervals of dx and dy."""
    if apart is not None:
        return [as_interval(means(*resampled(apart, group, seed))[:, axis]) for axis in (0, 1)]
    here, there = (means(*resampled(np.where(r[:, None], off, np.nan), group, seed)) for r in rows)
    return [as_interval((there - here)[:, axis]) for axis in (0, 1)]
