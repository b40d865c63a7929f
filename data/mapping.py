"""Kaggle's 15 points, as both of its conventions draw them, from the 68 of 300-W."""

from dataclasses import replace

import numpy as np

from data.errors import DataError
from data.keypoints import IBUG68, KAGGLE15

# Which of the 68 points a Kaggle point is, or the middle of which.
SAME = {
    "left_eye_center": range(42, 48),
    "right_eye_center": range(36, 42),
    **{"left_eye_inner_corner": 42, "left_eye_outer_corner": 45},
    **{"right_eye_inner_corner": 39, "right_eye_outer_corner": 36},
    **{"left_eyebrow_inner_end": 22, "left_eyebrow_outer_end": 26},
    **{"right_eyebrow_inner_end": 21, "right_eyebrow_outer_end": 17},
    **{"nose_tip": 30, "mouth_left_corner": 54, "mouth_right_corner": 48},
    **{"mouth_center_top_lip": 51, "mouth_center_bottom_lip": 57},
}
TIP, BASE, LIPS = 30, 33, [62, 66]
UNDER = 0.3  # of the way from tip to base again: where the four-point rows have their "nose tip"


def fifteen_of_68(points):
    """Kaggle's points as its first convention draws them: float [..., 68, 2] to [..., 15, 2]."""
    points = np.asarray(points)
    parts = [SAME[name] for name in KAGGLE15.points]
    return np.stack([points[..., p, :] if isinstance(p, int) else points[..., p, :].mean(-2) for p in parts], -2)


def four_of_68(points):
    """The same as the second convention draws them: the nose tip under the nose, the bottom lip in the mouth."""
    points, drawn = np.asarray(points), fifteen_of_68(points)
    tip, base = points[..., TIP, :], points[..., BASE, :]
    drawn[..., KAGGLE15.index("nose_tip"), :] = base + UNDER * (base - tip)
    drawn[..., KAGGLE15.index("mouth_center_bottom_lip"), :] = points[..., LIPS, :].sum(-2) / 2
    return drawn


def to_kaggle15(album):
    """An album of 68 points as one of Kaggle's 15, as their first convention draws them; one of 15 as it is."""
    if album.schema is KAGGLE15:
        return album
    if album.schema is not IBUG68:
        raise DataError(f"{album.source}: expected the 68 points of ibug68; received {album.schema.name}")
    shots = [replace(shot, points=fifteen_of_68(shot.points)) for shot in album.shots]
    return replace(album, schema=KAGGLE15, shots=shots)
