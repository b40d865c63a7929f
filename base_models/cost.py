"""What a network costs: parameters and multiply-adds."""

import keras
import numpy as np


def parameters(model):
    """How many numbers are trained; neither batch-norm statistics nor anchors are."""
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def multiply_adds(model):
    """Multiply-adds of all convolutions and dense layers on one image; everything else is small beside them."""
    return sum(map(_layer_multiply_adds, model.layers))


def _layer_multiply_adds(layer):
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if not hasattr(layer, "kernel"):
        return 0
    kernel = int(np.prod(layer.kernel.shape))  # a depthwise kernel has no output channels to sum over
    return kernel * int(np.prod(layer.output.shape[1:-1]))
