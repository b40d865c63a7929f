"""VGG after Simonyan and Zisserman 2014 (arXiv:1409.1556): two 3x3 convolutions before each pooling."""

from base_models.bricks import conv, dropout, no_dropout


def vgg(x, filters=32, depth=4, kernel=3, rate=no_dropout):
    """Blocks of two convolutions, with batch norm, and a pooling.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first block; they double from block to block, up to eight times as many.
        depth: how many blocks.
        kernel: side of their kernels, px.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the blocks' outputs, from H/2 to H/2^depth.
    """
    blocks = []
    for i in range(1, depth + 1):
        width = filters * min(2 ** (i - 1), 8)
        x = conv(x, width, kernel, f"block{i}a")
        x = conv(x, width, kernel, f"block{i}b", pooling=True)
        x = dropout(x, rate, i)
        blocks.append(x)
    return blocks
