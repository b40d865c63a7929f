"""Networks: every backbone with every head keeps one contract; dropout, freezing and soft-argmax do what they say."""

import keras
import numpy as np
import pytest
import tiny

from base_models.fit import compile_network, set_dropouts
from base_models.heads import HEADS
from base_models.layers import ScheduledDropout, SoftArgmax
from base_models.network import BACKBONES, build_network, depth_rates, dropouts, freeze, set_anchor
from base_models.predict import predict
from base_models.schedules import dropout_factor
from base_models.settings import CHOICES, NetworkSettings, TrainSettings
from base_models.weights import get_weights, set_weights
from data.errors import UsageError
from data.storage import read_arrays, write_arrays

SLOTS, SHAPE = 3, (32, 32, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
SMALL = {"filters": 4, "dense_units": 8}

# Numbers that a network of 4 filters, 8 units and 3 slots has at 32 px, batch-norm statistics and anchor included.
CONFORMANCE = [
    ("alexnet", "dense", 5376),
    ("alexnet", "pooled", 4680),
    ("alexnet", "heatmap", 5591),
    ("resnet", "dense", 17840),
    ("resnet", "pooled", 17248),
    ("resnet", "heatmap", 18119),
]


def test_every_network_is_in_the_table_and_in_the_settings():
    assert {row[:2] for row in CONFORMANCE} == {(b, h) for b in BACKBONES for h in HEADS}
    assert CHOICES["backbone"] == tuple(BACKBONES)
    assert CHOICES["head"] == tuple(HEADS)


@pytest.mark.parametrize(("backbone", "head", "values"), CONFORMANCE)
def test_conformance(backbone, head, values, tmp_path):
    settings = NetworkSettings(backbone=backbone, head=head, **SMALL)
    model, twin, other = (build_network(settings, SLOTS, SHAPE, seed=seed) for seed in (5, 5, 6))
    for network in (model, twin, other):
        set_anchor(network, np.full((SLOTS, 2), 15.5))
    weights = get_weights(model)
    assert sum(array.size for array in weights.values()) == values
    assert model.output_shape == (None, SLOTS, 2)
    assert all(np.array_equal(array, get_weights(twin)[name]) for name, array in weights.items())  # from the seed
    assert any(not np.array_equal(array, get_weights(other)[name]) for name, array in weights.items())
    rng = np.random.default_rng(1)  # heads start at zero: give every variable something to say
    changed = {name: array + rng.uniform(0, 0.1, array.shape).astype("float32") for name, array in weights.items()}
    set_weights(model, changed, "test")
    write_arrays(tmp_path / "w.npz", get_weights(model))
    set_weights(other, read_arrays(tmp_path / "w.npz"), "test")
    answer = np.asarray(model(IMAGES.astype("float32")))
    assert answer.dtype == np.float32
    assert np.isfinite(answer).all()
    assert np.ptp(answer, 0).max() > 1e-4  # it looks at the image
    np.testing.assert_array_equal(answer, np.asarray(other(IMAGES.astype("float32"))))


def test_predict_gives_each_face_its_own_answer_whatever_the_number_of_faces():
    model = build_network(NetworkSettings(head="heatmap", **SMALL), SLOTS, SHAPE)
    images = np.random.default_rng(2).integers(0, 256, (131, *SHAPE), np.uint8)  # more than one batch
    whole = predict(model, images)
    assert whole.shape == (131, SLOTS, 2)
    np.testing.assert_allclose(predict(model, images[129:]), whole[129:], atol=1e-4)
    assert predict(model, images[:0]).shape == (0, SLOTS, 2)


def test_the_default_alexnet_is_that_of_the_main_design():
    settings = NetworkSettings(backbone="alexnet", head="dense", filters=20, dense_units=720)
    model = build_network(settings, 17, (96, 96, 1))
    convolutions = [model.get_layer(f"conv{i}") for i in (1, 2, 3, 4)]
    assert [layer.filters for layer in convolutions] == [20, 40, 80, 100]
    assert [layer.input.shape[1] for layer in convolutions] == [96, 48, 24, 12]
    assert 3.1e6 < sum(array.size for array in get_weights(model).values()) < 3.3e6


@pytest.mark.parametrize(
    ("start", "step", "ceiling", "rates"),
    [
        (0.0, 0.02, 0.1, (0, 0.02, 0.04, 0.06, 0.08, 0.1)),
        (0.1, 0.1, 0.25, (0.1, 0.2, 0.25, 0.25, 0.25, 0.25)),
        (0.3, 0.0, 0.5, (0.3,) * 6),
        (0.3, 0.1, 0.2, (0.2,) * 6),
    ],
)
def test_dropout_rises_with_depth_to_its_ceiling(start, step, ceiling, rates):
    settings = NetworkSettings(dropout_start=start, dropout_step=step, dropout_ceiling=ceiling, **SMALL)
    assert depth_rates(settings, 6) == pytest.approx(rates)
    for backbone in BACKBONES:
        model = build_network(tiny.with_overrides(settings, {"backbone": backbone}), SLOTS, SHAPE)
        assert [layer.full_rate for layer in dropouts(model)][:4] == pytest.approx(rates[:4])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("backbone", "network.backbone: expected one of alexnet, resnet; received 'vgg'"),
        ("head", "network.head: expected one of dense, pooled, heatmap; received 'vgg'"),
    ],
)
def test_unknown_names_are_refused(field, words):
    with pytest.raises(UsageError, match=words):
        build_network(NetworkSettings(**{field: "vgg"}), SLOTS, SHAPE)


def test_a_heat_map_of_an_image_that_cannot_be_halved_four_times_is_refused():
    with pytest.raises(UsageError, match="multiple of 16 px; received"):
        build_network(NetworkSettings(head="heatmap", **SMALL), SLOTS, (40, 40, 1))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (11, 12), (23, 5)])
def test_soft_argmax_of_a_peak_is_its_position(row, column):
    maps = np.zeros((2, 24, 24, 2), np.float32)
    maps[0, row, column, 1] = 60
    found = np.asarray(SoftArgmax((96, 96), border=0.1)(maps))
    # 24 cells of 4.8 px cover -9.6 to 105.6 px of the image's own -0.5 to 95.5: a tenth more on each side.
    wanted = [-10.1 + 4.8 * (column + 0.5), -10.1 + 4.8 * (row + 0.5)]
    np.testing.assert_allclose(found[0, 1], wanted, atol=1e-3)
    np.testing.assert_allclose(found[[0, 1, 1], [0, 0, 1]], 47.5, atol=1e-3)  # a flat map: the middle


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


@pytest.mark.parametrize("backbone", list(BACKBONES))
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
