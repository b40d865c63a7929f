"""Augmentation: random views of a face, with its points carried along. NumPy and OpenCV only.

All geometry of one view (flip, rotation, scale, shift, crop) is one 2x3 matrix and one warp, so an image is
interpolated once. Matrices act on (x, y) in px with (0, 0) the centre of the first pixel.
"""

from dataclasses import dataclass, replace

import numpy as np

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey (ITU-R BT.601)


@dataclass(frozen=True)
class AugmentSettings:
    """Ranges of the random views; 0 turns one off. Applied to the training part only, never to validation."""

    flip: float = 0.5  # probability; left and right points change places
    rotation: float = 20.0  # degrees, drawn from +- this, about the image's centre
    scale: float = 0.15  # relative, zoom drawn from 1 +- this
    stretch: float = 0.15  # relative, width against height drawn from 1 +- this, as turned heads and other faces have
    shift: float = 0.06  # share of the image's size, drawn from +- this in x and in y
    brightness: float = 0.15  # share of the full range 255, drawn from +- this
    contrast: float = 0.3  # relative, gain about the image's mean drawn from 1 +- this
    blur: float = 1.0  # px; Gaussian sigma drawn from 0 to this, for one image in four
    noise: float = 8.0  # grey levels of 255; standard deviation drawn from 0 to this, for one image in four
    saturation: float = 0.0  # relative, of colour images: distance from grey drawn from 1 +- this
    erase: float = 0.3  # probability that a patch is painted over, as hands, hair and microphones do
    steady: float = 0.0  # share of the views whose brightness, contrast and saturation stay as they are


@dataclass(frozen=True)
class Draws:
    """The random choices for n views, so that every image of an epoch is a pure function of (seed, epoch, row).

    Args:
        angle: float64 [n], radians.
        zoom: float64 [n].
        shift: float64 [n, 2], as a share of the image's (width, height).
        flipped: bool [n]; left and right points change places where true.
        gain, offset: float32 [n]; value' = (value - mean) * gain + mean + offset.
        blur, noise: float32 [n]; sigma in px and standard deviation in grey levels, 0 = none.
        seed: int64 [n] for the noise.
        saturation: float32 [n]; distance from grey is multiplied by it.
        stretch: float64 [n]; width against height.
        patch: float32 [n, 5]: centre x, y and sides of the patch painted over, as shares of the view's size, and its
            grey level; sides 0 = none.
    """

    angle: np.ndarray
    zoom: np.ndarray
    shift: np.ndarray
    flipped: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    seed: np.ndarray
    saturation: np.ndarray
    stretch: np.ndarray
    patch: np.ndarray

    def __getitem__(self, rows):
        return Draws(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def matrices(self, size):
        """float64 [n, 2, 3]: the geometry of the views of whole images of `size` (H, W)."""
        return similarity(self.angle, self.zoom, self.shift * size[::-1], self.flipped, size, self.stretch)


def draw(settings, count, seed):
    """Draw `count` random views.

    Args:
        settings: `AugmentSettings`.
        seed: a sequence of ints, such as (run seed, epoch).

    Returns:
        `Draws`.
    """
    rng = np.random.default_rng(seed)

    def spread(limit, *shape):
        return rng.uniform(-limit, limit, (count, *shape))

    sometimes = rng.random((2, count)) < 0.25
    drawn = Draws(
        angle=np.deg2rad(spread(settings.rotation)),
        zoom=1 + spread(settings.scale),
        shift=spread(settings.shift, 2),
        flipped=rng.random(count) < settings.flip,
        gain=(1 + spread(settings.contrast)).astype(np.float32),
        offset=(255 * spread(settings.brightness)).astype(np.float32),
        blur=(sometimes[0] * rng.uniform(0, settings.blur, count)).astype(np.float32),
        noise=(sometimes[1] * rng.uniform(0, settings.noise, count)).astype(np.float32),
        seed=rng.integers(0, 2**62, count),
        saturation=(1 + spread(settings.saturation)).astype(np.float32),
        stretch=np.ones(count),
        patch=np.zeros((count, 5), np.float32),
    )
    drawn = replace(drawn, stretch=1 + spread(settings.stretch), patch=_patches(rng, settings.erase, count))
    return _steadied(drawn, rng.random(count) < settings.steady)


def _patches(rng, share, count):
    """float32 [n, 5] of `Draws`: sides of 0.1 to 0.4 of the view, as in Zhong et al. 2017 (arXiv:1708.04896)."""
    sides = rng.uniform(0.1, 0.4, (count, 2)) * (rng.random((count, 1)) < share)
    return np.hstack([rng.random((count, 2)), sides, rng.uniform(0, 255, (count, 1))]).astype(np.float32)


def _steadied(drawn, steady):
    """Draws whose light stays as it is where `steady`."""
    still = {"gain": 1, "offset": 0, "saturation": 1}
    return replace(drawn, **{n: np.where(steady, np.float32(v), getattr(drawn, n)) for n, v in still.items()})


def similarity(angle, zoom, shift, flipped, size, stretch=1.0):
    """Matrices that mirror and stretch, then rotate and zoom about the image's centre, then shift.

    Args:
        angle: float [n], radians, positive from x towards y (clockwise as seen).
        zoom: float [n].
        shift: float [n, 2], px.
        flipped: bool [n].
        size: (H, W).
        stretch: float [n]; width against height, the area stays. Other than 1 it is no similarity any more.

    Returns:
        float64 [n, 2, 3].
    """
    h, w = size
    centre = np.array([(w - 1) / 2, (h - 1) / 2])
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    side = np.where(flipped, -1.0, 1.0)  # a mirror about the centre line is x - centre -> centre - x
    wide = np.sqrt(stretch)
    turn = np.stack([np.stack([cos * side * wide, -sin / wide], -1), np.stack([sin * side * wide, cos / wide], -1)], -2)
    return np.concatenate([turn, (centre + shift - turn @ centre)[..., None]], -1)


def compose(outer, inner):
    """Matrices [n, 2, 3] that apply `inner` first and `outer` to its result."""
    turn = outer[..., :2] @ inner[..., :2]
    move = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([turn, move], -1)


def invert(matrices):
    """The matrices [n, 2, 3] that undo `matrices`."""
    turn = np.linalg.inv(matrices[..., :2])
    return np.concatenate([turn, -turn @ matrices[..., 2:]], -1)


def move(points, matrices):
    """Carry points [n, k, 2] along with matrices [n, 2, 3]. NaN stays NaN."""
    return (np.asarray(points) @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[:, None, :, 2]).astype(np.float32)


def warp(images, matrices, size):
    """Draw images [n, H, W, C] under matrices [n, 2, 3] at `size` (H, W): uint8 [n, *size, C]."""
    import cv2  # late: settings are read without it

    out = np.empty((len(images), *size, images.shape[-1]), np.uint8)
    for i, image in enumerate(images):
        out[i] = cv2.warpAffine(
            image, matrices[i], size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).reshape(out.shape[1:])
    return out


def apply(images, slots, draws, matrices, mirror, size):
    """Make the drawn views of images and carry their points along.

    Args:
        images: uint8 [n, H, W, C].
        slots: float32 [n, s, 2] px, NaN = not labelled.
        draws: `Draws` of n views.
        matrices: float64 [n, 2, 3] from image to view, with the flips that `draws` says.
        mirror: int [s]: the slot that a mirror turns each slot into.
        size: (H, W) of the views.

    Returns:
        (float32 [n, *size, C] in 0..255, float32 [n, s, 2] in px of the view).
    """
    moved = move(slots, matrices)
    moved[draws.flipped] = moved[draws.flipped][:, mirror]
    return _painted(_light(warp(images, matrices, size), draws), draws.patch), moved


def _painted(images, patches):
    """Images [n, H, W, C] with their patches in one grey each; the arrays are changed."""
    h, w = images.shape[1:3]
    for i in np.flatnonzero(patches[:, 2] > 0):
        (x, y, wide, high), grey = patches[i, :4], patches[i, 4]
        top, bottom = max(0, round((y - high / 2) * h)), max(0, round((y + high / 2) * h))
        left, right = max(0, round((x - wide / 2) * w)), max(0, round((x + wide / 2) * w))
        images[i, top:bottom, left:right] = grey
    return images


def _light(images, draws):
    """Blur, contrast, brightness, saturation and noise: uint8 [n, H, W, C] -> float32 in 0..255."""
    import cv2

    out = images.astype(np.float32)
    for i in np.flatnonzero(draws.blur > 0.1):  # below 0.1 px a blur changes nothing
        out[i] = cv2.GaussianBlur(out[i], (0, 0), float(draws.blur[i])).reshape(out[i].shape)
    mean = out.mean((1, 2, 3), keepdims=True)
    shape = (-1, 1, 1, 1)
    out = (out - mean) * draws.gain.reshape(shape) + mean + draws.offset.reshape(shape)
    if out.shape[3] == 3 and (draws.saturation != 1).any():
        greys = out @ np.array(LUMA, np.float32)[:, None]
        out = greys + (out - greys) * draws.saturation.reshape(shape)
    for i in np.flatnonzero(draws.noise > 0):
        out[i] += draws.noise[i] * np.random.default_rng(draws.seed[i]).standard_normal(out[i].shape, np.float32)
    return np.clip(out, 0, 255, out=out)
