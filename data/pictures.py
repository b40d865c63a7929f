"""Photos from files of any size and kind, whatever their names say.

Pillow reads the header before anything is decoded, so a small file that claims a huge picture is refused at once, and
it refuses files that end early, which OpenCV fills with grey.
"""

import functools
import logging
import os
import sys
import warnings
from contextlib import contextmanager, nullcontext

import numpy as np

from data.errors import DataError
from data.png import check_rows

MOST_PIXELS = 100_000_000  # of a photo; decoded, they take 300 MB
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
# Formats that are only decoded. Pillow knows others, of which PostScript would be handed to another program.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
KNOWN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", *SIXTEEN_BIT)


def picture_size(path):
    """(width, height) px of a photo as viewers show it, from its header.

    Raises:
        DataError: no file, no picture, or one too large.
    """
    with _opened(path) as picture, _decoding(path):
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # the camera lay on its side
        return picture.size[::-1] if turned else picture.size


def read_picture(path, turn=True):
    """A photo as RGB.

    Args:
        path: of a file of any common format, whose ending does not matter; or an open binary file.
        turn: as viewers show it, by the camera's note on how it was held; else as it is stored.

    Returns:
        uint8 [H, W, 3]. What is transparent shows the colour that is stored there.

    Raises:
        DataError: no file, no picture, one too large, or one that ends early.
    """
    from PIL import ImageOps

    with _opened(path) as picture, _decoding(path), _silent() if picture.format == "TIFF" else nullcontext():
        picture.load()
        if picture.format == "PNG":
            check_rows(path)
        return _rgb(ImageOps.exif_transpose(picture) if turn else picture)


@contextmanager
def _decoding(path):
    """Turn whatever a damaged file brings about in Pillow, which is of many types, into one error, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (DataError, MemoryError):
            raise
        except Exception as error:
            raise DataError(f"{path}: expected a whole picture; received a damaged one ({error})") from error


@contextmanager
def _silent():
    """What the TIFF library itself says of damage goes nowhere: our error says it."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _opened(path):
    """Pillow's picture with its header checked; a context manager."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of many pixels, which we count ourselves
            picture = Image.open(path, formats=_formats())
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected a picture; received no file") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: expected a picture; received something else") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: expected at most {MOST_PIXELS:,} px; received more") from error
    except OSError as error:
        raise DataError(f"{path}: expected a picture; received: {error.strerror or error}") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types on damaged files
        raise DataError(f"{path}: expected a picture; received: {error}") from error
    width, height = picture.size
    if width * height > MOST_PIXELS or picture.mode not in KNOWN:
        with picture:
            wanted = f"at most {MOST_PIXELS:,} px" if width * height > MOST_PIXELS else "grey or colour values"
            raise DataError(f"{path}: expected {wanted}; received {width}x{height} px of the kind {picture.mode}")
    return picture


@functools.cache
def _formats():
    """Those of FORMATS that this Pillow knows."""
    from PIL import Image

    Image.init()
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it has to say, our errors say
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _rgb(picture):
    if picture.mode in SIXTEEN_BIT or picture.mode == "I":  # Pillow would cut 16-bit values off at 255
        grey = (np.clip(np.asarray(picture), 0, 65535) // 256).astype(np.uint8)
        return np.repeat(grey[..., None], 3, 2)
    if picture.mode == "RGBA":  # without Pillow's blending, as the colours are stored
        return np.ascontiguousarray(np.asarray(picture)[..., :3])
    return np.asarray(picture.convert("RGB"))


def shot_size(photo):
    """(width, height) px of a `Shot`'s photo, a path or an array."""
    return photo.shape[1::-1] if isinstance(photo, np.ndarray) else picture_size(photo)
