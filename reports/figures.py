"""Figures of a predictions file: RMSE with bootstrap intervals, bias, coverage of the radii, and who makes the error.

An *error* is the distance between prediction and label in px. An *RMSE* is Kaggle's: the root of the mean squared
error over coordinates, so a lone point that is off by d has RMSE d / sqrt(2).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.errors import RunError

ORDER = ("base", "specialist", "ensemble")  # of members, the last one there is the one that a page is about
RESAMPLES = 1000
WORST = 5  # faces whose share of the squared error is told
MIN_VALUES = 10  # of a point, before its mean error vector says anything


class Interval(NamedTuple):
    """A figure and its 95 % bootstrap interval over faces; low and high are NaN for fewer than two faces."""

    value: float
    low: float = np.nan
    high: float = np.nan


class Offset(NamedTuple):
    """The mean error vector of one point under one convention, in px; y grows downwards."""

    point: int
    convention: int
    dx: float
    dy: float
    share: float  # of the point's mean squared error that the offset explains
    sigmas: float  # its length in standard errors


@dataclass(frozen=True)
class Figures:
    """Everything a page says in numbers.

    Args:
        members: names of the members that found anything, in ORDER.
        faces: number of faces. values: number of labelled points that were found.
        overall: dict of member to Interval of RMSE in px over all of its values.
        gain: dict of other member to Interval of (its RMSE - the main member's) in px, over the values of both.
        conventions: dict of convention index to (faces, values, dict of member to Interval).
        points: dict of member to a list of Intervals, one per point of the schema.
        counts: int [k], values per point.
        offsets: list of Offsets with at least MIN_VALUES values.
        coverage: [2] Intervals, share of errors within the 50 % and the 90 % radius; as `predictions.info` has it where
            the radii were fitted on these very faces. point_coverage: float [2, k], always of the radii as they are.
        fitted: whether they were.
        worst_share: share of all squared error that the WORST faces make.
        without_worst: RMSE in px of the other faces.
    """

    members: tuple
    faces: int
    values: int
    overall: dict
    gain: dict
    conventions: dict
    points: dict
    counts: np.ndarray
    offsets: list
    coverage: list
    fitted: bool
    point_coverage: np.ndarray
    worst_share: float
    without_worst: float

    @property
    def main(self):
        """The member that the page is about."""
        return self.members[-1]


def members_of(predictions):
    """Names of the members that found anything. Raises RunError where there are faces and no member did."""
    found = tuple(m for m in ORDER if m in predictions.points and np.isfinite(predictions.points[m]).any())
    if len(predictions) and not found:
        raise RunError(f"predictions: expected points of {', '.join(ORDER)}; received none that is finite")
    return found


def rmse(errors):
    """Root mean squared error per coordinate in px, of distances in px; NaN where there are none."""
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2, dtype=np.float64) / 2)) if known.size else np.nan


def resamples(faces, seed=0, count=RESAMPLES):
    """float64 [count, faces]: how often each bootstrap resample of the faces holds each face."""
    generator = np.random.default_rng([seed, faces])
    draws = generator.integers(0, faces, (count, faces))
    return np.stack([np.bincount(draw, minlength=faces) for draw in draws]).astype(np.float64)


def interval(errors, weights, of=rmse):
    """Interval of the RMSE of `errors` [n, k] when faces are drawn again. `weights` are `resamples(n)`."""
    known = np.isfinite(errors)
    if known.any(axis=1).sum() < 2:
        return Interval(of(errors))
    return Interval(of(errors), *_percentiles(_resampled_rmse(errors, weights)))


def trimmed_interval(errors, weights, worst):
    """Interval of the RMSE of `errors` [n, k] without the share `worst` of them, the largest, of each resample.

    Errors are points' distances in px; faces are drawn again, so a resample leaves out what is largest in itself.
    """
    face, column = np.nonzero(np.isfinite(errors))
    distances = errors[face, column].astype(np.float64)
    order = np.argsort(distances)
    squared, face = np.square(distances[order]), face[order]
    value = _lowest_rmse(np.ones((1, len(order))), squared, worst)
    if len(np.unique(face)) < 2:
        return Interval(float(value[0]))
    blocks = np.array_split(weights, max(1, weights.shape[0] * len(order) // 4_000_000))  # bounds memory
    samples = np.concatenate([_lowest_rmse(block[:, face], squared, worst) for block in blocks])
    return Interval(float(value[0]), *_percentiles(samples))


def _lowest_rmse(counts, squared, worst):
    """float64 [c]: RMSE of the lowest share 1 - `worst` of sorted `squared` [m], each `counts` [c, m] times there."""
    total = counts.sum(axis=1, keepdims=True)
    before = counts.cumsum(axis=1) - counts
    counts = np.clip(np.maximum(1, np.round(total * (1 - worst))) - before, 0, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(counts @ squared / (2 * counts.sum(axis=1)))


def _resampled_rmse(errors, weights):
    """float64 [count]: the RMSE of each resample; NaN where it holds no value."""
    known = np.isfinite(errors)
    total = weights @ np.square(np.where(known, errors, 0), dtype=np.float64).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(total / (2 * (weights @ known.sum(axis=1))))


def _percentiles(samples):
    samples = samples[np.isfinite(samples)]
    return tuple(map(float, np.percentile(samples, (2.5, 97.5)))) if samples.size else (np.nan, np.nan)


def gain_over(other, main, weights):
    """Interval of RMSE(other) - RMSE(main) in px over the values that both have, faces drawn alike for both."""
    both = np.isfinite(other) & np.isfinite(main)
    other, main = np.where(both, other, np.nan), np.where(both, main, np.nan)
    value = rmse(other) - rmse(main)
    if both.any(axis=1).sum() < 2:
        return Interval(value)
    return Interval(value, *_percentiles(_resampled_rmse(other, weights) - _resampled_rmse(main, weights)))


def share_within(errors, radius, weights):
    """Interval of the share of `errors` [n, k] that are at most `radius` [n, k]."""
    known = np.isfinite(errors) & np.isfinite(radius)
    if not known.any():
        return Interval(np.nan)
    inside = (known & (errors <= radius)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = (weights @ inside) / (weights @ known.sum(axis=1))
    low_high = _percentiles(samples) if known.any(axis=1).sum() > 1 else (np.nan, np.nan)
    return Interval(inside.sum() / known.sum(), *low_high)


def _coverage(predictions, errors, weights):
    """The intervals of both levels. A cross-fitted share keeps the interval's width of the plain one."""
    plain = [share_within(errors, radius, weights) for radius in predictions.radius]
    if "coverage" not in predictions.info:
        return plain
    honest = [np.nan if share is None else share for share in predictions.info["coverage"]]
    return [Interval(h, h + p.low - p.value, h + p.high - p.value) for h, p in zip(honest, plain, strict=True)]


def coverage_by_point(errors, radius):
    """float64 [2, k]: share of each point's errors within the 50 % and 90 % radius [2, n, k]; NaN without errors."""
    known = np.isfinite(errors) & np.isfinite(radius)
    with np.errstate(invalid="ignore"):
        return (known & (errors <= radius)).sum(axis=1) / known.sum(axis=1)


def offsets(vectors, convention):
    """Offsets of every point and convention with at least MIN_VALUES values, of error vectors [n, k, 2] in px."""
    found = []
    for kind in np.unique(convention):
        for point in range(vectors.shape[1]):
            own = vectors[convention == kind, point].astype(np.float64)
            own = own[np.isfinite(own).all(axis=1)]
            if len(own) >= MIN_VALUES:
                found.append(_offset(own, point, int(kind)))
    return found


def _offset(vectors, point, kind):
    dx, dy = vectors.mean(axis=0)
    squared = float(np.square(vectors).sum(axis=1).mean())
    spread = float(np.sqrt(vectors.var(axis=0, ddof=1).sum() / len(vectors)))
    share = (dx**2 + dy**2) / squared if squared else 0.0
    return Offset(point, kind, float(dx), float(dy), float(share), float(np.hypot(dx, dy) / max(spread, 1e-9)))


def worst_faces_share(errors, count=WORST):
    """Share of all squared error made by the `count` faces with the most; NaN without any error."""
    squared = np.nansum(np.square(errors, dtype=np.float64), axis=1)
    return float(np.sort(squared)[-count:].sum() / squared.sum()) if squared.sum() > 0 else np.nan


def without_worst_faces(errors, count=WORST):
    """RMSE in px without the `count` faces with the most squared error; NaN where no other has any."""
    return rmse(
        errors[np.argsort(np.nansum(np.square(errors, dtype=np.float64), axis=1))[: max(0, len(errors) - count)]]
    )


def measure(predictions, seed=0):
    """Figures of `predictions`. The same predictions and seed always give the same figures."""
    members = members_of(predictions)
    errors = {member: predictions.errors(member) for member in members}
    main = errors[members[-1]] if members else np.full(predictions.truth.shape[:2], np.nan)
    weights = resamples(len(predictions), seed) if len(predictions) else None
    known = np.isfinite(main)
    vectors = predictions.points[members[-1]] - predictions.truth if members else predictions.truth
    return Figures(
        members=members,
        faces=len(predictions),
        values=int(known.sum()),
        overall={m: interval(errors[m], weights) for m in members},
        gain={m: gain_over(errors[m], main, weights) for m in members[:-1]},
        conventions=_by_convention(predictions.convention, errors, known, weights),
        points={m: [interval(errors[m][:, [j]], weights) for j in range(main.shape[1])] for m in members},
        counts=known.sum(axis=0),
        offsets=offsets(vectors, predictions.convention),
        coverage=_coverage(predictions, main, weights),
        fitted="coverage" in predictions.info,
        point_coverage=coverage_by_point(main, predictions.radius),
        worst_share=worst_faces_share(main),
        without_worst=without_worst_faces(main),
    )


def _by_convention(convention, errors, known, weights):
    """dict of convention index to (faces, values, dict of member to Interval), for conventions with values."""
    table = {}
    for kind in np.unique(convention[known.any(axis=1)]):
        rows = convention == kind
        own = {m: interval(np.where(rows[:, None], e, np.nan), weights) for m, e in errors.items()}
        table[int(kind)] = (int(rows.sum()), int(known[rows].sum()), own)
    return table
