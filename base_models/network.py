"""A network: a backbone and a head, built from code by name."""

import dataclasses
import inspect
from functools import partial

import keras

from base_models.backbones import BACKBONES
from base_models.heads import HEADS
from base_models.heatmaps import DECODINGS
from base_models.layers import Range, ScheduledDropout, Standardize
from base_models.losses import gives
from base_models.pretrained import APPLICATIONS
from data.errors import UsageError

# Dropout of every network that has none of its own in BACKBONES.
DROPOUT = {"dropout_start": 0.0, "dropout_step": 0.02, "dropout_ceiling": 0.1}


def build_network(settings, slots, shape, precision="float32", seed=0, loss="huber"):
    """Build a network with fresh weights.

    Args:
        settings: `NetworkSettings`; what is None there is as in BACKBONES.
        slots: how many positions it finds.
        shape: (H, W, C) of its input, values 0..255.
        precision: a Keras dtype policy; the output is float32 in any case.
        seed: of the initial weights.
        loss: a name in base_models.losses, which may want to see more than positions.

    Returns:
        keras.Model from [b, H, W, C] to [b, slots, 2 + n]: positions in px, then what the loss wants to see.

    Raises:
        UsageError: unknown backbone, head or decoding, an argument it has not, an image it is too large for, or a
            loss that goes not with the head.
    """
    backbone = _named(BACKBONES, settings.backbone, "network.backbone")
    wanted = {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}
    head = _head(settings, backbone, wanted, gives(loss))
    if settings.backbone in APPLICATIONS and settings.activation not in (None, "relu"):
        raise UsageError(f"network.activation: {settings.backbone} has its own; received {settings.activation!r}")
    given = {name: wanted[name] for name in ("filters", "depth", "kernel", "padding") if name in wanted}
    for name in given.keys() - inspect.signature(backbone.build).parameters:
        raise UsageError(f"network.{name}: {settings.backbone} has none; received {given[name]!r}")
    rate = partial(block_rate, {**DROPOUT, **backbone.dropout, **wanted})
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(seed)
    try:
        inputs = keras.Input(shape, name="image", dtype="float32")
        x = _values(settings.values)(inputs)
        blocks = backbone.build(x, rate=rate, **given)
        outputs = head(blocks, slots, shape[:2], rate(len(blocks) + 2, head=True))
        return activated(keras.Model(inputs, outputs, name=settings.backbone), settings.activation)
    finally:
        keras.config.set_dtype_policy(before)


def _values(values):
    """The layer that brings pixels 0..255 to what the network sees."""
    if values == "standard":
        return Standardize(name="standardize", dtype="float32")
    _named(Range.RANGES, values, "network.values")
    return Range(values, name=values, dtype="float32")


def _head(settings, backbone, wanted, seen):
    """The head as a function of blocks, slots, size and rate."""
    name = wanted.get("head", backbone.head)
    head = _named(HEADS, name, "network.head")
    if seen in ("heat", "logits") and name != "heatmap":
        raise UsageError(f"train.loss: a loss of maps takes network.head=heatmap; received {name}")
    if seen not in ("heat", "logits") and settings.decoding != "soft_argmax":
        raise UsageError(
            f"network.decoding: {settings.decoding} takes a loss of maps, such as train.loss=map_cross_entropy"
        )
    _named(DECODINGS, settings.decoding, "network.decoding")
    if settings.weights != "none" and settings.backbone not in APPLICATIONS:
        raise UsageError(
            f"network.weights: expected one of the networks {', '.join(APPLICATIONS)}; received {settings.backbone}"
        )
    own = backbone.arguments if name == backbone.head else {}
    known = inspect.signature(head).parameters
    return partial(head, gives=seen, **{k: v for k, v in {**own, **wanted}.items() if k in known})


def activated(model, activation):
    """The network with another activation in place of every ReLU, under the same names; itself where that is None."""
    if activation in (None, "relu"):
        return model

    def changed(layer):
        if isinstance(layer, keras.layers.ReLU):
            return keras.layers.Activation(activation, name=layer.name, dtype=layer.dtype_policy)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=changed)


def block_rate(settings, block, head=False):
    """Dropout rate after a block, counted from 1: start, start + step, ... up to the ceiling; or in the head.

    Args:
        settings: dict of the fields of `NetworkSettings` that begin with dropout.
    """
    if head and "dropout_head" in settings:
        return settings["dropout_head"]
    rise = settings["dropout_start"] + (block - 1) * settings["dropout_step"]
    return min(rise, settings["dropout_ceiling"])


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
    if blocks and f"dropout{blocks}" not in names:
        raise UsageError(f"frozen: {model.name} has no {blocks} blocks")
    end = names.index(f"dropout{blocks}") + 1 if blocks else 0
    for position, layer in enumerate(model.layers):
        layer.trainable = position >= end


def _named(table, name, setting):
    if name not in table:
        raise UsageError(f"{setting}: expected one of {', '.join(table)}; received {name!r}")
    return table[name]
