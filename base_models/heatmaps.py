"""Heat maps to positions. `keras.ops` only.

Every decoding turns a map into weights of its cells; the position is the weighted mean of the cells' positions.
"""

import keras
from keras import ops

SHARPNESS = 12.0  # heat to logits: a peak of 1 then outweighs the cells of heat 0, and its flanks still count
BORDER = 0.1  # share of the image that soft-argmax's grid reaches beyond it on each side


def soft_argmax(maps, heat):
    """The softmax over the map. Under a loss of coordinates this is trained end to end, sub-pixel and bounded by the
    map: integral regression of Sun et al. 2018 (arXiv:1711.08229). Under a loss of maps it only decodes them."""
    return ops.softmax(SHARPNESS * maps if heat else maps, axis=1)


def argmax(maps, heat):
    """All weight on the highest cell, as Tompson et al. 2014 (arXiv:1406.2984): no finer than the cells."""
    return ops.one_hot(ops.argmax(maps, axis=1), maps.shape[1], axis=1)


def centre_of_mass(maps, heat):
    """Weighted argmax: the heat of all cells that have at least half of the highest one's, so that what is far away
    and faint does not pull. Sub-pixel; compare the local soft-argmax of Bulat et al. 2021 (arXiv:2111.02360)."""
    warm = maps - ops.min(maps, axis=1, keepdims=True) if heat else ops.softmax(maps, axis=1)
    warm = warm + 1e-9  # a flat map has its middle
    warm = ops.where(warm >= ops.max(warm, axis=1, keepdims=True) / 2, warm, ops.zeros_like(warm))
    return warm / ops.sum(warm, axis=1, keepdims=True)


DECODINGS = {"soft_argmax": soft_argmax, "argmax": argmax, "centre_of_mass": centre_of_mass}


@keras.saving.register_keras_serializable("keypoints")
class MapPositions(keras.layers.Layer):
    """Heat maps [b, h, w, slots] to positions in px [b, slots, 2 + n].

    Args:
        size: (H, W) of the image that the maps cover, px.
        decoding: a name in DECODINGS.
        gives: what follows the position: "positions" nothing; "spread" the logarithm of the standard deviation, px,
            that the map has about it; "heat" and "logits" the map itself, which a loss compares with heat, or whose
            softmax it compares with a distribution.
    """

    def __init__(self, size, decoding="soft_argmax", gives="positions", **kwargs):
        super().__init__(**kwargs)
        self.size, self.decoding, self.gives = tuple(size), decoding, gives

    @property
    def trains_maps(self):
        return self.gives in ("heat", "logits")

    def build(self, input_shape):
        self.cells = tuple(input_shape[1:3])

    def call(self, inputs):
        h, w = self.cells
        maps = ops.reshape(ops.cast(inputs, "float32"), (-1, h * w, inputs.shape[-1]))
        weights = DECODINGS[self.decoding](maps, self.gives == "heat")
        x, y = self.axes()
        positions = self._mean(weights, x, y)
        if self.gives == "spread":
            variance = self._mean(weights, ops.square(x), ops.square(y)) - ops.square(positions)
            spread = 0.5 * ops.log(ops.maximum(ops.mean(variance, -1, keepdims=True), 1e-2))
            return ops.concatenate([positions, spread], axis=-1)
        if self.trains_maps:
            return ops.concatenate([ops.stop_gradient(positions), ops.transpose(maps, (0, 2, 1))], axis=-1)
        return positions

    def _mean(self, weights, x, y):
        """Weighted means [b, slots, 2] of a quantity of the columns, x [w], and one of the rows, y [h].

        Sums, not a product of matrices: a converter to 8 bits would round its sides, which cost the default network
        0.8 px and more, and a GPU may compute it in few bits.
        """
        weights = ops.reshape(weights, (-1, *self.cells, weights.shape[-1]))
        along_x = ops.sum(ops.sum(weights, axis=1) * x[:, None], axis=1)
        along_y = ops.sum(ops.sum(weights, axis=2) * y[:, None], axis=1)
        return ops.stack([along_x, along_y], axis=-1)

    def axes(self):
        """(x [w], y [h]): middles of the cells, px.

        Where positions are trained, the grid reaches beyond the image, so that a point on the edge, whose weights
        cannot lie all around it otherwise, can be reached. A map that is itself trained lies where the image is.
        """
        border = 0 if self.trains_maps else BORDER
        (h, w), (height, width) = self.cells, self.size
        return _middles(w, width, border), _middles(h, height, border)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "decoding": self.decoding, "gives": self.gives}


def _middles(cells, pixels, border):
    middles = (ops.arange(cells, dtype="float32") + 0.5) / cells  # 0..1 over the image
    return ((middles - 0.5) * (1 + 2 * border) + 0.5) * pixels - 0.5
