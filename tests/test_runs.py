"""Parts of a run: made once, resumed or refused, whole or absent, and checked when they are read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import RunError
from data.runs import Part
from data.storage import TEMPORARY, read_json, sha256_of, write_arrays

ROOT = Path(__file__).parent.parent
IDENTITY = {"seed": 0, "data": "abc", "train": {"epochs": 3, "loss": "huber"}, "shape": (96, 96, 1)}
ARRAYS = {"w/kernel": np.arange(6, dtype=np.float32), "w/bias": np.zeros(2)}
HISTORY, SUMMARY = [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": 1.5}], {"best_epoch": 1}
NAMES = ("settings.json", "weights.npz", "history.json")


def trained(folder, identity=IDENTITY, arrays=ARRAYS):
    """A part that is trained, or gone on with, or left as it is where it is finished."""
    part = Part(folder, identity)
    if part.finished:
        part.drop_checkpoint()
        return part
    with part.opened():
        write_arrays(part.checkpoint, {"state": np.zeros(3)})
        part.finish(arrays, HISTORY, SUMMARY)
    return part


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".lock"}


def test_a_part_is_finished_once_it_has_a_manifest(tmp_path):
    part = Part(tmp_path / "base", IDENTITY)
    assert not part.finished
    with part.opened():
        assert not part.finished
        write_arrays(part.checkpoint, {"state": np.zeros(3)})
        assert not part.finished
        part.finish(ARRAYS, HISTORY, SUMMARY)
    assert part.finished
    assert set(contents(part.folder)) == {*NAMES, "manifest.json"}  # the checkpoint has done its work


def test_what_was_finished_is_read_back(tmp_path):
    trained(tmp_path / "base")
    part = Part(tmp_path / "base")  # whoever reads need not know how it was made
    assert part.finished
    weights = part.weights()
    assert weights.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(weights[name], array)
    assert part.history() == (HISTORY, SUMMARY)
    settings = {**IDENTITY, "shape": [96, 96, 1], "format": 1}
    assert part.settings() == settings
    assert part.fingerprint() == sha256_of(part.folder / "weights.npz")


DIFFERENT = [
    ({**IDENTITY, "seed": 1}, ["seed (0, now 1)"]),
    ({**IDENTITY, "data": "xyz", "seed": 7}, ["data (abc, now xyz)", "seed (0, now 7)"]),
    ({**IDENTITY, "train": {"epochs": 4, "loss": "huber"}}, ["train.epochs (3, now 4)"]),
    ({**IDENTITY, "train": {"epochs": 3}}, ["train.loss (huber, now None)"]),
    ({**IDENTITY, "extra": 5}, ["extra (None, now 5)"]),
    ({**IDENTITY, "shape": (96, 96, 3)}, ["shape ([96, 96, 1], now [96, 96, 3])"]),
    ({**IDENTITY, "train": None}, ["train ("]),
]


def in_training(folder, identity=IDENTITY):
    """A part that was stopped after its first epoch."""
    with Part(folder, identity).opened() as part:
        write_arrays(part.checkpoint, {"state": np.arange(3)})
    return part


@pytest.mark.parametrize(("identity", "words"), DIFFERENT)
@pytest.mark.parametrize("made", [trained, in_training])
def test_another_identity_is_refused_naming_what_differs_and_nothing_else(tmp_path, identity, words, made):
    made(tmp_path / "base")
    before = contents(tmp_path / "base")
    with pytest.raises(RunError) as told:
        trained(tmp_path / "base", identity)
    said = str(told.value)
    assert said.startswith(f"{tmp_path / 'base'}: was trained with other ")
    assert all(word in said for word in words)
    assert said.count(", now ") == len(words)
    assert contents(tmp_path / "base") == before


def test_many_differences_are_cut_short(tmp_path):
    trained(tmp_path, {f"key{i}": 0 for i in range(20)})
    with pytest.raises(RunError) as told:
        _ = Part(tmp_path, {f"key{i}": "x" * 1000 for i in range(20)}).finished
    assert str(told.value).count(", now ") == 6
    assert " ...; repeat its options, choose another --run" in str(told.value)
    assert len(str(told.value)) < 600


def test_a_tuple_is_the_list_it_is_read_back_as(tmp_path):
    trained(tmp_path / "base")
    assert Part(tmp_path / "base", {**IDENTITY, "shape": [96, 96, 1]}).finished


def test_a_training_is_gone_on_with(tmp_path):
    before = contents(in_training(tmp_path / "base").folder)
    with Part(tmp_path / "base", IDENTITY).opened() as again:
        assert contents(again.folder) == before


def test_settings_that_nothing_was_trained_with_yet_may_change(tmp_path):
    with Part(tmp_path / "base", IDENTITY).opened():
        pass
    part = trained(tmp_path / "base", {**IDENTITY, "seed": 9})
    assert part.settings()["seed"] == 9


def test_a_part_that_another_process_finished_meanwhile_is_not_trained_again(tmp_path):
    part = trained(tmp_path / "base")
    before = contents(part.folder)
    with pytest.raises(RunError, match="another process has just finished it"), part.opened():
        part.finish({}, [], {})
    assert contents(part.folder) == before


def test_two_cannot_train_one_part(tmp_path):
    part = Part(tmp_path / "base", IDENTITY)
    with part.opened(), pytest.raises(RunError, match="in use by process"), Part(tmp_path / "base", IDENTITY).opened():
        pass


def test_a_part_that_is_replaced_does_not_count_as_finished_meanwhile(tmp_path):
    trained(tmp_path / "base")
    other = {**IDENTITY, "seed": 9}
    with Part(tmp_path / "base", other).opened(replace=True) as part:
        assert not part.finished
        assert not Part(tmp_path / "base").finished
        part.finish({"w": np.ones(1)}, [], {})
    part = Part(tmp_path / "base")
    assert part.settings()["seed"] == 9
    assert list(part.weights()) == ["w"]


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_bit_of_any_file_is_found(tmp_path, name):
    part = trained(tmp_path / "base")
    raw = (part.folder / name).read_bytes()
    read = {"settings.json": part.settings, "weights.npz": part.weights, "history.json": part.history}
    for place in np.random.default_rng(0).integers(0, 8 * len(raw), 25).tolist():
        damaged = bytearray(raw)
        damaged[place // 8] ^= 1 << place % 8
        (part.folder / name).write_bytes(damaged)
        with pytest.raises(RunError, match=f"{part.folder / name}: damaged: its SHA-256 differs"):
            part.checked(name)
        with pytest.raises(RunError, match="damaged"):
            read[name]()
    (part.folder / name).write_bytes(raw)
    assert part.checked(name) == part.folder / name


def test_files_that_are_missing_or_were_never_sealed_are_named(tmp_path):
    part = trained(tmp_path / "base")
    (part.folder / "weights.npz").unlink()
    (part.folder / "stranger.npz").touch()
    with pytest.raises(RunError, match=r"weights\.npz: expected a file of a finished part; received none"):
        part.weights()
    with pytest.raises(RunError, match=r"stranger\.npz: expected a file of a finished part; received no entry in"):
        part.checked("stranger.npz")


@pytest.mark.parametrize("content", ["{}", '{"sha256": []}', '{"sha256": {"weights.npz": 3}}', "[]", "{", ""])
def test_a_damaged_manifest_is_one_error_and_no_wrong_weights(tmp_path, content):
    part = trained(tmp_path / "base")
    (part.folder / "manifest.json").write_text(content)
    for read in (part.weights, part.settings, part.history, part.fingerprint):
        with pytest.raises(RunError):
            read()


def test_a_part_that_was_never_made_is_one_error(tmp_path):
    part = Part(tmp_path / "base")
    assert not part.finished
    with pytest.raises(RunError, match=r"manifest\.json: cannot be read: No such file"):
        part.weights()


def test_damaged_settings_are_not_gone_on_with(tmp_path):
    for made in (trained, in_training):
        part = made(tmp_path / made.__name__)
        (part.folder / "settings.json").write_text('{"seed": 0')
        with pytest.raises(RunError, match=r"settings\.json: expected JSON; received damaged content"):
            trained(part.folder)


def test_finishing_twice_is_finishing_once(tmp_path):
    with Part(tmp_path / "base", IDENTITY).opened() as part:
        part.finish(ARRAYS, HISTORY, SUMMARY)
        before = contents(part.folder)
        part.finish(ARRAYS, HISTORY, SUMMARY)
        assert contents(part.folder) == before


# Ends the process, as kill -9 does, at the n-th time that a name is to point at new bytes or is taken away.
KILLED = """if True:
    import os, sys
    sys.path.insert(0, "tests")
    from test_runs import trained
    left = int(sys.argv[2])
    def counted(call):
        def wrapped(*a, **k):
            global left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*a, **k)
        return wrapped
    os.replace, os.unlink = counted(os.replace), counted(os.unlink)
    trained(sys.argv[1])
"""
STEPS = 6  # settings, checkpoint, weights, history, manifest; then the checkpoint goes


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_killed_anywhere_and_done_again_gives_the_same_files(tmp_path, step):
    wanted = contents(trained(tmp_path / "undisturbed").folder)
    folder = tmp_path / "base"
    process = subprocess.run([sys.executable, "-c", KILLED, folder, str(step)], cwd=ROOT, timeout=60)
    assert process.returncode == (9 if step < STEPS else 0)
    part = Part(folder, IDENTITY)
    if part.finished:  # then it is whole, whatever came after
        assert step >= STEPS - 1
        assert {name: (folder / name).read_bytes() for name in wanted} == wanted
    trained(folder)
    assert contents(folder) == wanted
    assert not list(folder.glob(TEMPORARY + "*"))


def test_the_files_are_what_the_manual_says(tmp_path):
    part = trained(tmp_path / "base")
    manifest = read_json(part.folder / "manifest.json")
    assert manifest == {"format": 1, "sha256": {name: sha256_of(part.folder / name) for name in NAMES}}
    assert read_json(part.folder / "history.json") == {"epochs": HISTORY, "summary": SUMMARY}
