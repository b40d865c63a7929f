"""AlexNet after Krizhevsky et al. 2012: the network of the original specialists, and one with the paper's own stem."""

from keras import layers

from base_models.bricks import conv, dropout, lengthened, no_dropout, pool, scaled
from base_models.layers import BatchNorm

MULTIPLES = (1, 2, 4, 5)  # 20-40-80-100 channels at the default width, at 96, 48, 24 and 12 px


def alexnet(x, filters=20, depth=4, kernel=3, rate=no_dropout):
    """Blocks of convolution, pooling, batch norm and ReLU.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first block.
        depth: how many blocks.
        kernel: side of their kernels, px.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the blocks' outputs, from H/2 to H/2^depth.
    """
    blocks = []
    for i, multiple in enumerate(lengthened(MULTIPLES, depth), 1):
        x = layers.Conv2D(filters * multiple, kernel, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = pool(x, f"pool{i}")
        x = BatchNorm(momentum=0.9, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = dropout(x, rate, i)
        blocks.append(x)
    return blocks


def alexnet_strided(x, filters=96, depth=3, rate=no_dropout):
    """The paper's five convolutions: 11x11 in steps of 4 px, 5x5, and `depth` of 3x3, with batch norm.

    Args:
        x, rate: as for `alexnet`.
        filters: channels of the first convolution; the others are 256, 384, 384 and 256 for the paper's 96.
        depth: how many 3x3 convolutions the last block has.

    Returns:
        list of the blocks' outputs: H/8, H/16 and H/32.
    """
    first, second, middle, last = scaled((96, 256, 384, 256), filters)
    x = dropout(conv(x, first, 11, "conv1", strides=4, pooling=True), rate, 1)
    blocks = [x]
    x = dropout(conv(x, second, 5, "conv2", pooling=True), rate, 2)
    blocks.append(x)
    for i in range(3, 2 + depth):
        x = conv(x, middle, 3, f"conv{i}")
    x = dropout(conv(x, last, 3, f"conv{2 + depth}", pooling=True), rate, 3)
    return [*blocks, x]
