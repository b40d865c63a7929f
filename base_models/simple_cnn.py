"""The smallest network of the comparison: one convolution and one linear layer."""

from base_models.bricks import conv, dropout, no_dropout


def simple_cnn(x, filters=6, depth=1, kernel=3, rate=no_dropout):
    """Convolutions with ReLU at full resolution, without pooling or batch norm.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of every convolution.
        depth: how many.
        kernel: side of their kernels, px.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the convolutions' outputs, all [b, H, W, filters].
    """
    blocks = []
    for i in range(1, depth + 1):
        x = dropout(conv(x, filters, kernel, f"conv{i}", norm=False), rate, i)
        blocks.append(x)
    return blocks
