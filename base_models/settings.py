"""Settings: frozen dataclasses with good defaults. Everything that determines a result is here or in the data.

`--set KEY=VALUE` takes the dotted name of a field, such as `train.epochs=20`; `--settings FILE` a JSON object of
the same fields, nested or dotted. An unknown key or a value of the wrong type is an error.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import get_args

from base_models.recipes import recipe_named
from data.augment import AugmentSettings
from data.crops import CROPS, FaceSettings
from data.errors import RunError, UsageError
from data.storage import read_json


@dataclass(frozen=True)
class SplitSettings:
    """What is held out. Grouped by person and image, stratified by convention, never augmented."""

    share: float = 0.1  # of the rows, to stop early by, to fit the merge on, and to report
    fold: int = 0  # which of the round(1 / share) folds
    seed: int | None = None  # of the dealing of persons to folds; None = the run's


@dataclass(frozen=True)
class NetworkSettings:
    """What a network is built from. None = the network's own, as base_models/backbones.py has it."""

    backbone: str | None = "resnet"  # a name in base_models.backbones.BACKBONES; None, of a specialist: the base's
    values: str = "standard"  # of its input: mean 0 and deviation 1 of each image; unit: 0..1; centred; imagenet
    filters: int | None = None  # channels of the first layer; the others are multiples of it
    depth: int | None = None  # how many blocks, or of what else its docstring says
    kernel: int | None = None  # px, side of the first kernels; of all where the network has one size throughout
    padding: str | None = None  # valid or same, of the small networks, which have valid
    activation: str | None = None  # in place of every ReLU: elu, gelu, silu, tanh, leaky_relu
    weights: str = "none"  # imagenet: start the base from there; the networks of base_models/pretrained.py only
    head: str | None = None  # dense, pooled, heatmap
    dense_layers: int | None = None  # hidden layers of the dense head
    dense_units: int | None = None  # width of each; channels of the heat-map head
    dense_norm: bool | None = None  # whether batch norm follows each
    decoding: str = "soft_argmax"  # of heat maps, by their softmax; argmax and centre_of_mass take a loss of maps
    dropout_start: float | None = None  # rate after the first block
    dropout_step: float | None = None  # how much it rises from block to block
    dropout_ceiling: float | None = None  # and its highest value
    dropout_head: float | None = None  # rate in the head; where a network has none, what the rise reaches there


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained."""

    epochs: int = 60  # most passes over the training rows
    patience: int = 30  # epochs without a better trimmed validation RMSE before stopping early; 0 = never
    batch_size: int = 32  # faces
    optimizer: str = "adamw"  # adam, adamw, sgd (with momentum), nadam, rmsprop
    learning_rate: float = 2e-3  # its highest value
    schedule: str = "one_cycle"  # constant, step, cosine, one_cycle, plateau
    step_every: int = 0  # epochs between the tenths of `step`; 0 = after half and three quarters of the epochs
    weight_decay: float = 0.05  # AdamW only, per step and unit of learning rate
    momentum: float = 0.9  # SGD only
    clip_norm: float = 1.0  # of the whole gradient; the loss is in px, so SGD diverges without it. 0 = off
    loss: str = "huber"  # a name in base_models.losses: LOSSES, of coordinates, or MAP_LOSSES, of heat maps
    huber_delta: float = 1.0  # px; beyond it an error counts linearly, so wrong labels pull less
    wing_width: float = 10.0  # px; within it the wing loss is a logarithm
    wing_curve: float = 2.0  # px; where that bends
    map_target: str = "gaussian"  # what a heat map shall look like: gaussian, or disc of ones
    map_radius: float = 4.0  # px; its standard deviation or radius
    averaging: float = 0.07  # share of the epochs over which the weights are averaged for validation; 0 = off
    dropout_ramp: float = 0.0  # share of the epochs over which dropout rises from 0 to its rate; 0 = full at once
    precision: str = "float32"  # or mixed_bfloat16: faster where the machine has bf16 matrix instructions


@dataclass(frozen=True)
class TeacherSettings:
    """Networks trained before the base. Where a training row lacks a label, their answer stands in for it."""

    count: int = 0  # each is taught by those before it. Two of them more than double the base's time for a little
    # accuracy (docs/experiments.md). A set that lacks no labels has none
    epochs: int = 40  # of each; all else as in `train`
    rows: int = 1000  # fewest training rows; whether they help on smaller sets was not tried


@dataclass(frozen=True)
class SpecialistSettings:
    """A specialist looks at a part of the face, turned upright, around the point that the base predicts."""

    width: float = 0.4  # side of the square it sees, as a share of the aligned face image
    size: int = 48  # px of its input
    jitter: float = 2.0  # px of the face image; standard deviation of the centre while training
    frozen: int = 1  # how many of the first blocks keep the base's weights
    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(backbone=None))
    train: TrainSettings = field(default_factory=lambda: TrainSettings(epochs=20, patience=10))
    augment: AugmentSettings = field(
        default_factory=lambda: AugmentSettings(rotation=10, scale=0.1, shift=0.0, stretch=0.0, erase=0.0)
    )


@dataclass(frozen=True)
class EnsembleSettings:
    """How base and specialists are merged."""

    flip: bool = True  # average every member's answer with that for the mirrored face
    shifts: bool = True  # average the bases' answers on a set with those for four shifted views of the face
    calibrate: bool = True  # take out what the set's framing and drawing say of errors (base_models/calibration.py)
    reach: float = 4.0  # px; a specialist moves the base's point no farther, so that freak faces stay whole


@dataclass(frozen=True)
class StudentSettings:
    """One small network that is taught what a whole ensemble answers (`specialists.distill`), to be exported."""

    trust: float = 1.0  # in what it is taught: 1 = the ensemble's answer alone, 0 = the label where there is one
    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(depth=1, dense_units=32))
    train: TrainSettings = field(default_factory=lambda: TrainSettings(epochs=120, patience=60))


@dataclass(frozen=True)
class ReportSettings:
    """What the reports say beside the figures."""

    anchors: str = ""  # scores to compare with, RMSE in px on the same faces: "dlib=1.96, mean of the labels=3.79"


@dataclass(frozen=True)
class Settings:
    """All settings of a run."""

    faces: FaceSettings = field(default_factory=FaceSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    teachers: TeacherSettings = field(default_factory=TeacherSettings)
    specialist: SpecialistSettings = field(default_factory=SpecialistSettings)
    ensemble: EnsembleSettings = field(default_factory=EnsembleSettings)
    student: StudentSettings = field(default_factory=StudentSettings)
    report: ReportSettings = field(default_factory=ReportSettings)


# What a text may be: the names of the registries, which this file cannot import without Keras; a test compares them.
CHOICES = {
    "backbone": (
        *("alexnet", "alexnet_strided", "simple_cnn", "vgg", "inception", "googlenet"),
        *("resnet", "resnet18", "resnet18_strided", "mobilenet", "mobilenet_v2"),
        *("nose_small", "nose_tiny", "nose_deep", "medium", "large", "wide256", "points68", "unet"),
        *("keras_mobilenet", "keras_resnet50", "keras_vgg16"),
    ),
    "values": ("standard", "unit", "centred", "imagenet"),
    "head": ("dense", "pooled", "heatmap"),
    "padding": ("valid", "same"),
    "activation": ("relu", "elu", "gelu", "silu", "tanh", "leaky_relu"),
    "weights": ("none", "imagenet"),
    "decoding": ("soft_argmax", "argmax", "centre_of_mass"),
    "optimizer": ("adam", "adamw", "sgd", "nadam", "rmsprop"),
    "schedule": ("constant", "step", "cosine", "one_cycle", "plateau"),
    "loss": ("huber", "mse", "mae", "wing", "gaussian_nll", "map_mse", "map_cross_entropy"),
    "map_target": ("gaussian", "disc"),
    "precision": ("float32", "mixed_bfloat16"),
    "crop": CROPS,
}

# Lowest and highest value of each number. The highest ones only keep slips of the finger from filling the memory.
LIMITS = {
    FaceSettings: {**{"enlarge": (0.1, 10), "height": (16, 2048), "width": (16, 2048)}, "pts_first": (0, 1)},
    SplitSettings: {"share": (0.01, 0.5), "fold": (0, 99), "seed": (0, 2**32 - 1)},
    NetworkSettings: {
        **{"filters": (1, 1024), "depth": (1, 20), "kernel": (1, 31)},
        **{"dense_layers": (0, 8), "dense_units": (1, 16384)},
        **dict.fromkeys(("dropout_start", "dropout_step", "dropout_ceiling", "dropout_head"), (0, 0.95)),
    },
    TrainSettings: {
        **{"epochs": (1, 100_000), "patience": (0, 100_000), "batch_size": (1, 65536), "learning_rate": (1e-9, 1e3)},
        **{"weight_decay": (0, 1e3), "momentum": (0, 0.9999), "clip_norm": (0, 1e9), "huber_delta": (1e-3, 1e6)},
        "step_every": (0, 100_000),
        **{"wing_width": (1e-3, 1e6), "wing_curve": (1e-3, 1e6), "map_radius": (0.1, 1e3), "dropout_ramp": (0, 1)},
        "averaging": (0, 1),
    },
    TeacherSettings: {"count": (0, 9), "epochs": (1, 100_000), "rows": (0, 1_000_000_000)},
    # Below 16 px nothing is left after four halvings.
    SpecialistSettings: {"width": (0.05, 4), "size": (16, 1024), "jitter": (0, 1e3), "frozen": (0, 4)},
    AugmentSettings: {
        **{"flip": (0, 1), "rotation": (0, 180), "scale": (0, 0.9), "shift": (0, 1)},
        **{"brightness": (0, 1), "contrast": (0, 1), "blur": (0, 100), "noise": (0, 255)},
        **{"saturation": (0, 1), "steady": (0, 1), "stretch": (0, 0.9), "erase": (0, 1)},
    },
    EnsembleSettings: {"reach": (0, 1e6)},
    StudentSettings: {"trust": (0, 1)},
    ReportSettings: {},
}


def with_overrides(settings, overrides, where="--set"):
    """A copy of a settings dataclass with dotted fields replaced.

    Args:
        settings: any of the dataclasses here.
        overrides: dict of dotted field name to value; text is read as the field's type.
        where: named in errors.

    Raises:
        UsageError: unknown field, or a value of another type or out of range.
    """
    for key, value in overrides.items():
        settings = _replaced(settings, key.split("."), value, f"{where}: {key}")
    return settings


def _replaced(settings, path, value, where):
    name, *rest = path
    kinds = {f.name: f.type for f in dataclasses.fields(settings)}
    names = list(kinds)
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{where}: expected one of {', '.join(names)}; received {name!r}{hint}")
    old = getattr(settings, name)
    if rest and not dataclasses.is_dataclass(old):
        raise UsageError(f"{where}: {name!r} has no fields")
    if rest:
        new = _replaced(old, rest, value, where)
    else:
        new = _allowed(settings, name, _converted(kinds[name], value, where), where)
    return dataclasses.replace(settings, **{name: new})


def _converted(kind, value, where):
    if dataclasses.is_dataclass(kind):
        raise UsageError(f"{where}: expected one of its fields: {', '.join(f.name for f in dataclasses.fields(kind))}")
    if get_args(kind):  # int | None
        if value is None:
            return None
        kind = get_args(kind)[0]
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if kind in (int, float) and isinstance(value, bool):
            raise ValueError
        if kind is int and float(value) != int(value):
            raise ValueError
        new = kind(value)
        if kind in (int, float) and not 0 <= new < float("inf"):  # no setting means anything below 0
            raise ValueError
        if kind is str and not isinstance(value, str):
            raise ValueError
        return new
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        words = {
            bool: "true or false",
            int: "a whole number of 0 or more",
            float: "a finite number of 0 or more",
            str: "text",
        }
        raise UsageError(f"{where}: expected {words[kind]}; received {value!r}") from error


def _allowed(settings, name, value, where):
    if isinstance(value, str) and name in CHOICES and value not in CHOICES[name]:
        raise UsageError(f"{where}: expected one of {', '.join(CHOICES[name])}; received {value!r}")
    low, high = LIMITS[type(settings)].get(name, (-math.inf, math.inf))
    if not isinstance(value, str | None) and not low <= value <= high:
        raise UsageError(f"{where}: expected {low:g} to {high:g}; received {value!r}")
    return value


def flatten(tree, prefix=""):
    """Dotted keys of a nested dict."""
    flat = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def read_settings(file=None, assignments=(), recipe=None):
    """Settings from the defaults, then a recipe's name, then a JSON file, then `KEY=VALUE` texts.

    Returns:
        (`Settings`, dict of overrides for single points: {"nose_tip": {"train.epochs": 50}}).

    Raises:
        UsageError: naming the file or option and the key.
    """
    overrides, start = {}, Settings()
    if recipe is not None:
        start = with_overrides(start, recipe_named(recipe).overrides(), f"--recipe {recipe}")
    if file is not None:
        try:
            overrides = flatten(read_json(file))
        except RunError as error:
            raise UsageError(f"--settings {error}") from error
    settings, points = _apply(start, {}, overrides, f"--settings {file}")
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set: expected KEY=VALUE; received {text!r}")
        settings, points = _apply(settings, points, {key: value}, "--set")
    return settings, points


def _apply(settings, points, overrides, where):
    """`points.NAME.KEY` goes to one specialist; every other key to the run."""
    for key, value in overrides.items():
        if key.startswith("points."):
            _, name, *rest = key.split(".")
            with_overrides(settings.specialist, {".".join(rest): value}, f"{where}: points.{name}")
            points = {**points, name: {**points.get(name, {}), ".".join(rest): value}}
        else:
            settings = with_overrides(settings, {key: value}, where)
    return settings, points
