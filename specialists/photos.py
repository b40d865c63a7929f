"""Faces on photos as the networks know them: from a detector's box, or from a first answer, to the training crop."""

from dataclasses import dataclass

import cv2
import numpy as np

from data.augment import compose, invert, move
from data.crops import cut
from data.errors import UsageError
from specialists.view import procrustes

# Where a detector's box has eyes and mouth, as shares of its width from its left and its top: medians over the boxes of
# 929 photos of the replica's training persons (docs/photos.md). OpenCV's two cascades and scikit-image's agree within
# 0.015 of the box.
LANDMARKS = {("eyes", "left"): (0.681, 0.408), ("eyes", "right"): (0.312, 0.412), ("mouth", ""): (0.503, 0.825)}
MARGIN = 1.034  # training crop to box, where a schema has no eyes and mouth to go by


# Frames of a face as alike as this are equally good: two thirds of what augmentation varies in training.
ALIKE_ZOOM, ALIKE_TURN, ALIKE_SHIFT = 0.1, 12.0, 0.06  # relative; degrees; share of the crop's width


@dataclass(frozen=True)
class Training:
    """What the faces of a run's training looked like.

    Args:
        schema: the table of points.
        size: (H, W) px of its images.
        channels: 1 or 3.
        typical: float [k, 2] px, the mean of the points, in the convention that is asked for.
        steady: bool [k]: points that all conventions draw alike, so that faces can be aligned by them.
    """

    schema: object
    size: tuple
    channels: int
    typical: np.ndarray
    steady: np.ndarray

    def from_boxes(self, boxes):
        """Matrices [n, 2, 3] from px of a photo to the training crop, by boxes [n, 4] around faces."""
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        pairs = list(self._landmarks())
        corner, side = boxes[:, :2], boxes[:, 2:].max(1)
        if len(pairs) < 2:
            zoom = min(self.size) / (MARGIN * side)
            there, here = np.full((1, 2), 0.5), (np.array(self.size[::-1]) - 1) / 2
        else:
            there, here = (np.array(points) for points in zip(*pairs, strict=True))
            spread = np.sqrt(((there - there.mean(0)) ** 2).sum())
            zoom = np.sqrt(((here - here.mean(0)) ** 2).sum()) / (spread * side)
            here = here.mean(0)
        middle = corner + there.mean(0) * side[:, None] - 0.5  # boxes count from the photo's edge, points from a centre
        turn = zoom[:, None, None] * np.eye(2)
        return np.concatenate([turn, here[:, None] - turn @ middle[..., None]], -1).reshape(-1, 2, 3)

    def around(self, points):
        """The same by points of which some may be NaN, without turning the face: how sets such as Kaggle's are cut."""
        made = np.zeros((len(points), 2, 3))
        for frame, shape in zip(made, np.asarray(points, float), strict=True):
            known = np.isfinite(shape).all(-1)
            there, here = shape[known], self.typical[known]
            spread = [np.sqrt(((p - p.mean(0)) ** 2).sum()) for p in (here, there)]
            frame[:, :2] = spread[0] / spread[1] * np.eye(2)
            frame[:, 2] = here.mean(0) - frame[:, :2] @ there.mean(0)
        return made

    def from_points(self, points):
        """The same by points [n, k, 2] px of the photo: the face upright, at the size and place of training."""
        return procrustes(np.asarray(points, float)[:, self.steady], self.typical[self.steady])

    def _landmarks(self):
        """(place in a box, place in the training crop) of eyes and mouth, as far as the schema has them."""
        for (group, side), place in LANDMARKS.items():
            names = [name for name in self.schema.groups.get(group, ()) if side in name]
            if names:
                yield place, self.typical[[self.schema.index(name) for name in names]].mean(0)

    def cut(self, photo, matrices):
        """uint8 [n, H, W, C]: the training crops of a photo uint8 [h, w, 3] RGB."""
        shown = photo if self.channels == 3 else cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        crops = [cut(shown, matrix, self.size) for matrix in matrices]
        return np.array(crops, np.uint8).reshape(-1, *self.size, self.channels)


def back(points, radii, matrices):
    """Points [n, k, 2] and radii [levels, n, k] of crops, in px of the photo."""
    zoom = np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    return move(points, invert(matrices)), radii / zoom[:, None]


def alike(frames, others, size):
    """bool [n]: which matrices [n, 2, 3] frame a face as others do, for crops of `size` (H, W) px."""
    middle = np.broadcast_to((np.array(size[::-1]) - 1) / 2, (len(frames), 1, 2))
    between = compose(frames, invert(others))
    zoom, turn = np.hypot(between[:, 0, 0], between[:, 1, 0]), np.arctan2(between[:, 1, 0], between[:, 0, 0])
    shift = np.abs(move(middle, between) - middle).max((1, 2)) / size[1]
    near = (np.abs(np.log(zoom)) < ALIKE_ZOOM) & (np.abs(np.degrees(turn)) < ALIKE_TURN)
    return near & (shift < ALIKE_SHIFT)


def training_of(predictions, convention=None):
    """What a run's training looked like, from what its ensemble found on its validation faces.

    Args:
        predictions: `Predictions` of the ensemble.
        convention: name of one of the schema's; None = its first.

    Returns:
        (`Training`, int: index of the convention).

    Raises:
        UsageError: no such convention.
    """
    schema = predictions.schema
    names = [c.name for c in schema.conventions]
    if convention not in (None, *names):
        raise UsageError(f"--convention: expected one of {', '.join(names)}; received {convention!r}")
    index = names.index(convention) if convention else 0
    points = predictions.points["ensemble"]
    alike = points[predictions.convention == index]
    typical = np.median(points, 0).astype(float)
    steady = (schema.slots == schema.slots[0]).all(0)
    if len(alike):
        typical[~steady] = np.median(alike, 0)[~steady]
    training = Training(schema, predictions.images.shape[1:3], predictions.images.shape[3], typical, steady)
    return training, index
