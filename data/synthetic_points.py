"""Where the points of a drawn face lie: sampled from the real set's statistics, explained by a pose and a flat face.

Frame: px of a 96 px image, x right, y down, z towards the viewer. Seen from the front, u = x and v = y.
"""

from dataclasses import dataclass

import numpy as np

from data.kaggle_statistics import COVARIANCE, FOUR_MEAN, MEAN
from data.keypoints import KAGGLE15

P = {name: i for i, name in enumerate(KAGGLE15.slot_names)}
# Depth of each point before the plane of the eyeballs, px: the mean over drawn heads, so that pose and shape agree.
DEPTH = np.array([-2, -2, -1, -7, -1, -7, 3.5, -14, 3.5, -14, 14.5, 2.5, 2.5, 7.5, 8])
# Annotators' noise, px [15, 2]: half of what the other 29 coordinates leave unexplained in each.
NOISE = 0.5 / np.sqrt(np.diag(np.linalg.inv(COVARIANCE))).reshape(15, 2) * 1.25
IDENTITY = 0.6  # share of a shape's variance that belongs to the person; the rest is pose, expression and chance
FOUR_SHIFT = FOUR_MEAN[:2].mean(0) - MEAN[:2].mean(0)  # the four-point rows are framed a little lower
# Extra scatter of pose and framing by convention: shift x and y px, log scale, roll in radians.
FRAMING = {0: (1.3, 1.0, 0.03, 0.02), 1: (1.9, 1.0, 0.06, 0.05)}
TURNED, TURN, NOD = 0.3, 0.45, 0.12  # share of shots turned on purpose; sd of their yaw and pitch in radians


def _root():
    """Matrix [30, 30] that turns standard normals into shapes with the real covariance less the labels' noise."""
    values, vectors = np.linalg.eigh(COVARIANCE - np.diag(NOISE.ravel() ** 2))
    return vectors * np.sqrt(np.maximum(values, 0))


ROOT = _root()


@dataclass(frozen=True)
class Face:
    """A face's geometry.

    Args:
        flat: float [15, 2], u and v of the points on the face turned straight to the camera.
        rotation: float [3, 3], from the head's axes to the camera's.
        centre: float [2], where the head's centre appears, px.
        mouth: (upper lip, gap, lower lip) heights at the mouth's centre, px.
        nose_base: v of the lower end of the nose.
    """

    flat: np.ndarray
    rotation: np.ndarray
    centre: np.ndarray
    mouth: tuple
    nose_base: float

    pivot = np.array([*MEAN.mean(0), DEPTH.mean()])

    def project(self, points):
        """Image positions [n, 2] of points [n, 3] given as u, v and depth."""
        return (np.asarray(points, float) - self.pivot) @ self.rotation[:2].T + self.centre

    @property
    def slots_flat(self):
        """u and v [17, 2] of every output slot: the 15 points, then nose and lip as the four-point rows draw them."""
        upper, gap, _ = self.mouth
        lip = self.flat[P["mouth_center_top_lip"]] + [0, upper + gap / 2]
        tip = self.flat[P["nose_tip"]]
        nose = [tip[0], self.nose_base + 0.18 * (self.nose_base - tip[1])]
        return np.vstack([self.flat, nose, lip])


def sample_face(rng, shape, convention):
    """Draw a face's geometry.

    Args:
        rng: numpy Generator of the shot.
        shape: float [30], standard normals of the person.
        convention: 0 or 1; the two kinds of rows are framed differently.
    """
    normal = np.sqrt(IDENTITY) * shape + np.sqrt(1 - IDENTITY) * rng.standard_normal(30)
    points = MEAN + (ROOT @ normal).reshape(15, 2)
    points[6:10, 1] += rng.normal(-0.6, 1.5)  # brows rise and fall more than a normal law lets them
    points = _framed(points, rng, convention)
    yaw, pitch, roll = pose_of(points)
    base = rotation_of(yaw, pitch, roll)
    flat = _flatten(points, base)
    turn, nod = (rng.random() < TURNED) * rng.standard_normal(2) * (TURN, NOD)
    turned = rotation_of(np.clip(yaw + turn, -0.85, 0.85), np.clip(pitch + nod, -0.4, 0.4), roll)
    mouth = _mouth(flat, rng)
    length = rng.normal(5.7, 0.5)
    return Face(flat, turned, points.mean(0), mouth, flat[P["nose_tip"], 1] + max(length, 4))


def _framed(points, rng, convention):
    x, y, scale, roll = rng.standard_normal(4) * FRAMING[convention]
    c, s = np.exp(scale) * np.cos(roll), np.exp(scale) * np.sin(roll)
    eyes = points[:2].mean(0)
    moved = (points - eyes) @ np.array([[c, s], [-s, c]]) + eyes + (x, y)
    return moved + FOUR_SHIFT if convention else moved


def pose_of(points):
    """Yaw, pitch and roll in radians that best explain points [15, 2] as the mean face, turned."""
    model = np.column_stack([MEAN, DEPTH])
    model = model - model.mean(0)
    change = points - points.mean(0) - model[:, :2]
    # Ridge: a long nose is as likely as a nod, so depth explains only part of what it could.
    a = np.linalg.solve(model.T @ model + np.diag([1, 1, 100.0]), model.T @ change).T + np.eye(2, 3)
    roll = np.arctan2(a[1, 0] - a[0, 1], a[0, 0] + a[1, 1])
    c, s = np.cos(roll), np.sin(roll)
    yaw, pitch = np.arcsin(np.clip(np.array([[c, s], [-s, c]]) @ a[:, 2], -0.5, 0.5))
    return yaw, pitch * 0.7, roll


def rotation_of(yaw, pitch, roll):
    """Rotation [3, 3]: positive yaw turns the nose to the image's right, pitch down, roll clockwise."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    return np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ nod @ turn


def _flatten(points, rotation):
    """u and v [15, 2] such that the points, at their usual depth, appear where they should."""
    seen = points - points.mean(0) - np.outer(DEPTH - DEPTH.mean(), rotation[:2, 2])
    return seen @ np.linalg.inv(rotation[:2, :2]).T + MEAN.mean(0)


def _mouth(flat, rng):
    """Upper lip, gap and lower lip in px; moves the lower lip where the sample has the lips cross."""
    top, bottom = flat[P["mouth_center_top_lip"]], flat[P["mouth_center_bottom_lip"]]
    corners = (flat[P["mouth_left_corner"], 1] + flat[P["mouth_right_corner"], 1]) / 2
    top[1] += 0.4 * (corners - 3.2 - top[1])  # the labels' upper lips stray more than lips do
    height = max(9.7 + 0.85 * (bottom[1] - top[1] - 9.7), 4.5 + rng.random())
    top[0] = bottom[0] = (top[0] + bottom[0]) / 2
    bottom[1] = top[1] + height
    upper, lower = np.maximum(rng.normal((3.1, 5.2), (0.7, 1.2)), (1.5, 2.2))
    gap = height - upper - lower
    if gap < 0.8:  # closed: the lips share the height
        upper, lower, gap = height * upper / (upper + lower), height * lower / (upper + lower), 0.0
    return upper, gap, lower
