"""Inception after Szegedy et al. 2014 (arXiv:1409.4842): modules that look at several scales at once."""

from keras import layers

from base_models.bricks import conv, dropout, no_dropout, pool, scaled

# Channels: 1x1; 3x3 after its reduction; 5x5 after its reduction; 1x1 after the pooling.
MODULE = (64, 96, 128, 16, 32, 32)
GOOGLENET = {  # the paper's table 1, by block: H/8, H/16 and H/32
    3: ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    4: (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    5: ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}


def inception(x, filters=32, depth=4, rate=no_dropout):
    """A stem of two convolutions with pooling, then modules, two at each resolution.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first convolution; a module has eight times as many.
        depth: how many modules.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the outputs at H/2, H/4 and of each pair of modules from H/8 on.
    """
    x = dropout(conv(x, filters, 3, "stem1", pooling=True), rate, 1)
    blocks = [x]
    x = dropout(conv(x, 2 * filters, 3, "stem2", pooling=True), rate, 2)
    blocks.append(x)
    for first in range(0, depth, 2):
        block = len(blocks) + 1
        x = pool(x, f"pool{block}")
        for i in range(first, min(first + 2, depth)):
            x = module(x, scaled(MODULE, 2 * filters), f"module{i + 1}")
        x = dropout(x, rate, block)
        blocks.append(x)
    return blocks


def googlenet(x, filters=64, rate=no_dropout):
    """The 22 layers of GoogLeNet, with batch norm and without its two side classifiers.

    Args:
        x, rate: as for `inception`.
        filters: channels of the first convolution, 64 in the paper; all others go with it.

    Returns:
        list of the outputs of the stem at H/2 and H/4, and of the modules at H/8, H/16 and H/32.
    """
    x = dropout(conv(x, filters, 7, "stem1", strides=2), rate, 1)
    blocks = [x]
    x = conv(_pool3(x, "pool1"), filters, 1, "stem2")
    x = dropout(conv(x, 3 * filters, 3, "stem3"), rate, 2)
    blocks.append(x)
    for block, rows in GOOGLENET.items():
        x = _pool3(x, f"pool{block - 1}")
        for letter, row in zip("abcde", rows, strict=False):
            x = module(x, tuple(max(1, round(c * filters / 64)) for c in row), f"module{block}{letter}")
        x = dropout(x, rate, block)
        blocks.append(x)
    return blocks


def module(x, channels, name):
    """Four branches side by side: 1x1, 3x3, 5x5, and a pooling with 1x1.

    Args:
        channels: six numbers, as in MODULE.
    """
    one, reduce3, three, reduce5, five, pooled = channels
    branches = [
        conv(x, one, 1, f"{name}_1x1"),
        conv(conv(x, reduce3, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        conv(conv(x, reduce5, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        conv(layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x), pooled, 1, f"{name}_pooled"),
    ]
    return layers.Concatenate(name=f"{name}_joined")(branches)


def _pool3(x, name):
    return layers.MaxPooling2D(3, 2, padding="same", name=name)(x)
