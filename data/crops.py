"""Cuts faces out of photos: `Album` to `Faces`, with the way back from every image to its photo."""

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from data.errors import DataError, UsageError
from data.faces import Faces
from data.photos import refused
from data.pictures import read_picture

CROPS = ("box", "hold", "points", "photo")
LARGE = 1_000_000  # px of a photo; of a larger one only the face's surroundings are smoothed


@dataclass(frozen=True)
class FaceSettings:
    """How faces are cut out of photos. Sets that come as faces, such as Kaggle's, are taken as they are."""

    crop: str = "box"  # box: the set's own, else points; hold: the box, grown to hold all points; points; photo: all
    enlarge: float = 1.2  # what the box is scaled by, about its middle; not for photo
    height: int = 96  # px of the images; the photo is never stretched: what is cut out grows to this shape
    width: int = 96  # px
    colour: bool = False  # else grey
    points: str = ""  # only these points or groups, such as eyes,nose_tip; empty = all
    person: str = ""  # what of a photo's name says who it shows, as a regular expression; empty = as the set tells
    level: bool = (
        True  # take out how far a set's labels are known to lie too far right (YouTube Faces: 1.5 % of a face)
    )
    pts_first: int = 0  # what .pts files call the first pixel; 0 or 1, as 300-W's authors do


def cut_faces(album, settings, images=None):
    """Cut every face out of its photo.

    Args:
        album: `Album`.
        settings: `FaceSettings`.
        images: what takes the images, such as `data.images.Writer`; None = an array in memory.

    Returns:
        Faces [n, height, width, 1 or 3] with `matrices`; ids are the photos' names, with `#2` for a second face.

    Raises:
        DataError: a photo that cannot be read or is not as the set says, or a face without box and points.
        UsageError: points that the schema has not, or no regular expression.
    """
    from data.augment import move
    from data.kaggle import groups

    size = settings.height, settings.width
    images = np.empty(cut_shape(album, settings), np.uint8) if images is None else images
    points = np.full((len(album), len(album.schema), 2), np.nan)
    matrices = np.empty((len(album), 2, 3))
    seen = (None, None)
    for i, shot in enumerate(album.shots):
        seen = seen if seen[0] is shot.photo else (shot.photo, photo_of(shot))  # several faces stand side by side
        points[i] = levelled(shot.points, album.offset) if settings.level else shot.points
        matrices[i] = to_image(window(shot, points[i], seen[1].shape, settings), size)
        _check_near(shot, seen[1].shape)
        images[i] = cut(seen[1] if settings.colour else grey(seen[1]), matrices[i], size)
    who = dict(enumerate(persons(album, settings.person)))
    convention = np.array([shot.convention for shot in album.shots], np.uint8)
    made = Faces(
        images,
        move(points, matrices),
        convention,
        groups(images, who),
        names(album),
        album.schema,
        album.source,
        matrices,
    )
    return picked(made, settings.points)


def cut_shape(album, settings):
    """(n, H, W, C) of the images that `cut_faces` makes."""
    return len(album), settings.height, settings.width, 3 if settings.colour else 1


def photo_of(shot):
    """uint8 [H, W, 3] RGB of a shot's photo. Raises DataError where it is not of the size that the set says."""
    if isinstance(shot.photo, np.ndarray):
        return shot.photo if shot.photo.shape[2] == 3 else np.repeat(shot.photo, 3, 2)
    photo = read_picture(shot.photo)
    if shot.size and shot.size != photo.shape[1::-1]:
        photo = read_picture(shot.photo, turn=False)  # labelled by a program that did not look how the camera was held
    if shot.size and shot.size != photo.shape[1::-1]:
        received = "{}x{}".format(*photo.shape[1::-1])
        raise refused(shot.where, f"{shot.name} of {shot.size[0]}x{shot.size[1]} px", f"one of {received}")
    return photo


def grey(photo):
    """uint8 [H, W] of an RGB photo."""
    import cv2

    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)


def levelled(points, offset):
    """Points without the known offset of their set, a share of the face's size."""
    known = points[np.isfinite(points).all(1)]
    shift = offset * np.ptp(known, 0).max() if offset and len(known) else 0
    return points - [shift, 0]


def window(shot, points, shape, settings):
    """(left, top, right, bottom) of what is to be cut out: edges, px of the photo, the first pixel's at -0.5.

    Raises:
        DataError: neither box nor two points to tell where the face is.
    """
    if settings.crop == "photo":
        return -0.5, -0.5, shape[1] - 0.5, shape[0] - 0.5
    box = None
    if shot.box and settings.crop != "points":
        left, top, width, height = shot.box
        box = np.array([left - 0.5, top - 0.5, left + width - 0.5, top + height - 0.5])
    if box is None or settings.crop == "hold":
        box = _around(points, shot, box)
    middle, half = (box[2:] + box[:2]) / 2, (box[2:] - box[:2]) / 2 * settings.enlarge
    return (*(middle - half), *(middle + half))


def _around(points, shot, box):
    known = points[np.isfinite(points).all(1)]
    around = np.concatenate([known.min(0) - 0.5, known.max(0) + 0.5]) if len(known) else None
    if box is not None:
        return box if around is None else np.concatenate([np.minimum(box, around)[:2], np.maximum(box, around)[2:]])
    if len(known) < 2:
        wanted = "a box or at least two points to find the face by, or faces.crop=photo"
        raise refused(shot.where, wanted, f"{len(known)} points and no box")
    return around


def to_image(edges, size):
    """Matrix [2, 3] from px of the photo to px of an image of `size` (H, W) that holds `edges` in its middle."""
    left, top, right, bottom = edges
    scale = min(size[1] / (right - left), size[0] / (bottom - top))
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    turn = scale * np.eye(2)
    return np.column_stack([turn, (np.array(size[::-1]) - 1) / 2 - turn @ middle])


def cut(photo, matrix, size):
    """Draw a photo [H, W] or [H, W, 3] under a matrix (turn, one scale, shift) at `size` (H, W): uint8 [*size, 1 or 3].

    Smoothed before it shrinks, so that nothing finer than a pixel of the image is left to flicker.
    """
    import cv2

    scale = np.hypot(*matrix[:, 0])
    sigma = 0.45 * (1 / scale - 1) + 1e-3 if scale < 1 else 0
    if photo.shape[0] * photo.shape[1] > LARGE:
        photo, matrix = _surroundings(photo, matrix, size, math.ceil(4 * sigma) + 2)
    if sigma:
        photo = cv2.GaussianBlur(photo, (0, 0), sigma)
    image = cv2.warpAffine(photo, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return image.reshape(*size, -1)


def _surroundings(photo, matrix, size, margin):
    """The part of a photo that an image shows and `margin` px more, and the matrix from there."""
    from data.augment import invert, move

    right, bottom = size[1] - 1, size[0] - 1
    corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]])
    corners = move(corners[None], invert(matrix)[None])[0]
    limits = np.array(photo.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, limits - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + margin + 1, low + 1, limits)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ low
    return photo[low[1] : high[1], low[0] : high[0]], moved


def _check_near(shot, shape):
    """Refuse labels that lie a whole photo beyond its edge: they belong to another one, or are in other units."""
    limits = np.array(shape[1::-1])
    far = np.flatnonzero(((shot.points < -limits) | (shot.points > 2 * limits)).any(1))
    if len(far):
        x, y = shot.points[far[0]]
        wanted = f"points on or near {shot.name} of {limits[0]}x{limits[1]} px"
        raise refused(shot.where, wanted, f"point {far[0]} at ({x:g}, {y:g})")


def persons(album, pattern):
    """Who each shot shows, as text: by a regular expression on the photo's name, else as the set tells, else the photo.

    Raises:
        UsageError: no regular expression.
    """
    try:
        find = re.compile(pattern).search if pattern else None
    except re.error as error:
        raise UsageError(f"faces.person: expected a regular expression; received {pattern!r} ({error})") from error
    for shot in album.shots:
        found = find(shot.name) if find else None
        yield (found[1] if found.re.groups else found[0]) if found else shot.person or shot.name


def names(album):
    """[n] str: the photo's name of each shot, with `#2` and so on for further faces on the same photo."""
    counts, found = {}, []
    for shot in album.shots:
        counts[shot.name] = counts.get(shot.name, 0) + 1
        found.append(shot.name if counts[shot.name] == 1 else f"{shot.name}#{counts[shot.name]}")
    return np.array(found, dtype=np.str_)


def picked(faces, text):
    """Faces with some of their points only; all where `text` is empty. Raises UsageError as `Schema.subset` does."""
    if not text:
        return faces
    try:
        schema = faces.schema.subset([name.strip() for name in text.split(",")])
    except UsageError as error:
        raise UsageError(f"faces.points: {error}") from error
    kept = [faces.schema.points.index(point) for point in schema.points]
    made = replace(faces, points=np.ascontiguousarray(faces.points[:, kept]), schema=schema)
    if not made.labelled.any():
        raise DataError(f"faces.points: expected labels of {text}; received none")
    return made
