"""The AlexNet-style network of the original specialists, after Krizhevsky et al. 2012."""

from keras import layers

from base_models.layers import ScheduledDropout

MULTIPLES = (1, 2, 4, 5)  # 20-40-80-100 channels at the default width, at 96, 48, 24 and 12 px


def alexnet(x, filters=20, dropout=(0.0, 0.0, 0.0, 0.0)):
    """Four blocks of convolution, pooling, batch norm, ReLU and dropout.

    The pooling comes before batch norm and ReLU: the maximum commutes with both where the scale is positive, and on
    four times fewer values they take a quarter of the time.

    Args:
        x: Keras tensor [b, H, W, C].
        filters: channels of the first block.
        dropout: rate after each block.

    Returns:
        list of the blocks' outputs, from H/2 to H/16.
    """
    blocks = []
    for i, (multiple, rate) in enumerate(zip(MULTIPLES, dropout, strict=True), 1):
        x = layers.Conv2D(filters * multiple, 3, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = ScheduledDropout(rate, name=f"dropout{i}")(x)
        blocks.append(x)
    return blocks
