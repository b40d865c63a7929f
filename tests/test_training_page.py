"""The training page: what it reads of a run's folder, what it says, and what its charts do in a browser."""

import json
import math

import numpy as np
import pytest
import tiny
from chromium import Page, in_browser, model

from data.errors import RunError
from data.runs import Part
from data.storage import write_arrays
from data.synthetic import make_faces
from reports.training import read_moves, read_trainings
from reports.training_page import build_training_page, findings, minutes, training_page, transfer_rows

HOSTILE = "</script><img onerror=alert(1)>{{7*7}}$$\u2028"


def epochs(scores, seconds=2.0, **more):
    """Records whose trimmed RMSE is `scores`."""
    fixed = {"dropout": 1.0, "learning_rate": 0.001, "seconds": seconds, "peak_mb": 900.0} | more
    return [{**fixed, "loss": s / 2, "val_rmse": s + 1, "val_trimmed": s} for s in scores]


def kernels(scale=1.0, head=3):
    return {
        "stem/kernel": np.ones((3, 3, 1, 4), np.float32),
        "block/kernel": np.full((3, 3, 4, 4), scale, np.float32),
        "block/bias": np.zeros(4, np.float32),
        "maps/kernel": np.ones((1, 1, 4, head), np.float32),
    }


def add_base(run, scores=(5, 4, 3), name="base", most=3, patience=0, part="base", **more):
    part = Part(run / name, {"part": part, "train": {"epochs": most, "patience": patience}, "name": name})
    with part.opened():
        part.finish(kernels(), epochs(scores, **more), {"rows": 2728})
    return part.fingerprint()


def add_specialist(run, point, parent, scores=(4, 2, 3), scale=1.5, most=3, patience=0, **summary):
    train = {"epochs": most, "patience": patience}
    identity = {"part": "specialist", "point": point, "specialist": {"train": train}, "base": parent}
    part = Part(run / "specialists" / point, identity)
    told = {"rows": 900, "transfer": "3 arrays copied (184 of 188 numbers), 1 fresh", "fresh": ["maps/kernel (why)"]}
    with part.opened():
        part.finish(kernels(scale, head=1), epochs(scores, 0.5), told | summary)


def scored(value):
    return {"val_rmse": value + 1, "val_trimmed": value}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A base, a specialist that helps and stopped early, one that does not, and one whose scores were not kept."""
    folder = tmp_path_factory.mktemp("run")
    base = add_base(folder)
    before = {"start": scored(6.0), "base": scored(2.5)}
    add_specialist(folder, "nose_tip", base, (4, 2, 3, 3), most=9, patience=2, **before)
    add_specialist(folder, "left_eye_center", base, (4, 3.5, 3.1), **(before | {"start": scored(7.0)}))
    add_specialist(folder, "mouth_left_corner", base)
    (folder / "ensemble").mkdir()
    (folder / "ensemble" / "settings.json").write_text('{"ensemble": {}}')
    return folder


@pytest.fixture(scope="module")
def trainings(run):
    found, problems = read_trainings(run)
    assert problems == []
    return {one.name.rpartition("/")[2]: one for one in found}


def test_every_network_is_read_with_the_base_first(trainings):
    assert list(trainings) == ["base", "left_eye_center", "mouth_left_corner", "nose_tip"]
    assert [one.label for one in trainings.values()][1:] == ["left eye center", "mouth left corner", "nose tip"]
    assert trainings["base"].column("val_trimmed").tolist() == [5, 4, 3]
    assert (trainings["base"].seconds, trainings["base"].peak_mb) == (6, 900)


@pytest.mark.parametrize(
    ("name", "best", "ended"), [("base", 2, "epochs"), ("nose_tip", 1, "patience"), ("mouth_left_corner", 1, "epochs")]
)
def test_best_epoch_and_the_reason_of_the_end(trainings, name, best, ended):
    assert (trainings[name].best, trainings[name].ended) == (best, ended)


def test_an_unfinished_training_is_read_from_its_checkpoint(tmp_path):
    identity = {"part": "base", "train": {"epochs": 9, "patience": 0}}
    with Part(tmp_path / "base", identity).opened() as part:
        state = json.dumps({"history": epochs([5, 4]), "best_epoch": 1}).encode()
        write_arrays(part.checkpoint, {"state": np.frombuffer(state, np.uint8), "model/kernel": np.zeros(2)})
    (one,), _ = read_trainings(tmp_path)
    assert (one.ended, len(one.epochs), one.best) == ("training", 2, 1)
    assert ("Still training", "base: the curves end where they are now.") in findings([one], [])


def test_teachers_are_networks_of_the_run_too(tmp_path):
    add_specialist(tmp_path, "nose_tip", add_base(tmp_path))
    for name in ("teacher1", "teacher2"):
        add_base(tmp_path, (6, 5, 4), name, part=name)
    found, problems = read_trainings(tmp_path)
    assert problems == []
    assert [(one.label, one.kind) for one in found] == [
        ("base", "base"),
        ("teacher1", "teacher"),
        ("teacher2", "teacher"),
        ("nose tip", "specialist"),
    ]
    html = training_page(found)
    assert "1 base network, 2 teachers, 1 specialist, 12 epochs, 20 s in all." in html
    assert "</svg>teachers</li>" in html
    assert dict(findings(found, transfer_rows(found)))["Base"].startswith("Best in epoch 3 of 3: trimmed RMSE 3.00 px")


@pytest.mark.slow
def test_a_real_run_s_teachers_are_found(tmp_path):
    from base_models.base import train_base

    faces = make_faces(24, seed=2, size=32)
    train_base(
        faces, tiny.settings(train__epochs=1, teachers__count=1, teachers__epochs=1, teachers__rows=0), tmp_path, 0
    )
    assert [one.name for one in read_trainings(tmp_path)[0]] == ["base", "teacher1"]


def test_moves_are_shares_of_the_bases_kernels(run, trainings):
    moves = read_moves(run, list(trainings.values()))
    assert moves.kernels == ["stem", "block", "maps"]
    assert moves.points == ["left eye center", "mouth left corner", "nose tip"]
    np.testing.assert_allclose(moves.share, np.array([[0] * 3, [0.5] * 3, [np.nan] * 3]))


def test_networks_that_are_too_large_are_not_compared(run, trainings, monkeypatch):
    monkeypatch.setattr("reports.training.BIGGEST", 100)
    assert read_moves(run, list(trainings.values())) is None
    assert "How far the copied weights moved" not in training_page(list(trainings.values()))


def test_a_specialist_of_another_base_is_not_compared(tmp_path):
    add_base(tmp_path)
    add_specialist(tmp_path, "nose_tip", "0" * 64)
    assert read_moves(tmp_path, read_trainings(tmp_path)[0]) is None


def test_scores_around_the_transfer(trainings):
    rows = {row["label"]: row for row in transfer_rows(list(trainings.values()))}
    assert [rows["nose tip"][name] for name in ("start", "base", "end")] == [6, 2.5, 2]
    assert [rows["left eye center"][name] for name in ("start", "base", "end")] == [7, 2.5, 3.1]
    assert math.isnan(rows["mouth left corner"]["start"])
    said = dict(findings(list(trainings.values()), list(rows.values())))
    assert said["Transfer"] == (
        "1 of 2 specialists ends with a lower trimmed RMSE on their point than the base; on average 0.05 px above it."
    )
    assert said["Early stopping"] == "1 of 4 networks was stopped early: nose tip."
    assert said["Base"] == "Best in epoch 3 of 3: trimmed RMSE 3.00 px, 4.00 px with the largest errors."
    assert said["Memory"] == "900 MB at most."


def test_old_histories_without_memory_or_starts_have_words(tmp_path):
    base = add_base(tmp_path, peak_mb=None)
    add_specialist(tmp_path, "nose_tip", base)
    history = tmp_path / "specialists" / "nose_tip" / "history.json"
    assert '"start"' not in history.read_text()
    found, _ = read_trainings(tmp_path)
    assert "not keep their scores before the first epoch" in training_page(found)
    assert dict(findings(found[:1], []))["Memory"].startswith("These histories do not tell it")


def test_a_base_alone_says_that_no_specialist_was_trained(tmp_path):
    add_base(tmp_path)
    page = build_training_page(tmp_path).read_text()
    assert "Specialists were not trained" in page


@pytest.mark.parametrize(("source", "told"), [("synthetic", True), ("kaggle", False)])
def test_drawn_faces_are_labelled_as_such(tmp_path, source, told):
    part = Part(tmp_path / "base", {"part": "base", "train": {"epochs": 1, "patience": 0}, "source": source})
    with part.opened():
        part.finish(kernels(), epochs([4.0]), {})
    assert ("SYNTHETIC drawn faces" in build_training_page(tmp_path).read_text()) == told


def test_a_damaged_history_costs_only_its_own_curve(run, tmp_path):
    base = add_base(tmp_path)
    add_specialist(tmp_path, "nose_tip", base)
    history = tmp_path / "specialists" / "nose_tip" / "history.json"
    history.write_text(history.read_text().replace("0.5", "0.6"))
    found, problems = read_trainings(tmp_path)
    assert [one.name for one in found] == ["base"]
    assert len(problems) == 1
    assert "damaged" in problems[0]
    assert "Not read" in training_page(found, None, problems)


def test_a_run_without_networks_is_refused(tmp_path):
    with pytest.raises(RunError, match="expected a run with a trained network; received none"):
        build_training_page(tmp_path)


def test_no_ended_epoch_has_words():
    assert "No network of this run has ended an epoch" in training_page([])


def test_a_single_epoch_is_drawn(tmp_path):
    add_base(tmp_path, [4.0], most=1)
    assert "Best in epoch 1 of 1" in build_training_page(tmp_path).read_text()


@pytest.mark.parametrize(
    ("seconds", "words"), [(48, "48 s"), (89, "89 s"), (720, "12 min"), (5400, "1 h 30 min"), (11100, "3 h 05 min")]
)
def test_times_in_words(seconds, words):
    assert minutes(seconds) == words


def test_hostile_names_stay_text(tmp_path):
    base = add_base(tmp_path)
    add_specialist(tmp_path, "nose_tip", base, transfer=HOSTILE, fresh=[HOSTILE])
    found, _ = read_trainings(tmp_path)
    plain = training_page(found)
    named = [type(found[0])(**{**vars(one), "point": HOSTILE, "name": HOSTILE}) for one in found]
    page = training_page(named, title=HOSTILE, problems=[HOSTILE])
    assert page.count("</script>") == plain.count("</script>")
    assert "<img onerror" not in page


def test_the_same_run_gives_the_same_page(run, tmp_path):
    first, second = (build_training_page(run, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


@pytest.fixture(scope="module")
def page_file(run):
    return build_training_page(run)


@in_browser
class TestInBrowser:
    @pytest.fixture
    def page(self, browser, page_file):
        return Page(browser, page_file)

    def test_it_asks_for_nothing_complains_of_nothing_and_draws_all_charts(self, page, page_file):
        for name in ("curves", "rate", "dropout", "seconds", "memory", "transfer", "moves"):
            left, _, width, height = page.rectangle(f"#chart-{name}")
            assert (left >= 0, width > 250, height > 120) == (True, True, True), name
        assert page.complaints() == []
        outside, own = page.requests()
        assert ([url for url in outside if not url.startswith("chrome:")], own) == ([], [page_file.as_uri()])
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")

    def test_the_measure_changes_curves_marks_and_axis(self, page):
        assert list(page.data("networks", "ys")[0]) == [5, 4, 3]
        end = page.run(f"return {model('range')}.end")
        page.click("[data-measure=loss]")
        assert list(page.data("networks", "ys")[0]) == [2.5, 2, 1.5]
        assert page.data("marks", "y")[0] == 1.5
        assert page.run(f"return {model('range')}.end") < end
        assert page.run(f"return {model('axis')}.axis_label") == "training loss"
        assert page.run("return document.querySelector('[data-measure][aria-pressed=true]').dataset.measure") == "loss"

    def test_choosing_networks_marks_lines_names_and_rows(self, page):
        page.click(".chip[data-network='3']")
        assert page.run(f"return {model('networks')}.selected.indices") == [3]
        assert page.run(f"return {model('marks')}.selected.indices") == [6, 7]
        assert page.data("names", "text") == ["nose tip"]
        assert page.status == "4 networks · chosen: nose tip"
        page.click("th .link[data-network='0']")
        assert page.status == "4 networks · chosen: base, nose tip"
        page.click("#clear")
        assert page.status == "4 networks"
        assert page.run("return document.querySelectorAll('[data-network][aria-pressed=true]').length") == 0

    def test_tapping_a_line_chooses_its_network(self, page):
        """The base alone reaches the curves' highest value, at its first epoch: there its line is the only one."""
        page.wait("Bokeh.documents.at(-1).is_idle")
        left, top, _, _ = page.rectangle("#chart-curves")
        view = "Bokeh.index.find_one_by_id(Bokeh.documents.at(-1).roots()[0].id).frame"
        x, y = page.run(f"const {{x_scale, y_scale}} = {view}; return [x_scale.compute(1.5), y_scale.compute(4.47)]")
        page.drag([(left + x, top + y), (left + x, top + y)])
        page.wait("document.getElementById('status').textContent.endsWith('chosen: base')")

    def test_what_is_fresh_opens(self, page):
        page.click("details summary")
        assert page.run("return document.querySelector('details').open")
        assert "maps/kernel (why)" in page.run("return document.querySelector('details').textContent")
