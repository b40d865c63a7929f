"""Weights and checkpoints of another point, network, width or run are refused before anything of them is loaded."""

import shutil

import numpy as np
import pytest
import tiny
from test_trust_corruption import PART, SPECIALIST

from base_models import weights
from data.errors import RunError
from data.runs import Part
from data.storage import read_arrays, read_json, write_json
from data.synthetic import make_faces

pytestmark = pytest.mark.faults
FACES, OWN = make_faces(40, seed=2, size=32), tiny.settings(train__epochs=1, specialist__train__epochs=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with a base and a specialist, and the base's checkpoint in base-stopped/."""
    from specialists.pipeline import train_specialists

    folder, drop = tmp_path_factory.mktemp("whole") / "run", Part.drop_checkpoint

    def keep(part):
        if part.checkpoint.exists():
            shutil.copy(part.checkpoint, folder / f"{part.folder.name}.npz")
        drop(part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.run_pages.build_all", lambda run: None)
        patch.setattr(Part, "drop_checkpoint", keep)
        train_specialists(["nose_tip"], FACES, OWN, {}, folder, 0)
    return folder


def changed(run, part, **values):
    """Other settings in a part, with a manifest that fits them."""
    made = read_json(run / part / "settings.json")
    for name, value in values.items():
        made = made | {name: made[name] | value if isinstance(value, dict) else value}
    write_json(run / part / "settings.json", made)
    Part(run / part).seal(PART)


def weights_from(run, there, here):
    shutil.copy(run / there / "weights.npz", run / here)
    Part(run / here).seal(PART)


def point_from(run, there, here):
    shutil.copytree(run / "specialists" / there, run / "specialists" / here)


SWAPS = {  # name: (what is done to a run, part of the refusal)
    "weights that no manifest tells": (
        lambda run: shutil.copy(run / SPECIALIST / "weights.npz", run / "base"),
        "weights.npz: damaged: its SHA-256 differs",
    ),
    "weights of another point": (lambda run: weights_from(run, SPECIALIST, "base"), "missing or unknown"),
    "weights of another width": (lambda run: changed(run, "base", network={"filters": 6}), "expected shape"),
    "weights of another network": (lambda run: changed(run, "base", network={"backbone": "vgg"}), "missing or unknown"),
    "weights of another size of picture": (lambda run: changed(run, "base", shape=[48, 48, 1]), "expected shape"),
    "weights of other points": (lambda run: changed(run, "base", schema="ibug68"), "expected shape"),
    "a specialist of another point": (
        lambda run: point_from(run, "nose_tip", "left_eye_center"),
        "expected the specialist of left_eye_center; received that of nose_tip",
    ),
    "a specialist of another run": (
        lambda run: changed(run, SPECIALIST, base="0" * 64),
        "was trained from another base",
    ),
    "a specialist of another network": (
        lambda run: changed(run, SPECIALIST, specialist={"size": 64}),
        "expected shape|expected the weights",
    ),
}

# The part that is refused, where it is not the base. That of another point has a good one's weights.
BAD = {f"a specialist of another {what}": SPECIALIST for what in ("run", "network")}
BAD["a specialist of another point"] = "specialists/left_eye_center"


@pytest.mark.parametrize("kind", SWAPS)
def test_weights_of_another_are_refused(whole, tmp_path, monkeypatch, figures, kind):
    from specialists.members import load_team

    swap, words = SWAPS[kind]
    shutil.copytree(whole, tmp_path / "run")
    swap(tmp_path / "run")
    told, loaded, load = "", [], weights._assign
    monkeypatch.setattr(weights, "_assign", lambda variables, arrays: (loaded.append(arrays), load(variables, arrays)))
    try:
        team = load_team(tmp_path / "run")
        for specialist in team.specialists.values():
            specialist.predict(FACES.images[:2], np.nan_to_num(FACES.slots[:2], nan=15.5))
    except RunError as error:
        told = str(error)
    good = any(part in told for part in words.split("|")) and str(tmp_path / "run") in told
    given = read_arrays(tmp_path / "run" / BAD.get(kind, "base") / "weights.npz")
    good = good and not any(equal(arrays, given) for arrays in loaded)
    figures("weights and checkpoints of another refused, nothing of them loaded", good, 1)
    assert good, told


def equal(one, other):
    """Are these the same arrays under the same names?"""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["base", "nose_tip"])
def test_a_checkpoint_of_another_training_is_refused(whole, tmp_path, monkeypatch, figures, name):
    """With the same network, even: another seed, or another part."""
    from base_models.base import identity, train_base

    part = Part(tmp_path / "base", identity(FACES, OWN, 1))
    with part.opened():
        shutil.copy(whole / f"{name}.npz", part.checkpoint)
    told, loaded, load = "", [], weights._assign
    monkeypatch.setattr(weights, "_assign", lambda variables, arrays: (loaded.append(arrays), load(variables, arrays)))
    try:
        train_base(FACES, OWN, tmp_path, 1)
    except RunError as error:
        told = str(error)
    good = "checkpoint.npz: expected a checkpoint of this network" in told
    good = good and ("that of another training" in told or name != "base")
    given = {key.partition("/")[2]: a for key, a in read_arrays(part.checkpoint).items() if key.startswith("model/")}
    good = good and not any(equal(arrays, given) for arrays in loaded)
    figures("weights and checkpoints of another refused, nothing of them loaded", good, 1)
    assert good, told
    assert not (tmp_path / "base" / "manifest.json").exists()
