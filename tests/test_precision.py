"""Precision of training: measured once per machine, kept by a run, and float32 wherever numbers come out."""

import json
import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import tiny

from base_models import fit, precision
from base_models.base import load_base, train_base
from base_models.fit import State, compile_network
from base_models.network import build_network
from base_models.options import parser, read_options
from base_models.precision import MIXED, NAMES, bound_to, images_per_second, in_float32, with_precision
from base_models.settings import CHOICES, NetworkSettings, Settings, TrainSettings
from base_models.weights import get_weights
from data.cache import cache_folder
from data.errors import RunError, UsageError
from data.runs import Part
from data.storage import read_json, write_json
from data.synthetic import make_faces

FACES = make_faces(30, seed=3, size=32)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A machine on which nothing was measured yet."""
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "cache"))


class Stopwatch:
    """A fake measurement."""

    def __init__(self, plain, mixed):
        self.rates, self.calls = {"float32": plain, MIXED: mixed}, 0

    def __call__(self, settings, shape, slots):
        assert shape == (32, 32, 1)
        self.calls += 1
        return self.rates


def chosen(stopwatch, run, settings=None):
    made = with_precision(settings or Settings(), "auto", FACES, run, stopwatch)
    assert made.train.precision == made.specialist.train.precision
    return made.train.precision


@pytest.mark.parametrize(
    ("plain", "mixed", "wanted"), [(100, 300, MIXED), (100, 114, "float32"), (100, 116, MIXED), (100, 20, "float32")]
)
def test_auto_takes_bfloat16_where_it_is_faster_and_says_so(plain, mixed, wanted, tmp_path, capsys):
    assert chosen(Stopwatch(plain, mixed), tmp_path) == wanted
    said = capsys.readouterr()
    [line] = (said.out + said.err).splitlines()
    assert f"precision: {wanted}: bfloat16 trains {mixed / plain:.2f} times as fast here" in line


def test_it_is_measured_once_and_again_where_something_changed(tmp_path, monkeypatch):
    watch = Stopwatch(100, 300)
    assert chosen(watch, tmp_path) == chosen(watch, tmp_path) == MIXED
    assert watch.calls == 1
    chosen(watch, tmp_path, replace(Settings(), network=NetworkSettings(backbone="alexnet")))
    assert watch.calls == 2
    here = precision.machine()
    for name, other in {"cpu": "another", "versions": ["keras 99"], "devices": ["a GPU"]}.items():
        monkeypatch.setattr(precision, "machine", lambda name=name, other=other: {**here, name: other})
        chosen(watch, tmp_path)
    assert watch.calls == 5


@pytest.mark.parametrize("damage", [{}, {"images_per_second": 3}, {"images_per_second": {"float32": 0, MIXED: 1}}])
def test_a_damaged_note_is_measured_anew(damage, tmp_path):
    watch = Stopwatch(100, 300)
    chosen(watch, tmp_path)
    path = cache_folder() / "precision.json"
    write_json(path, dict.fromkeys(read_json(path), damage))
    assert chosen(watch, tmp_path) == MIXED
    path.write_text("{")
    assert chosen(watch, tmp_path) == MIXED
    assert watch.calls == 3


def test_without_a_folder_for_the_cache_it_is_measured_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "file"))
    watch = Stopwatch(100, 300)
    assert chosen(watch, tmp_path) == chosen(watch, tmp_path) == MIXED
    assert watch.calls == 2


@pytest.mark.parametrize("part", ["base", "teacher1"])
def test_a_run_goes_on_in_the_precision_that_it_began_with(part, tmp_path, capsys):
    (tmp_path / part).mkdir()
    write_json(tmp_path / part / "settings.json", {"train": {"precision": MIXED}})
    assert chosen(lambda *_: pytest.fail("measured"), tmp_path) == MIXED
    assert f"precision: {MIXED}, as this run was begun" in "".join(capsys.readouterr())
    write_json(tmp_path / part / "settings.json", {"train": {"precision": "float8"}})
    with pytest.raises(RunError, match="expected the settings of a network"):
        chosen(Stopwatch(1, 1), tmp_path)


def test_other_precisions_are_taken_as_asked(tmp_path):
    for asked, wanted in (("float32", "float32"), ("bfloat16", MIXED), (MIXED, MIXED)):
        made = with_precision(Settings(), asked, FACES, tmp_path)
        assert (made.train.precision, made.specialist.train.precision) == (wanted, wanted)
    assert with_precision(Settings(), None, FACES, tmp_path) == Settings()
    assert set(NAMES.values()) - {"auto"} == set(CHOICES["precision"])
    assert {parser("m", "d").parse_args(["--precision", name]).precision for name in NAMES} == set(NAMES)


@pytest.mark.parametrize(("backbone", "head"), [("simple_cnn", "dense"), ("alexnet", "pooled"), ("unet", "heatmap")])
def test_in_bfloat16_numbers_and_statistics_stay_float32(backbone, head):
    network = NetworkSettings(backbone=backbone, head=head, filters=2, dense_units=8)
    model = build_network(network, 3, (32, 32, 1), MIXED)
    assert {str(v.dtype) for v in model.trainable_variables} == {"float32"}
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.moving_variance.dtype for layer in norms} <= {"float32"}
    last = {layer.name: layer.compute_dtype for layer in model.layers}
    assert {last[name] for name in ("positions", "coordinates", "maps") if name in last} == {"float32"}
    assert model.output.dtype == "float32"
    assert "bfloat16" in last.values()


def test_only_bfloat16_is_bound_to_a_machine(tmp_path, monkeypatch):
    assert bound_to(TrainSettings()) is None
    mixed = TrainSettings(precision=MIXED, optimizer="adam")
    assert json.loads(bound_to(mixed)) == precision.machine()
    assert in_float32(mixed) == TrainSettings(optimizer="adam")
    model = build_network(NetworkSettings(backbone="simple_cnn", filters=2, dense_units=8), 3, (16, 16, 1))
    compile_network(model, TrainSettings(optimizer="adam"))
    record = dict.fromkeys(fit.RECORDED, 1.0)
    with Part(tmp_path, {"part": "test"}).opened() as part:
        fit._save(part, model, State([record], get_weights(model), 0), bound_to(mixed))
        assert fit._restore(part, model, bound_to(mixed)).epoch == 1
        monkeypatch.setattr(precision, "_cpu", lambda wanted: "another")
        with pytest.raises(RunError, match="goes on only on a machine like that which began it") as caught:
            fit._restore(part, model, bound_to(mixed))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_training_in_bfloat16_comes_to_a_like_loss_and_answers_in_float32(tmp_path):
    losses = {}
    for name in ("float32", MIXED):
        base = train_base(FACES, tiny.settings(train__precision=name), tmp_path / name, 1)
        history, summary = base.part.history()
        losses[name] = [record["loss"] for record in history]
        assert math.isfinite(summary["val_rmse"])
        assert {layer.compute_dtype for layer in base.model.layers} == {"float32"}
        again = load_base(tmp_path / name)
        np.testing.assert_array_equal(base.look(FACES.images, True), again.look(FACES.images, True))
    np.testing.assert_allclose(losses[MIXED], losses["float32"], rtol=0.1)
    assert losses[MIXED] != losses["float32"]


@pytest.mark.slow
def test_both_precisions_are_timed():
    rates = images_per_second(tiny.settings(), (32, 32, 1), 17)
    assert rates.keys() == {"float32", MIXED}
    assert min(rates.values()) > 0


@pytest.mark.parametrize("setting", ["train.precision=float32", "specialist.train.precision=float32"])
def test_precision_is_asked_for_in_one_way(setting, tmp_path):
    made = parser("base_models.base", "")
    asked = made.parse_args(["--data=synthetic", f"--run={tmp_path / 'run'}", "--precision=auto", f"--set={setting}"])
    with pytest.raises(UsageError, match="--precision: expected it or --set"):
        read_options(asked)
