"""The comparison of networks: a real one of tiny networks, what it leaves, and its page."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from chromium import Page, in_browser

from base_models import compare, measure
from base_models import train as base_command
from base_models.backbones import BACKBONES
from base_models.base import load_base, split_rows
from base_models.calibration import calibration_of, within
from base_models.cost import multiply_adds, parameters
from base_models.predict import WORST, score, validation_scores
from base_models.pretrained import APPLICATIONS
from base_models.settings import Settings
from data.errors import ProjectError, UsageError, command
from data.sources import read_training
from data.storage import write_json
from data.synthetic import make_files
from reports import comparison_charts as charts
from reports.bootstrap import resamples, trimmed_interval
from reports.comparison import build_comparison, comparison_page
from specialists import ensemble, submission

ROOT = Path(__file__).parents[1]
NAMES = "nose_small,points68,nose_tiny"  # 96 px are too few for points68
SMALL = ["--epochs=1", "--set=network.filters=4", "--set=train.batch_size=16", "--seed=3"]


def run(main, *arguments):
    """What a command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        main(list(map(str, arguments)))
    return told.getvalue()


def rows(folder):
    return {row["network"]: row for row in json.loads((folder / "comparison.json").read_text())["networks"]}


class Place(type(Path())):
    """A folder with a competition in data/ and a comparison in run/; `said` is what the command printed."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    before = signal.getsignal(signal.SIGTERM)
    folder = Place(tmp_path_factory.mktemp("compare"))
    make_files(folder / "data", 40, 6, seed=4)
    folder.options = ["--data", folder / "data", "--run", folder / "run", "--networks", NAMES, *SMALL]
    folder.options += ["--test", folder / "data"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "MEASURED", 0)  # seconds
        folder.said = run(compare.main, *folder.options).splitlines()
        yield folder
    signal.signal(signal.SIGTERM, before)


def parts_of(place):
    """(faces, (training rows, validation rows))."""
    faces = read_training(str(place / "data"), 3)
    return faces, split_rows(faces, Settings().split, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nose_small", "nose_tiny"])
def test_rows_say_what_the_networks_reach_and_cost(place, name):
    row, base, (faces, parts) = rows(place / "run")[name], load_base(place / "run" / name), parts_of(place)

    def look(some, shifted=False):
        return within(sum(base.look(faces[some].images, True, shifted)) / 2, faces.size)

    held, found = faces[parts[1]], look(parts[1], True)
    moves = calibration_of(faces, parts[0], look, held, found)
    assert row["calibrated"] == (moves is not None)
    found = moves.moved(found, held.size) if moves else found
    expected = validation_scores(found, held.slots)
    value, low, high = row["scores"]["all"]["rmse"]
    assert value == pytest.approx(expected["val_rmse"])
    assert low <= value <= high
    assert row["scores"]["all"]["trimmed"][0] == pytest.approx(expected["val_trimmed"])
    for kind, convention in enumerate(held.schema.conventions):
        own = held.convention == kind
        assert row["scores"][convention.name]["faces"] == own.sum() > 0
        assert row["scores"][convention.name]["rmse"][0] == pytest.approx(score(found[own], held.slots[own]))
    assert (row["flip"], row["shifts"]) == (True, True)
    assert (row["parameters"], row["multiply_adds"]) == (parameters(base.model), multiply_adds(base.model))
    assert (row["epochs"], row["validation_rows"], row["head"]) == (1, len(held), "dense")
    assert row["seconds"] >= row["epoch_seconds"] - 0.1 > 0
    assert row["ms_1"] > 0 < row["ms_64"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nose_small", "nose_tiny"])
def test_test_scores_are_those_of_the_submission_against_the_answers(place, name, tmp_path):
    """By the other commands, and by hand."""
    network, found = place / "run" / name, rows(place / "run")[name]
    common = ["--data", place / "data", "--run", network]
    run(ensemble.main, *common, "--seed", 3, "--settings", network / "settings.json")
    run(submission.main, *common, "--out", tmp_path / "out.csv")
    files = (tmp_path / "out.csv", place / "data" / "test_truth.csv", place / "data" / "IdLookupTable.csv")
    given, truth, asked = (path.read_text().splitlines()[1:] for path in files)
    error = np.array([float(a.split(",")[1]) - float(b.split(",")[1]) for a, b in zip(given, truth, strict=True)])
    images = np.array([int(line.split(",")[1]) for line in asked])
    many = np.isin(images, [image for image in set(images) if (images == image).sum() > 8])
    kinds = {"all": many | True, "fifteen": many, "four": ~many}
    for kind in {kind for kind, rows in kinds.items() if rows.any()}:
        value, low, high = found["test_scores"][kind]["rmse"]
        assert value == pytest.approx(np.sqrt((error[kinds[kind]] ** 2).mean()), abs=1e-3)
        assert low is None or low <= value <= high
    assert found["test_rows"] == len(set(images))
    assert set(found["test_scores"]) == {kind for kind, rows in kinds.items() if rows.any()}


BAD_TESTS = {
    "the same faces": (lambda data: data / "training.csv", "--test: expected other faces than those of --data"),
    "no answers": (lambda data: _without(data, "test_truth.csv"), "expected test_truth.csv, "),
    "nothing": (lambda data: data / "nowhere", "nowhere"),
}


def _without(data, name):
    folder = data.parent / f"without-{name}"
    shutil.copytree(data, folder)
    (folder / name).unlink()
    return folder


@pytest.mark.parametrize("name", BAD_TESTS)
def test_test_faces_that_cannot_be_used_are_told_before_anything_is_trained(name, tmp_path):
    make, words = BAD_TESTS[name]
    make_files(tmp_path / "data", 40, 6, seed=4)
    options = ["--data", tmp_path / "data", "--run", tmp_path / "run", "--networks=nose_tiny", *SMALL]
    with pytest.raises(ProjectError) as error:
        run(compare.main, *options, "--test", make(tmp_path / "data"))
    assert words in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_network_that_fails_says_why_and_ends_no_other(place):
    assert list(rows(place / "run")) == NAMES.split(",")
    why = "network.backbone: expected at least 2x2 px at its layer pool5"
    assert rows(place / "run")["points68"]["why"].startswith(why)
    assert place.said[-2].startswith(f"points68: {why}")
    assert place.said[-1] == f"page: {place / 'run' / 'comparison.html'}"
    assert why in (place / "run" / "comparison.html").read_text()


@pytest.mark.slow
def test_the_table_is_aligned_with_the_most_accurate_first(place):
    head, first, second = place.said[:3]
    assert len({len(head), len(first), len(second)}) == 1
    order = sorted(
        ("nose_small", "nose_tiny"), key=lambda name: rows(place / "run")[name]["scores"]["all"]["trimmed"][0]
    )
    assert [first.split()[0], second.split()[0]] == order
    assert f"{rows(place / 'run')[order[0]]['parameters']:,}" in first.split()


@pytest.mark.slow
def test_the_same_command_again_trains_and_measures_nothing(place, capsys):
    before, old = tiny.files(place / "run"), rows(place / "run")
    assert len(run(compare.main, *place.options).splitlines()) == len(place.said)
    assert " 1/1 " not in capsys.readouterr().err
    after = tiny.files(place / "run")
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} <= {"comparison.json", "comparison.html"}
    assert rows(place / "run") == old  # with the same milliseconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "key"),
    [(["--test", "synthetic:8"], "test_rows"), (["--set", "ensemble.flip=false"], "flip")],
    ids=["test", "ensemble"],
)
def test_what_was_measured_otherwise_is_measured_again(place, tmp_path, other, key):
    shutil.copytree(place / "run", tmp_path / "run")
    run(compare.main, *place.options, "--run", tmp_path / "run", *other)
    old, new = rows(place / "run")["nose_tiny"], rows(tmp_path / "run")["nose_tiny"]
    assert old["scores"].keys() == new["scores"].keys()
    assert old[key] != new[key]


@pytest.mark.slow
def test_damaged_figures_are_told_and_measured_again(place, tmp_path, capsys):
    shutil.copytree(place / "run", tmp_path / "run")
    path, old = tmp_path / "run" / "nose_tiny" / "figures.json", rows(place / "run")["nose_tiny"]
    path.write_text(path.read_text().replace('"epochs": 1', '"epochs": 2'))
    run(compare.main, *place.options, "--run", tmp_path / "run")
    assert re.search(rf"{re.escape(str(path))}: damaged: .*; the network is measured again", capsys.readouterr().err)
    new = rows(tmp_path / "run")["nose_tiny"]
    assert (new["epochs"], new["scores"]) == (1, old["scores"])
    assert json.loads(path.read_text())["row"]["epochs"] == 1


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ({"measured": {"format": 1}, "row": {"scores": {}}}, {"scores": {}}),
        ({"measured": {"format": 2}, "row": {"scores": {}}}, None),
        ({"measured": {"format": 1}, "row": {"why": "not trained yet"}}, None),
        ({"measured": {"format": 1}, "row": [1]}, None),
        ({}, None),
    ],
)
def test_a_row_is_kept_only_of_the_same_measurement(tmp_path, kept, found):
    write_json(tmp_path / compare.FIGURES, kept)
    assert compare.kept_row(tmp_path, {"format": 1}) == found


@pytest.mark.slow
def test_a_network_is_trained_as_if_it_were_alone(place, tmp_path):
    options = ["--data", place / "data", "--seed", 3, "--settings", place / "run" / "nose_tiny" / "settings.json"]
    run(base_command.main, *options, "--run", tmp_path)
    assert (tmp_path / "base" / "weights.npz").read_bytes() == (
        place / "run" / "nose_tiny" / "base" / "weights.npz"
    ).read_bytes()


@pytest.mark.slow
def test_every_network_goes_on_to_a_submission(place):
    """With the other commands, by the settings that the comparison leaves."""
    network, out = place / "run" / "nose_tiny", place / "out.csv"
    common = ["--data", place / "data", "--run", network]
    run(ensemble.main, *common, "--seed", 3, "--settings", network / "settings.json")
    run(submission.main, *common, "--out", out)
    asked = (place / "data" / "IdLookupTable.csv").read_text().splitlines()
    assert len(out.read_text().splitlines()) == len(asked)


@pytest.mark.slow
def test_a_stopped_comparison_goes_on_where_it_was(place, tmp_path, monkeypatch):
    from base_models import base

    finished, real = [], base.train_part

    def stopped(part, *arguments):
        if finished:
            raise KeyboardInterrupt
        finished.append(part.folder.parent.name)
        return real(part, *arguments)

    options = [*place.options, "--run", tmp_path]
    with monkeypatch.context() as patch:
        patch.setattr(base, "train_part", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(compare.main, *options)
    assert finished == ["nose_small"]
    assert rows(tmp_path)["nose_tiny"] == {"network": "nose_tiny", "why": compare.WAITING}
    trained = (tmp_path / "nose_small" / "base" / "history.json").stat().st_mtime_ns
    run(compare.main, *options)
    assert (tmp_path / "nose_small" / "base" / "history.json").stat().st_mtime_ns == trained
    for name in ("nose_small", "nose_tiny"):
        weights = Path(name) / "base" / "weights.npz"
        assert (tmp_path / weights).read_bytes() == (place / "run" / weights).read_bytes()


@pytest.mark.slow
def test_where_no_network_can_be_trained_the_first_reason_is_the_error(place, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        command(lambda: run(compare.main, *place.options, "--networks", "points68", "--run", tmp_path))
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: network.backbone: expected at least 2x2 px")
    assert "why" in rows(tmp_path)["points68"]


@pytest.mark.slow
def test_a_full_disk_ends_the_comparison(place, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compare, "_trained", full)
    with pytest.raises(OSError, match="No space"):
        run(compare.main, *place.options, "--run", tmp_path)


BAD_OPTIONS = [
    (["--networks=lenet"], "--networks: expected one of alexnet, "),
    (["--networks=alexnet,../../tmp"], "received '../../tmp'"),
    (["--networks=resnt"], "received 'resnt'; did you mean 'resnet'?"),
    (["--networks="], "received ''"),
    (["--set=network.backbone=vgg"], "network.backbone: a comparison takes its networks from --networks"),
    (["--for=vgg:train.epochs=3", "--networks=resnet"], "--for: expected one of resnet; received 'vgg'"),
    (["--for=vgg"], "--for: expected NETWORK:KEY=VALUE; received 'vgg'"),
    (
        ["--for=vgg:split.fold=3"],
        "--for: expected a setting that begins with network., train., augment., teachers.; received",
    ),
    (["--for=vgg:network.backbone=resnet"], "received 'network.backbone'"),
    (["--for=vgg:train.epoch=3"], "--for: train.epoch: expected one of epochs, "),
    (["--epochs=0"], "--set: train.epochs: expected 1 to 100000; received 0"),
]


@pytest.mark.parametrize(("options", "words"), BAD_OPTIONS, ids=lambda value: str(value)[:40])
def test_bad_options_are_told_before_anything_is_read_or_written(options, words, tmp_path):
    with pytest.raises(UsageError) as error:
        compare.main(["--data=nowhere", "--run", str(tmp_path / "run"), *options])
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_by_default_every_network_without_weights_of_others_is_compared():
    assert compare.networks_named() == [name for name in BACKBONES if name not in APPLICATIONS]
    assert compare.networks_named("vgg, resnet,vgg") == ["vgg", "resnet"]


def test_a_setting_of_one_network_leaves_the_others_as_they_are():
    made = compare.settings_by_network(Settings(), ["vgg", "resnet"], ["vgg:train.learning_rate=0.25"])
    assert [own.train.learning_rate for own in made.values()] == [0.25, Settings().train.learning_rate]
    assert [own.network.backbone for own in made.values()] == ["vgg", "resnet"]


def test_trimmed_interval_leaves_out_the_largest_errors_of_each_resample():
    generator = np.random.default_rng([6])
    errors = np.where(generator.random((30, 7)) < 0.8, generator.gamma(2, 1, (30, 7)), np.nan)
    errors[3, 2] = 90.0
    weights = resamples(len(errors), count=50)
    found = trimmed_interval(errors, weights, WORST)
    one = np.array([0.0, 0.0])  # distances along x: `score` takes positions
    by_hand = [
        score(np.stack([drawn, 0 * drawn], -1), np.broadcast_to(one, (*drawn.shape, 2)), WORST)
        for drawn in (np.concatenate([errors[i][np.isfinite(errors[i])] for i in held]) for held in _held(weights))
    ]
    known = errors[np.isfinite(errors)]
    assert found.value == pytest.approx(score(np.stack([known, 0 * known], -1), np.zeros((len(known), 2)), WORST))
    assert found[1:] == pytest.approx(np.percentile(by_hand, (2.5, 97.5)))
    assert np.isnan(trimmed_interval(errors[:1], resamples(1), WORST).low)


def _held(weights):
    return [np.repeat(np.arange(len(w)), w.astype(int)) for w in weights]


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0"), (950, "950"), (41_000, "41.0 k"), (999_900, "1.00 M"), (2.4e9, "2.40 G")]
)
def test_large_numbers_are_short(number, shown):
    assert charts.short(number) == shown


@pytest.mark.parametrize(("low", "high"), [(1.35, 1.36), (1.3, 3.4), (2, 40), (5e5, 2.4e9), (1.4, 1.4)])
def test_an_axis_holds_its_values_with_some_round_ticks(low, high):
    axis = charts.log_axis(low, high)
    assert axis["start"] < low <= high < axis["end"]
    assert all(axis["start"] <= tick <= axis["end"] for tick in axis["ticks"])
    assert 2 <= len(axis["ticks"]) <= 8


PLAUSIBLE = {  # million parameters, million multiply-adds, RMSE: made up, for the look of the page
    **{"alexnet": (3.25, 95, 1.79), "alexnet_strided": (2.9, 40, 1.9), "simple_cnn": (1.66, 0.5, 3.4)},
    **{"vgg": (8.1, 620, 1.7), "inception": (1.9, 150, 1.75), "googlenet": (6.0, 210, 1.8)},
    **{"resnet": (1.11, 180, 1.65), "resnet18": (11.2, 1400, 1.62), "resnet18_strided": (11.2, 330, 1.72)},
    **{"mobilenet": (3.2, 95, 1.78), "mobilenet_v2": (2.2, 52, 1.76), "nose_small": (0.09, 3.1, 2.3)},
    **{"nose_tiny": (0.15, 3.0, 2.5), "nose_deep": (0.45, 9.5, 2.1), "medium": (1.1, 310, 2.0)},
    **{"large": (2.0, 900, 1.95), "wide256": (2.6, 2400, 2.05), "unet": (0.48, 700, 1.66)},
}


def plausible(source="elsewhere", tested=False, **names):
    """Rows as `measure_network` makes them."""
    made = [_row(names.get(name, name), source, *numbers) for name, numbers in PLAUSIBLE.items()]
    test = [{"test_rows": 709, "test_scores": _scores(1.1 * rmse)} for _, _, rmse in PLAUSIBLE.values()]
    return [row | own for row, own in zip(made, test, strict=True)] if tested else made


def _row(name, source, millions, adds, rmse):
    about = {"network": name, "source": source, "head": "dense", "rows": 2728, "validation_rows": 304, "epochs": 80}
    cost = {"parameters": int(millions * 1e6), "multiply_adds": int(adds * 1e6), "seconds": 2.0 * adds}
    speed = {"epoch_seconds": adds / 40, "ms_1": 1 + adds / 30, "ms_64": adds / 60}
    return {**about, **cost, **speed, "scores": _scores(rmse)}


def _scores(rmse):
    kinds = {"all": 1.0, "fifteen": 1.08, "four": 0.8}
    return {
        kind: {
            "faces": 300,
            "rmse": [f * rmse, 0.95 * f * rmse, 1.06 * f * rmse],
            "trimmed": [0.9 * f * rmse, 0.88 * f * rmse, 0.93 * f * rmse],
        }
        for kind, f in kinds.items()
    }


FAILED = [{"network": "points68", "why": "too <small> an image"}]


@pytest.mark.parametrize(
    ("given", "words", "scripts"),
    [
        ([], "0 networks, none with figures.", 0),
        (FAILED, "1 network, none with figures.", 0),
        (
            plausible()[:1],
            "alexnet is off by 1.61 px (1.58–\u20601.66) RMSE per coordinate without the largest errors, 1.79 px with",
            3,
        ),
        ([*plausible(), *FAILED], "resnet: 1.48 px with 7.8 times fewer multiply-adds, within 5 % of the best.", 3),
        (plausible(tested=True), "px with them; 1.78 px (1.69–\u20601.89) on the test faces.", 3),
        (plausible("synthetic"), "SYNTHETIC drawn faces, not photos", 3),
    ],
    ids=["nothing", "only a failure", "one", "many", "tested", "drawn"],
)
def test_the_page_says_the_main_thing_in_words(given, words, scripts):
    page = comparison_page(given, "Networks")
    assert words in page
    assert page.count("<script") == scripts
    assert ("too &lt;small&gt; an image" in page) == (FAILED[0] in given)


def test_wrong_labels_do_not_decide_which_network_is_as_good():
    """A few of them make the plain RMSE of all networks much alike, and its interval wide."""
    good, poor = (_row(name, "elsewhere", *numbers) for name, *numbers in (("vgg", 9, 900, 1.6), ("tiny", 1, 9, 2.2)))
    for row, value in ((good, 3.9), (poor, 3.8)):
        row["scores"]["all"]["rmse"] = [value, 1.9, 5.4]
    page = comparison_page([poor, good], "Networks")
    assert "vgg is off by 1.44 px" in page
    assert "as good for less" not in page


def test_equal_rows_give_equal_pages_and_markup_stays_text():
    rows = plausible(vgg="</script><img src=x onerror=alert(1)>")
    page = comparison_page(rows, "<b>")
    assert page == comparison_page(rows, "<b>")
    assert "<img src=x" not in page
    assert "<h1>&lt;b&gt;</h1>" in page


# ---- in a browser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return build_comparison([*plausible(tested=True), *FAILED], tmp_path_factory.mktemp("page") / "comparison.html")


@pytest.fixture
def page(browser, drawn):
    yield Page(browser, drawn)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Boxes of the names in px of the chart, and whether each lies within it.
BOXES = """
const get = (name) => Bokeh.documents.at(-1).get_model_by_name(name);
const [plot, names] = [get("bubbles"), get("names").data];
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
const at = (value, range, size) => size * Math.log(value / range.start) / Math.log(range.end / range.start);
return names.text.map((text, i) => {
  const [x, y] = [at(names.x[i], plot.x_range, plot.inner_width), at(names.y[i], plot.y_range, plot.inner_height)];
  return [text, x, x + ruler.measureText(text).width, y - 6, y + 6, plot.inner_width, plot.inner_height];
});
"""


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("metric", ["all-rmse", "four-trimmed"])
def test_every_bubble_has_its_name_and_no_two_names_touch(page, width, metric):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.wait(f"Math.abs(innerWidth - {width}) < 2 && {inner_width()} < {width}")
    page.click(f"[data-metric='{metric}']")
    boxes = page.run(BOXES)
    assert sorted(box[0] for box in boxes) == sorted(PLAUSIBLE)
    assert [b[0] for b in boxes if not (0 <= b[1] <= b[2] <= b[5] + 1 and 0 <= b[3] <= b[4] <= b[6] + 1)] == []
    touching = [
        (a[0], b[0])
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if min(a[2], b[2]) > max(a[1], b[1]) and min(a[4], b[4]) > max(a[3], b[3])
    ]
    assert touching == []
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.complaints() == []


def inner_width():
    return "Bokeh.documents.at(-1).get_model_by_name('bubbles').inner_width"


@in_browser
def test_the_page_asks_for_nothing_and_complains_of_nothing(page, drawn):
    page.click("[data-metric='all-trimmed']")
    page.click("[data-network='0']")
    page.run("document.querySelector('#table-body tr').dispatchEvent(new Event('mouseenter'))")
    time.sleep(0.3)
    assert page.complaints() == []
    assert page.requests() == ([], [drawn.as_uri()])


@in_browser
def test_choosing_in_table_and_chart_is_one_choice(page):
    page.click("#table-body tr:first-child button")  # the most accurate
    assert page.run("return document.getElementById('status').textContent") == "18 networks · chosen: resnet18"
    chosen = page.run("return Bokeh.documents.at(-1).get_model_by_name('networks').selected.indices")
    assert [page.data("networks", "network")[i] for i in chosen] == ["resnet18"]
    page.choose("networks", [page.data("networks", "network").index("unet")])
    pressed = "return Array.from(document.querySelectorAll('#table-body [aria-pressed=true]'), b => b.textContent)"
    assert page.run(pressed) == ["unet"]
    page.click("#clear")
    assert page.run(pressed) == []


@in_browser
def test_headings_sort_and_measures_switch(page):
    first = "return document.querySelector('#table-body th').textContent"
    assert page.run(first) == "resnet18"
    page.click("[data-column='13']")  # parameters, behind those of the test
    assert page.run(first) == "nose_small"
    page.click("[data-column='13']")
    assert page.run(first) in ("resnet18", "resnet18_strided")
    page.click("[data-column='0']")
    assert page.run(first) == "alexnet"
    page.click("[data-metric='four-rmse']")
    expected = [0.8 * PLAUSIBLE[name][2] for name in page.data("networks", "network")]
    assert page.data("networks", "value") == pytest.approx(expected)
    label = "return Bokeh.documents.at(-1).get_model_by_name('error-axis').axis_label"
    assert page.run(label) == "validation error, px"
    page.click("[data-metric='test-four-rmse']")
    assert page.data("networks", "value") == pytest.approx([1.1 * value for value in expected])
    assert page.run(label) == "test error, px"


# ---- kills ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_and_the_same_command_give_the_same_weights(place, tmp_path):
    call = [sys.executable, "-m", "base_models.compare", *map(str, place.options), "--run", str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KEYPOINT_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    for line in process.stderr:
        if line.startswith("points68"):  # after nose_small
            break
    process.kill()
    process.communicate()
    done = subprocess.run(call, capture_output=True, text=True, timeout=240, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("nose_small", "nose_tiny"):
        weights = Path(name) / "base" / "weights.npz"
        assert (tmp_path / "run" / weights).read_bytes() == (place / "run" / weights).read_bytes()
