"""U-Net after Ronneberger et al. 2015 (arXiv:1505.04597): maps at full resolution that know the whole face."""

from keras import layers

from base_models.bricks import conv, dropout, no_dropout, pool


def unet(x, filters=16, depth=4, rate=no_dropout):
    """Down by poolings and up again, joined with what was there on the way down. Batch norm, padded.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels at full resolution; they double with each pooling.
        depth: how many poolings.
        rate: function of the block, counted from 1, to the dropout rate after it; blocks 1 to `depth` lead down.

    Returns:
        list of one output, [b, H, W, filters].
    """
    passed = []
    for i in range(1, depth + 1):
        passed.append(_double(x, filters * 2 ** (i - 1), f"down{i}"))
        x = dropout(pool(passed[-1], f"pool{i}"), rate, i)
    x = _double(x, filters * 2**depth, "bottom")
    for i in range(depth, 0, -1):
        across = passed[i - 1]
        up = to_size(x, across.shape[1:3], f"up{i}")
        x = _double(layers.Concatenate(name=f"join{i}")([across, up]), filters * 2 ** (i - 1), f"up{i}")
    return [dropout(x, rate, depth + 1)]


def to_size(x, size, name):
    """Every pixel repeated until the map has (H, W) px; odd sizes take the nearest."""
    if (2 * x.shape[1], 2 * x.shape[2]) == tuple(size):
        return layers.UpSampling2D(name=name)(x)
    return layers.Resizing(*size, interpolation="nearest", name=name)(x)


def _double(x, filters, name):
    return conv(conv(x, filters, 3, f"{name}a"), filters, 3, f"{name}b")
