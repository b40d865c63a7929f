"""The loss over partly labelled points: what NumPy computes, and no trace of what is not labelled."""

import numpy as np
import pytest
import tensorflow as tf

from base_models.losses import LOSSES, MAP_LOSSES, TARGETS, MapLoss, MaskedLoss
from base_models.settings import CHOICES
from data.errors import UsageError

RNG = np.random.default_rng(4)
PREDICTED = RNG.uniform(0, 96, (6, 5, 2)).astype(np.float32)
TRUTH = (PREDICTED + RNG.normal(0, 3, PREDICTED.shape)).astype(np.float32)
HIDDEN = RNG.random((6, 5)) < 0.4
PARTLY = np.where(HIDDEN[..., None], np.nan, TRUTH).astype(np.float32)


def huber(e):
    return np.where(np.abs(e) < 1.5, e**2 / 2, 1.5 * (np.abs(e) - 0.75))


def wing(e):
    e, gap = np.abs(e), 2.5 - 2.5 * np.log(1 + 2.5 / 0.8)
    return np.where(e < 2.5, 2.5 * np.log(1 + e / 0.8), e - gap)


def gaussian_nll(e):
    return e**2 / (2 * 1.7**2) + np.log(1.7)


NUMPY = {"huber": huber, "mse": np.square, "mae": np.abs, "wing": wing, "gaussian_nll": gaussian_nll}
SPREAD = np.full((6, 5, 1), np.log(1.7), np.float32)  # what the network says of its error


def loss_and_gradient(kind, truth, predicted):
    predicted = tf.constant(predicted)
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        given = tf.concat([predicted, SPREAD], -1) if kind == "gaussian_nll" else predicted
        value = MaskedLoss(kind, 1.5, 2.5, 0.8)(tf.constant(truth), given)
    return float(value), tape.gradient(value, predicted).numpy()


def test_every_loss_is_tested_and_in_the_settings():
    assert set(NUMPY) == set(LOSSES)
    assert CHOICES["loss"] == (*LOSSES, *MAP_LOSSES)
    assert CHOICES["map_target"] == tuple(TARGETS)


@pytest.mark.parametrize("kind", NUMPY)
@pytest.mark.parametrize("truth", [TRUTH, PARTLY], ids=["complete", "partly"])
def test_value_is_the_mean_over_the_labelled_coordinates(kind, truth):
    value, gradient = loss_and_gradient(kind, truth, PREDICTED)
    error = (truth.astype(float) - PREDICTED)[np.isfinite(truth)]
    assert value == pytest.approx(NUMPY[kind](error).mean(), rel=1e-5)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient != 0, np.isfinite(truth))


@pytest.mark.parametrize("kind", NUMPY)
def test_a_missing_label_pulls_nowhere(kind):
    moved = np.where(HIDDEN[..., None], PREDICTED + 1000, PREDICTED).astype(np.float32)
    value, gradient = loss_and_gradient(kind, PARTLY, PREDICTED)
    other, other_gradient = loss_and_gradient(kind, PARTLY, moved)
    assert value == other
    np.testing.assert_array_equal(gradient, other_gradient)


@pytest.mark.parametrize("kind", NUMPY)
def test_a_batch_without_labels_costs_nothing(kind):
    value, gradient = loss_and_gradient(kind, np.full_like(TRUTH, np.nan), PREDICTED)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_a_network_that_says_nan_is_not_hidden_by_the_mask():
    predicted = PREDICTED.copy()
    predicted[0] = np.nan
    assert np.isnan(loss_and_gradient("mse", TRUTH, predicted)[0])


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match=r"train.loss: expected one of huber, mse, .*; received 'rmse'"):
        MaskedLoss("rmse")


def test_its_config_makes_the_same_loss():
    loss = MaskedLoss.from_config(MaskedLoss("wing", 3.0, 4.0, 5.0).get_config())
    assert (loss.kind, loss.huber_delta, loss.wing_width, loss.wing_curve) == ("wing", 3.0, 4.0, 5.0)
    maps = MapLoss.from_config(MapLoss("map_mse", [1, 2], [3], "disc", 2.5).get_config())
    assert (maps.kind, maps.x, maps.y, maps.target, maps.px) == ("map_mse", [1, 2], [3], "disc", 2.5)


def test_the_spread_that_costs_least_is_that_of_the_errors():
    error = np.random.default_rng(5).normal(0, 2.5, (4000, 1, 2)).astype(np.float32)
    loss, truth = MaskedLoss("gaussian_nll"), np.zeros_like(error)
    spreads = np.linspace(1.5, 4, 51)
    costs = [float(loss(truth, np.concatenate([error, np.full((4000, 1, 1), np.log(s), "f")], -1))) for s in spreads]
    assert spreads[np.argmin(costs)] == pytest.approx(2.5, abs=0.1)


def test_a_spread_of_nothing_or_everything_stays_finite():
    for said in (-1e4, 1e4):
        given = np.concatenate([PREDICTED, np.full((6, 5, 1), said, np.float32)], -1)
        assert np.isfinite(float(MaskedLoss("gaussian_nll")(TRUTH, given)))
