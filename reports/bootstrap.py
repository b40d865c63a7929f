"""Bootstrap intervals of an RMSE, of a difference of two, of a share: faces are drawn again, a person's together.

An *error* is the distance between prediction and label in px. An *RMSE* is Kaggle's: the root of the mean squared
error over coordinates, so a lone point that is off by d has RMSE d / sqrt(2).
"""

from typing import NamedTuple

import numpy as np

RESAMPLES = 1000


class Interval(NamedTuple):
    """A figure and its 95 % bootstrap interval over groups of faces; low and high are NaN for fewer than two."""

    value: float
    low: float = np.nan
    high: float = np.nan


def rmse(errors):
    """Root mean squared error per coordinate in px, of distances in px; NaN where there are none."""
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2, dtype=np.float64) / 2)) if known.size else np.nan


def resamples(faces, seed=0, count=RESAMPLES, group=None):
    """float64 [count, faces]: how often each bootstrap resample holds each face.

    Args:
        faces: how many there are.
        group: [faces], persons say, whose faces are only drawn together, since they are alike; None: each for itself.
    """
    _, own = np.unique(np.arange(faces) if group is None else group, return_inverse=True)
    units = int(own.max(initial=-1)) + 1
    draws = np.random.default_rng([seed, units]).integers(0, max(units, 1), (count, units))
    return np.stack([np.bincount(draw, minlength=units) for draw in draws]).astype(np.float64)[:, own]


def _alike(weights, rows):
    """Whether the faces at `rows` (a mask) are fewer than two, or of one group: all resamples hold them equally."""
    own = weights[: min(len(weights), 64)][:, rows]
    return own.shape[1] < 2 or bool((own == own[:, :1]).all())


def interval(errors, weights, of=rmse):
    """Interval of the RMSE of `errors` [n, k] when faces are drawn again. `weights` are `resamples(n)`."""
    known = np.isfinite(errors)
    if _alike(weights, known.any(axis=1)):
        return Interval(of(errors))
    return Interval(of(errors), *percentiles(_resampled_rmse(errors, weights)))


def trimmed_interval(errors, weights, worst):
    """Interval of the RMSE of `errors` [n, k] without the share `worst` of them, the largest, of each resample.

    Errors are points' distances in px; faces are drawn again, so a resample leaves out what is largest in itself.
    """
    face, column = np.nonzero(np.isfinite(errors))
    distances = errors[face, column].astype(np.float64)
    order = np.argsort(distances)
    squared, face = np.square(distances[order]), face[order]
    value = _lowest_rmse(np.ones((1, len(order))), squared, worst)
    if _alike(weights, np.isfinite(errors).any(axis=1)):
        return Interval(float(value[0]))
    blocks = np.array_split(weights, max(1, weights.shape[0] * len(order) // 4_000_000))  # bounds memory
    samples = np.concatenate([_lowest_rmse(block[:, face], squared, worst) for block in blocks])
    return Interval(float(value[0]), *percentiles(samples))


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


def percentiles(samples):
    """(2.5 %, 97.5 %) of the finite `samples`; NaN where there are none."""
    samples = samples[np.isfinite(samples)]
    return tuple(map(float, np.percentile(samples, (2.5, 97.5)))) if samples.size else (np.nan, np.nan)


def gain_over(other, main, weights):
    """Interval of RMSE(other) - RMSE(main) in px over the values that both have, faces drawn alike for both."""
    both = np.isfinite(other) & np.isfinite(main)
    other, main = np.where(both, other, np.nan), np.where(both, main, np.nan)
    value = rmse(other) - rmse(main)
    if _alike(weights, both.any(axis=1)):
        return Interval(value)
    return Interval(value, *percentiles(_resampled_rmse(other, weights) - _resampled_rmse(main, weights)))


def share_within(errors, radius, weights):
    """Interval of the share of `errors` [n, k] that are at most `radius` [n, k]."""
    known = np.isfinite(errors) & np.isfinite(radius)
    if not known.any():
        return Interval(np.nan)
    inside = (known & (errors <= radius)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = (weights @ inside) / (weights @ known.sum(axis=1))
    low_high = (np.nan, np.nan) if _alike(weights, known.any(axis=1)) else percentiles(samples)
    return Interval(inside.sum() / known.sum(), *low_high)
