"""Search spaces: literal tables, one that all networks share, one of every network, one of specialists.

A row names a setting as `--set` does. A search takes the rows that its network has, and begins with the defaults.
"""

import dataclasses
import inspect
from dataclasses import dataclass

from data.errors import UsageError


@dataclass(frozen=True)
class Row:
    """A setting and the values that it may have.

    Args:
        name: dotted, of `Settings`, or of `SpecialistSettings` for a specialist.
        choices: the values, all of one type; or else
        low, high: the lowest and highest number, both included.
        scale: linear or log: how numbers between them are drawn.
        when: (name, values) of another row: this one counts only where that has one of these values.
    """

    name: str
    choices: tuple = ()
    low: float | None = None
    high: float | None = None
    scale: str = "linear"
    when: tuple = ()


def one_of(name, *choices, when=()):
    return Row(name, choices, when=when)


def between(name, low, high, scale="linear", when=()):
    return Row(name, (), low, high, scale, when)


# How any network is trained. Strength of augmentation: 0 is off.
TRAINING = (
    between("train.learning_rate", 2e-4, 1e-2, "log"),
    one_of("train.schedule", "one_cycle", "cosine", "constant", "step"),
    one_of("train.optimizer", "adamw", "adam", "nadam", "rmsprop", "sgd"),
    between("train.weight_decay", 1e-4, 0.2, "log", when=("train.optimizer", ("adamw",))),
    between("train.momentum", 0.8, 0.98, when=("train.optimizer", ("sgd",))),
    one_of("train.batch_size", 8, 16, 32, 64),
    one_of("train.loss", "huber", "mae", "mse", "wing"),
    between("train.huber_delta", 0.3, 4.0, "log", when=("train.loss", ("huber",))),
    between("augment.rotation", 0.0, 30.0),
    between("augment.scale", 0.0, 0.3),
    between("augment.contrast", 0.0, 0.6),
    between("augment.noise", 0.0, 16.0),
)
# Dropout after the blocks: a first rate, a step from block to block, a ceiling, and how it rises over the epochs.
DROPOUT = (
    between("network.dropout_start", 0.0, 0.3),
    between("network.dropout_step", 0.0, 0.1),
    between("network.dropout_ceiling", 0.0, 0.5),
    between("train.dropout_ramp", 0.0, 1.0),
)
COMMON = (*TRAINING, between("augment.shift", 0.0, 0.12), *DROPOUT, one_of("network.activation", "relu", "elu", "gelu"))


def network_rows(filters, depth=(), kernels=(), head=None, units=(), layers=()):
    """Rows of a network: channels of its first layer, depth, kernels, its head, the units and layers of that."""
    heads = {} if head is None else {"when": ("network.head", (head,))}
    rows = [one_of("network.filters", *filters)]
    rows += [one_of("network.depth", *depth)] if depth else []
    rows += [one_of("network.kernel", *kernels)] if kernels else []
    rows += [one_of("network.head", "dense", "pooled", "heatmap")] if head else []
    rows += [one_of("network.dense_units", *units, **heads)] if units else []
    rows += [one_of("network.dense_layers", *layers, **heads)] if layers else []
    return tuple(rows)


SMALL = {"filters": (8, 16, 32), "kernels": (3, 5), "head": "dense", "layers": (1, 2)}  # of courses and blogs
NETWORKS = {
    "alexnet": network_rows((8, 16, 20, 32), (3, 4, 5), (3, 5), "dense", (128, 256, 500, 720, 1000), (1, 2, 3)),
    "alexnet_strided": network_rows((24, 48, 96), (2, 3, 4), (), "dense", (256, 720), (1, 2)),
    "simple_cnn": network_rows((4, 6, 8, 16), (1, 2, 3), (3, 5, 7), None, (), (0, 1)),
    "vgg": network_rows((8, 16, 32, 48), (3, 4, 5), (3, 5), "dense", (128, 256, 512), (1, 2)),
    "inception": network_rows((8, 16, 32), (2, 4, 6), (), "pooled"),
    "googlenet": network_rows((16, 32, 64), (), (), "pooled"),
    "resnet": network_rows((8, 16, 24, 32), (1, 2, 3), (), "heatmap", (32, 64, 96, 128)),
    "resnet18": network_rows((16, 32, 64), (1, 2), (), "pooled"),
    "resnet18_strided": network_rows((16, 32, 64), (1, 2), (), "pooled"),
    "mobilenet": network_rows((8, 16, 32), (2, 4, 6), (), "pooled"),
    "mobilenet_v2": network_rows((8, 16, 32), (5, 6, 7), (), "pooled"),
    "nose_small": network_rows(depth=(3, 4), units=(32, 64, 128), **SMALL),
    "nose_tiny": network_rows(depth=(2, 3, 4), units=(32, 58, 128), **SMALL),
    "nose_deep": network_rows(depth=(3, 4, 5), units=(32, 64, 128), **SMALL),
    "medium": network_rows((16, 32, 64), (4, 5), (3, 5), "dense", (128, 256, 512), (1, 2)),
    "large": network_rows((32, 64, 128), (4, 5), (3, 5), "dense", (128, 256, 512), (1, 2)),
    "wide256": network_rows((16, 32, 64, 128, 256), (4, 5), (3,), "dense", (64, 128, 256), (1, 2)),
    "points68": network_rows((8, 16, 32), (4, 5), (3, 5), "dense", (256, 512, 1024), (1, 2)),
    "unet": network_rows((8, 16, 24), (3, 4), (), None, (16, 32, 64)),
    "keras_mobilenet": network_rows((8, 16, 24, 32), (), (), "pooled"),
    "keras_resnet50": (),
    "keras_vgg16": (),
}

# A specialist starts from its base's convolutions, so that its filters and depth are the base's.
SPECIALIST = (
    between("width", 0.25, 0.8),
    one_of("size", 32, 48, 64),
    between("jitter", 0.5, 4.0, "log"),
    one_of("frozen", 0, 1, 2, 3),
    between("network.dropout_head", 0.0, 0.4),
    *TRAINING,
)
HEAD_UNITS = {"heatmap": (32, 64, 96, 128), "dense": (64, 128, 256, 500)}  # of a specialist, by its head


def backbone_rows(settings):
    """Rows for the base network of `Settings`."""
    return (*NETWORKS[settings.network.backbone], *COMMON)


def specialist_rows(settings):
    """Rows for a specialist whose `SpecialistSettings` these are, with its network resolved."""
    units = HEAD_UNITS.get(own_value(settings.network, "head"), ())
    return (*SPECIALIST, *([one_of("network.dense_units", *units)] if units else []))


def fitted(rows, settings):
    """Rows that hold what `settings` have, with those values.

    A row that depends on another one that is not searched counts where `settings` fulfil it.

    Returns:
        (tuple of rows, dict of name to the value that `settings` have).
    """
    values = {row.name: current(settings, row.name) for row in rows}
    names = {row.name for row in rows}
    kept = []
    for row in rows:
        parent, wanted = row.when or (None, ())
        if parent is None or parent in names:
            kept.append(_holding(row, values[row.name]))
        elif current(settings, parent) in wanted:
            kept.append(_holding(dataclasses.replace(row, when=()), values[row.name]))
    return tuple(kept), {row.name: values[row.name] for row in kept}


def _holding(row, value):
    """The row, wide enough for `value`."""
    if row.choices:
        choices = row.choices if value in row.choices else (*row.choices, value)
        return dataclasses.replace(row, choices=choices if isinstance(value, str) else tuple(sorted(choices)))
    if row.scale == "log" and value <= 0:
        raise UsageError(f"{row.name}: expected more than 0 where a search begins; received {value:g}")
    return dataclasses.replace(row, low=min(row.low, value), high=max(row.high, value))


def current(settings, name):
    """The value of a dotted setting; where it is None, that which the network has of its own."""
    *path, last = name.split(".")
    for part in path:
        settings = getattr(settings, part)
    value = getattr(settings, last)
    return own_value(settings, last) if value is None else value


def own_value(network, field):
    """What a network has where `NetworkSettings` leave a field at None."""
    from base_models.backbones import BACKBONES
    from base_models.heads import HEADS
    from base_models.network import DROPOUT as RATES

    if getattr(network, field) is not None:
        return getattr(network, field)
    backbone = BACKBONES[network.backbone]
    head = network.head or backbone.head
    arguments = backbone.arguments if head == backbone.head else {}
    rates = {**RATES, **backbone.dropout}
    own = {"head": backbone.head, "activation": "relu", "dropout_head": rates["dropout_ceiling"], **rates, **arguments}
    if field in own:
        return own[field]
    for function in (backbone.build, HEADS[head]):
        known = inspect.signature(function).parameters
        if field in known and known[field].default is not inspect.Parameter.empty:
            return known[field].default
    raise UsageError(f"network.{field}: {network.backbone} has none")
