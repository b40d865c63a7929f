"""The loss over partly labelled points: what NumPy computes, and no trace of what is not labelled."""

import numpy as np
import pytest
import tensorflow as tf

from base_models.losses import LOSSES, MaskedLoss
from base_models.settings import CHOICES
from data.errors import UsageError

RNG = np.random.default_rng(4)
PREDICTED = RNG.uniform(0, 96, (6, 5, 2)).astype(np.float32)
TRUTH = (PREDICTED + RNG.normal(0, 3, PREDICTED.shape)).astype(np.float32)
HIDDEN = RNG.random((6, 5)) < 0.4
PARTLY = np.where(HIDDEN[..., None], np.nan, TRUTH).astype(np.float32)


def huber(e):
    return np.where(np.abs(e) < 1.5, e**2 / 2, 1.5 * (np.abs(e) - 0.75))


NUMPY = {"huber": huber, "mse": np.square, "mae": np.abs}


def loss_and_gradient(kind, truth, predicted):
    predicted = tf.constant(predicted)
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        value = MaskedLoss(kind, 1.5)(tf.constant(truth), predicted)
    return float(value), tape.gradient(value, predicted).numpy()


def test_every_loss_is_tested_and_in_the_settings():
    assert set(NUMPY) == set(LOSSES) == set(CHOICES["loss"])


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
    with pytest.raises(UsageError, match=r"train.loss: expected one of huber, mse, mae; received 'rmse'"):
        MaskedLoss("rmse")


def test_its_config_makes_the_same_loss():
    loss = MaskedLoss.from_config(MaskedLoss("mae", 3.0).get_config())
    assert (loss.kind, loss.delta) == ("mae", 3.0)
