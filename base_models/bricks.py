"""What the networks are made of. Every layer is named, since weights are saved and transferred by name."""

from keras import layers

from base_models.layers import BatchNorm, ScheduledDropout
from data.errors import UsageError


def no_dropout(block):
    """The rate after each block, counted from 1."""
    return 0.0


def conv(x, filters, kernel, name, strides=1, padding="same", norm=True, relu=True, pooling=False):
    """Convolution, pooling where asked for, batch norm (else a bias) and ReLU.

    The pooling comes before batch norm and ReLU: the maximum commutes with both where the scale is positive, and on
    four times fewer values they take a quarter of the time.
    """
    if padding == "valid":
        at_least(x, kernel, name)
    x = layers.Conv2D(filters, kernel, strides, padding=padding, use_bias=not norm, name=f"{name}_conv")(x)
    x = pool(x, f"{name}_pool") if pooling else x
    return normed(x, name, norm, relu)


def normed(x, name, norm=True, relu=True):
    """Batch norm and ReLU, where asked for."""
    x = BatchNorm(momentum=0.9, name=f"{name}_norm")(x) if norm else x
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def pool(x, name):
    """The highest of every 2x2 px."""
    at_least(x, 2, name)
    return layers.MaxPooling2D(name=name)(x)


def dropout(x, rate, block):
    """The end of a block, which freezing looks for."""
    return ScheduledDropout(rate(block), name=f"dropout{block}")(x)


def at_least(x, side, name):
    """Raise UsageError where less than `side` px are left for a layer."""
    height, width = x.shape[1:3]
    if min(height, width) < side:
        raise UsageError(
            f"network.backbone: expected at least {side}x{side} px at its layer {name}; received {height}x{width} "
            "there: take larger images, a smaller network.depth, or network.padding=same where it has one"
        )


def scaled(channels, filters):
    """A table's channels for a first layer of `filters` instead of the table's own first number."""
    return tuple(max(1, round(c * filters / channels[0])) for c in channels)


def lengthened(row, depth):
    """The first `depth` entries of a row; its last one goes on where there are fewer."""
    return tuple(row[min(i, len(row) - 1)] for i in range(depth))
