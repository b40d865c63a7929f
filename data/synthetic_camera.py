"""What a camera and a detector make of the scene: exposure, blur, noise, compression, and zeroed borders."""

import cv2
import numpy as np


def photograph(image, side, rng):
    """A uint8 [side, side] photograph of a sharp, evenly exposed image."""
    photo = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    zoom = side / 96
    photo = _soften(photo, zoom, rng)
    photo = _expose(photo.astype(np.float32), rng)
    photo += _noise(photo.shape, rng.gamma(1.2, 1.6), rng)
    photo = np.clip(photo, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        photo = _compress(photo, int(rng.integers(25, 90)))
    if rng.random() < 0.12:
        photo = _boxed(photo, zoom, rng)
    return photo


def _noise(shape, sd, rng):
    """Normal noise from a generator of its own: pictures of another size then differ in nothing else."""
    own = np.random.default_rng(rng.integers(1 << 62))
    return own.standard_normal(shape, np.float32) * np.float32(sd)


def _soften(photo, zoom, rng):
    blur = rng.gamma(1.8, 0.5)
    if blur > 0.25:
        photo = cv2.GaussianBlur(photo, (0, 0), blur * zoom)
    if rng.random() < 0.15:  # upscaled from a smaller picture
        small = round(photo.shape[0] * rng.uniform(0.4, 0.8))
        photo = cv2.resize(photo, (small, small), interpolation=cv2.INTER_AREA)
        photo = cv2.resize(photo, (round(96 * zoom),) * 2, interpolation=cv2.INTER_LINEAR)
    return photo


def _expose(photo, rng):
    """Contrast, brightness and a slope of light over the picture."""
    mean, spread = rng.normal(108, 32), np.clip(rng.normal(43, 13), 12, 85)
    photo = (photo - photo.mean()) * np.float32(spread / (photo.std() + 5)) + np.float32(np.clip(mean, 35, 200))
    y, x = (np.linspace(-1, 1, photo.shape[0], dtype=np.float32) for _ in range(2))
    a, b = rng.normal(0, 0.12, 2).astype(np.float32)
    photo *= 1 + a * x[None] + b * y[:, None]
    return photo


def _compress(photo, quality):
    """JPEG's blocks and softness."""
    _, code = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)


def _boxed(photo, zoom, rng):
    """Black outside a box around the face, as on many pictures of the real set."""
    left, top, right, bottom = np.round(rng.uniform((2, 0, 84, 84), (12, 12, 96, 96)) * zoom).astype(int)
    out = np.zeros_like(photo)
    out[top:bottom, left:right] = photo[top:bottom, left:right]
    return out
