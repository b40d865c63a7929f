"""What the trust tests try: a small competition, a run on it, and the stages of a run; and its commands."""

import functools
from dataclasses import dataclass

import killing
import pytest
import tiny

from base_models.base import load_base, split_faces, train_base
from base_models.settings import with_overrides
from data.sources import read_training
from data.storage import TEMPORARY
from data.synthetic import make_files
from specialists.distill import train_student
from specialists.ensemble import build_ensemble
from specialists.specialist import Looked, train_specialist
from specialists.submission import write_submission
from tuning.goals import BaseGoal
from tuning.plan import Plan
from tuning.search import search

OWN = {
    "network.backbone": "nose_tiny",
    "network.padding": "same",
    "network.dropout_head": 0.2,
}  # built and traced in a second
OVERRIDES = {**OWN, **{f"{part}.{key}": value for part in ("specialist", "student") for key, value in OWN.items()}}
SETTINGS = with_overrides(tiny.settings(), OVERRIDES)
OPTIONS = [*tiny.COMMAND, *(f"--set={key}={value}" for key, value in OVERRIDES.items())]
PLAN = Plan("random", 2, only=("train.learning_rate", "augment.rotation"), epochs=1, seeds=0)


@dataclass
class World:
    """What the stages work on: a small competition, and a run on it that nothing stopped."""

    data: object
    faces: object
    run: object

    @functools.cached_property
    def looked(self):
        """Base, training and held-out `Looked`."""
        base, split = load_base(self.run), split_faces(self.faces, SETTINGS.split, 0)
        return base, *(Looked(side, base.look(side.images, False)[0]) for side in (split.train, split.validation))


def make_world(folder):
    """A `World` in a folder."""
    make_files(folder / "data", 60, 6, seed=4)
    made = World(folder / "data", read_training(str(folder / "data"), 0), folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        killing.quick_pages(patch.setattr)
        for stage in ("base", "specialist", "ensemble"):
            STAGES[stage][1](made, made.run)
    return made


def specialist(world, run):
    base, train, held = world.looked
    train_specialist("nose_tip", base, train, held, SETTINGS.specialist, run)


# What the run already has, and the call that is killed.
STAGES = {
    "base": ((), lambda world, run: train_base(world.faces, SETTINGS, run, 0, shared=True)),
    "specialist": ((), specialist),
    "ensemble": (("base", "specialists"), lambda world, run: build_ensemble(run, world.faces, SETTINGS, 0)),
    "student": (
        ("base", "specialists", "ensemble"),
        lambda world, run: train_student(world.faces, SETTINGS, run, 0),
    ),
    "submission": (
        ("base", "specialists", "ensemble"),
        lambda world, run: write_submission(str(world.data), run, run / "out.csv"),
    ),
    "search": ((), lambda world, run: search(BaseGoal(world.faces, SETTINGS, 0), run, PLAN)),
}


def base_command(world, run, *more):
    """Arguments of `killing.Starter.start` that train the base of a run."""
    return ["base_models.train", *OPTIONS, "--data", world.data, "--run", run, *more]


def left_over(folder):
    """Names of temp files below a folder."""
    return [name for name in tiny.files(folder) if TEMPORARY in name]
