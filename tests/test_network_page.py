"""The features file and the network page: what is stored of a network, what counts as dead, what the page does."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from chromium import Page, in_browser

from base_models import features as made
from base_models.base import Base
from base_models.features import collect, main, named_faces, stages, typical_faces, visit, write_features
from base_models.network import build_network
from base_models.settings import CHOICES, NetworkSettings
from data.errors import ProjectError, RunError, UsageError
from data.keypoints import KAGGLE15
from data.runs import Part
from data.synthetic import make_faces
from reports.features import FEATURES, Features
from reports.network_page import build_network_page, findings, network_page
from reports.predictions import Predictions

FACES = make_faces(12, seed=3, size=32)
SLOTS = len(KAGGLE15.slot_names)
HOSTILE = "</script><img onerror=alert(1)>{{7*7}}$$\u2028"


def network(backbone="alexnet", size=32, **more):
    options = {"filters": 4} if backbone not in ("keras_resnet50", "keras_vgg16") else {}
    settings = NetworkSettings(backbone=backbone, **{**options, "dense_units": 8, **more})
    return build_network(settings, SLOTS, (size, size, 1))


def predictions(faces=FACES, ids=None):
    """The base is off by row number / 10 px in x."""
    truth = faces.points
    off = np.arange(len(faces))[:, None, None] / 10 * np.array([1.0, 0.0])
    points = {"base": (np.nan_to_num(truth) + off).astype(np.float32)}
    points["ensemble"] = points["base"]
    return Predictions(
        np.asarray(faces.images), np.arange(len(faces)) if ids is None else ids, faces.convention, truth,
        points, np.ones((2, len(faces), len(KAGGLE15)), np.float32), KAGGLE15, {"source": "synthetic"},
    )  # fmt: skip


def trained(folder, model):
    """A finished base of these weights, as a run has it."""
    part = Part(folder / "base", {"part": "base"})
    with part.opened():
        part.finish({"conv1/kernel": np.zeros(3)}, [], {})
    return Base(model, KAGGLE15, part)


@pytest.fixture(scope="module")
def heat_run(tmp_path_factory):
    """A run with the features of an untrained heat-map network."""
    folder = tmp_path_factory.mktemp("heat")
    write_features(folder, trained(folder, network("resnet")), predictions())
    return folder


@pytest.fixture(scope="module")
def dead_run(tmp_path_factory):
    """A run with an AlexNet, two of whose first filters and one of whose units are dead."""
    folder = tmp_path_factory.mktemp("dead")
    write_features(folder, trained(folder, with_dead(network(head="dense"))), predictions())
    return folder


def with_dead(model):
    kernel = np.asarray(model.get_layer("conv1").kernel).copy()
    kernel[..., [0, 2]] = 0
    model.get_layer("conv1").kernel.assign(kernel)
    model.get_layer("dense1_norm").beta.assign(np.where(np.arange(8) == 5, -100.0, 5.0))  # before its ReLU
    model.get_layer("dense2_norm").beta.assign(np.full(8, 5.0))
    model.get_layer("coordinates").kernel.assign(np.eye(8, 2 * SLOTS) + 0.1)  # zero in a fresh network
    return model


def test_visiting_a_network_gives_its_answer_and_shows_every_layer():
    model, images = network(), FACES.images[:2].astype(np.float32)
    seen = []
    output = visit(model, images, lambda layer, inputs, out: seen.append((layer.name, out.shape)))
    np.testing.assert_allclose(np.asarray(output), model.predict_on_batch(images), atol=1e-4)
    assert [name for name, _ in seen] == [layer.name for layer in model.layers[1:]]


KINDS = ("simple_cnn", "alexnet", "inception", "resnet", "mobilenet", "unet", "keras_mobilenet")  # of bricks, once each
OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in CHOICES["backbone"] if name not in KINDS]


@pytest.mark.parametrize("backbone", [*KINDS, *OTHERS])
def test_every_network_has_stages_with_all_of_its_kernels(backbone):
    try:
        model = network(backbone)
    except ProjectError:  # images of 32 px are too small for it
        model = network(backbone, size=96, padding="same")
    size = model.input_shape[1]
    found = stages(model, np.zeros((1, size, size, 1), np.float32))
    kernels = [v for v in model.variables if v.path.endswith("kernel")]
    assert sum(s.kernel().size for s in found if s.kernel() is not None) == sum(int(np.prod(v.shape)) for v in kernels)
    assert all(s.kernel() is None or len(s.kernel()) == s.shape[-1] for s in found)


def test_answers_are_those_after_norm_relu_and_pooling():
    found = {s.layer.name: s.answer.name for s in stages(network("resnet"), np.zeros((1, 32, 32, 1), np.float32))}
    assert found["stem_conv"] == "stem_relu"
    assert found["stage1a_second_conv"] == "stage1a_second_norm"  # what is added, before it is
    assert found["stage1a_add"] == "stage1a_relu"
    assert found["maps"] == "maps"


def test_filters_that_never_change_are_dead_and_no_others():
    layers, heat = collect(with_dead(network(head="dense")), KAGGLE15, np.asarray(FACES.images), np.array([0]))
    dead = {layer.name: layer.dead for layer in layers}
    assert heat is None
    assert (dead["conv1"], dead["dense1"]) == ([0, 2], [5])
    assert dead["conv4"] == []


def test_stored_maps_are_the_networks_own(monkeypatch):
    """Whatever the order of the chosen faces, and however the faces fall into batches."""
    model, chosen = network("resnet"), np.array([11, 2, 8])
    monkeypatch.setattr(made, "AT_ONCE", 5)
    layers, heat = collect(model, KAGGLE15, np.asarray(FACES.images), chosen)
    probe = keras.Model(model.input, model.get_layer("stem_relu").output)
    truth = np.asarray(probe.predict_on_batch(FACES.images[chosen].astype(np.float32))).transpose(0, 3, 1, 2)
    stem = next(layer for layer in layers if layer.name == "stem_conv")
    low, high = stem.ranges[None, :, None, None, 0], stem.ranges[None, :, None, None, 1]
    assert stem.maps.shape == truth.shape
    np.testing.assert_allclose(low + (high - low) * stem.maps / 255, truth, atol=0.003 * truth.max())
    sums = (heat.maps.astype(float) * heat.peaks[:-1, :, None, None] / 255).sum((2, 3))
    np.testing.assert_allclose(sums, 1, atol=0.15)  # 64 cells, each rounded to 1 / 255 of the highest
    assert heat.box == pytest.approx([-3.7, -3.7, 34.7, 34.7])  # soft-argmax reaches a tenth beyond the image


@pytest.mark.parametrize(("budget", "side"), [(10**7, 16), (9_000, 8)])
def test_maps_stay_within_their_budget(monkeypatch, budget, side):
    monkeypatch.setattr(made, "MAPS", budget)
    layers, _ = collect(network("resnet"), KAGGLE15, np.asarray(FACES.images), np.array([0, 1]))
    assert sum(layer.maps.size for layer in layers) <= budget
    assert max(layer.maps.shape[-1] for layer in layers) <= side


def test_kernels_are_stored_to_a_127th_of_the_largest():
    model = network("resnet")
    layers, _ = collect(model, KAGGLE15, np.asarray(FACES.images), np.array([0]))
    stem = next(layer for layer in layers if layer.name == "stem_conv")
    kernel = np.asarray(model.get_layer("stem_conv").kernel).transpose(3, 2, 0, 1)
    np.testing.assert_allclose(stem.kernel / 127 * stem.largest, kernel, atol=stem.largest / 250)


def test_a_dense_layer_on_a_map_has_a_kernel_of_its_size():
    layers, _ = collect(network(head="dense"), KAGGLE15, np.asarray(FACES.images), np.array([0]))
    last, dense = layers[-4], layers[-3]
    assert (last.name, dense.name) == ("conv4", "dense1")
    assert dense.kernel.shape == (8, last.channels, *last.shape[:2])


def test_the_same_features_give_the_same_bytes_and_come_back(heat_run, tmp_path):
    features = Features.load(heat_run / FEATURES)
    features.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (heat_run / FEATURES).read_bytes()
    assert (features.about["looked"], features.ids.tolist()) == (12, [0, 6, 11])
    assert features.words == ["lowest error, 0.00 px", "median error, 0.42 px", "highest error, 0.78 px"]


def test_faces_without_labels_are_the_first_ones():
    blank = dataclasses.replace(predictions(), truth=np.full_like(FACES.points, np.nan))
    rows, words = typical_faces(blank)
    assert (rows.tolist(), words[2]) == ([0, 1, 2], "face 3 of 12")


def test_faces_are_chosen_by_id_each_once():
    rows, _ = named_faces(predictions(ids=np.array(list("abcdefghijkl"))), ["c", "a", "c"])
    assert rows.tolist() == [2, 0]
    with pytest.raises(UsageError, match=r"--face: expected the id of one of 12 faces, such as 0, 1.*'x'"):
        named_faces(predictions(), ["x"])


def test_no_faces_no_file(tmp_path):
    nothing = FACES[np.array([], int)]
    assert write_features(tmp_path, None, predictions(nothing)) is None


@pytest.mark.parametrize("change", ["meta", "maps/0", "ranges/0", "faces", "heat/maps"])
def test_a_file_of_other_arrays_is_refused(heat_run, tmp_path, change):
    arrays = dict(np.load(heat_run / FEATURES))
    arrays[change] = arrays[change][:-1]
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(RunError, match="expected a features file"):
        Features.load(tmp_path / "other.npz")


def test_the_page_refuses_what_is_missing_or_of_another_base(heat_run, tmp_path):
    with pytest.raises(RunError, match=r"python -m base_models.features --run .*received no file"):
        build_network_page(tmp_path)
    shutil.copytree(heat_run, tmp_path / "run")
    with Part(tmp_path / "run" / "base", {"part": "base"}).opened(replace=True):
        Part(tmp_path / "run" / "base").finish({"conv1/kernel": np.ones(3)}, [], {})
    with pytest.raises(RunError, match=r"expected features of the base.*again"):
        build_network_page(tmp_path / "run")


def test_the_command_needs_a_merged_run(tmp_path):
    with pytest.raises(RunError, match=r"predictions.npz: expected the predictions of an ensemble"):
        main(["--run", str(tmp_path)])


def test_words_tell_the_dead(dead_run, heat_run):
    said = dict(findings(Features.load(dead_run / FEATURES)))
    assert "2 of" not in said["Weights"]
    assert said["Dead filters"].startswith("3 of ")
    assert "conv1 (2 of 4)" in said["Dead filters"]
    assert "coordinates, not heat maps" in said["Head"]
    alive = dict(findings(Features.load(heat_run / FEATURES)))
    assert alive["Dead filters"].startswith("None of ")
    assert "One heat map per point" in alive["Head"]


def test_hostile_names_stay_text(heat_run):
    features = Features.load(heat_run / FEATURES)
    named = dataclasses.replace(
        features,
        ids=np.array([HOSTILE] * 3),
        words=[HOSTILE] * 3,
        layers=[dataclasses.replace(features.layers[0], name=HOSTILE, kind=HOSTILE, answer=HOSTILE)],
        about={**features.about, "network": HOSTILE},
    )
    page = network_page(named, HOSTILE)
    assert page.count("</script>") == network_page(features).count("</script>")
    assert "<img onerror" not in page


def test_a_file_without_layers_has_words(heat_run):
    page = network_page(dataclasses.replace(Features.load(heat_run / FEATURES), layers=[], heat=None))
    assert "Nothing to show" in page


def test_equal_features_give_equal_pages(heat_run):
    first, second = (network_page(Features.load(heat_run / FEATURES)) for _ in range(2))
    assert first == second
    assert json.dumps(first)  # Unicode that every file takes


# ---- in a browser ----------------------------------------------------------------------------------------------


def opened(browser, folder):
    return Page(browser, build_network_page(folder))


def pixels(page, selector):
    """Sum of the red values of all canvases there."""
    script = """let sum = 0; for (const c of document.querySelectorAll(arguments[0])) {
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < d.length; i += 4) sum += d[i] * (i % 101); } return sum"""
    return page.run(script, selector)


def names(page, selector):
    return page.run(
        "return Array.from(document.querySelectorAll(arguments[0]), e => e.getAttribute('aria-label'))", selector
    )


def text_of(page, selector):
    return page.run("return document.querySelector(arguments[0]).textContent", selector)


for_browser = pytest.mark.parametrize("folder", ["heat_run", "dead_run"])


@in_browser
class TestInBrowser:
    @for_browser
    def test_it_asks_for_nothing_and_complains_of_nothing(self, browser, request, folder):
        page = opened(browser, request.getfixturevalue(folder))
        assert page.complaints() == []
        outside, own = page.requests()
        # The browser's own empty page may still be loading.
        assert ([url for url in outside if not url.startswith("chrome:")], len(own)) == ([], 1)
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")

    def test_a_face_changes_maps_thumbnails_and_status(self, browser, heat_run):
        page = opened(browser, heat_run)
        before = pixels(page, "#maps canvas"), pixels(page, ".sees canvas")
        page.click("[data-face='2']")
        after = pixels(page, "#maps canvas"), pixels(page, ".sees canvas")
        assert before[0] != after[0]
        assert before[1] != after[1]
        assert text_of(page, "#status").startswith("Face 11 · stem_conv, layer 1 of ")
        assert names(page, "#maps canvas")[0].startswith("channel 1 of stem_conv on face 11, from ")

    def test_layers_are_chosen_in_the_table_and_by_turning(self, browser, heat_run):
        page = opened(browser, heat_run)
        page.click("[data-layer='2']")
        chosen = "return document.querySelector('[data-layer][aria-pressed=true]').dataset.layer"
        assert page.run(chosen) == "2"
        assert text_of(page, "#layer-name") == text_of(page, "[data-layer='2']")
        page.click("#next")
        assert page.run(chosen) == "3"
        assert not page.run("return document.getElementById('kernel-part').checkVisibility()")  # a sum has none
        page.click("#previous")
        page.click("#previous")
        page.click("#previous")
        assert page.run("return document.getElementById('previous').disabled")
        assert len(names(page, "#kernel canvas")) == 4

    def test_dead_filters_and_units_are_marked(self, browser, dead_run):
        page = opened(browser, dead_run)
        assert text_of(page, "#layer-dead") == "Dead: 2 of 4, 1, 3"
        marked = "return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)"
        assert page.run(marked, "#maps .dead b") == ["1", "3"]
        assert page.run(marked, "#first .dead b") == ["1", "3"]
        assert "dead, always 0" in names(page, "#maps .dead canvas")[0]
        row = "return Array.from(document.querySelectorAll('#layers tr'), r => r.textContent.includes('dense1'))"
        page.click(f"[data-layer='{page.run(row).index(True)}']")
        assert text_of(page, "#layer-dead") == "Dead: 1 of 8, 6"
        orange = "const c = document.querySelector('#maps canvas'); return Array.from(c.getContext('2d')"
        assert page.run(f"{orange}.getImageData(5, 0, 1, 1).data)") == [213, 94, 0, 255]

    def test_heat_maps_of_all_faces_and_of_one(self, browser, heat_run):
        page = opened(browser, heat_run)
        assert len(names(page, "#heat canvas")) == SLOTS
        together = pixels(page, "#heat canvas")
        page.click("[data-heat=face]")
        one = pixels(page, "#heat canvas")
        assert names(page, "#heat canvas")[0].startswith("heat map of left eye center on face 0, ")
        page.click("[data-face='1']")
        assert len({together, one, pixels(page, "#heat canvas")}) == 3

    def test_a_network_without_heat_maps_says_so(self, browser, dead_run):
        page = opened(browser, dead_run)
        assert "tells coordinates directly" in text_of(page, "main")
