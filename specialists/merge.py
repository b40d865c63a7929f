"""The rule that merges base and specialists, and the error radius; both fitted on validation faces."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LinearRegression

from base_models.predict import WORST, score
from reports.predictions import LEVELS

WEIGHTS = np.linspace(0, 1, 21)
SHARED_ROWS = 50  # faces' worth of trust in what is best for all points together, against what is best for one


@dataclass(frozen=True)
class Merge:
    """Per output slot: how far to go from the base's answer to the specialist's.

    Args:
        weight: float [slots] in [0, 1].
        reach: px; a specialist moves a point no farther than this. On faces where both differ by more, one of them
            has lost the point, and which one cannot be known.
    """

    weight: np.ndarray
    reach: float

    def __call__(self, base, specialist):
        """Merged positions [n, slots, 2]; the base's where there is no specialist (NaN)."""
        return merged(base, specialist, self.weight[:, None], self.reach)


def merged(base, specialist, weight, reach):
    """base + weight * (specialist - base), the step cut to `reach` px; NaN steps are none."""
    step = np.nan_to_num(specialist - base)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return base + weight * step * np.minimum(1, reach / np.maximum(length, 1e-9))


def fit_merge(base, specialist, truth, reach):
    """Choose each slot's weight on validation faces; never worse there than the base, by construction.

    A slot's loss is looked at together with that of all slots, since few faces label some points. A weight that
    gives a higher RMSE than the base alone on the slot's faces becomes 0.

    Args:
        base, specialist, truth: float [n, slots, 2] px; NaN = no specialist, or not labelled.
        reach: px.

    Returns:
        `Merge`.
    """
    slots = base.shape[1]
    trained = np.isfinite(specialist).all((0, 2)) & (len(base) > 0)
    count = np.isfinite(truth).all(-1).sum(0)
    relative = np.ones((slots, len(WEIGHTS)))
    for s in np.flatnonzero(trained & (count > 0)):
        losses = [score(merged(base[:, s], specialist[:, s], w, reach), truth[:, s], WORST) ** 2 for w in WEIGHTS]
        relative[s] = np.array(losses) / max(losses[0], 1e-9)
    useful = trained & (count > 0)
    # The median: one specialist that failed says nothing about the others.
    shared = np.median(relative[useful], 0) if useful.any() else np.ones(len(WEIGHTS))
    weight = np.zeros(slots)
    for s in np.flatnonzero(trained):
        weight[s] = WEIGHTS[np.argmin(count[s] * relative[s] + SHARED_ROWS * shared)]
        if _worse(base[:, s], specialist[:, s], truth[:, s], weight[s], reach):
            weight[s] = 0.0
    return Merge(weight, reach)


def _worse(base, specialist, truth, weight, reach):
    return np.isfinite(truth).any() and score(merged(base, specialist, weight, reach), truth) > score(base, truth)


@dataclass(frozen=True)
class Radius:
    """Error radius of each point on each face, from how much its opinions differ.

    Args:
        typical: float [slots] px, the median error of each slot.
        slope: float [features + 1]: px of expected error per px of typical error and per px of each disagreement.
        factors: float [levels]: the radius of a level as a multiple of the expected error.
    """

    typical: np.ndarray
    slope: np.ndarray
    factors: np.ndarray

    def __call__(self, features):
        """float32 [levels, n, slots] px for disagreements [n, slots, features]."""
        return (self.factors[:, None, None] * self._expected(features)).astype(np.float32)

    def _expected(self, features):
        return np.maximum(_columns(features, self.typical) @ self.slope, 0.05)


def _columns(features, typical):
    typical = np.broadcast_to(typical, features.shape[:2])
    return np.concatenate([typical[..., None], features], -1)


def fit_radius(errors, features):
    """Fit the radius on validation faces.

    The expected error is linear in the slot's typical error and in the disagreements; the radii are those multiples
    of it that hold the wanted shares of the errors (split conformal prediction, Papadopoulos et al. 2002).

    Args:
        errors: float [n, slots] px, NaN = not labelled.
        features: float [n, slots, features] px.

    Returns:
        `Radius`; where nothing is labelled, one whose radii are NaN.
    """
    known = np.isfinite(errors)
    if not known.any():
        return Radius(np.full(errors.shape[1], np.nan), np.zeros(features.shape[-1] + 1), np.full(len(LEVELS), np.nan))
    overall = np.median(errors[known])
    typical = np.array([np.median(e[k]) if k.sum() >= 5 else overall for e, k in zip(errors.T, known.T, strict=True)])
    # Errors are capped: a wrong label says nothing of the error.
    capped = np.minimum(errors[known], 6 * overall)
    slope = LinearRegression(positive=True, fit_intercept=False).fit(_columns(features, typical)[known], capped).coef_
    start = Radius(typical, slope, np.ones(len(LEVELS)))
    ratios = errors[known] / start._expected(features)[known]
    factors = np.array([np.quantile(ratios, min(1, level * (1 + 1 / len(ratios)))) for level in LEVELS])
    return Radius(typical, slope, factors)


def coverage(errors, features, groups, folds=5):
    """Shares of errors inside the radii, each face judged by radii fitted without it and its group.

    Returns:
        float [levels]; NaN where there are fewer groups than folds, or no errors.
    """
    names, member = np.unique(groups, return_inverse=True)
    inside, known = [], np.isfinite(errors)
    if len(names) < folds or not known.any():
        return np.full(len(LEVELS), np.nan)
    for fold in range(folds):
        held = member % folds == fold
        radius = fit_radius(errors[~held], features[~held])(features[held])
        inside.append((errors[held] <= radius)[:, known[held]])
    return np.concatenate(inside, 1).mean(1)
