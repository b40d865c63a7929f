"""The networks of keras.applications, with weights from ImageNet where they can be had.

MobileNet: Howard et al. 2017; ResNet50: He et al. 2015; VGG16: Simonyan and Zisserman 2014. Blocks and names are
Keras's own, so that its weight files fit.
"""

import contextlib
import sys
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from base_models.bricks import at_least, dropout, no_dropout
from base_models.weights import transfer
from data.errors import UsageError

SMALLEST = 32  # px: these networks halve five times
COLOUR = 3  # channels of ImageNet


@dataclass(frozen=True)
class Application:
    """A network of keras.applications.

    Args:
        build: its function.
        ends: names of the layers that end a resolution.
        first: path of the first convolution's kernel, which alone sees colours.
        spread: standard deviation of the numbers it was trained on; ours have 1.
        reverse: whether it was trained on blue, green, red.
    """

    build: object
    ends: tuple
    first: str
    spread: float
    reverse: bool


APPLICATIONS = {
    "keras_mobilenet": Application(
        keras.applications.MobileNet,
        ("conv_pw_1_relu", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
        *("conv1/kernel", 0.5, False),
    ),
    "keras_resnet50": Application(
        keras.applications.ResNet50,
        ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
        *("conv1_conv/kernel", 60.0, True),
    ),
    "keras_vgg16": Application(
        keras.applications.VGG16,
        tuple(f"block{i}_pool" for i in range(1, 6)),
        *("block1_conv1/kernel", 60.0, True),
    ),
}


def _application(x, name, rate=no_dropout, **size):
    """A network of keras.applications, cut where its resolution halves.

    Args:
        x: Keras tensor [b, H, W, C], mean 0 and standard deviation 1.
        name: in APPLICATIONS.
        rate: function of the block, counted from 1, to the dropout rate after it.

    Returns:
        list of the outputs from H/2 to H/32.
    """
    at_least(x, SMALLEST, name)
    application = APPLICATIONS[name]
    whole = application.build(include_top=False, weights=None, input_shape=x.shape[1:], **size)
    x, start, blocks = x * application.spread, whole.input, []
    for i, end in enumerate(application.ends, 1):
        stop = whole.get_layer(end).output
        x = dropout(keras.Model(start, stop, name=f"block{i}")(x), rate, i)
        start = stop
        blocks.append(x)
    for layer in whole.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # of ImageNet's 0.99 little arrives within a short training
    return blocks


def keras_mobilenet(x, filters=32, rate=no_dropout):
    """As `_application`; `filters` / 32 is the width multiplier. Weights exist for 8, 16, 24 and 32."""
    return _application(x, "keras_mobilenet", rate, alpha=filters / 32)


keras_resnet50 = partial(_application, name="keras_resnet50")
keras_vgg16 = partial(_application, name="keras_vgg16")


def load_imagenet(backbone, filters=None):
    """A network of keras.applications for colour images with its ImageNet weights, from Keras's cache or the web."""
    size = {"alpha": filters / 32} if filters else {}
    shape = (224, 224, COLOUR)  # the size the weights were trained at: another one is warned of
    with contextlib.redirect_stdout(sys.stderr):  # Keras tells there how the download goes
        return APPLICATIONS[backbone].build(include_top=False, weights="imagenet", input_shape=shape, **size)


def start_pretrained(model, settings):
    """Give a fresh network the weights from ImageNet, where `settings.weights` says so.

    Args:
        model: a network of `build_network`.
        settings: `NetworkSettings`.

    Returns:
        `Transfer`, or None where nothing was to be done.

    Raises:
        UsageError: the weights cannot be had, or fit no image of this many channels.
    """
    if settings.weights == "none":
        return None
    channels = model.input_shape[-1]
    if channels not in (1, COLOUR):
        raise UsageError(f"network.weights: imagenet takes images of 1 or {COLOUR} channels; received {channels}")
    try:
        source = load_imagenet(settings.backbone, settings.filters)
    except Exception as error:  # Keras raises a bare Exception where the download fails
        raise UsageError(
            f"network.weights: expected the ImageNet weights of {settings.backbone} in Keras's cache or on the web; "
            f"received: {error}; network.weights=none starts without"
        ) from error
    arrays = {v.path: np.asarray(v) for v in source.variables}
    first = APPLICATIONS[settings.backbone].first
    arrays[first] = first_kernel(arrays[first], channels, APPLICATIONS[settings.backbone].reverse)
    return transfer(model, arrays)


def first_kernel(kernel, channels, reverse):
    """A kernel [h, w, 3, filters] for images of `channels` channels.

    A grey image is one whose three channels are equal, so the sum over them answers as the kernel itself would.
    """
    if channels == 1:
        return kernel.sum(2, keepdims=True)
    return kernel[:, :, ::-1] if reverse else kernel
