"""Every network keeps one contract. A new network is a new row of CONFORMANCE."""

import dataclasses
import functools
import itertools

import keras
import numpy as np
import pytest

from base_models.cost import multiply_adds, parameters
from base_models.fit import compile_network, set_dropouts
from base_models.heads import HEADS
from base_models.layers import ScheduledDropout
from base_models.network import BACKBONES, build_network, freeze, set_anchor
from base_models.settings import NetworkSettings, TrainSettings
from base_models.stacked import Alone, stacks
from base_models.weights import get_weights, set_weights, transfer
from data.storage import read_arrays, write_arrays

SLOTS, SHAPE = 3, (48, 48, 1)
STEPS, RATE = 20, 0.003
# Deep thin networks need their batch-norm statistics first, and VGG has none to keep its steps small.
OWN_TRAINING = {"mobilenet_v2": (100, 0.003), "keras_mobilenet": (100, 0.003), "keras_vgg16": (20, 1e-4)}


SAME = {"padding": "same"}
# A small version of every network: its settings, the numbers that it trains at 48x48x1 px with 3 slots, and
# (side, channels) of each block's output.
CONFORMANCE = {
    "alexnet": ({"filters": 4}, 659_658, ((24, 4), (12, 8), (6, 16), (3, 20))),
    "alexnet_strided": ({"filters": 8}, 567_434, ((6, 8), (3, 21), (1, 21))),
    "simple_cnn": ({"filters": 2}, 27_674, ((48, 2),)),
    "vgg": ({"filters": 4, "dense_units": 64}, 41_738, ((24, 4), (12, 8), (6, 16), (3, 32))),
    "inception": ({"filters": 8, "depth": 2}, 21_614, ((24, 8), (12, 16), (6, 64))),
    "googlenet": ({"filters": 8}, 96_062, ((24, 8), (12, 24), (6, 60), (3, 104), (2, 128))),
    "resnet": ({"filters": 4, "depth": 1, "dense_units": 8}, 8_887, ((24, 4), (12, 8), (6, 12), (3, 16))),
    "resnet18": ({"filters": 4, "depth": 1}, 19_698, ((24, 4), (12, 8), (6, 16), (3, 32))),
    "resnet18_strided": ({"filters": 4, "depth": 1}, 19_858, ((12, 4), (6, 8), (3, 16), (2, 32))),
    "mobilenet": ({"filters": 4, "depth": 1}, 33_542, ((24, 8), (12, 16), (6, 32), (3, 64), (2, 128))),
    "mobilenet_v2": ({"filters": 8}, 159_374, ((24, 4), (12, 6), (6, 8), (3, 24), (2, 320))),
    "nose_small": ({"filters": 8}, 7_366, ((23, 8), (10, 16), (4, 16), (1, 16))),
    "nose_tiny": ({}, 44_156, ((23, 16), (10, 32), (4, 32))),
    "nose_deep": ({"filters": 4}, 29_190, ((24, 4), (12, 8), (6, 16), (3, 32), (1, 64))),
    "medium": ({"filters": 8, **SAME}, 7_018, ((24, 8), (12, 8), (6, 4), (3, 4), (1, 4))),
    "large": ({"filters": 16, **SAME}, 10_410, ((24, 16), (12, 16), (6, 8), (3, 8), (1, 4))),
    "wide256": ({"filters": 16, **SAME}, 12_390, ((24, 16), (12, 16), (6, 16), (3, 16), (1, 16))),
    "points68": ({"filters": 4, **SAME}, 182_054, ((24, 4), (12, 8), (6, 16), (3, 32), (1, 128))),
    "unet": ({"filters": 4, "depth": 2}, 17_143, ((24, 4), (12, 8), (48, 4))),
    "keras_mobilenet": ({"filters": 8}, 214_470, ((24, 16), (12, 32), (6, 64), (3, 128), (1, 256))),
    "keras_resnet50": ({}, 23_540_614, ((24, 64), (12, 256), (6, 512), (3, 1024), (2, 2048))),
    "keras_vgg16": ({}, 14_716_614, ((24, 64), (12, 128), (6, 256), (3, 512), (1, 512))),
}

# The network of the defaults at 96x96x1 px with 15 slots: the numbers that it trains, and its multiply-adds.
FULL = {
    "alexnet": (3_243_570, 48_336_480),
    "alexnet_strided": (5_927_134, 208_840_032),
    "simple_cnn": (1_658_970, 2_156_544),
    "vgg": (6_170_814, 474_790_912),
    "inception": (696_190, 102_968_832),
    "googlenet": (6_005_310, 276_086_784),
    "resnet": (310_111, 81_248_256),
    "resnet18": (11_183_070, 1_251_032_064),
    "resnet18_strided": (11_185_630, 318_667_776),
    "mobilenet": (3_237_150, 102_978_048),
    "mobilenet_v2": (2_261_726, 53_720_448),
    "nose_small": (58_078, 14_914_496),
    "nose_tiny": (201_476, 14_477_324),
    "nose_deep": (541_790, 43_943_808),
    "medium": (107_838, 92_942_336),
    "large": (312_382, 344_515_584),
    "wide256": (2_399_646, 1_490_825_984),
    "points68": (5_446_686, 83_933_184),
    "unet": (1_974_175, 583_778_304),
    "keras_mobilenet": (3_237_150, 102_978_048),
    "keras_resnet50": (23_589_790, 693_841_920),
    "keras_vgg16": (14_728_926, 2_808_167_424),
}

# Deep networks take long to build and trace: only their shapes and numbers are checked every time.
LONG = ("keras_resnet50", "keras_vgg16")
SLOW = ("vgg", "inception", "googlenet", "resnet", "resnet18", "resnet18_strided")
SLOW += ("mobilenet", "mobilenet_v2", "keras_mobilenet", "unet")
MARKS = dict.fromkeys(LONG, pytest.mark.long) | dict.fromkeys(SLOW, pytest.mark.slow)
ROWS = [pytest.param(name, marks=MARKS.get(name, ())) for name in CONFORMANCE]


def discs(seed):
    """Sixteen images of three discs, each of a shade of its own, and the discs' middles in px."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform(8, 40, (16, SLOTS, 2)).astype(np.float32)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    images = np.zeros((16, *SHAPE), np.float32)
    for i in range(SLOTS):
        distance = np.hypot(x - middles[:, i, :1, None], y - middles[:, i, 1:, None])
        images[distance < 5] = 250 - 80 * i
    return images, middles


IMAGES, MIDDLES = discs(0)


def build(name, slots=SLOTS, seed=5):
    model = build_network(NetworkSettings(backbone=name, **CONFORMANCE[name][0]), slots, SHAPE, seed=seed)
    set_anchor(model, np.full((slots, 2), 24.0))
    return model


@functools.cache
def built(name):
    """A network that several tests look at; none changes its weights."""
    return build(name)


def train(model, steps):
    """Losses of some steps; everything random is set before each, as the training loop does before each epoch."""
    losses = []
    for step in range(steps):
        set_dropouts(model, 7, step, 1.0)
        losses.append(float(model.train_on_batch(IMAGES, MIDDLES)))
    return losses


def look(model):
    return np.asarray(model(IMAGES, training=False))


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_every_network_has_a_row():
    assert CONFORMANCE.keys() == FULL.keys() == BACKBONES.keys()


@pytest.mark.parametrize("name", CONFORMANCE)
def test_blocks_and_numbers(name):
    (_, values, blocks), model = CONFORMANCE[name], built(name)
    assert model.input_shape == (None, *SHAPE)
    assert model.output_shape == (None, SLOTS, 2)
    assert parameters(model) == values
    ends = [model.get_layer(f"dropout{i + 1}") for i in range(len(blocks))]
    assert all(isinstance(layer, ScheduledDropout) for layer in ends)
    assert tuple(layer.output.shape[1:] for layer in ends) == tuple((h, h, c) for h, c in blocks)
    assert f"dropout{len(blocks) + 1}" not in [layer.name for layer in model.layers]
    assert all(layer.dtype_policy.name == "float32" for layer in model.layers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_trains_and_gives_the_same_again(name, tmp_path):
    """Finite, from its seed, trains, deterministic, saves and loads exactly; what is loaded answers as what trained."""
    model = build(name)
    fresh = get_weights(model)
    other = build(name, seed=6)
    assert not equal(fresh, get_weights(other))
    steps, rate = OWN_TRAINING.get(name, (STEPS, RATE))
    compile_network(model, TrainSettings(loss="mse", learning_rate=rate, optimizer="adam"))
    losses = train(model, steps)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    trained, answer = get_weights(model), look(model)
    assert answer.shape == (16, SLOTS, 2)
    assert answer.dtype == np.float32
    assert np.isfinite(answer).all()
    assert np.ptp(answer, 0).max() > 1e-3  # it looks at the image
    write_arrays(tmp_path / "w.npz", trained)
    set_weights(other, read_arrays(tmp_path / "w.npz"), "test")
    assert equal(get_weights(other), trained)
    np.testing.assert_array_equal(look(other), answer)
    set_weights(model, fresh, "test")
    for variable, value in zip(model.optimizer.variables, model.pristine_optimizer, strict=True):
        variable.assign(value)
    assert train(model, steps) == losses
    assert equal(get_weights(model), trained)


def _shaken(path, value, rng):
    """Values with noise: heads begin with zeros."""
    noise = rng.normal(0, 0.02, value.shape).astype(np.float32)
    return value * np.float32(rng.uniform(0.7, 1.4)) + (np.abs(noise) if path.endswith("variance") else noise)


@pytest.mark.parametrize("name", ROWS)
def test_the_deployed_graph_says_what_the_network_says(name):
    """Two sets of weights side by side, batch norms folded, as `specialists.export` writes them by
    base_models/stacked.py; the networks of keras.applications one by one."""
    made = (NetworkSettings(backbone=name, **CONFORMANCE[name][0]), SLOTS, SHAPE, "float32", 5, "huber")
    model, rng = build_network(*made), np.random.default_rng(3)
    fresh, weights, wanted = get_weights(model), [], []
    for _ in range(2):
        own = {path: _shaken(path, value, rng) for path, value in fresh.items()}
        set_weights(model, own, "test")
        weights.append(own)
        wanted.append(look(model))
    found = [None, None]
    for indices, stack in stacks([(made, own) for own in weights]):
        assert isinstance(stack, Alone) == name.startswith("keras_")
        answers = np.asarray(stack(IMAGES, True))
        for place, index in enumerate(indices):
            found[index] = answers[:, place]
    scale = np.abs(wanted).max()
    assert np.abs(np.subtract(*wanted)).max() > 1e-3 * scale  # the two say different things
    np.testing.assert_allclose(found, wanted, atol=1e-4 * scale)


@pytest.mark.parametrize("name", ROWS)
def test_transfers_all_but_the_last_layer_to_other_slots(name):
    source, target = get_weights(built(name)), build(name, slots=2, seed=6)
    done = transfer(target, source)
    assert set(done.copied) == {path for path in source if not path.startswith(("coordinates", "maps", "positions"))}
    assert len(done.copied) >= 2
    after = get_weights(target)
    assert equal({path: after[path] for path in done.copied}, {path: source[path] for path in done.copied})


@pytest.mark.parametrize("name", ROWS)
def test_takes_colour_images_that_are_no_squares_and_gives_heat_maps(name):
    settings = NetworkSettings(backbone=name, **{**CONFORMANCE[name][0], "head": "heatmap", "dense_units": 4})
    model = build_network(settings, SLOTS, (60, 80, 3))
    assert model.output_shape == (None, SLOTS, 2)
    images = np.random.default_rng(1).uniform(0, 255, (2, 60, 80, 3)).astype(np.float32)
    answer = np.asarray(model(images))
    assert ((answer > -8.5) & (answer < (87.5, 65.5))).all()  # the image and a tenth more on each side


@pytest.mark.parametrize("head", HEADS)
def test_every_head_takes_every_image(head):
    for shape in ((60, 80, 3), (33, 47, 1), (16, 16, 2)):
        model = build_network(NetworkSettings(head=head, filters=4, dense_units=8), SLOTS, shape)
        assert np.isfinite(np.asarray(model(np.full((2, *shape), 9, np.float32)))).all()


@pytest.mark.parametrize("name", ROWS)
def test_any_number_of_its_blocks_can_be_frozen(name):
    model, counts = built(name), []
    for i in range(len(CONFORMANCE[name][2]) + 1):
        freeze(model, i)
        counts.append(parameters(model))
    freeze(model, 0)
    assert counts[0] == parameters(model) == CONFORMANCE[name][1]
    assert all(a > b for a, b in itertools.pairwise(counts))


@pytest.mark.parametrize("name", ROWS)
def test_the_defaults_have_as_many_numbers_as_the_table_says(name):
    padding = SAME if name == "points68" else {}
    model = build_network(NetworkSettings(backbone=name, **padding), 15, (96, 96, 1))
    assert (parameters(model), multiply_adds(model)) == FULL[name]


@pytest.mark.parametrize(
    ("name", "shape", "numbers"),
    [
        ("nose_small", (60, 80, 1), 96),
        ("nose_tiny", (60, 80, 1), 1280),
        ("points68", (224, 224, 1), 8192),
        ("medium", (120, 160, 1), 96),
        ("simple_cnn", (96, 96, 1), 55296),
        ("alexnet", (96, 96, 1), 3600),
    ],
)
def test_dense_layers_see_as_many_numbers_as_in_the_seed_systems(name, shape, numbers):
    model = build_network(NetworkSettings(backbone=name), 1, shape)
    assert model.get_layer("flatten").output.shape == (None, numbers)


def test_points68_has_as_many_numbers_as_in_its_seed_system():
    """Five convolutions of 696,320, the hidden layer's 8,389,632 and 139,400 for 68 points."""
    assert parameters(build_network(NetworkSettings(backbone="points68"), 68, (224, 224, 1))) == 9_225_352


@pytest.mark.parametrize(
    ("name", "fields", "shape"),
    [
        ("alexnet", {"depth": 3}, (12, 12, 80)),
        ("alexnet", {"depth": 5}, (3, 3, 100)),
        ("vgg", {"depth": 5}, (3, 3, 256)),
        ("inception", {"depth": 1}, (12, 12, 256)),
        ("resnet", {"depth": 1}, (6, 6, 64)),
        ("simple_cnn", {"depth": 2}, (96, 96, 6)),
        ("mobilenet", {"filters": 16, "depth": 1}, (3, 3, 512)),
        ("mobilenet_v2", {"depth": 3}, (12, 12, 1280)),
        ("nose_small", {"filters": 8, "padding": "same"}, (6, 6, 16)),
        ("keras_mobilenet", {"filters": 8}, (3, 3, 256)),
    ],
)
def test_width_and_depth_are_arguments(name, fields, shape):
    model = build_network(NetworkSettings(backbone=name, head="pooled", **fields), 1, (96, 96, 1))
    assert model.get_layer("pooled").input.shape[1:] == shape


def test_mobilenet_is_that_of_keras():
    own, keras_own = (
        build_network(NetworkSettings(backbone=n), 15, (96, 96, 1)) for n in ("mobilenet", "keras_mobilenet")
    )
    assert (parameters(own), multiply_adds(own)) == (parameters(keras_own), multiply_adds(keras_own))


def test_multiply_adds_are_those_counted_by_hand():
    inputs = keras.Input((10, 12, 2))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)  # 5 x 6 px, each 3 x 3 x 2 x 4
    x = keras.layers.DepthwiseConv2D(3, padding="valid")(x)  # 3 x 4 px, each 3 x 3 x 4
    x = keras.layers.Dense(7)(keras.layers.Flatten()(x))  # 48 x 7
    model = keras.Model(inputs, x)
    assert multiply_adds(model) == 30 * 72 + 12 * 36 + 48 * 7
    assert multiply_adds(keras.Model(inputs, model(inputs))) == multiply_adds(model)
    assert parameters(model) == 72 + 4 + 36 + 4 + 48 * 7 + 7


def test_bfloat16_networks_answer_in_float32():
    settings = NetworkSettings(backbone="alexnet", filters=4, dense_units=8)
    for head in HEADS:
        model = build_network(dataclasses.replace(settings, head=head), SLOTS, SHAPE, "mixed_bfloat16")
        assert look(model).dtype == np.float32
        assert model.get_layer("conv1").compute_dtype == "bfloat16"
