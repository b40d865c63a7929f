"""The small networks of courses and blogs: convolution, ReLU, pooling, again and again; then one dense layer.

Without padding their dense layers see 96 numbers (nose_small at 60x80 px), 1,280 (nose_tiny at 60x80 px) and 8,192
(points68 at 224 px).
"""

from functools import partial

from base_models.bricks import conv, dropout, lengthened, no_dropout, pool, scaled


def plain(x, filters, depth, channels, kernel=3, kernels=(), rate=no_dropout, padding="valid"):
    """Blocks of convolution, ReLU and pooling, without batch norm.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first block.
        depth: how many blocks; the last row of the tables goes on where there are more.
        channels: of each block, at the seed system's width.
        kernel: side of the first block's kernel, px.
        kernels: of the blocks after it; the last one goes on, as for channels.
        rate: function of the block, counted from 1, to the dropout rate after it.
        padding: "valid", or "same" for small images.

    Returns:
        list of the blocks' outputs; each has half the side of the one before.
    """
    blocks, sides = [], lengthened((kernel, *kernels), depth)
    for i, (width, side) in enumerate(zip(lengthened(scaled(channels, filters), depth), sides, strict=True), 1):
        x = conv(x, width, side, f"conv{i}", padding=padding, norm=False)
        x = dropout(pool(x, f"pool{i}"), rate, i)
        blocks.append(x)
    return blocks


nose_small = partial(plain, filters=16, depth=4, channels=(16, 32, 32, 32))
nose_tiny = partial(plain, filters=16, depth=3, channels=(16, 32, 32))
nose_deep = partial(plain, filters=16, depth=5, channels=(16, 32, 64, 128, 256), padding="same")
medium = partial(plain, filters=64, depth=5, channels=(64, 64, 32, 32, 32), kernel=5, kernels=(3,))
large = partial(plain, filters=128, depth=5, channels=(128, 128, 64, 64, 32), kernel=5, kernels=(3,))
wide256 = partial(plain, filters=256, depth=5, channels=(256,))
points68 = partial(plain, filters=16, depth=5, channels=(16, 32, 64, 128, 512), kernel=7, kernels=(5, 3))
