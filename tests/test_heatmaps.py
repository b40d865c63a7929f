"""Heat maps: decodings find what was drawn, targets are what their names say, and networks train on them."""

import dataclasses

import keras
import numpy as np
import pytest

from base_models.fit import compile_network
from base_models.heatmaps import BORDER, DECODINGS, MapPositions
from base_models.losses import MAP_LOSSES, TARGETS, MapLoss, disc, gaussian, make_loss
from base_models.network import build_network
from base_models.predict import predict, predict_spread, score
from base_models.settings import NetworkSettings, TrainSettings

SIZE, CELLS = (96, 96), (24, 24)  # cells of 4 px


def decode(maps, decoding, gives):
    return np.asarray(MapPositions(SIZE, decoding, gives)(np.asarray(maps, np.float32)))


def bump(x, y, sigma=6.0, height=1.0):
    """A map [1, 24, 24, 1] of a Gaussian about (x, y) px."""
    middles = 4 * np.arange(24) + 1.5
    squared = (middles[None, :] - x) ** 2 + (middles[:, None] - y) ** 2
    return (height * np.exp(-squared / (2 * sigma**2)))[None, :, :, None]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (11, 12), (23, 5)])
def test_soft_argmax_of_a_peak_is_its_position(row, column):
    maps = np.zeros((2, 24, 24, 2), np.float32)
    maps[0, row, column, 1] = 60
    found = decode(maps, "soft_argmax", "positions")
    # 24 cells of 4.8 px cover -9.6 to 105.6 px of the image's own -0.5 to 95.5: a tenth more on each side.
    assert BORDER == 0.1
    wanted = [-10.1 + 4.8 * (column + 0.5), -10.1 + 4.8 * (row + 0.5)]
    np.testing.assert_allclose(found[0, 1], wanted, atol=1e-3)
    np.testing.assert_allclose(found[[0, 1, 1], [0, 0, 1]], 47.5, atol=1e-3)  # a flat map: the middle


@pytest.mark.parametrize("gives", ["heat", "logits"])
@pytest.mark.parametrize(("decoding", "within"), [("argmax", 2.01), ("centre_of_mass", 0.6), ("soft_argmax", 0.5)])
def test_decodings_find_the_middle_of_a_bump(gives, decoding, within):
    for x, y in ((40.0, 60.0), (31.3, 22.2), (49.5, 45.5)):
        maps = bump(x, y) if gives == "heat" else np.log(bump(x, y) + 1e-6)
        found = decode(maps, decoding, gives)
        assert np.abs(found[0, 0, :2] - (x, y)).max() < within
        np.testing.assert_array_equal(found[0, 0, 2:], maps.ravel().astype(np.float32))  # the map itself follows


def test_argmax_is_the_middle_of_a_cell_and_another_slot_does_not_pull():
    maps = np.concatenate([bump(40, 60), bump(9.5, 81.5)], -1)
    found = decode(maps, "argmax", "heat")
    assert found.shape == (1, 2, 2 + 576)
    np.testing.assert_allclose(found[0, 1, :2], (9.5, 81.5), atol=1e-5)
    assert np.abs(found[0, 0, 0] - (37.5, 41.5)).min() < 1e-5


def test_a_faint_second_bump_pulls_only_the_mean_over_the_whole_map():
    maps = bump(30, 30) + bump(80, 80, height=0.4)
    assert np.abs(decode(maps, "centre_of_mass", "heat")[0, 0, :2] - 30).max() < 0.6
    logits = np.log(maps + 1e-6)
    assert np.abs(decode(logits, "centre_of_mass", "logits")[0, 0, :2] - 30).max() < 0.6
    assert (decode(logits, "soft_argmax", "logits")[0, 0, :2] > 40).all()


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("gives", ["heat", "logits"])
@pytest.mark.parametrize("value", [0.0, -3.0, 100.0])
def test_a_flat_map_is_decoded_to_a_place_in_the_image(decoding, gives, value):
    found = decode(np.full((1, *CELLS, 1), value), decoding, gives)[0, 0, :2]
    assert ((found > -0.5) & (found < 95.5)).all()
    if decoding != "argmax":
        np.testing.assert_allclose(found, 47.5, atol=1e-3)


def test_images_that_are_not_square_have_cells_that_are_not():
    """A 60 x 80 px image under 4 rows of 15 px and 5 columns of 16 px."""
    maps = np.full((2, 4, 5, 2), -40.0, np.float32)
    maps[0, 1, 3, 0] = maps[0, 3, 0, 1] = maps[1, 0, 4, 0] = maps[1, 2, 2, 1] = 40
    found = MapPositions((60, 80), "soft_argmax", "logits")(maps)[..., :2]
    np.testing.assert_allclose(found, [[[55.5, 22], [7.5, 52]], [[71.5, 7], [39.5, 37]]], atol=1e-4)


def test_the_spread_is_that_of_the_map():
    found = decode(np.log(bump(47.5, 47.5, 6.0) + 1e-9), "soft_argmax", "spread")
    assert found.shape == (1, 1, 3)
    assert np.exp(found[0, 0, 2]) == pytest.approx(6.0 * (1 + 2 * BORDER), rel=0.02)


def squared_distance(x, y):
    middles = 4 * np.arange(24) + 1.5
    return ((middles[None, :] - x) ** 2 + (middles[:, None] - y) ** 2)[None].astype(np.float32)


def test_a_gaussian_target_has_its_peak_in_the_nearest_cell_and_its_own_width():
    drawn = np.asarray(gaussian(squared_distance(41.5, 61.5), 4.0))[0]
    assert np.unravel_index(drawn.argmax(), CELLS) == (15, 10)
    assert drawn[15, 10] == 1
    assert drawn[15, 11] == drawn[14, 10] == pytest.approx(np.exp(-0.5))  # 4 px away
    between = np.asarray(gaussian(squared_distance(39.5, 61.5), 4.0))[0]
    assert between[15, 9] == between[15, 10] == 1


@pytest.mark.parametrize(
    ("x", "y", "radius", "cells"),
    [(41.5, 61.5, 4.1, 5), (41.5, 61.5, 3.9, 1), (39.5, 59.5, 1.0, 4), (41.5, 61.5, 8.1, 13), (-50.0, 61.5, 3.0, 1)],
)
def test_a_disc_target_is_the_cells_within_its_radius_and_always_the_nearest(x, y, radius, cells):
    drawn = np.asarray(disc(squared_distance(x, y), radius))
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.sum() == cells


AXES = 4 * np.arange(24) + 1.5
TRUTH = np.array([[[41.5, 61.5], [20.0, 30.0]], [[50.0, 50.0], [70.0, 11.0]]], np.float32)
HIDDEN = TRUTH.copy()
HIDDEN[0, 1] = np.nan
HIDDEN[1, 1, 0] = np.nan


def answers(seed=0):
    """What a network could say: positions that nobody looks at, and maps."""
    maps = np.random.default_rng(seed).normal(size=(2, 2, 576)).astype(np.float32)
    return np.concatenate([np.full((2, 2, 2), 7, np.float32), maps], -1)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("truth", [TRUTH, HIDDEN], ids=["complete", "partly"])
def test_map_losses_are_what_numpy_says_over_the_labelled_points(target, truth):
    given, draw = answers(), {"gaussian": gaussian, "disc": disc}[target]
    labelled = np.isfinite(truth).all(-1)
    squares, entropies = [], []
    for point, maps in zip(truth[labelled], given[labelled][:, 2:].astype(float), strict=True):
        drawn = np.asarray(draw(squared_distance(*point), 5.0)).ravel().astype(float)
        squares.append(((maps - drawn) ** 2).sum())
        entropies.append(-(drawn / drawn.sum() * (maps - np.log(np.exp(maps).sum()))).sum())
    for kind, wanted in (("map_mse", squares), ("map_cross_entropy", entropies)):
        assert float(MapLoss(kind, AXES, AXES, target, 5.0)(truth, given)) == pytest.approx(np.mean(wanted), rel=1e-4)


@pytest.mark.parametrize("kind", MAP_LOSSES)
def test_maps_of_points_that_are_not_labelled_do_not_count(kind):
    loss, other = MapLoss(kind, AXES, AXES), answers()
    other[0, 1] = 50
    other[1, 1] = -50
    assert float(loss(HIDDEN, other)) == float(loss(HIDDEN, answers()))
    assert float(loss(np.full_like(TRUTH, np.nan), other)) == 0


def test_the_map_that_costs_least_is_the_target():
    target = np.asarray(gaussian(squared_distance(41.5, 61.5), 4.0)).reshape(1, 1, -1)
    truth, positions = TRUTH[:1, :1], np.zeros((1, 1, 2), np.float32)
    for kind, best in (("map_mse", target), ("map_cross_entropy", np.log(target + 1e-30))):
        loss = MapLoss(kind, AXES, AXES, "gaussian", 4.0)
        least = float(loss(truth, np.concatenate([positions, best], -1)))
        for seed in range(5):
            noise = np.random.default_rng(seed).normal(0, 0.1, best.shape).astype(np.float32)
            assert float(loss(truth, np.concatenate([positions, best + noise], -1))) > least


def faces(n=24, size=32):
    """Images of two discs of different shade, and their middles; one label in six is missing."""
    rng = np.random.default_rng(3)
    middles = rng.uniform(6, size - 6, (n, 2, 2)).astype(np.float32)
    y, x = np.mgrid[:size, :size]
    images = np.zeros((n, size, size, 1), np.uint8)
    for i, shade in ((0, 120), (1, 250)):
        images[np.hypot(x - middles[:, i, :1, None], y - middles[:, i, 1:, None]) < 4] = shade
    truth = middles.copy()
    truth[::3, 1] = np.nan
    return images, truth, middles


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "decoding", "target"),
    [
        ("map_cross_entropy", "centre_of_mass", "gaussian"),
        ("map_mse", "argmax", "disc"),
        ("gaussian_nll", "soft_argmax", "gaussian"),
    ],
)
def test_a_network_learns_from_partly_labelled_points(loss, decoding, target):
    images, truth, middles = faces()
    train = TrainSettings(loss=loss, map_target=target, learning_rate=0.01)
    settings = NetworkSettings(
        head="heatmap", filters=8, depth=2, dense_units=16, decoding=decoding, dropout_ceiling=0.0
    )
    model = build_network(settings, 2, (32, 32, 1), seed=1, loss=loss)
    before = score(predict(model, images), middles)
    compile_network(model, train)
    model.fit(images.astype(np.float32), truth, batch_size=8, epochs=30, verbose=0, shuffle=False)
    found = predict(model, images)
    assert found.shape == (24, 2, 2)
    assert score(found, truth) < 4 < before
    assert score(found, middles) < 4.5  # what was not labelled too


@pytest.mark.parametrize("head", ["dense", "pooled", "heatmap"])
def test_a_spread_is_said_for_every_point(head):
    settings = NetworkSettings(head=head, filters=4, dense_units=8)
    model = build_network(settings, 3, (48, 48, 1), loss="gaussian_nll")
    assert model.output_shape == (None, 3, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1), np.uint8)
    spread = predict_spread(model, images)
    assert spread.shape == (2, 3)
    assert ((spread > 1) & (spread < 48)).all()  # a fresh network errs much
    if head != "heatmap":
        np.testing.assert_allclose(spread, 5.0, rtol=1e-5)  # px at half the size of Kaggle's faces
    assert predict(model, images).shape == (2, 3, 2)


def test_the_loss_knows_the_maps_of_its_network():
    train = TrainSettings(loss="map_mse", map_target="disc", map_radius=3.0)
    model = build_network(NetworkSettings(head="heatmap", filters=4), 2, (48, 64, 1), loss="map_mse")
    loss = make_loss(train, model)
    assert (len(loss.x), len(loss.y)) == (16, 12)
    np.testing.assert_allclose(loss.x, 4 * np.arange(16) + 1.5, atol=1e-5)
    np.testing.assert_allclose(loss.y, 4 * np.arange(12) + 1.5, atol=1e-5)
    assert (loss.target, loss.px) == ("disc", 3.0)
    assert isinstance(make_loss(dataclasses.replace(train, loss="wing"), model), keras.losses.Loss)
