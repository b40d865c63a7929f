"""Trainings that go wrong, go on, and are done again: nothing but the settings decides what comes out."""

import functools
import hashlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from killing import ROOT, contents, differing, keep_checkpoints
from stages import OPTIONS, SETTINGS, STAGES
from test_house import COMMANDS
from test_networks import CONFORMANCE
from test_photos_score import album
from trust import sized

from base_models import base, fit, schedules
from base_models.base import train_base
from base_models.batches import Batches
from base_models.settings import NetworkSettings
from data.errors import TrainingError
from data.storage import read_arrays, sha256_of
from data.synthetic import make_faces

# -- numbers that are none


def face(images, points):
    images[-1, 3, 3] = np.nan


def label(images, points):
    points[0] = 3e38  # its square is no number of 32 bits; NaN and infinity would be a label that is not there


SPOILED = {"label": label, "input": face, "learning rate": None, "weights": None, "validation": None}


def spoil(patch, kind, epoch):
    """Let something be no number in the epoch of that number, counted from 0."""
    if SPOILED[kind]:
        real = Batches.__getitem__
        own = Batches.__init__

        def begin(self, *arguments):
            own(self, *arguments)
            self.epoch = arguments[-1]

        def batch(self, index):
            images, points = real(self, index)
            if self.epoch == epoch and index == len(self) - 1:
                SPOILED[kind](images, points)
            return images, points

        patch.setattr(Batches, "__init__", begin)
        patch.setattr(Batches, "__getitem__", batch)
    elif kind == "learning rate":
        real = fit.learning_rate
        patch.setattr(fit, "learning_rate", lambda s, e, scores: math.nan if e == epoch else real(s, e, scores))
    elif kind == "weights":
        real = fit.set_dropouts

        def begin(model, seed, now, factor):
            real(model, seed, now, factor)
            if now == epoch:
                model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)

        patch.setattr(fit, "set_dropouts", begin)
    else:
        seen, real = [], base.validation_scores
        patch.setattr(
            base,
            "validation_scores",
            lambda *a: (seen.append(1), real(*a))[1] | ({"val_trimmed": math.nan} if len(seen) > epoch else {}),
        )


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """`contents` of the base's training that nothing disturbed, and of its last checkpoint."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        keep_checkpoints(patch.setattr, folder / "kept")
        STAGES["base"][1](world, folder / "run")
    return contents(folder)


@pytest.mark.faults
@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_no_number_stops_the_training_in_its_epoch(kind, epoch, world, whole, tmp_path, monkeypatch, figures):
    run, checkpoint = tmp_path / "run", tmp_path / "run" / "base" / "checkpoint.npz"
    train = functools.partial(STAGES["base"][1], world, run)
    with monkeypatch.context() as patch:
        spoil(patch, kind, epoch)
        with pytest.raises(TrainingError, match=f"base: epoch {epoch + 1}: .*after epoch {epoch} is kept"):
            train()
    assert checkpoint.exists() == (epoch > 0)
    if epoch:
        arrays = read_arrays(checkpoint)
        state = json.loads(arrays.pop("state").tobytes())
        assert (len(state["history"]), 0 <= state["best_epoch"] < epoch) == (epoch, True)
        assert all(np.isfinite(array).all() for array in arrays.values())
    keep_checkpoints(monkeypatch.setattr, tmp_path / "kept")
    train()  # and with what it was meant to have it goes on as if nothing had been
    same = differing(contents(tmp_path), whole) == []
    figures("no number in a label, face, rate or weight: stopped in its epoch, went on to the same bytes", int(same), 1)
    assert same


# -- early stopping and schedules


FALLS = [9, 8, 8.5, 8.6, 7, 7.5, 7.6, 7.7, 6, 5, 4, 3]
SAVE = fit._save


class Stopped(BaseException):
    """Stands for the end of the process."""


def scripted(patch, scores):
    """Let the validation tell these scores, one an epoch."""
    left = iter(scores)

    def tell(*_):
        value = next(left)
        return {"val_rmse": value + 1, "val_trimmed": value}

    patch.setattr(base, "validation_scores", tell)


RESUMED = [pytest.param(*case, 1, marks=pytest.mark.faults) for case in (("plateau", 0),)]
RESUMED += [
    pytest.param(schedule, patience, len(FALLS), marks=pytest.mark.trust)
    for schedule in schedules.SCHEDULES
    for patience in (0, 3)
]


@pytest.mark.parametrize(("schedule", "patience", "stops"), RESUMED)
def test_early_stopping_and_schedules_go_on_as_if_nothing_had_been(
    schedule, patience, stops, world, tmp_path, monkeypatch, figures
):
    train = replace(SETTINGS.train, epochs=len(FALLS), schedule=schedule, patience=patience)
    settings = replace(SETTINGS, train=train)
    monkeypatch.setattr(schedules, "PLATEAU_PATIENCE", 2)

    def trained(name, scores):
        keep_checkpoints(patch.setattr, tmp_path / name / "kept")
        scripted(patch, scores)
        return train_base(world.faces, settings, tmp_path / name / "run", 0, shared=True).part.history()

    with monkeypatch.context() as patch:
        history, summary = trained("whole", FALLS)
    assert (summary["epochs"], summary["best_epoch"]) == ((12, 12) if patience == 0 else (8, 5))
    rates = [record["learning_rate"] for record in history]
    assert schedule == "constant" or len(set(rates)) > 1
    moments = range(1, len(history)) if stops > 1 else [random.Random(schedule).randrange(1, len(history))]
    good = 0
    for epoch in moments:

        def save(part, model, state, where, epoch=epoch):
            SAVE(part, model, state, where)
            if state.epoch == epoch:
                raise Stopped

        with monkeypatch.context() as patch:
            patch.setattr(fit, "_save", save)
            with pytest.raises(Stopped):
                trained(str(epoch), FALLS)
        with monkeypatch.context() as patch:
            trained(str(epoch), FALLS[epoch:])
        good += differing(contents(tmp_path / str(epoch)), contents(tmp_path / "whole")) == []
    figures("early stopping and schedules after a resume as without it", good, len(moments))
    assert good == len(moments)


# -- the same seed


def digests(names):
    """dict of network to the SHA-256 of its weights after a training, and of its last checkpoint's optimiser."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        folder = type(ROOT)(folder)
        keep_checkpoints(patch.setattr, folder / "kept")
        return {name: digest(name, folder) for name in names}


def digest(name, folder):
    network = NetworkSettings(backbone=name, **CONFORMANCE[name][0])
    settings = replace(tiny.settings(train__epochs=2), network=network)
    train_base(make_faces(24, seed=1, size=48), settings, folder / name, 7)
    [kept] = (folder / "kept").glob("*.npz")
    arrays = read_arrays(kept)
    arrays.pop("state")  # tells seconds
    kept.unlink()
    whole = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    return [sha256_of(folder / name / "base" / "weights.npz"), whole]


def elsewhere(names):
    """`digests` of a new process, in which hashes are others."""
    code = "import json, sys, test_trust_training as t; print('\\n' + json.dumps(t.digests(sys.argv[1:])))"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "20"}
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@sized("names", (["alexnet", "simple_cnn"],), (list(CONFORMANCE),))
def test_the_same_seed_gives_the_same_bytes_in_a_new_process(names, figures):
    """In another order: what was built before must not count."""
    one, other = digests(names), elsewhere(names[::-1])
    same = [name for name in names if one[name] == other[name]]
    figures("networks with the same bytes from the same seed in a new process", len(same), len(names))
    assert same == names
    assert len({tuple(each) for each in one.values()}) == len(names)


# -- what commands are given


@dataclass
class Given:
    """A folder of what a person has, of which no command may change a byte, and one for what commands make."""

    folder: Path
    made: Path

    def __truediv__(self, name):
        return self.folder / name

    def copy(self, name, parts=("base", "specialists", "ensemble")):
        """A run that a command may work in."""
        for part in parts:
            shutil.copytree(self.folder / "run" / part, self.made / name / part)
        return self.made / name

    def state(self):
        """dict of path to (bytes, time of the last change)."""
        times = {str(p.relative_to(self.folder)): p.stat().st_mtime_ns for p in self.folder.rglob("*")}
        return tiny.files(self.folder), {name: t for name, t in times.items() if not name.endswith(".lock")}


def given(world, folder):
    made = Given(folder / "given", folder / "made")
    shutil.copytree(world.data, made / "data")
    shutil.copytree(world.run, made / "run")
    (made / "photos").mkdir()
    album(made / "photos")
    (made / "settings.json").write_text('{"train": {"epochs": 1}}')
    (made / "names.txt").write_text("mine")
    made.made.mkdir()
    return made


def train_options(g, run):
    return [*OPTIONS, "--settings", g / "settings.json", "--data", g / "data", "--run", run]


NOSE = ["--networks=nose_tiny", "--epochs=1", f"--set=network.backbone={NetworkSettings().backbone}"]

# Arguments of every command. What it makes, it makes elsewhere.
CALLS = {
    "base_models.compare": lambda g: [*train_options(g, g.made / "c"), *NOSE],
    "base_models.features": lambda g: ["--run", g.copy("features")],
    "base_models.train": lambda g: train_options(g, g.made / "train"),
    "data.convert": lambda g: [g / "photos" / "faces.csv", g.made / "coco", "--to", "coco"],
    "data.synthetic": lambda g: ["--out", g.made / "drawn", "--count=12", "--test-count=2"],
    "reports.augmentation": lambda g: ["--data", g / "data", "--out", g.made / "augmentation.html"],
    "reports.build": lambda g: [g.copy("report")],
    "reports.compare": lambda g: [g / "run", g / "run", "--out", g.made / "pair.html"],
    "reports.labels": lambda g: ["--data", g / "data", "--out", g.made / "labels.html"],
    "specialists.distill": lambda g: train_options(g, g.copy("taught")),
    "specialists.ensemble": lambda g: [*train_options(g, g.copy("merged"))[2:], *OPTIONS, "--with", g / "run"],
    "specialists.evaluate": lambda g: ["--data", g / "data", "--run", g / "run", "--out", g.made / "seen"],
    "specialists.export": lambda g: ["--run", g.copy("exported"), "--format=onnx"],
    "specialists.morph": lambda g: [*photos(g), "--run", g / "run", "--frames=3", "--out", g.made / "morph.gif"],
    "specialists.photos_score": lambda g: ["--data", g / "photos" / "faces.csv", "--run", g / "run", "--most=1"],
    "specialists.predict": lambda g: [*photos(g), "--run", g / "run", "--out", g.made / "answers"],
    "specialists.serve": lambda g: ["--run", g / "run", "--port=0"],
    "specialists.submission": lambda g: ["--data", g / "data", "--run", g / "run", "--out", g.made / "out.csv"],
    "specialists.train": lambda g: [*train_options(g, g.made / "all"), "--keypoint", "nose_tip"],
    "tuning.search": lambda g: [*train_options(g, g.made / "search"), "--backbone=nose_tiny", "--trials=1"],
    "tuning.sweep": lambda g: [*train_options(g, g.made / "sweep"), "--vary=learning_rate=1e-3", "--epochs=1"],
}
QUICK = ("data.convert", "specialists.submission", "specialists.ensemble")


def photos(g):
    return sorted((g / "photos").glob("*.png"))


@sized("commands", (QUICK,), (tuple(COMMANDS),))
def test_no_command_changes_what_it_is_given(commands, world, starter, tmp_path, figures):
    own, changed, failed = given(world, tmp_path), [], {}
    before = own.state()
    for command in commands:
        child = starter.start(command, *CALLS[command](own), pages=command.startswith("reports"))
        if command == "specialists.serve":
            while "http" not in child.out + child.err:
                assert child.poll() is None, child.err
                time.sleep(0.1)
            child.kill(signal.SIGTERM)
        status = child.wait()
        if status != 0:  # serving ends well by a signal
            failed[command] = status, child.err[-500:]
        if own.state() != before:
            changed.append(command)
            before = own.state()
    figures("commands that change nothing they are given", len(commands) - len(changed), len(commands))
    assert (changed, failed) == ([], {})
