"""Faces for a page: all thumbnails in one WebP sheet, and points packed into two bytes a coordinate."""

import base64

import numpy as np

SHEET_PIXELS = 36_000_000  # of the whole sheet; beyond, cells shrink so that a browser can still hold it
LARGEST_CELL = 256  # px; the large view shows no more detail than this
QUALITY = 50  # of WebP; at 96 px the difference to the original is not visible
MISSING = np.iinfo(np.int16).min


def cell_size(count, height, width):
    """(height, width) in px of a thumbnail, aspect kept, never larger than the image."""
    side = max(height, width)
    longest = min(side, LARGEST_CELL, max(int(np.sqrt(SHEET_PIXELS / max(count, 1))), 16))
    return max(round(height * longest / side), 1), max(round(width * longest / side), 1)


def sprite_sheet(images):
    """Lay all images out in one picture, row by row.

    Args:
        images: uint8 [n, H, W, C] with C of 1, 3 (RGB) or 4 (the fourth is left out).

    Returns:
        dict with `uri` (WebP as a data URI), `columns`, `height` and `width` of a cell in px.
    """
    height, width = cell_size(len(images), *images.shape[1:3])
    columns = max(int(np.ceil(np.sqrt(len(images)))), 1)
    rows = max(-(-len(images) // columns), 1)
    sheet = np.zeros((rows * height, columns * width, 1 if images.shape[3] == 1 else 3), np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = _thumbnail(image, height, width)
    return {"uri": _webp(sheet), "columns": columns, "height": height, "width": width}


def _thumbnail(image, height, width):
    import cv2

    image = image[..., :1] if image.shape[2] < 3 else image[..., :3]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image.reshape(height, width, -1)


def _webp(sheet):
    import cv2

    if sheet.shape[2] == 3:
        sheet = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".webp", sheet, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return "data:image/webp;base64," + base64.b64encode(coded.tobytes()).decode()


def quantum(height, width):
    """px per unit of a packed coordinate: about 0.01 px for a 96 px face, with room for points far outside."""
    return max(height, width, 1) / 8192


def pack(values, step):
    """Base64 of `values` in px as little-endian int16 in units of `step`; MISSING where not finite."""
    values = np.asarray(values, np.float64)
    units = np.clip(np.round(np.where(np.isfinite(values), values, 0) / step), MISSING + 1, -(MISSING + 1))
    return coded(np.where(np.isfinite(values), units, MISSING), "<i2")


def coded(values, kind):
    """Base64 of `values` as the little-endian type `kind`, such as "<f4"."""
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def packed_faces(predictions, members):
    """What the scripts need to draw any face: points of truth and members, and radii, as JSON values."""
    step = quantum(*predictions.images.shape[1:3])
    return {
        "quantum": step,
        "height": int(predictions.images.shape[1]),
        "width": int(predictions.images.shape[2]),
        "ids": [str(i) for i in predictions.ids],
        "convention": [int(c) for c in predictions.convention],
        "truth": pack(predictions.truth, step),
        "found": {member: pack(predictions.points[member], step) for member in members},
        "radius": pack(predictions.radius, step),
    }
