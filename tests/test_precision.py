"""Training in bfloat16: float32 wherever numbers come out, and bound to a machine."""

import json
import math

import keras
import numpy as np
import pytest
import tiny

from base_models import fit, precision
from base_models.base import load_base, train_base
from base_models.fit import State, compile_network
from base_models.network import build_network
from base_models.precision import MIXED, bound_to, in_float32
from base_models.settings import NetworkSettings, TrainSettings
from base_models.weights import get_weights
from data.errors import RunError
from data.runs import Part
from data.synthetic import make_faces

FACES = make_faces(30, seed=3, size=32)


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
