"""Experiments by name: what each network was first trained on, and how. `--recipe NAME`; every other option overrides.

A recipe is a row of settings over the defaults, so `--settings` and `--set` change any of them. Learning curves,
figures and pictures of each: docs/recipes.md.
"""

import argparse
from dataclasses import dataclass, fields

from data.errors import DataError, UsageError


@dataclass(frozen=True)
class Recipe:
    """A row of RECIPES.

    Args:
        about: one line.
        points: what the name of the faces' schema begins with.
        settings: dict of dotted setting to value.
    """

    about: str
    points: str
    settings: dict

    def overrides(self):
        """dict of dotted setting to value: of a recipe that says anything, also no random views but its own."""
        from data.augment import AugmentSettings

        views = {f"augment.{field.name}": 0 for field in fields(AugmentSettings)} if self.settings else {}
        return views | self.settings


# The first experiments had none of what the defaults add; `Recipe.overrides` turns the random views off.
PLAIN = {
    **{"train.schedule": "constant", "train.optimizer": "adam", "train.clip_norm": 0, "train.patience": 0},
    **{"train.loss": "mse", "train.averaging": 0, "teachers.count": 0},
    **{"ensemble.flip": False, "ensemble.shifts": False, "ensemble.calibrate": False},
}
# Brightness and saturation +-25 % on three views of ten, rotation +-15 degrees; the shift depends on the size.
JITTER = {"augment.brightness": 0.25, "augment.saturation": 0.25, "augment.steady": 0.7, "augment.rotation": 15}
FIVE_FOLDS = {"split.share": 0.2}  # eight of the 40 persons of IMM


def _whole(width, height):
    """The whole photo, grey."""
    return {"faces.crop": "photo", "faces.width": width, "faces.height": height}


def _box(side):
    """The set's box, enlarged by a fifth."""
    return {"faces.crop": "box", "faces.enlarge": 1.2, "faces.width": side, "faces.height": side}


NOSE = {**PLAIN, **FIVE_FOLDS, **_whole(80, 60), "faces.points": "nose_tip", "network.values": "centred"}
NOSE |= {"train.learning_rate": 1e-3, "train.epochs": 25, "train.batch_size": 8}
IMM = {**PLAIN, **FIVE_FOLDS, **JITTER, "network.values": "centred", "train.learning_rate": 1e-3, "train.batch_size": 8}
IMM |= {"train.epochs": 25, "specialist.network.padding": "same"}  # what a specialist sees is small
MAPS = {**PLAIN, **_box(128), "network.backbone": "unet", "network.values": "centred", "train.batch_size": 16}
MAPS |= {"train.loss": "map_cross_entropy", "network.decoding": "centre_of_mass", "train.map_radius": 3}
# Specialists have their base's network, so they learn maps too.
MAPS |= {f"specialist.{key}": MAPS[key] for key in ("train.loss", "train.map_radius")}
MAPS |= {"train.learning_rate": 5e-3, "train.schedule": "step", "train.step_every": 5, "train.epochs": 15}

RECIPES = {
    "imm-nose-small": Recipe(
        "nose tip on whole IMM photos of 80x60 px: four small convolutions, Adam 1e-3, squared error",
        "imm58",
        {**NOSE, "network.backbone": "nose_small"},
    ),
    "imm-nose-tiny": Recipe(
        "the same with three convolutions",
        "imm58",
        {**NOSE, "network.backbone": "nose_tiny"},
    ),
    "imm-58-medium": Recipe(
        "58 points on whole IMM photos of 240x180 px: five convolutions of 64 to 32 channels, random views",
        "imm58",
        {**IMM, **_whole(240, 180), "network.backbone": "medium", "augment.shift": 10 / 240},
    ),
    "imm-58-large": Recipe(
        "58 points on whole IMM photos of 320x240 px: five convolutions of 128 to 32 channels, random views",
        "imm58",
        {**IMM, **_whole(320, 240), "network.backbone": "large", "augment.shift": 10 / 320},
    ),
    "imm-58-wide": Recipe(
        "58 points on whole IMM photos of 240x180 px: five convolutions of 256 channels, random views",
        "imm58",
        {**IMM, **_whole(240, 180), "network.backbone": "wide256", "augment.shift": 10 / 240},
    ),
    "300w-resnet18": Recipe(
        "68 points in 300-W's boxes x1.2 at 224 px: residual net of 18 layers, Adam 1e-3 x0.1 every 8 epochs",
        "ibug68",
        {
            **{**PLAIN, **JITTER, **_box(224), "augment.shift": 10 / 224, "network.backbone": "resnet18_strided"},
            **{"network.values": "centred", "train.learning_rate": 1e-3, "train.epochs": 20, "train.batch_size": 32},
            **{"train.schedule": "step", "train.step_every": 8},
        },
    ),
    "youtube-68": Recipe(
        "68 points on whole YouTube frames at 224 px, windows of the frame at 250: the 7-5-3-3-3 net, RMSprop 1e-4",
        "ibug68",
        {
            **{**PLAIN, **_whole(224, 224), "augment.shift": (250 - 224) / 2 / 224, "network.backbone": "points68"},
            **{"network.values": "unit", "train.optimizer": "rmsprop", "train.learning_rate": 1e-4},
            **{"train.epochs": 20, "train.batch_size": 10, "specialist.network.padding": "same"},
        },
    ),
    "300w-unet-gaussian": Recipe(
        "68 heat maps of a U-Net at 128 px: Gaussians of 3 px, cross-entropy, weighted argmax, 5e-3 x0.1 each 5 epochs",
        "ibug68",
        {**MAPS, "train.map_target": "gaussian", "specialist.train.map_target": "gaussian"},
    ),
    "300w-unet-disc": Recipe(
        "the same with discs of radius 3 px",
        "ibug68",
        {**MAPS, "train.map_target": "disc", "specialist.train.map_target": "disc"},
    ),
    "kaggle-15": Recipe(
        "15 points on Kaggle's faces: the defaults, a small residual net with a heat-map head",
        "kaggle15",
        {},
    ),
    "kaggle-15-alexnet": Recipe(
        "15 points on Kaggle's faces, mirrored ones too: AlexNet's layout, dropout that rises, squared error",
        "kaggle15",
        {
            **PLAIN,
            **{"augment.flip": 0.5, "network.backbone": "alexnet", "train.learning_rate": 1e-3, "train.epochs": 60},
            **{"network.dropout_start": 0.1, "network.dropout_step": 0.1, "network.dropout_ceiling": 0.5},
        },
    ),
}


def recipe_named(name):
    """The recipe of a name. Raises UsageError naming what there is."""
    if name not in RECIPES:
        raise UsageError(f"--recipe: expected one of {', '.join(RECIPES)}; received {name!r}")
    return RECIPES[name]


def check_recipe(name, faces):
    """Raises DataError where faces have not the points that a recipe is for."""
    wanted = recipe_named(name).points
    if not faces.schema.name.startswith(wanted):
        raise DataError(f"--recipe {name}: expected --data with {wanted} points; received {faces.schema.name}")


def listed():
    """Lines of text: every recipe with its line."""
    width = max(map(len, RECIPES))
    return [f"{name:{width}}  {recipe.about}" for name, recipe in RECIPES.items()]


class ListRecipes(argparse.Action):
    """`--list-recipes`: print them and end, whatever else is missing."""

    def __init__(self, option_strings, dest, **options):
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser, *_):
        print("\n".join(listed()))
        parser.exit()
