"""Networks: settings and what does not go together; dropout and freezing do what they say."""

import keras
import numpy as np
import pytest
import tiny

from base_models.fit import compile_network, set_dropouts
from base_models.heads import HEADS
from base_models.heatmaps import DECODINGS
from base_models.layers import ScheduledDropout
from base_models.network import BACKBONES, build_network, dropouts, freeze
from base_models.predict import predict
from base_models.schedules import dropout_factor
from base_models.settings import CHOICES, NetworkSettings, TrainSettings
from base_models.weights import get_weights
from data.errors import UsageError

SLOTS, SHAPE = 3, (32, 32, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
SMALL = {"filters": 4, "dense_units": 8}


def test_every_name_is_in_the_settings():
    assert CHOICES["backbone"] == tuple(BACKBONES)
    assert CHOICES["head"] == tuple(HEADS)
    assert CHOICES["decoding"] == tuple(DECODINGS)


def test_predict_gives_each_face_its_own_answer_whatever_the_number_of_faces():
    model = build_network(NetworkSettings(head="heatmap", **SMALL), SLOTS, SHAPE)
    images = np.random.default_rng(2).integers(0, 256, (131, *SHAPE), np.uint8)  # more than one batch
    whole = predict(model, images)
    assert whole.shape == (131, SLOTS, 2)
    np.testing.assert_allclose(predict(model, images[129:]), whole[129:], atol=1e-4)
    assert predict(model, images[:0]).shape == (0, SLOTS, 2)


def test_the_default_alexnet_is_that_of_the_main_design():
    model = build_network(NetworkSettings(backbone="alexnet"), 17, (96, 96, 1))
    convolutions = [model.get_layer(f"conv{i}") for i in (1, 2, 3, 4)]
    assert [layer.filters for layer in convolutions] == [20, 40, 80, 100]
    assert [layer.input.shape[1] for layer in convolutions] == [96, 48, 24, 12]
    assert [model.get_layer(f"dense{i}").units for i in (1, 2)] == [720, 720]
    assert [layer.full_rate for layer in dropouts(model)] == pytest.approx([0, 0.02, 0.04, 0.06, 0.1, 0.1])


@pytest.mark.parametrize(
    ("start", "step", "ceiling", "rates"),
    [
        (None, None, None, (0, 0.02, 0.04, 0.06, 0.08, 0.1)),
        (0.1, 0.1, 0.25, (0.1, 0.2, 0.25, 0.25, 0.25, 0.25)),
        (0.3, 0.0, 0.5, (0.3,) * 6),
        (0.3, 0.1, 0.2, (0.2,) * 6),
    ],
)
def test_dropout_rises_with_depth_to_its_ceiling(start, step, ceiling, rates):
    settings = NetworkSettings(dropout_start=start, dropout_step=step, dropout_ceiling=ceiling, **SMALL)
    for backbone in ("alexnet", "resnet18", "mobilenet"):
        model = build_network(tiny.with_overrides(settings, {"backbone": backbone}), SLOTS, SHAPE)
        assert [layer.full_rate for layer in dropouts(model)][:4] == pytest.approx(rates[:4])


@pytest.mark.parametrize(
    ("backbone", "wanted", "rates"),
    [
        ("wide256", {}, [0, 0, 0, 0, 0, 0.35]),
        ("wide256", {"dropout_head": 0.5}, [0, 0, 0, 0, 0, 0.5]),
        ("wide256", {"dropout_ceiling": 0.3, "dropout_start": 0.1}, [0.1, 0.12, 0.14, 0.16, 0.18, 0.35]),
        ("simple_cnn", {}, [0]),
        ("medium", {}, [0, 0, 0, 0, 0, 0.2]),
        ("large", {}, [0, 0, 0, 0, 0, 0.2]),
        ("points68", {}, [0, 0, 0, 0, 0, 0.6]),
        ("alexnet", {"dropout_head": 0.4}, [0, 0.02, 0.04, 0.06, 0.4, 0.4]),
    ],
)
def test_a_network_has_its_own_dropout_where_nothing_else_is_asked_for(backbone, wanted, rates):
    padding = {} if backbone in ("simple_cnn", "alexnet") else {"padding": "same"}
    model = build_network(NetworkSettings(backbone=backbone, **SMALL, **wanted, **padding), SLOTS, SHAPE)
    assert [layer.full_rate for layer in dropouts(model)] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("settings", "loss", "words"),
    [
        ({"backbone": "vgg17"}, "huber", "network.backbone: expected one of alexnet, .*; received 'vgg17'"),
        ({"head": "vgg"}, "huber", "network.head: expected one of dense, pooled, heatmap; received 'vgg'"),
        ({"head": "dense"}, "map_mse", "train.loss: a loss of maps takes network.head=heatmap; received dense"),
        ({"head": "heatmap", "decoding": "argmax"}, "huber", "network.decoding: argmax takes a loss of maps"),
        ({"backbone": "alexnet", "padding": "same"}, "huber", "network.padding: alexnet has none; received 'same'"),
        ({"backbone": "googlenet", "depth": 3}, "huber", "network.depth: googlenet has none; received 3"),
        ({"backbone": "keras_vgg16", "filters": 3}, "huber", "network.filters: keras_vgg16 has none; received 3"),
        (
            {"backbone": "keras_mobilenet", "activation": "elu"},
            "huber",
            "network.activation: keras_mobilenet has its own; received 'elu'",
        ),
        ({"backbone": "mobilenet_v2", "depth": 8}, "huber", "network.depth: expected at most 7 .*; received 8"),
        (
            {"backbone": "resnet", "weights": "imagenet"},
            "huber",
            "network.weights: expected .*keras_mob.*; received resnet",
        ),
        (
            {"backbone": "alexnet", "depth": 6},
            "huber",
            "expected at least 2x2 px at its layer pool6; received 1x1 there",
        ),
        ({"backbone": "points68"}, "huber", "expected at least 3x3 px at its layer conv4; received 1x1 there"),
        ({"backbone": "keras_vgg16"}, "huber", "expected at least 32x32 px at its layer keras_vgg16; received 31x32"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, loss, words):
    shape = (31, 32, 1) if "32x32" in words else SHAPE
    with pytest.raises(UsageError, match=words):
        build_network(NetworkSettings(**settings), SLOTS, shape, loss=loss)


def test_more_frozen_blocks_than_a_network_has_are_refused():
    with pytest.raises(UsageError, match="simple_cnn has no 2 blocks"):
        freeze(build_network(NetworkSettings(backbone="simple_cnn"), SLOTS, SHAPE), 2)


class Dropped(keras.losses.Loss):
    """The share of zeros: what a fit step really dropped."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.cast(y_pred == 0, "float32"), -1) + 0 * keras.ops.mean(y_pred, -1)


@pytest.fixture(scope="module")
def dropping():
    """A network of one scheduled dropout of 0.4 over 2,000 ones, compiled once."""
    inputs = keras.Input((1,))
    ones = keras.layers.Dense(2000, kernel_initializer="zeros", bias_initializer="ones")(inputs)
    model = keras.Model(inputs, ScheduledDropout(0.4)(ones))
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss=Dropped())
    return model


def observed(model, epoch, factor):
    set_dropouts(model, 7, epoch, factor)
    x = np.zeros((40, 1), np.float32)
    return model.fit(x, x, batch_size=10, epochs=1, verbose=0, shuffle=False).history["loss"][0]


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0, 0.25])
def test_a_traced_fit_step_drops_the_share_that_was_set(dropping, factor):
    # 80,000 draws: four standard deviations are 0.007.
    assert observed(dropping, 0, factor) == pytest.approx(0.4 * factor, abs=0.007)


def test_the_observed_drop_rises_over_the_ramp(dropping):
    settings = TrainSettings(epochs=10, dropout_ramp=0.4)
    dropped = [observed(dropping, epoch, dropout_factor(settings, epoch)) for epoch in range(6)]
    np.testing.assert_allclose(dropped, [0, 0.1, 0.2, 0.3, 0.4, 0.4], atol=0.007)


def test_an_epoch_drops_the_same_again_and_another_epoch_drops_others(dropping):
    first, again, other = observed(dropping, 3, 1.0), observed(dropping, 3, 1.0), observed(dropping, 4, 1.0)
    assert first == again
    assert first != other


def test_dropout_leaves_inference_and_the_mean_alone(dropping):
    set_dropouts(dropping, 7, 0, 1.0)
    np.testing.assert_array_equal(dropping.predict(np.zeros((4, 1)), verbose=0), 1)
    layer, ones = dropouts(dropping)[0], np.ones((40, 2000), np.float32)
    np.testing.assert_array_equal(np.asarray(layer(ones, training=False)), 1)
    dropped = np.asarray(layer(ones, training=True))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.6)}
    assert dropped.mean() == pytest.approx(1, abs=0.012)


def test_no_two_layers_batches_or_epochs_share_their_noise():
    inputs = keras.Input((64,))
    model = keras.Model(inputs, ScheduledDropout(0.5)(ScheduledDropout(0.5)(inputs)))
    ones, masks = np.ones((4, 64), np.float32), []
    for epoch in range(3):
        set_dropouts(model, 7, epoch, 1.0)
        masks += [np.asarray(layer(ones, training=True)).tobytes() for _ in range(4) for layer in dropouts(model)]
    assert len(set(masks)) == len(masks) == 24


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_dropout_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=f"Received: rate={rate}"):
        ScheduledDropout(rate)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["alexnet", "resnet"])
def test_frozen_blocks_keep_weights_and_statistics_through_a_fit(backbone):
    model = build_network(NetworkSettings(backbone=backbone, head="pooled", **SMALL), SLOTS, SHAPE)
    freeze(model, 2)
    compile_network(model, TrainSettings(optimizer="adamw", learning_rate=0.01, weight_decay=0.1))
    before = get_weights(model)
    truth = np.random.default_rng(3).uniform(0, 32, (5, SLOTS, 2)).astype(np.float32)
    model.fit(IMAGES.astype(np.float32), truth, epochs=2, verbose=0, batch_size=5)
    moved = {name for name, array in get_weights(model).items() if not np.array_equal(array, before[name])}
    early = ("conv1", "norm1", "conv2", "norm2", "stem", "stage1", "stage2")
    late = [name for name in before if not name.startswith(early) and not name.endswith("anchor")]
    assert moved == set(late)
    freeze(model, 0)
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.slow
def test_a_residual_network_of_few_channels_trains_on_batches_of_two_sizes():
    """oneDNN's 1x1 convolution with strides wrote past its memory here, which ended the process."""
    model = build_network(NetworkSettings(backbone="resnet", filters=4, depth=1), SLOTS, SHAPE)
    compile_network(model, TrainSettings())
    images, truth = np.zeros((21, *SHAPE), np.float32), np.full((21, SLOTS, 2), 16, np.float32)
    history = model.fit(images, truth, batch_size=16, epochs=4, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
