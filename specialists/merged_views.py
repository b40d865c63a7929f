"""What `specialists.view` does to faces, as TensorFlow operations that every exported format knows.

Squares are cut out by bilinear sampling, as OpenCV does it: at thirty-seconds of a pixel, to whole grey levels.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

STEPS = 32  # per px: how finely OpenCV places what it samples


@dataclass(frozen=True)
class Turn:
    """From a face image to views of it, which are turned and zoomed alike in x and y.

    Args:
        middle: float32 [n, views, 2] px of the image: where the views' middles lie.
        cos, sin: float32 [n, views]: cosine and sine of the turn from view to image, times px of the image per px of
            the view.
        pixels: side of the views, px.
    """

    middle: object
    cos: object
    sin: object
    pixels: int

    def to_image(self, positions):
        """Positions [n, views, s, 2] in the views as px of the image."""
        x, y = tf.unstack(positions - (self.pixels - 1) / 2, axis=-1)
        cos, sin = self.cos[..., None], self.sin[..., None]
        return self.middle[:, :, None] + tf.stack([cos * x + sin * y, cos * y - sin * x], -1)


def turns(shapes, views, size):
    """The `Turn` that each of several `View` of one number of pixels gives.

    Args:
        shapes: float32 tensor [n, slots, 2] px.
        views: list of `View`.
        size: (H, W) of the images.
    """
    references = np.stack([view.reference for view in views])
    target = (references - references.mean(1, keepdims=True)).astype(np.float32)
    a = shapes - tf.reduce_mean(shapes, 1, keepdims=True)
    ax, ay = a[:, None, :, 0], a[:, None, :, 1]
    length = tf.reduce_sum(ax * ax + ay * ay, -1)
    known = tf.cast(length > 1e-9, tf.float32)  # else the points all fall together, and nothing is turned
    safe = tf.maximum(length, 1e-9)
    cos = tf.reduce_sum(ax * target[..., 0] + ay * target[..., 1], -1) / safe * known + (1 - known)
    sin = tf.reduce_sum(ax * target[..., 1] - ay * target[..., 0], -1) / safe * known
    zoom = np.array([view.pixels / (view.width * size[1]) for view in views], np.float32)
    shrink = 1 / tf.maximum((cos * cos + sin * sin) * zoom, 1e-12)
    picks = np.zeros((len(views), shapes.shape[1]), np.float32)
    for pick, view in zip(picks, views, strict=True):
        pick[view.slots] = 1 / len(view.slots)
    return Turn(tf.matmul(picks, shapes), cos * shrink, sin * shrink, views[0].pixels)


def neighbours(images):
    """Table [n * H * W, 4 * C] of images [n, H, W, C]: each pixel, the one right of it, those below; edges repeat."""
    right = tf.concat([images[:, :, 1:], images[:, :, -1:]], 2)
    both = tf.concat([images, right], -1)
    below = tf.concat([both[:, 1:], both[:, -1:]], 1)
    return tf.reshape(tf.concat([both, below], -1), [-1, 4 * images.shape[3]])


def cut(table, size, channels, turn):
    """The views, float32 [n * views, pixels, pixels, C] of whole grey levels.

    Args:
        table: of the images, as of `neighbours`.
        size: (H, W) of the images.
        channels: C.
        turn: `Turn`.
    """
    height, width = size
    x, y = (_sampled(values, edge - 1) for values, edge in zip(_places(turn), (width, height), strict=True))
    left, top = tf.floor(x), tf.floor(y)
    faces = tf.range(tf.shape(turn.middle)[0]) * (height * width)
    corners = tf.gather(table, tf.cast(top * width + left, tf.int32) + faces[:, None, None, None])
    a, b, c, d = tf.split(corners, 4, -1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper, lower = a + (b - a) * across, c + (d - c) * across
    views = tf.floor(upper + (lower - upper) * down + 0.5)
    return tf.reshape(views, [-1, turn.pixels, turn.pixels, channels])


def _places(turn):
    """(x, y), each [n, views, pixels, pixels]: where in the image the views' pixels lie, px."""
    steps = np.arange(turn.pixels, dtype=np.float32) - (turn.pixels - 1) / 2
    along, across = turn.cos[..., None] * steps, turn.sin[..., None] * steps
    x, y = turn.middle[..., 0, None], turn.middle[..., 1, None]
    return (x + along)[:, :, None] + across[..., None], (y + along)[..., None] - across[:, :, None]


def _sampled(values, last):
    return tf.clip_by_value(tf.floor(values * STEPS + 0.5) / STEPS, 0, last)
