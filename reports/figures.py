"""Figures of a predictions file: RMSE with bootstrap intervals, bias, coverage of the radii, and who makes the error.

Errors and RMSE as in reports/bootstrap.py.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from data.errors import RunError
from reports.attributes import attributes_of, face_scores, part_medians
from reports.bootstrap import Interval, gain_over, interval, resamples, rmse, share_within

ORDER = ("base", "specialist", "ensemble")  # of members, the last one there is the one that a page is about
WORST = 5  # faces whose share of the squared error is told
MIN_VALUES = 10  # of a point, before its mean error vector says anything


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
        groups: number of groups that the intervals draw from, None where only faces are known.
        attributes: list of (Attribute, list of Intervals of the median face RMSE of each part).
        anchors: dict of name to RMSE in px, as the user gave them to compare with.
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
    groups: int | None = None
    attributes: list = field(default_factory=list)
    anchors: dict = field(default_factory=dict)

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
    weights = resamples(len(predictions), seed, group=predictions.group) if len(predictions) else None
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
        groups=None if predictions.group is None else len(np.unique(predictions.group)),
        attributes=_by_attribute(predictions, members, main, weights),
        anchors=predictions.info.get("anchors", {}),
    )


def _by_attribute(predictions, members, errors, weights):
    found = attributes_of(predictions, members[-1]) if members else []
    return [(one, part_medians(one, face_scores(errors), weights)) for one in found]


def _by_convention(convention, errors, known, weights):
    """dict of convention index to (faces, values, dict of member to Interval), for conventions with values."""
    table = {}
    for kind in np.unique(convention[known.any(axis=1)]):
        rows = convention == kind
        own = {m: interval(np.where(rows[:, None], e, np.nan), weights) for m, e in errors.items()}
        table[int(kind)] = (int(rows.sum()), int(known[rows].sum()), own)
    return table
