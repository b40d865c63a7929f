"""Heads: feature maps to positions in px, one per output slot.

A head returns a Keras tensor [b, slots, 2 + n]: x and y in px, then what the loss also wants to see of the network:
nothing, the logarithm of the error's standard deviation (n = 1), or the whole heat map (n = its cells).
"""

import math

from keras import layers

from base_models.heatmaps import MapPositions
from base_models.layers import BatchNorm, Positions, ScheduledDropout
from base_models.unet import to_size

SCALE = 10.0  # px per unit of a coordinate head's output; about the spread of labels about their mean


def dense(blocks, slots, size, rate, gives, dense_layers=2, dense_units=720, dense_norm=True):
    """Flatten, hidden layers with dropout, linear coordinates, as Krizhevsky et al. 2012 end.

    No sigmoid or ReLU: positions are not bounded.

    Args:
        blocks: list of Keras tensors, the last one is used.
        slots: points to find.
        size: (H, W) of the image, px.
        rate: dropout after each hidden layer.
        gives: "positions", or "spread": the error's logarithm too.
        dense_layers: how many hidden layers.
        dense_units: their width.
        dense_norm: whether batch norm follows each.

    Returns:
        Keras tensor [b, slots, 2 or 3].
    """
    x = layers.Flatten(name="flatten")(blocks[-1])
    for i in range(1, dense_layers + 1):
        x = layers.Dense(dense_units, use_bias=not dense_norm, name=f"dense{i}")(x)
        x = BatchNorm(momentum=0.9, name=f"dense{i}_norm")(x) if dense_norm else x
        x = layers.ReLU(name=f"dense{i}_relu")(x)
        x = ScheduledDropout(rate, name=f"dense{i}_dropout")(x)
    return _coordinates(x, slots, size, gives)


def pooled(blocks, slots, size, rate, gives):
    """Global average pooling and linear coordinates (Lin, Chen and Yan 2013, arXiv:1312.4400)."""
    x = layers.GlobalAveragePooling2D(name="pooled")(blocks[-1])
    x = ScheduledDropout(rate, name="pooled_dropout")(x)
    return _coordinates(x, slots, size, gives)


def _coordinates(x, slots, size, gives):
    numbers = 3 if gives == "spread" else 2
    x = layers.Dense(slots * numbers, kernel_initializer="zeros", name="coordinates", dtype="float32")(x)
    return Positions(slots, SCALE * size[1] / 96, numbers, name="positions", dtype="float32")(x)


def heatmap(blocks, slots, size, rate, gives, dense_units=64, decoding="soft_argmax"):
    """Merge the blocks from coarse to fine up to a quarter of the image, one map per slot, decoded to a position.

    The merging is that of feature pyramids (Lin et al. 2017, arXiv:1612.03144), with `dense_units` channels. Finer
    blocks cost most and add little; a network whose last block is finer, as U-Net's, has its maps there.

    Args:
        blocks, slots, size: as for `dense`.
        rate: dropout before the maps.
        gives: "positions", "spread", "heat" or "logits", as for `MapPositions`.
        dense_units: channels of the merged maps.
        decoding: a name in base_models.heatmaps.DECODINGS.
    """
    quarter = math.ceil(size[1] / 4)
    merged = [(i, block) for i, block in enumerate(blocks, 1) if block.shape[2] <= quarter or i == len(blocks)]
    x = None
    for i, block in reversed(merged):
        side = layers.Conv2D(dense_units, 1, name=f"lateral{i}")(block)
        x = side if x is None else layers.Add(name=f"merge{i}")([side, to_size(x, side.shape[1:3], f"up{i}")])
    x = BatchNorm(momentum=0.9, name="merged_norm")(x)
    x = layers.ReLU(name="merged_relu")(x)
    x = layers.Conv2D(dense_units, 3, padding="same", use_bias=False, name="refine")(x)
    x = BatchNorm(momentum=0.9, name="refine_norm")(x)
    x = layers.ReLU(name="refine_relu")(x)
    x = ScheduledDropout(rate, name="refine_dropout")(x)
    x = layers.Conv2D(slots, 1, name="maps", dtype="float32")(x)
    return MapPositions(size, decoding, gives, name="positions", dtype="float32")(x)


HEADS = {"dense": dense, "pooled": pooled, "heatmap": heatmap}
