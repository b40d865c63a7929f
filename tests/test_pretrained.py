"""Weights of ImageNet, without a network: a loader of our own gives random ones."""

import keras
import numpy as np
import pytest

from base_models import pretrained
from base_models.network import build_network
from base_models.pretrained import APPLICATIONS, first_kernel, start_pretrained
from base_models.settings import NetworkSettings
from base_models.weights import get_weights
from data.errors import UsageError

SETTINGS = NetworkSettings(backbone="keras_mobilenet", filters=8, weights="imagenet")
CHEAP = [
    "keras_mobilenet",
    pytest.param("keras_vgg16", marks=pytest.mark.long),
    pytest.param("keras_resnet50", marks=pytest.mark.long),
]


@pytest.fixture
def source(monkeypatch):
    """What would be downloaded: dict of path to array, of the network asked for last."""
    arrays = {}

    def load(backbone, filters=None):
        keras.utils.set_random_seed(77)
        size = {"alpha": filters / 32} if filters else {}
        model = APPLICATIONS[backbone].build(include_top=False, weights=None, input_shape=(224, 224, 3), **size)
        arrays.clear()
        arrays.update({v.path: np.asarray(v) for v in model.variables})
        return model

    monkeypatch.setattr(pretrained, "load_imagenet", load)
    return arrays


@pytest.mark.parametrize("backbone", CHEAP)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_weight_of_the_backbone_comes_from_there(source, backbone, channels):
    filters = 8 if backbone == "keras_mobilenet" else None
    settings = NetworkSettings(backbone=backbone, filters=filters, weights="imagenet")
    model = build_network(settings, 2, (48, 48, channels))
    done = start_pretrained(model, settings)
    after, first = get_weights(model), APPLICATIONS[backbone].first
    assert set(done.copied) == source.keys()
    assert {text.partition(" ")[0] for text in done.fresh} == {
        "coordinates/kernel",
        "coordinates/bias",
        "positions/anchor",
    }
    assert all(np.array_equal(after[name], source[name]) for name in source if name != first)
    assert after[first].shape[2] == channels


def test_a_grey_network_answers_as_the_colour_one_on_three_equal_channels(source):
    grey, colour = (build_network(SETTINGS, 2, (48, 48, channels), seed=4) for channels in (1, 3))
    for model in (grey, colour):
        start_pretrained(model, SETTINGS)
    image = np.random.default_rng(0).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    features = [keras.Model(m.input, m.get_layer("dropout1").output) for m in (grey, colour)]
    one, three = np.asarray(features[0](image)), np.asarray(features[1](np.repeat(image, 3, -1)))
    assert np.abs(one).max() > 1e-6
    np.testing.assert_allclose(one, three, rtol=1e-3, atol=1e-6)


def test_kernels_of_blue_green_red_are_turned_round():
    kernel = np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4)
    np.testing.assert_array_equal(first_kernel(kernel, 3, True)[:, :, 0], kernel[:, :, 2])
    np.testing.assert_array_equal(first_kernel(kernel, 3, False), kernel)
    np.testing.assert_array_equal(first_kernel(kernel, 1, True)[:, :, 0], kernel.sum(2))


def test_a_download_that_fails_is_told_with_a_way_out(monkeypatch):
    def fail(*_):
        raise Exception("URL fetch failure on https://example.org/mobilenet.h5: None -- [Errno -2] unknown name")

    monkeypatch.setattr(pretrained, "load_imagenet", fail)
    model = build_network(SETTINGS, 2, (48, 48, 1))
    with pytest.raises(
        UsageError, match=r"ImageNet weights of keras_mobilenet .*URL fetch.*network.weights=none starts"
    ):
        start_pretrained(model, SETTINGS)


@pytest.mark.filterwarnings("ignore:This model usually expects")
def test_images_of_four_channels_are_refused(source):
    model = build_network(SETTINGS, 2, (48, 48, 4))
    with pytest.raises(UsageError, match="takes images of 1 or 3 channels; received 4"):
        start_pretrained(model, SETTINGS)
    assert not source


def test_nothing_is_asked_for_where_nothing_is_wanted(source):
    settings = NetworkSettings(backbone="keras_mobilenet", filters=8)
    assert start_pretrained(build_network(settings, 2, (48, 48, 1)), settings) is None
    assert not source
