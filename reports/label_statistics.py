"""Bootstrap over whole groups, for the figures of the label page."""

import numpy as np

from reports.bootstrap import Interval, percentiles, resamples

FEWEST = 8  # values before there is a figure


def resampled(values, group, seed=0):
    """Sums and counts of `values` [n, m] over bootstrap resamples of whole groups; NaN counts as missing.

    Returns:
        (float64 [1 + R, m] sums, float64 [1 + R, m] counts); the first row is the values as they are.
    """
    groups, member = np.unique(group, return_inverse=True)
    known = np.isfinite(values)
    sums, counts = (np.zeros((len(groups), values.shape[1])) for _ in range(2))
    np.add.at(sums, member, np.where(known, values, 0))
    np.add.at(counts, member, known)
    weights = np.ones((1, len(groups)))
    if len(groups) > 1:
        weights = np.concatenate([weights, resamples(len(groups), seed)])
    return weights @ sums, weights @ counts


def means(sums, counts):
    """`sums` / `counts`, NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / counts


def as_interval(samples, count=np.inf):
    """Interval of a figure from its value and its resamples [1 + R]; NaN where `count` values are too few."""
    if count < FEWEST or not np.isfinite(samples[0]):
        return Interval(np.nan)
    return Interval(float(samples[0]), *percentiles(samples[1:]))


def root(mean):
    """sqrt of a mean square, of which chance can make a negative figure of nothing: 0 then."""
    return np.sqrt(np.maximum(mean, 0))
