"""The training loop: early stopping, divergence, and resuming to the same bytes wherever it was killed."""

import contextlib
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny

from base_models import fit
from base_models.averaging import Averaging
from base_models.base import (
    identity,
    load_base,
    load_teachers,
    mean_positions,
    split_faces,
    taught,
    teacher_names,
    train_base,
)
from base_models.batches import Batches
from base_models.feed import fed
from base_models.fit import State, compile_network, train_part
from base_models.network import build_network
from base_models.predict import predict, score, validation_scores
from base_models.settings import NetworkSettings, SplitSettings, TeacherSettings, TrainSettings
from base_models.weights import get_weights, lent, set_weights
from data.augment import AugmentSettings
from data.errors import DataError, RunError, TrainingError
from data.keypoints import Convention, Schema
from data.runs import Part
from data.storage import read_arrays
from data.synthetic import make_faces

FACES = make_faces(24, seed=3, size=16)
SETTINGS = TrainSettings(epochs=3, patience=0, batch_size=10, optimizer="adamw", schedule="cosine", dropout_ramp=0.5)


SAVE = fit._save


def stopping(after):
    """A `_save` that stops the process once it has written the checkpoint of epoch `after`."""
    saves = []

    def save(*args):
        SAVE(*args)
        saves.append(1)
        if len(saves) == after:
            raise KeyboardInterrupt

    return save


@pytest.fixture(scope="module")
def model():
    """A small network with dropout, compiled once; `train` starts it afresh."""
    network = NetworkSettings(backbone="alexnet", head="pooled", filters=2, dropout_start=0.2, dropout_ceiling=0.3)
    made = build_network(network, len(FACES.schema.slot_names), (16, 16, 1))
    compile_network(made, SETTINGS)
    made.fresh = get_weights(made)
    return made


def batches(epoch):
    return Batches(FACES, FACES.slots, AugmentSettings(), SETTINGS.batch_size, 5, epoch)


def measured(model):
    return validation_scores(predict(model, FACES.images), FACES.slots)


def scripted(scores):
    """A validation that gives these scores in turn, and keeps the weights it saw."""
    left, seen = list(scores), []

    def validate(model):
        seen.append(get_weights(model))
        value = left.pop(0)
        return {"val_rmse": value + 1, "val_trimmed": value}

    validate.seen = seen
    return validate


def train(model, folder, settings=SETTINGS, validate=measured, make_batches=batches, constants=None):
    """What `train_base` does, on a network that is compiled already."""
    part = Part(folder, {"part": "test"})
    if part.finished:
        part.drop_checkpoint()
        return part.history()[1]
    with part.opened():
        set_weights(model, model.fresh, "fresh")
        return train_part(part, model, settings, make_batches, validate, "net", {"rows": 24}, constants)


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


RESULT = ["history.json", "manifest.json", "settings.json", "weights.npz"]


@pytest.fixture(scope="module")
def undisturbed(model, tmp_path_factory):
    """Bytes of weights.npz of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    train(model, folder)
    assert list(tiny.files(folder)) == RESULT
    return (folder / "weights.npz").read_bytes()


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "best"),
    [
        ([5, 4, 3, 3.5, 3.6, 1, 1, 1], 2, 5, 3),
        ([5, 4, 3, 3.5, 3.6, 1, 2, 3], 3, 8, 6),
        ([5, 6, 7, 8, 9, 9, 9, 9], 1, 2, 1),
        ([5, 6, 7, 8, 9, 9, 9, 9], 0, 8, 1),
        ([5, 5, 5, 5, 5, 5, 5, 5], 2, 3, 1),  # as good is not better
        ([8, 7, 6, 5, 4, 3, 2, 1], 1, 8, 8),
    ],
)
def test_early_stopping_waits_for_patience_and_returns_the_best_epoch(model, tmp_path, scores, patience, epochs, best):
    validate = scripted(scores)
    summary = train(model, tmp_path, replace(SETTINGS, epochs=8, patience=patience), validate)
    assert (summary["epochs"], summary["best_epoch"], summary["val_rmse"]) == (epochs, best, scores[best - 1] + 1)
    assert equal(get_weights(model), validate.seen[best - 1])
    assert equal(Part(tmp_path).weights(), validate.seen[best - 1])


def test_the_average_forgets_evenly_and_ends_near_weights_that_stay(model):
    average = Averaging({}, horizon=4, steps=1000)
    average.set_model(model)
    name = "coordinates/kernel"
    with lent(model, {**get_weights(model), name: np.zeros_like(get_weights(model)[name])}):
        average.on_train_batch_end(0)
    with lent(model, {**get_weights(model), name: np.ones_like(get_weights(model)[name])}):
        for step in range(1, 9):
            average.on_train_batch_end(step)
            np.testing.assert_allclose(average.average[name], 1 - np.exp(-step / 4), rtol=1e-5)
    assert average.steps == 1009


def test_the_first_steps_count_least_in_the_average(model):
    average = Averaging({}, horizon=1e9, steps=0)
    average.set_model(model)
    name = "coordinates/kernel"
    for value in range(80):
        with lent(model, {**get_weights(model), name: np.full_like(get_weights(model)[name], value)}):
            average.on_train_batch_end(value)
    assert 60 < average.average[name].mean() < 74  # an even mean would be 39.5


def test_a_long_average_looks_at_every_eighth_batch_only(model, monkeypatch):
    average = Averaging({}, horizon=400, steps=100_000)
    average.set_model(model)
    name, looks = "coordinates/kernel", []
    monkeypatch.setattr("base_models.averaging.seen_weights", lambda model: looks.append(1) or get_weights(model))
    with lent(model, {**get_weights(model), name: np.zeros_like(get_weights(model)[name])}):
        average.on_train_batch_end(0)
    with lent(model, {**get_weights(model), name: np.ones_like(get_weights(model)[name])}):
        for step in range(1, 401):
            average.on_train_batch_end(step)
    np.testing.assert_allclose(average.average[name], 1 - np.exp(-1), rtol=1e-4)
    assert (len(looks), average.steps) == (51, 100_401)
    assert [Averaging({}, horizon, 0).every for horizon in (4, 99, 100, 150, 400, 1e6)] == [1, 1, 2, 3, 8, 8]


def test_a_network_lent_other_weights_gets_its_own_back(model):
    before = {name: array.copy() for name, array in get_weights(model).items()}
    with contextlib.suppress(KeyError), lent(model, {name: array + 1 for name, array in before.items()}):
        assert not equal(get_weights(model), before)
        raise KeyError
    assert equal(get_weights(model), before)


def test_without_averaging_the_weights_themselves_are_validated(model, tmp_path):
    steps, validate = [], scripted([3, 2, 1])
    train(model, tmp_path, replace(SETTINGS, averaging=0.0), validate, watched(steps))
    assert equal(get_weights(model), validate.seen[-1])
    assert "average" not in {name.partition("/")[0] for name in Part(tmp_path).weights()}


def watched(steps):
    def make(epoch):
        steps.append(epoch)
        return batches(epoch)

    return make


def test_history_tells_every_epoch(model, tmp_path):
    summary = train(model, tmp_path, constants={"view/reference": np.arange(3.0)})
    epochs, told = Part(tmp_path).history()
    assert told == summary
    assert summary["rows"] == 24
    assert [e["dropout"] for e in epochs] == pytest.approx([0, 2 / 3, 1])
    assert all(100 < e["peak_mb"] <= fit.peak_memory() for e in epochs)
    assert [e["learning_rate"] for e in epochs] == pytest.approx([r * SETTINGS.learning_rate for r in (1, 0.505, 0.01)])
    assert all(math.isfinite(value) for e in epochs for value in e.values())
    np.testing.assert_array_equal(Part(tmp_path).weights()["view/reference"], np.arange(3.0))
    set_weights(model, {n: a for n, a in Part(tmp_path).weights().items() if n != "view/reference"}, "here")
    assert measured(model)["val_rmse"] == pytest.approx(summary["val_rmse"], abs=1e-6)


@pytest.mark.parametrize("after", [1, 2])
def test_a_training_stopped_between_epochs_goes_on_to_the_same_bytes(model, tmp_path, undisturbed, monkeypatch, after):
    monkeypatch.setattr(fit, "_save", stopping(after))
    with pytest.raises(KeyboardInterrupt):
        train(model, tmp_path)
    assert list(tiny.files(tmp_path)) == ["checkpoint.npz", "settings.json"]
    assert train(model, tmp_path)["epochs"] == 3
    assert (tmp_path / "weights.npz").read_bytes() == undisturbed
    assert list(tiny.files(tmp_path)) == RESULT


class Poisoned(Batches):
    """One image of every batch is NaN."""

    def __getitem__(self, index):
        images, points = super().__getitem__(index)
        images[0] = np.nan
        return images, points


def poison(epoch):
    make = Poisoned if epoch == 1 else Batches
    return make(FACES, FACES.slots, AugmentSettings(), SETTINGS.batch_size, 5, epoch)


def test_a_nan_stops_the_training_and_keeps_the_epoch_before(model, tmp_path, undisturbed):
    with pytest.raises(TrainingError, match=r"net: epoch 2: expected a finite loss.*received loss nan.*after epoch 1"):
        train(model, tmp_path, make_batches=poison)
    assert list(tiny.files(tmp_path)) == ["checkpoint.npz", "settings.json"]
    kept = read_arrays(tmp_path / "checkpoint.npz")
    assert len(json.loads(kept["state"].tobytes())["history"]) == 1
    assert all(np.isfinite(array).all() for name, array in kept.items() if name != "state")
    train(model, tmp_path)  # and from there it goes on as if nothing had been
    assert (tmp_path / "weights.npz").read_bytes() == undisturbed


@pytest.mark.parametrize("rate", [1e30, math.inf])
def test_a_learning_rate_far_too_high_ends_in_one_error(model, tmp_path, rate):
    with pytest.raises(TrainingError, match="expected a finite loss"):
        train(model, tmp_path, replace(SETTINGS, learning_rate=rate, schedule="constant"))
    assert not (tmp_path / "manifest.json").exists()


def test_a_network_that_finds_nothing_on_some_faces_is_stopped(model, tmp_path):
    def validate(model):
        found = predict(model, FACES.images)
        found[3] = np.nan
        return validation_scores(found, FACES.slots)

    with pytest.raises(TrainingError, match="RMSE nan"):
        train(model, tmp_path, validate=validate)


def test_score_is_that_of_the_competition():
    truth = np.zeros((4, 1, 2), np.float32)
    truth[3] = np.nan
    found = np.array([[3, 4], [0, 0], [1, 0], [50, 50]], np.float32)[:, None]
    assert score(found, truth) == pytest.approx(math.sqrt((9 + 16 + 1) / 6))
    assert score(found, truth, worst=0.34) == pytest.approx(math.sqrt(1 / 4))  # without the point that is 5 px off
    assert math.isnan(score(found, np.full_like(truth, np.nan)))
    found[1] = np.nan
    assert math.isnan(score(found, truth))
    assert math.isnan(score(found, truth, worst=0.34))
    assert score(np.full((2, 2), 1e30, np.float32), np.zeros((2, 2))) == pytest.approx(1e30)


def test_a_checkpoint_of_another_network_is_refused(model, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_save", stopping(1))
        with pytest.raises(KeyboardInterrupt):
            train(model, tmp_path)
    before = tiny.files(tmp_path)
    other = build_network(NetworkSettings(head="pooled", filters=3), 17, (16, 16, 1))
    compile_network(other, SETTINGS)
    other.fresh = get_weights(other)
    with pytest.raises(RunError, match=r"checkpoint.npz: expected a checkpoint of this network"):
        train(other, tmp_path)
    assert tiny.files(tmp_path) == before
    (tmp_path / "checkpoint.npz").write_bytes(before["checkpoint.npz"][:-9])
    with pytest.raises(RunError, match=r"checkpoint.npz: expected an array file; received damaged content"):
        train(model, tmp_path)


@pytest.mark.parametrize(
    ("epoch", "best", "patience", "finished"),
    [(0, -1, 1, False), (1, 0, 1, False), (2, 0, 1, True), (2, 0, 0, False), (10, 9, 0, True), (10, 9, 5, True)],
)
def test_a_state_knows_when_training_is_over(epoch, best, patience, finished):
    state = State([{"val_trimmed": 1.0}] * epoch, {}, best)
    assert state.finished(TrainSettings(epochs=10, patience=patience)) is finished


def test_batches_of_an_epoch_are_a_pure_function_of_seed_and_epoch():
    def epoch(number, seed=5):
        made = Batches(FACES, FACES.slots, AugmentSettings(), 10, seed, number)
        assert [len(made[i][0]) for i in range(len(made))] == [10, 10, 4]
        return b"".join(array.tobytes() for i in range(len(made)) for array in made[i])

    assert epoch(1) == epoch(1)
    assert len({epoch(1), epoch(2), epoch(1, seed=6)}) == 3


def test_an_epoch_has_every_face_once():
    still = AugmentSettings(**dict.fromkeys(AugmentSettings.__dataclass_fields__, 0.0))
    made = Batches(FACES, FACES.slots, still, 10, 5, 0)
    seen = np.concatenate([made[i][0] for i in range(len(made))])
    assert sorted(image.tobytes() for image in seen) == sorted(i.astype(np.float32).tobytes() for i in FACES.images)


def test_mean_positions_count_what_is_labelled():
    slots = np.array([[[1, 2], [np.nan] * 2], [[3, 6], [np.nan] * 2], [[np.nan] * 2] * 2])
    np.testing.assert_array_equal(mean_positions(slots, (16, 32)), [[2, 4], [15.5, 7.5]])


# -- the base of a run


@pytest.fixture(scope="module")
def faces():
    return make_faces(40, seed=1, size=32)


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return folder, train_base(faces, tiny.settings(train__epochs=2), folder, 7)


def test_a_base_loads_as_it_was_trained(faces, trained):
    folder, base = trained
    loaded = load_base(folder)
    for a, b in zip(base.look(faces.images, True), loaded.look(faces.images, True), strict=True):
        np.testing.assert_array_equal(a, b)
    plain, same = loaded.look(faces.images, False)
    np.testing.assert_array_equal(plain, same)
    summary = base.part.history()[1]
    held = split_faces(faces, tiny.settings().split, 7).validation
    assert summary["val_rmse"] == pytest.approx(score(loaded.look(held.images, False)[0], held.slots), abs=1e-4)
    assert summary["rows"] + summary["validation_rows"] == 40


@pytest.mark.slow
def test_an_interrupted_base_goes_on_to_the_same_bytes(faces, trained, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_save", stopping(1))
        with pytest.raises(KeyboardInterrupt):
            train_base(faces, tiny.settings(train__epochs=2), tmp_path, 7)
    keras.utils.set_random_seed(99)  # nothing global may count
    train_base(faces, tiny.settings(train__epochs=2), tmp_path, 7)
    assert (tmp_path / "base/weights.npz").read_bytes() == (trained[0] / "base/weights.npz").read_bytes()


@pytest.mark.parametrize(
    ("change", "seed", "words"),
    [
        ({"train__epochs": 3}, 7, "train.epochs (2, now 3)"),
        ({"train__epochs": 2, "augment__flip": 0.25}, 7, "augment.flip (0.5, now 0.25)"),
        ({"train__epochs": 2}, 8, "seed (7, now 8)"),
    ],
)
def test_a_finished_base_is_not_mixed_with_other_settings(faces, trained, change, seed, words):
    before = tiny.files(trained[0])
    with pytest.raises(RunError) as told:
        train_base(faces, tiny.settings(**change), trained[0], seed)
    assert f"{trained[0] / 'base'}: was trained with other" in str(told.value)
    assert words in str(told.value)
    assert tiny.files(trained[0]) == before


def test_teachers_stand_in_for_missing_labels_only(faces, trained):
    slots = faces.slots
    known = np.isfinite(slots)
    full = taught(faces, [trained[1]])
    np.testing.assert_array_equal(full[known], slots[known])
    answer = np.mean(trained[1].look(faces.images, True), 0)
    np.testing.assert_allclose(full[~known], answer[~known], rtol=1e-6)
    assert np.isnan(slots).any()
    assert full.dtype == np.float32
    np.testing.assert_array_equal(taught(faces, []), slots)


QUICK = {"network__backbone": "nose_tiny", "network__padding": "same"}  # built and traced in a second


@pytest.mark.slow
def test_each_teacher_is_taught_by_those_before_it_and_all_resume(faces, tmp_path, monkeypatch):
    settings = tiny.settings(train__epochs=2, teachers__count=2, teachers__epochs=1, teachers__rows=0, **QUICK)
    whole = train_base(faces, settings, tmp_path / "whole", 7)
    told = {name: Part(tmp_path / "whole" / name).history()[1] for name in ("teacher1", "teacher2", "base")}
    assert [about["teachers"] for about in told.values()] == [0, 1, 2]
    assert [about["epochs"] for about in told.values()] == [1, 1, 2]
    for _ in range(4):  # killed after each epoch of each network in turn
        with monkeypatch.context() as patch:
            patch.setattr(fit, "_save", stopping(1))
            with contextlib.suppress(KeyboardInterrupt):
                train_base(faces, settings, tmp_path / "killed", 7)
    train_base(faces, settings, tmp_path / "killed", 7)
    for name in told:
        mine, theirs = (tmp_path / run / name / "weights.npz" for run in ("whole", "killed"))
        assert mine.read_bytes() == theirs.read_bytes()
    loaded = load_teachers(tmp_path / "whole")
    assert [base.part.folder.name for base in loaded] == ["teacher1", "teacher2"]
    assert whole.part.folder.name == "base"


def test_a_set_without_missing_labels_has_no_teachers(faces):
    full = replace(faces, points=np.nan_to_num(faces.points, nan=5.0), convention=np.zeros(len(faces), np.uint8))
    assert teacher_names(faces, TeacherSettings(count=2, rows=40)) == ["teacher1", "teacher2"]
    assert teacher_names(faces, TeacherSettings(count=2, rows=41)) == []
    assert teacher_names(faces, TeacherSettings(count=0, rows=0)) == []
    assert teacher_names(full, TeacherSettings(count=2, rows=0)) != []  # the other convention's positions
    own = Schema("own", ("left", "right"), (Convention("all", ("left", "right")),))
    two = replace(full, points=full.points[:, :2], schema=own)
    assert teacher_names(two, TeacherSettings(count=2, rows=0)) == []


def test_a_finished_base_is_not_mixed_with_other_faces(faces, trained):
    with pytest.raises(RunError, match="was trained with other data"):
        train_base(faces[:39], tiny.settings(train__epochs=2), trained[0], 7)


def interrupted(*args):
    raise KeyboardInterrupt


def test_settings_with_which_nothing_was_trained_may_be_changed(faces, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_run_epoch", interrupted)
        for epochs in (5, 6):
            with pytest.raises(KeyboardInterrupt):
                train_base(faces, tiny.settings(train__epochs=epochs), tmp_path, 7)
            assert json.loads((tmp_path / "base/settings.json").read_bytes())["train"]["epochs"] == epochs


def test_a_finished_part_loses_the_checkpoint_that_a_kill_left(faces, trained):
    left = trained[0] / "base" / "checkpoint.npz"
    left.write_bytes(b"left over")
    train_base(faces, tiny.settings(train__epochs=2), trained[0], 7)
    assert not left.exists()


def test_identity_holds_all_that_counts_and_nothing_of_the_ensemble(faces):
    one = identity(faces, tiny.settings(), 0)
    assert one == identity(faces, tiny.settings(ensemble__flip=False, specialist__width=0.9), 0)
    for change in ({"split__fold": 1}, {"augment__blur": 0.5}, {"network__filters": 5}, {"train__epochs": 9}):
        assert one != identity(faces, tiny.settings(**change), 0)
    assert len({json.dumps(identity(f, tiny.settings(), s)) for f, s in ((faces, 0), (faces, 1), (faces[1:], 0))}) == 3


def test_faces_that_cannot_be_split_are_refused(faces):
    blank = replace(faces, points=np.full_like(faces.points, np.nan))
    with pytest.raises(DataError, match=r"training part: expected labelled points; received 3. rows without any"):
        split_faces(blank, SplitSettings(share=0.1), 0)


def test_a_run_without_a_base_says_what_to_do(tmp_path):
    with pytest.raises(
        RunError, match=r"base: expected a trained base; received none: run python -m base_models.train"
    ):
        load_base(Path(tmp_path))


class Ends(keras.callbacks.Callback):
    """Lets every batch take a while, and notes when the last was done."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.06)
        self.last = time.perf_counter()


@pytest.mark.slow
def test_an_epoch_ends_with_its_last_batch(model):
    """TensorFlow's own prefetching would hold most of them until 1.27 s after their beginning, Keras's for 0.1 s."""
    waits, ends = [], Ends()
    for epoch in range(5):
        made = Batches(FACES, FACES.slots, AugmentSettings(), 2, 5, epoch)
        model.fit(fed(made), epochs=1, verbose=0, shuffle=False, callbacks=[ends])
        waits.append(time.perf_counter() - ends.last)
    assert sorted(waits)[2] < 0.09
