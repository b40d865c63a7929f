"""Faces warped into each other: Delaunay triangles, one affine map each, drawn as one dense map without seams."""

import cv2
import numpy as np

FINE = 4  # bits of a pixel that triangles are filled with
BORDER = 8  # points of the border
STRETCH = 3.0  # most that a triangle may grow or shrink by, in any direction


def with_border(points, size):
    """Points [k, 2] px inside an image of `size` (H, W), and its corners and the middles of its edges after them."""
    right, bottom = size[1] - 1, size[0] - 1
    edge = [(x, y) for y in (0, bottom / 2, bottom) for x in (0, right / 2, right) if (x, y) != (right / 2, bottom / 2)]
    return np.concatenate([np.clip(np.asarray(points, float), 1, (right - 1, bottom - 1)), edge])


def triangles_of(shapes):
    """Triangles for warping some shapes into each other and their mean: Delaunay's on the mean shape.

    Where a triangle would fold over or be stretched much in one of the shapes, a point of it is left out: points that
    nearly fall on one line, such as the three of an eye, would tear the picture.

    Args:
        shapes: list of float [k, 2] px, with border.

    Returns:
        int [m, 3].
    """
    from scipy.spatial import Delaunay

    shapes = np.array(shapes)
    mean, kept = shapes.mean(0), np.arange(shapes.shape[1])
    while True:
        triangles = kept[Delaunay(mean[kept]).simplices]
        counts = np.bincount(triangles[_strained(mean, shapes, triangles)].ravel(), minlength=len(mean))
        counts[-BORDER:] = 0  # never the border: all of the picture is to be covered
        if not counts.any():
            return triangles
        kept = kept[kept != np.argmax(counts)]


def _strained(mean, shapes, triangles):
    """bool [m]: triangles that fold over or are stretched by more than STRETCH between the mean and any shape."""
    sides = np.stack([points[triangles[:, 1:]] - points[triangles[:, :1]] for points in (mean, *shapes)])
    flat = np.abs(np.linalg.det(sides[0])) < 1e-6
    maps = np.linalg.solve(np.where(flat[:, None, None], np.eye(2), sides[0]), sides[1:])
    strain = np.linalg.svd(maps, compute_uv=False)
    return flat | ((np.linalg.det(maps) <= 0) | (strain[..., 0] > STRETCH) | (strain[..., 1] < 1 / STRETCH)).any(0)


def warp_map(target, source, triangles, size):
    """Where each pixel of a warped image comes from.

    Every pixel belongs to one triangle, so there are no holes, and neighbours agree along their edge, so that there
    are no tears; where points moved so far that triangles fold over, the last one drawn is on top.

    Args:
        target: float [k, 2] px, where the points shall be. source: float [k, 2], where they are.
        triangles: int [m, 3]. size: (H, W) px.

    Returns:
        float32 [H, W, 2]: x and y px in the source image.
    """
    owner = np.full(size, -1, np.int32)
    for number, corners in enumerate(triangles):
        cv2.fillConvexPoly(owner, np.round(target[corners] * 2**FINE).astype(np.int32), number, cv2.LINE_8, FINE)
    if (owner < 0).any():  # left open by folds
        _, nearest = cv2.distanceTransformWithLabels(
            (owner < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        lookup = np.zeros(nearest.max() + 1, np.int32)
        lookup[nearest[owner >= 0]] = owner[owner >= 0]
        owner = lookup[nearest]
    affine = np.array([_affine(target[corners], source[corners]) for corners in triangles], np.float32)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    own = affine[owner]
    return own[..., 0] * x[..., None] + own[..., 1] * y[..., None] + own[..., 2]


def _affine(there, here):
    """Matrix [2, 3] that carries three points to three others; the mean shift where the three lie on one line."""
    corners = np.column_stack([there, np.ones(3)])
    if abs(np.linalg.det(corners)) < 1e-6:
        return np.column_stack([np.eye(2), (here - there).mean(0)])
    return np.linalg.solve(corners, here).T


def warped(image, target, source, triangles):
    """uint8 [H, W, 3]: `image` with its points moved from `source` to `target`."""
    places = warp_map(target, source, triangles, image.shape[:2])
    return cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def between(first, second, share, triangles):
    """The face that is `share` of the way from one to another: both warped to the shape between, then dissolved.

    Args:
        first, second: (uint8 [H, W, 3], float [k, 2] points with border). share: 0 to 1.
    """
    shape = (1 - share) * first[1] + share * second[1]
    shown = [warped(image, shape, points, triangles) for image, points in (first, second)]
    return cv2.addWeighted(shown[0], 1 - share, shown[1], share, 0)


def average(faces):
    """uint8 [H, W, 3]: all faces, each (image, points with border), warped to their mean shape, and their mean."""
    shape = np.mean([points for _, points in faces], 0)
    triangles, total = triangles_of([points for _, points in faces]), 0
    for image, points in faces:
        total = total + warped(image, shape, points, triangles).astype(np.float32)
    return np.round(total / len(faces)).astype(np.uint8)
