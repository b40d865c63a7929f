"""Two predictions files on the same faces: which points and faces got better or worse, and what is beyond chance."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from data.errors import DataError
from reports.bootstrap import Interval, percentiles, resamples, rmse
from reports.figures import members_of

BLOCKS = 4  # of bootstrap.RESAMPLES each: enough for p values that stay small when there are many points
SURE = 0.05  # p value, Holm's (1979) for the points together, below which a change is beyond chance
SAME_PHOTO = 24.0  # mean difference in grey values below which two images of one id are taken to be one photo


class Change(NamedTuple):
    """RMSE of the second less that of the first, in px; below 0 the second is better.

    Args:
        first, second: their RMSE. change: Interval of the difference. p: two-sided, of no difference; NaN where one
            group of faces allows none. values: how many labelled points.
    """

    first: float
    second: float
    change: Interval
    p: float
    values: int


@dataclass(frozen=True)
class Pair:
    """The faces that two predictions files share, in the order of the first.

    Args:
        predictions: Predictions with the members "first" and "second", NaN where either has nothing to say.
        names: of the two. members: which member of each file was taken. left_out: faces of each without a partner.
        relabelled: how many faces carry other labels in the second file; those of the first count.
    """

    predictions: object
    names: tuple
    members: tuple
    left_out: tuple
    relabelled: int


@dataclass(frozen=True)
class PairFigures:
    """Changes overall, by convention index and by point of the schema, and each face's RMSE in both, float [n, 2]."""

    overall: Change
    conventions: dict
    points: list
    faces: np.ndarray
    groups: int | None


def pair_up(first, second, names):
    """Match the faces of two Predictions by id.

    Raises:
        DataError: other points, repeated ids, no face or photo in common, or no label to measure by.
    """
    if first.schema.points != second.schema.points:
        raise DataError(f"{names[1]}: expected the points of {first.schema.name}; received {second.schema.name}")
    rows = np.array(_rows(first, second, names), int).reshape(-1, 2)
    if not len(rows):
        raise DataError(f"{names[1]}: expected faces with the ids of {names[0]}; received none of them")
    _check_photos(first.images[rows[:, 0]], second.images[rows[:, 1]], names)
    members = tuple(members_of(one)[-1] for one in (first, second))
    found = [one.points[m][rows[:, i]] for i, (one, m) in enumerate(zip((first, second), members, strict=True))]
    return _pair(first, second, rows, found, names, members)


def _rows(first, second, names):
    """(row of the first, row of the second) of every id that both have."""
    place = {}
    for one, name in ((second, names[1]), (first, names[0])):
        place = {str(face): row for row, face in enumerate(one.ids)}
        if len(place) < len(one):
            raise DataError(f"{name}: expected every id once; received {len(one) - len(place)} repeats")
    other = {str(face): row for row, face in enumerate(second.ids)}
    return [(row, other[face]) for face, row in place.items() if face in other]


def _check_photos(one, other, names):
    if one.shape != other.shape:
        raise DataError(f"{names[1]}: expected images {one.shape[1:]} as in {names[0]}; received {other.shape[1:]}")
    apart = np.abs(one.astype(np.int16) - other).mean(axis=(1, 2, 3))
    if (apart > SAME_PHOTO).mean() > 0.5:
        raise DataError(f"{names[1]}: expected the photos of {names[0]} under the same ids; received others")


def _pair(first, second, rows, found, names, members):
    truth, other = first.truth[rows[:, 0]], second.truth[rows[:, 1]]
    known = np.isfinite(truth).all(axis=2)
    both = np.isfinite(found[0]).all(axis=2) & np.isfinite(found[1]).all(axis=2)
    if not (known & both).any():
        raise DataError(f"{names[0]}: expected labelled points that both found; received none")
    differ = (np.isfinite(other).all(axis=2) != known) | (np.abs(truth - other) > 1e-3).any(axis=2)
    points = {key: np.where(both[..., None], own, np.nan) for key, own in zip(("first", "second"), found, strict=True)}
    group = first.group[rows[:, 0]] if first.group is not None else None
    if group is None and second.group is not None:
        group = second.group[rows[:, 1]]
    taken = {name: getattr(first, name)[rows[:, 0]] for name in ("images", "ids", "convention")}
    shared = replace(first, **taken, truth=truth, points=points, radius=second.radius[:, rows[:, 1]], group=group)
    left_out = (len(first) - len(rows), len(second) - len(rows))
    return Pair(shared, tuple(names), members, left_out, int(differ.any(axis=1).sum()))


def measure_pair(pair, seed=0):
    """PairFigures of a Pair, by a paired bootstrap: each resample of the faces counts for both alike."""
    shared = pair.predictions
    errors = np.stack([shared.errors(key) for key in ("first", "second")])
    errors = np.where(np.isfinite(errors).all(axis=0), errors, np.nan).astype(np.float64)
    k = errors.shape[2]
    kinds = [int(kind) for kind in np.unique(shared.convention)]
    sets = [np.ones((len(shared), k), bool)]
    sets += [np.repeat((shared.convention == kind)[:, None], k, axis=1) for kind in kinds]
    sets += [np.broadcast_to(np.arange(k) == j, (len(shared), k)) for j in range(k)]
    changes = _changes(errors, sets, shared.group, seed)
    return PairFigures(
        overall=changes[0],
        conventions={kind: change for kind, change in zip(kinds, changes[1:], strict=False) if change.values},
        points=holm(changes[1 + len(kinds) :]),
        faces=np.stack([[rmse(row) for row in own] for own in errors], axis=1),
        groups=None if shared.group is None else len(np.unique(shared.group)),
    )


def _changes(errors, sets, group, seed):
    """One Change per mask of `sets` over errors [2, n, k]."""
    known = np.isfinite(errors[0])
    squared = np.where(known, errors, 0) ** 2
    sums = np.stack([(squared * own).sum(axis=2) for own in sets], axis=-1)  # [2, n, sets]
    counts = np.stack([(known & own).sum(axis=1) for own in sets], axis=-1)
    samples = np.concatenate([_sampled(sums, counts, group, seed * BLOCKS + block) for block in range(BLOCKS)])
    return [_change(sums[..., s].sum(axis=1), int(counts[:, s].sum()), samples[:, s]) for s in range(len(sets))]


def _sampled(sums, counts, group, seed):
    """float64 [resamples, sets]: the difference of RMSE in each resample of the faces."""
    weights = resamples(counts.shape[0], seed, group=group)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, other = (np.sqrt((weights @ own) / (2 * (weights @ counts))) for own in sums)
    return other - one


def _change(squared, values, samples):
    if not values:
        return Change(np.nan, np.nan, Interval(np.nan), np.nan, 0)
    first, second = np.sqrt(squared / (2 * values))
    samples = samples[np.isfinite(samples)]
    if len(samples) < 2 or (np.ptp(samples) == 0 and first != second):
        return Change(first, second, Interval(second - first), np.nan, values)
    tail = min((samples <= 0).sum(), (samples >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(samples) + 1))
    return Change(first, second, Interval(second - first, *percentiles(samples)), p, values)


def holm(changes):
    """`changes` with p values that hold for all of them together (Holm, 1979)."""
    order = sorted((i for i, change in enumerate(changes) if np.isfinite(change.p)), key=lambda i: changes[i].p)
    raised, highest = {}, 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, changes[i].p * (len(order) - place)))
        raised[i] = highest
    return [change._replace(p=raised.get(i, change.p)) for i, change in enumerate(changes)]
