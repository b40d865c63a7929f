"""A small residual network with a stride-1 stem for small faces, after He et al. 2015 (arXiv:1512.03385)."""

from keras import layers

from base_models.layers import ScheduledDropout

MULTIPLES = (1, 2, 3, 4)  # channels per stage at H/2, H/4, H/8 and H/16


def resnet(x, filters=32, dropout=(0.0, 0.0, 0.0, 0.0)):
    """A convolution at full resolution, then four stages of two basic blocks each.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first stage.
        dropout: rate after each stage.

    Returns:
        list of the stages' outputs, from H/2 to H/16.
    """
    x = _conv(x, filters, 3, "stem", pool=True)
    stages = []
    for i, (multiple, rate) in enumerate(zip(MULTIPLES, dropout, strict=True), 1):
        x = _basic_block(x, filters * multiple, f"stage{i}a", halve=i > 1)
        x = _basic_block(x, filters * multiple, f"stage{i}b", halve=False)
        x = ScheduledDropout(rate, name=f"dropout{i}")(x)
        stages.append(x)
    return stages


def _conv(x, filters, kernel, name, strides=1, pool=False, relu=True):
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    if pool:
        x = layers.MaxPooling2D(name=f"{name}_pool")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _basic_block(x, filters, name, halve):
    strides = 2 if halve else 1
    short = x
    if halve or x.shape[-1] != filters:
        short = _conv(x, filters, 1, f"{name}_short", strides, relu=False)
    x = _conv(x, filters, 3, f"{name}_first", strides)
    x = _conv(x, filters, 3, f"{name}_second", relu=False)
    x = layers.Add(name=f"{name}_add")([x, short])
    return layers.ReLU(name=f"{name}_relu")(x)
