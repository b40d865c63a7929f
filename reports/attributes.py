"""What a face is like, beside its points: sharp or blurred, bright, full of contrast, turned, tilted, labelled how.

Measured within the box around the points, so that background and zeroed borders do not count. Turn and roll are
estimated from the points themselves: labels, and predictions where there is no label.
"""

from typing import NamedTuple

import numpy as np

from reports.bootstrap import Interval, percentiles

MARGIN = 0.15  # of the box around the points, on each side
FREAKS = 0.01  # of the faces at either end, which are drawn on the axis's end
PARTS = 5  # of equally many faces, by each attribute
# How far the nose tip stands before the paired points, in mean distances between left and right ones, so that turns
# of drawn heads come out at their true size (correlation 0.95, error 4 degrees RMS, where they turn by 13 degrees RMS).
NOSE = 0.5


class Attribute(NamedTuple):
    """One property of the faces.

    Args:
        key: of its chart. title, axis: words, the axis with its unit.
        values: float32 [n], NaN where it cannot be told.
        edges: float [parts + 1], what divides the faces into parts: part i has edges[i] <= value < edges[i + 1], the
            first and the last also what lies beyond.
        names: of the parts, where they are kinds and not ranges.
        ends: how faces at the low and at the high end are called.
    """

    key: str
    title: str
    axis: str
    values: np.ndarray
    edges: np.ndarray
    names: tuple = ()
    ends: tuple = ("", "")

    def parts(self):
        """int [n]: the part that each face is in, -1 where its value is not known."""
        place = np.searchsorted(self.edges[1:-1], self.values, side="right")
        return np.where(np.isfinite(self.values), place, -1)


def attributes_of(predictions, main):
    """List of the Attributes that can be told of these faces and that differ between them.

    Args:
        predictions: Predictions on n faces.
        main: the member whose points stand in where there is no label.
    """
    known = np.isfinite(predictions.truth).all(axis=2, keepdims=True)
    points = np.where(known, predictions.truth, predictions.points[main]).astype(np.float64)
    sharpness, brightness, contrast = photo_measures(predictions.images, points)
    turn, roll = pose(points, predictions.schema)
    ranges = (
        ("sharpness", "Blur", "← blurred   log₁₀ sharpness   sharp →", sharpness, ("blurred", "sharp")),
        ("brightness", "Brightness", "mean grey value, 0–255", brightness, ("dark", "bright")),
        ("contrast", "Contrast", "standard deviation of grey values", contrast, ("flat", "contrasty")),
        ("turn", "Head turn", "← to the left   degrees   to the right →", turn, ("left-turned", "right-turned")),
        ("roll", "Head roll", "degrees, clockwise +", roll, ("left-tilted", "right-tilted")),
    )
    found = [ranged(*one) for one in ranges if len(np.unique(one[3][np.isfinite(one[3])])) > 1]
    return found + _labelling(predictions)


def ranged(key, title, axis, values, ends):
    """Attribute whose parts are fifths of the faces; `ends` are what faces at its ends are called."""
    shares = np.linspace(0, 1, PARTS + 1).clip(FREAKS, 1 - FREAKS)
    edges = np.unique(np.quantile(values[np.isfinite(values)], shares))
    return Attribute(key, title, axis, values.astype(np.float32), edges.astype(np.float32), ends=ends)


def _labelling(predictions):
    kinds, own = np.unique(predictions.convention, return_inverse=True)
    if len(kinds) < 2:
        return []
    names = tuple(predictions.schema.conventions[kind].name for kind in kinds)
    edges = np.arange(len(kinds) + 1, dtype=np.float32) - np.float32(0.5)
    return [Attribute("labelling", "Labelling", "labelling convention", own.astype(np.float32), edges, names)]


def photo_measures(images, points):
    """Sharpness, brightness and contrast of each face within the box around its points.

    Args:
        images: uint8 [n, H, W, C].
        points: float [n, k, 2] px.

    Returns:
        float64 [3, n]: log10 of the variance of the Laplacian, mean and standard deviation of the grey values. The
        variance of the Laplacian as a measure of focus: Pech-Pacheco et al. (2000).
    """
    return np.array([_measured(_face_box(*one)) for one in zip(images, points, strict=True)]).reshape(-1, 3).T


def _face_box(image, points):
    """float32 [h, w]: grey values within the box around the points; all of them where that is empty."""
    grey = image[..., :3].mean(axis=2, dtype=np.float32)
    known = points[np.isfinite(points).all(axis=1)]
    if len(known) < 2:
        return grey
    low, high = known.min(axis=0), known.max(axis=0)
    margin = MARGIN * (high - low).max()
    (left, top), (right, bottom) = (np.floor(low - margin).astype(int).clip(0), np.ceil(high + margin).astype(int) + 1)
    box = grey[top : max(bottom, 0), left : max(right, 0)]
    return box if min(box.shape) > 2 else grey


def _measured(grey):
    import cv2

    focus = cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1].var() if min(grey.shape) > 2 else 0.0
    return np.log10(max(focus, 1e-2)), grey.mean(), grey.std()


def pose(points, schema):
    """Head turn and roll of each face in degrees, from its points alone; NaN where they do not tell.

    Roll is the direction from the right points to their left partners. Turn is how far the nose tip lies beside the
    middle of the pairs, once the roll is taken out; positive = towards the image's right. Both are estimates: a
    crooked nose is a turned head to them.

    Args:
        points: float [n, k, 2] px, NaN where unknown.
        schema: the table of points; left ones are those whose mirror partner is the right one.
    """
    left = np.array([j for j, name in enumerate(schema.points) if "left" in name], int)
    middle = np.array([j for j, name in enumerate(schema.points) if schema.mirror[j] == j and "nose" in name], int)
    if not len(left):
        return np.full((2, len(points)), np.nan)
    a, b = points[:, left], points[:, schema.mirror[left]]
    across, centre = _mean(a - b), _mean((a + b) / 2)
    distance = np.linalg.norm(across, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = across / distance[:, None]
        aside = ((_mean(points[:, middle]) - centre) * unit).sum(axis=1) / distance
    roll = np.degrees(np.arctan2(unit[:, 1], unit[:, 0]))
    return np.stack([np.degrees(np.arctan(aside / NOSE)), roll])


def _mean(points):
    """float [n, 2]: mean over the known ones of [n, j, 2]; NaN where there is none."""
    known = np.isfinite(points).all(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, points, 0).sum(axis=1) / known.sum(axis=1)


def part_medians(attribute, scores, weights):
    """List of Intervals: the median face RMSE in px of every part.

    Args:
        attribute: Attribute of n faces.
        scores: float [n], each face's RMSE in px; NaN where it has no error.
        weights: `figures.resamples` of the faces.
    """
    part = attribute.parts()
    return [_median(scores, (part == i) & np.isfinite(scores), weights) for i in range(len(attribute.edges) - 1)]


def _median(scores, kept, weights):
    rows = np.flatnonzero(kept)
    if not len(rows):
        return Interval(np.nan)
    order = rows[np.argsort(scores[rows])]
    value = float(np.median(scores[order]))
    if len(rows) < 2:
        return Interval(value)
    counts = weights[:, order].cumsum(axis=1)
    half = counts[:, -1] / 2
    samples = scores[order][(counts >= half[:, None]).argmax(axis=1)]
    return Interval(value, *percentiles(np.where(half > 0, samples, np.nan)))


def face_scores(errors):
    """float64 [n]: RMSE in px of each face's errors [n, k]; NaN where it has none."""
    known = np.isfinite(errors)
    squared = np.where(known, errors, 0).astype(np.float64) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(squared.sum(axis=1) / known.sum(axis=1) / 2)
