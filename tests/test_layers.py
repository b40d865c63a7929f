"""Layers of our own against Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from base_models.layers import BatchNorm, ScheduledDropout

RNG = np.random.default_rng(0)


def trained(kind, maps, dtype="float32"):
    """(answer in training, gradients of a sum of it with weights, moving statistics, answer afterwards)."""
    layer = kind(momentum=0.9, dtype=dtype)
    layer.build(maps.shape)
    layer.gamma.assign(np.linspace(0.5, 2, maps.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, maps.shape[-1]))
    weights = np.random.default_rng(1).normal(size=maps.shape).astype(np.float32)
    inputs = tf.Variable(maps)
    with tf.GradientTape() as tape:
        answer = layer(inputs, training=True)
        loss = tf.reduce_sum(tf.cast(answer, "float32") * weights)
    gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
    kept = [np.asarray(v) for v in (layer.moving_mean, layer.moving_variance)]
    return [np.asarray(tf.cast(a, "float32")) for a in (answer, *gradients)], kept, np.asarray(layer(maps))


@pytest.mark.parametrize("shape", [(4, 6, 5, 3), (1, 2, 2, 16), (32, 7)])
def test_batch_norm_is_that_of_keras(shape):
    maps = (3 + 2 * RNG.normal(size=shape)).astype(np.float32)
    ours, theirs = trained(BatchNorm, maps), trained(keras.layers.BatchNormalization, maps)
    for mine, other in zip(ours[0] + ours[1] + [ours[2]], theirs[0] + theirs[1] + [theirs[2]], strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-5)


def test_batch_norm_in_bfloat16_computes_in_float32():
    maps = (3 + 2 * RNG.normal(size=(4, 6, 5, 3))).astype(np.float32)
    ours = trained(BatchNorm, maps, "mixed_bfloat16")
    theirs = trained(keras.layers.BatchNormalization, maps, "mixed_bfloat16")
    for mine, other in zip(ours[0] + ours[1], theirs[0] + theirs[1], strict=True):
        np.testing.assert_allclose(mine, other, rtol=0.02, atol=0.02)
    assert {array.dtype for array in ours[1]} == {np.dtype(np.float32)}


def test_a_frozen_batch_norm_keeps_its_statistics():
    maps = (3 + 2 * RNG.normal(size=(4, 6, 5, 3))).astype(np.float32)
    layer = BatchNorm(momentum=0.9)
    layer.build(maps.shape)
    layer.trainable = False
    np.testing.assert_array_equal(layer(maps, training=True), layer(maps, training=False))
    np.testing.assert_array_equal(layer.moving_mean, 0)


def test_dropout_scales_what_stays():
    layer = ScheduledDropout(0.25)
    ones = np.ones((50, 40, 10), np.float32)
    answer = np.asarray(layer(ones, training=True))
    np.testing.assert_allclose(np.unique(answer), [0, 4 / 3], rtol=1e-6)
    assert (answer == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(layer(ones, training=False), ones)
    layer.set_epoch((3, 4), 0.02)
    assert (np.asarray(layer(ones, training=True)) == 0).mean() == pytest.approx(0.005, abs=0.003)
    layer.set_epoch((3, 4), 0.0)
    np.testing.assert_array_equal(layer(ones, training=True), ones)
    odd = ones[:1, :1, :7]  # half a word is left over
    np.testing.assert_array_equal(layer(odd, training=True), odd)
