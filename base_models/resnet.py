"""Residual networks after He et al. 2015 (arXiv:1512.03385), with a stem for small faces or the paper's own."""

from functools import partial

from keras import layers

from base_models.bricks import conv, dropout, no_dropout


def residual(x, filters, depth=2, rate=no_dropout, multiples=(1, 2, 4, 8), strided=False):
    """A stem, then four stages of basic blocks.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the stem and the first stage.
        depth: basic blocks per stage; two make 18 layers.
        rate: function of the stage, counted from 1, to the dropout rate after it.
        multiples: channels of each stage, in `filters`.
        strided: the paper's stem, 7x7 in steps of 2 px and a pooling, for images of some 224 px. Otherwise a 3x3
            convolution at full resolution and a pooling.

    Returns:
        list of the stages' outputs, from H/2 to H/16, or with the paper's stem from H/4 to H/32.
    """
    x = conv(x, filters, 7, "stem", 2, pooling=True) if strided else conv(x, filters, 3, "stem", pooling=True)
    stages = []
    for i, multiple in enumerate(multiples, 1):
        for b in range(depth):
            x = _basic_block(x, filters * multiple, f"stage{i}{chr(ord('a') + b)}", halve=i > 1 and b == 0)
        x = dropout(x, rate, i)
        stages.append(x)
    return stages


resnet = partial(residual, filters=16, multiples=(1, 2, 3, 4))
resnet18 = partial(residual, filters=64)
resnet18_strided = partial(residual, filters=64, strided=True)


def _basic_block(x, filters, name, halve):
    strides = 2 if halve else 1
    short = x
    if halve:  # as a 1x1 convolution with strides; oneDNN's writes past its memory where batches differ in size
        short = layers.MaxPooling2D(1, strides, padding="same", name=f"{name}_halved")(short)
    if halve or x.shape[-1] != filters:
        short = conv(short, filters, 1, f"{name}_short", relu=False)
    x = conv(x, filters, 3, f"{name}_first", strides)
    x = conv(x, filters, 3, f"{name}_second", relu=False)
    x = layers.Add(name=f"{name}_add")([x, short])
    return layers.ReLU(name=f"{name}_relu")(x)
