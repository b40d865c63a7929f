"""Where the faces of a photo are: OpenCV's Haar cascades or, where OpenCV has none, scikit-image's LBP cascade."""

import functools

import cv2
import numpy as np

from data.errors import UsageError

LONGEST = 1280  # px; a longer photo is searched at this size
LEAST = 24  # px of that size; the cascades know no smaller faces
STEP = 1.1  # from one searched size of faces to the next
NEIGHBOURS = 3  # hits that must agree on a face
# The first finds 99 % of the faces and 2 things in 100 photos that are none; the second, only asked where the first
# finds nothing, finds some faces more and three times as many of the others (docs/photos.md).
CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")


def find_faces(photo):
    """Boxes around the faces of a photo.

    Args:
        photo: uint8 [H, W, 3] RGB.

    Returns:
        float64 [n, 4]: left, top, width, height, px of the photo from its left and top edge; the largest first.

    Raises:
        UsageError: neither OpenCV nor scikit-image has a cascade.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    zoom = min(1.0, LONGEST / max(grey.shape))
    if zoom < 1:
        size = [max(1, round(zoom * side)) for side in grey.shape[::-1]]
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if min(grey.shape) < LEAST:
        return np.zeros((0, 4))
    boxes = next((found for search in searches() if len(found := search(grey))), np.zeros((0, 4)))
    scale = np.array(photo.shape[1::-1] * 2) / np.array(grey.shape[1::-1] * 2)
    return np.array(sorted((boxes * scale).tolist(), key=lambda box: (-box[2] * box[3], box))).reshape(-1, 4)


@functools.cache
def searches():
    """Functions of a grey image to boxes, each asked where the ones before it find nothing.

    Raises:
        UsageError: there is none.
    """
    if hasattr(cv2, "CascadeClassifier") and hasattr(cv2, "data"):  # OpenCV 5 has neither
        cascades = [cv2.CascadeClassifier(cv2.data.haarcascades + name) for name in CASCADES]
        found = tuple(functools.partial(_haar, cascade) for cascade in cascades if not cascade.empty())
        if found:
            return found
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError as error:
        wanted = "OpenCV 4 (opencv-python-headless<5) or scikit-image (pip install scikit-image)"
        raise UsageError(f"finding faces: expected {wanted}; received neither: give the faces by --box") from error
    return (functools.partial(_lbp, Cascade(lbp_frontal_face_cascade_filename())),)


def _haar(cascade, grey):
    return np.array(cascade.detectMultiScale(grey, STEP, NEIGHBOURS, minSize=(LEAST, LEAST)), float).reshape(-1, 4)


def _lbp(cascade, grey):
    found = cascade.detect_multi_scale(
        img=grey, scale_factor=1.2, step_ratio=1, min_size=(LEAST, LEAST), max_size=grey.shape
    )
    return np.array([[f["c"], f["r"], f["width"], f["height"]] for f in found], float).reshape(-1, 4)
