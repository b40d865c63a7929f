"""MobileNets: a filter per channel and a 1x1 convolution instead of a full convolution.

Version 1: Howard et al. 2017 (arXiv:1704.04861). Version 2, inverted residuals: Sandler et al. 2018
(arXiv:1801.04381); its ReLU has no ceiling of 6 here, which serves arithmetic of 8 bits. `filters` is the papers' width
multiplier: 32 is 1.0, 16 is 0.5.
"""

from keras import layers

from base_models.bricks import conv, dropout, no_dropout, normed
from data.errors import UsageError

SEPARABLE = ((2,), (4, 4), (8, 8), (16,), (32, 32))  # channels in `filters`, by resolution; the fourth repeats
# Expansion, channels at a width of 32, how often, strides: the table 2 of Sandler et al.
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
ENDS = (0, 1, 2, 4, 6)  # rows after which a resolution ends


def mobilenet(x, filters=32, depth=6, rate=no_dropout):
    """MobileNet: a strided stem and 13 depthwise separable convolutions.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the stem.
        depth: how many separable convolutions H/16 has.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the outputs from H/2 to H/32.
    """
    x = conv(x, filters, 3, "stem", strides=2)
    blocks = []
    for block, multiples in enumerate(SEPARABLE, 1):
        multiples = multiples * depth if block == 4 else multiples
        for i, multiple in enumerate(multiples, 1):
            x = _depthwise(x, f"block{block}_{i}", 2 if block > 1 and i == 1 else 1)
            x = conv(x, filters * multiple, 1, f"block{block}_{i}_point")
        x = dropout(x, rate, block)
        blocks.append(x)
    return blocks


def mobilenet_v2(x, filters=32, depth=7, rate=no_dropout):
    """MobileNet v2: a strided stem, 17 inverted residuals, a 1x1 convolution.

    Args:
        x, filters, rate: as for `mobilenet`.
        depth: how many rows of the paper's table, 7 at most.

    Returns:
        list of the outputs from H/2 to H/32.

    Raises:
        UsageError: more rows than there are.
    """
    if depth > len(INVERTED):
        raise UsageError(f"network.depth: expected at most {len(INVERTED)} for mobilenet_v2; received {depth}")
    x = conv(x, filters, 3, "stem", strides=2)
    rows, blocks = INVERTED[:depth], []
    for row, (expansion, channels, times, strides) in enumerate(rows):
        for i in range(times):
            width = max(1, round(channels * filters / 32))
            x = _inverted(x, width, expansion, strides if i == 0 else 1, f"row{row + 1}_{i + 1}")
        if row == len(rows) - 1:
            x = conv(x, 40 * filters, 1, "last")
        if row in ENDS or row == len(rows) - 1:
            x = dropout(x, rate, len(blocks) + 1)
            blocks.append(x)
    return blocks


def _depthwise(x, name, strides):
    x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_depth_conv")(x)
    return normed(x, f"{name}_depth")


def _inverted(x, filters, expansion, strides, name):
    """Widen, filter each channel, narrow; nothing bends the narrow signal, which is added where shapes agree."""
    short = x
    x = conv(x, x.shape[-1] * expansion, 1, f"{name}_widen") if expansion > 1 else x
    x = _depthwise(x, name, strides)
    x = conv(x, filters, 1, f"{name}_narrow", relu=False)
    return layers.Add(name=f"{name}_add")([short, x]) if short.shape == x.shape else x
