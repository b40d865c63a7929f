"""What two independent opinions share in their error on held-out faces: the noise of the labels, as an upper end."""

from dataclasses import dataclass

import numpy as np

from data.errors import RunError
from reports.bootstrap import Interval
from reports.label_statistics import as_interval, means, resampled, root

CLOSE = 0.01  # px between the labels of two files of one set


@dataclass(frozen=True)
class Compared:
    """Figures for `label_noise.Noise`: `per_slot` its fields of the same names, `overall` and `by_kind` its figures."""

    per_slot: dict
    overall: dict
    by_kind: dict


def held_answers(labels, predictions=None):
    """A network's answers to rows that it did not train on.

    Args:
        labels: `Labels`.
        predictions: `Predictions`, or None for the base's answers in `labels`.

    Returns:
        (int64 [m] rows, name of the member, dict of member to float32 [m, slots, 2] px).

    Raises:
        RunError: the predictions are of other labels.
    """
    if predictions is not None and len(predictions):
        return _predicted(labels, predictions)
    if "base" not in labels.opinions:
        return np.zeros(0, np.int64), "", {}
    rows = np.flatnonzero(labels.held & np.isfinite(labels.opinions["base"]).any((1, 2)))
    return rows, "base", {"base": labels.opinions["base"][rows]}


def _predicted(labels, predictions):
    from reports.figures import members_of

    place = {str(name): row for row, name in enumerate(labels.ids)}
    known = np.array([str(name) in place for name in predictions.ids])
    rows = np.array([place[str(name)] for name in predictions.ids[known]], np.int64)
    apart = np.abs(labels.points[rows] - predictions.truth[known])
    if predictions.schema != labels.schema or not len(rows) or np.nanmax(apart, initial=0) > CLOSE:
        raise RunError("predictions: expected those of a run on these labels; received others")
    spread = labels.schema.to_slots
    kind = labels.convention[rows]
    found = {m: spread(predictions.points[m][known], kind) for m in members_of(predictions)}
    return rows, list(found)[-1], found


def compare(labels, wrong, predictions=None, seed=0):
    """`Compared` of the member whose error it is with the regression.

    Args:
        labels: `Labels`. wrong: bool [n], rows that are likely wrong; they are counted apart.
        predictions, seed: as for `label_noise.measure_noise`.
    """
    rows, member, answers = held_answers(labels, predictions)
    slots = len(labels.schema.slot_names)
    if not member or not len(rows):
        return _nothing(slots)
    truth, kind, fine = labels.slots[rows].astype(np.float64), labels.convention[rows], ~wrong[rows]
    own, other = truth - answers[member], truth - labels.opinions["regression"][rows]
    error, shared = np.square(own).mean(-1), (own * other).mean(-1)
    error = np.where(np.isfinite(shared), error, np.nan)  # all figures over the same labels
    relatives = _relatives(truth, answers)
    columns = np.stack([np.where(fine[:, None], column, np.nan) for column in (error, shared, relatives)])
    figures = [resampled(column, labels.group[rows], seed) for column in columns]
    whole = resampled(error, labels.group[rows], seed)
    per_slot = _per_slot(figures, slots) | {"member": member, "split": _split(error, shared, fine)}
    everywhere = {k: _overall(columns, error, kind == k, labels.group[rows], seed) for k in np.unique(kind)}
    overall = _summary([(s.sum(1), c.sum(1)) for s, c in (*figures, whole)])
    return Compared(per_slot, overall, {int(k): found for k, found in everywhere.items()})


def _relatives(truth, answers):
    """float64 [m, slots]: products of the errors of base and specialists, NaN where there are not both."""
    if not {"base", "specialist"} <= answers.keys():
        return np.full(truth.shape[:2], np.nan)
    return ((truth - answers["base"]) * (truth - answers["specialist"])).mean(-1)


def _overall(columns, error, chosen, group, seed):
    parts = [np.where(chosen[:, None], column, np.nan) for column in (*columns, error)]
    totals = [resampled(part, group, seed) for part in parts]
    return _summary([(sums.sum(1), counts.sum(1)) for sums, counts in totals])


def _summary(totals):
    """dict of figure to Interval, from (sums, counts) [1 + R] of error, shared, relatives, and error with all rows."""
    error, shared, relatives, whole = (means(*total) for total in totals)
    count = totals[0][1][0]
    found = {"error": error, "shared": shared, "rest": error - shared, "all": whole, "relatives": relatives}
    return {name: as_interval(root(mean), count) for name, mean in found.items()}


def _per_slot(figures, slots):
    error, shared, _ = (means(*figure) for figure in figures)
    counts = figures[0][1][0]
    table = {"error": error, "shared": shared, "rest": error - shared}
    found = {name: [as_interval(root(mean[:, s]), counts[s]) for s in range(slots)] for name, mean in table.items()}
    return found | {"values": counts.astype(int)}


def _split(error, shared, fine):
    """float64 [slots + 1, 3]: shares of the squared error: likely wrong rows, noise, left to win; the last over all."""
    known = np.isfinite(error)
    wrong = np.where(known & ~fine[:, None], error, 0).sum(0)
    ordinary = np.where(known & fine[:, None], error, 0).sum(0)
    noise = np.clip(np.where(known & fine[:, None], shared, 0).sum(0), 0, ordinary)
    parts = np.stack([wrong, noise, ordinary - noise], 1)
    parts = np.concatenate([parts, parts.sum(0, keepdims=True)])
    return means(parts, parts.sum(1, keepdims=True))


def _nothing(slots):
    none = [Interval(np.nan)] * slots
    per_slot = {"error": none, "shared": none, "rest": none, "values": np.zeros(slots, int), "member": ""}
    return Compared(per_slot | {"split": np.full((slots + 1, 3), np.nan)}, {}, {})
