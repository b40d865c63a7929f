"""What a specialist sees: the face turned upright and to one size by the base's answer, cut out around one point.

After the second level of the cascade of Sun, Wang and Tang 2013 (CVPR, "Deep convolutional network cascade for
facial point detection"), which looks closer around the first level's answer.
"""

from dataclasses import dataclass

import numpy as np

from data.augment import compose, invert, move, similarity, warp


@dataclass(frozen=True)
class View:
    """The square around one point, for many faces.

    Args:
        slots: int [s], the output slots of the point.
        reference: float [all slots, 2], mean positions that faces are aligned to, px.
        width: side of the square as a share of the image's width.
        pixels: side of the specialist's input, px.
    """

    slots: np.ndarray
    reference: np.ndarray
    width: float
    pixels: int

    @property
    def size(self):
        return self.pixels, self.pixels

    def matrices(self, shapes, image_size, jitter=None):
        """From image to view, one matrix per face.

        Args:
            shapes: float [n, all slots, 2], the base's answer, px.
            image_size: (H, W).
            jitter: float [n, 2] px of the aligned image, added to the square's centre.

        Returns:
            float64 [n, 2, 3].
        """
        shapes = np.asarray(shapes, float)
        upright = procrustes(shapes, self.reference)
        # The conventions' versions of a point are a few px apart: one square, in the middle, serves all.
        centre = move(shapes[:, self.slots], upright).astype(float).mean(1)
        centre = centre if jitter is None else centre + jitter
        zoom = self.pixels / (self.width * image_size[1])
        crop = np.zeros((len(shapes), 2, 3))
        crop[:, 0, 0] = crop[:, 1, 1] = zoom
        crop[:, :, 2] = (self.pixels - 1) / 2 - zoom * centre
        return compose(crop, upright)

    def training_matrices(self, shapes, draws, mirror, image_size, jitter):
        """The same under random views: mirrored, then aligned, then turned and zoomed about the square's centre."""
        n = len(shapes)
        flip = similarity(np.zeros(n), np.ones(n), np.zeros((n, 2)), draws.flipped, image_size)
        seen = move(np.asarray(shapes, float), flip)
        seen[draws.flipped] = seen[draws.flipped][:, mirror]
        turn = similarity(draws.angle, draws.zoom, np.zeros((n, 2)), np.zeros(n, bool), self.size, draws.stretch)
        return compose(turn, compose(self.matrices(seen, image_size, jitter), flip))

    def look(self, images, shapes):
        """(uint8 [n, pixels, pixels, C], matrices): what the specialist sees of each face."""
        matrices = self.matrices(shapes, images.shape[1:3])
        return warp(images, matrices, self.size), matrices

    def back(self, positions, matrices):
        """Positions [n, s, 2] in the view to px of the image."""
        return move(positions, invert(matrices))


def procrustes(shapes, reference):
    """Similarity matrices (turn, one zoom, shift) that bring shapes closest to a reference in the least-squares sense.

    Args:
        shapes: float [n, k, 2].
        reference: float [k, 2].

    Returns:
        float64 [n, 2, 3].
    """
    middle, target = shapes.mean(1, keepdims=True), reference.mean(0)
    a, b = shapes - middle, reference - target
    # As complex numbers a similarity is one factor: conj(a).b / |a|^2.
    za, zb = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    size = (np.abs(za) ** 2).sum(1)
    # Points that all fall together have no direction or size: they are only shifted, so that there is a way back.
    factor = np.where(size > 1e-9, (np.conj(za) * zb).sum(1) / np.maximum(size, 1e-9), 1)
    turn = np.stack([np.stack([factor.real, -factor.imag], -1), np.stack([factor.imag, factor.real], -1)], -2)
    return np.concatenate([turn, target[:, None] - turn @ middle.swapaxes(1, 2)], -1)
