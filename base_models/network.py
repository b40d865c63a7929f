"""A network: a backbone and a head, built from code by name."""

import keras

from base_models.alexnet import alexnet
from base_models.heads import HEADS
from base_models.layers import ScheduledDropout, Standardize
from base_models.resnet import resnet
from data.errors import UsageError

BACKBONES = {"alexnet": alexnet, "resnet": resnet}


def build_network(settings, slots, shape, precision="float32", seed=0):
    """Build a network with fresh weights.

    Args:
        settings: `NetworkSettings`.
        slots: how many positions it finds.
        shape: (H, W, C) of its input, values 0..255.
        precision: a Keras dtype policy; the output is float32 in any case.
        seed: of the initial weights.

    Returns:
        keras.Model from [b, H, W, C] to [b, slots, 2] in px.

    Raises:
        UsageError: unknown backbone or head.
    """
    backbone = _named(BACKBONES, settings.backbone, "network.backbone")
    head = _named(HEADS, settings.head, "network.head")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(seed)
    try:
        inputs = keras.Input(shape, name="image", dtype="float32")
        x = Standardize(name="standardize", dtype="float32")(inputs)
        blocks = backbone(x, settings.filters, depth_rates(settings, 4))
        outputs = head(blocks, slots, shape[:2], settings.dense_units, depth_rates(settings, 6)[-1])
        return keras.Model(inputs, outputs, name=settings.backbone)
    finally:
        keras.config.set_dtype_policy(before)


def depth_rates(settings, blocks):
    """Dropout rate of each block: start, start + step, ... up to the ceiling."""
    return tuple(
        min(settings.dropout_start + i * settings.dropout_step, settings.dropout_ceiling) for i in range(blocks)
    )


def dropouts(model):
    """The network's scheduled dropout layers, in order."""
    return [layer for layer in model.layers if isinstance(layer, ScheduledDropout)]


def set_anchor(model, anchor):
    """Start a coordinate head at `anchor` [slots, 2] px. A heat-map head has none."""
    layer = model.get_layer("positions")
    if hasattr(layer, "anchor"):
        layer.anchor.assign(anchor)


def freeze(model, blocks):
    """Keep the weights of the first `blocks` blocks, and their batch-norm statistics, as they are.

    Every backbone ends block i with a layer `dropout<i>`. Must be called before `compile`.
    """
    names = [layer.name for layer in model.layers]
    end = names.index(f"dropout{blocks}") + 1 if blocks else 0
    for position, layer in enumerate(model.layers):
        layer.trainable = position >= end


def _named(table, name, setting):
    if name not in table:
        raise UsageError(f"{setting}: expected one of {', '.join(table)}; received {name!r}")
    return table[name]
