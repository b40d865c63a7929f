"""Faces drawn on photos: lines, points, and the circles that hold nine tenths of the errors."""

from dataclasses import replace

import cv2
import numpy as np

from reports.theme import MEMBERS, TRUTH

FINE = 4  # bits of a pixel that OpenCV draws with
LINE, POINT = ([int(style.colour[i : i + 2], 16) for i in (1, 3, 5)] for style in (TRUTH, MEMBERS["ensemble"]))


def draw_faces(photo, faces, schema):
    """A copy of a photo uint8 [H, W, 3] RGB with faces drawn on it."""
    shown = photo.copy()
    for face in faces:
        size = max(8.0, float(np.ptp(face.points, 0).max()))
        thick = max(1, round(size / 150))
        for line in schema.lines:
            points = _fine(np.array([face[name] for name in line]))
            cv2.polylines(shown, [points], False, LINE, thick, cv2.LINE_AA, FINE)
        for point, radius in zip(face.points, face.radii[1], strict=True):
            centre = tuple(_fine(point).tolist())
            if np.isfinite(radius):
                ring = int(min(radius, 2 * size) * 2**FINE)
                cv2.circle(shown, centre, ring, POINT, thick, cv2.LINE_AA, FINE)
            cv2.circle(shown, centre, int(max(1.0, size / 100) * 2**FINE), POINT, -1, cv2.LINE_AA, FINE)
    return shown


def _fine(points):
    return np.round(points * 2**FINE).astype(np.int32)


def shrunk(photo, faces, longest):
    """A photo and its faces, no side longer than `longest` px."""
    zoom = longest / max(photo.shape[:2])
    if zoom >= 1:
        return photo, faces
    size = [max(1, round(zoom * side)) for side in photo.shape[1::-1]]
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return small, [replace(f, points=(f.points + 0.5) * zoom - 0.5, radii=f.radii * zoom) for f in faces]
