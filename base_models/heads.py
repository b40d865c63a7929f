"""Heads: feature maps to positions in px, one per output slot."""

from keras import layers

from base_models.layers import Positions, ScheduledDropout, SoftArgmax
from data.errors import UsageError

SCALE = 10.0  # px per unit of a coordinate head's output; about the spread of labels about their mean


def dense(blocks, slots, size, units, rate):
    """Flatten, two hidden layers with dropout, linear coordinates. No sigmoid or ReLU: positions are not bounded.

    Args:
        blocks: list of Keras tensors, the last one is used.
        slots: points to find.
        size: (H, W) of the image, px.
        units: width of the hidden layers.
        rate: dropout after each.

    Returns:
        Keras tensor [b, slots, 2], px.
    """
    x = layers.Flatten(name="flatten")(blocks[-1])
    for i in (1, 2):
        x = layers.Dense(units, use_bias=False, name=f"dense{i}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"dense{i}_norm")(x)
        x = layers.ReLU(name=f"dense{i}_relu")(x)
        x = ScheduledDropout(rate, name=f"dense{i}_dropout")(x)
    x = layers.Dense(slots * 2, kernel_initializer="zeros", name="coordinates")(x)
    return Positions(slots, SCALE * size[1] / 96, name="positions", dtype="float32")(x)


def pooled(blocks, slots, size, units, rate):
    """Global average pooling and linear coordinates."""
    x = layers.GlobalAveragePooling2D(name="pooled")(blocks[-1])
    x = ScheduledDropout(rate, name="pooled_dropout")(x)
    x = layers.Dense(slots * 2, kernel_initializer="zeros", name="coordinates")(x)
    return Positions(slots, SCALE * size[1] / 96, name="positions", dtype="float32")(x)


def heatmap(blocks, slots, size, units, rate):
    """Merge the blocks from coarse to fine up to a quarter of the image, one map per slot, soft-argmax.

    The merging is that of feature pyramids (Lin et al. 2017, arXiv:1612.03144), with `units` channels.
    """
    if any(side % 2 ** len(blocks) for side in size):
        raise UsageError(f"network.head: heatmap takes images of a multiple of {2 ** len(blocks)} px; received {size}")
    x = None
    for i, block in reversed(list(enumerate(blocks, 1))):
        if i == 1 and len(blocks) > 2:  # half the image's resolution: costs most and adds little
            break
        side = layers.Conv2D(units, 1, name=f"lateral{i}")(block)
        x = side if x is None else layers.Add(name=f"merge{i}")([side, layers.UpSampling2D(name=f"up{i}")(x)])
    x = layers.BatchNormalization(momentum=0.9, name="merged_norm")(x)
    x = layers.ReLU(name="merged_relu")(x)
    x = layers.Conv2D(units, 3, padding="same", use_bias=False, name="refine")(x)
    x = layers.BatchNormalization(momentum=0.9, name="refine_norm")(x)
    x = layers.ReLU(name="refine_relu")(x)
    x = ScheduledDropout(rate, name="refine_dropout")(x)
    x = layers.Conv2D(slots, 1, name="maps")(x)
    return SoftArgmax(size, name="positions", dtype="float32")(x)


HEADS = {"dense": dense, "pooled": pooled, "heatmap": heatmap}
