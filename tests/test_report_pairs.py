"""Two predictions files compared: matching, the paired bootstrap, words, and what cannot be compared."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError, RunError
from data.keypoints import KAGGLE15, Schema
from reports.compare import compare, main, predictions_file, short_names
from reports.pair_charts import verdict
from reports.pair_page import findings, pair_page
from reports.pairing import Change, holm, measure_pair, pair_up
from reports.predictions import Predictions

K = len(KAGGLE15)
NAMES = ("before", "after")


def made(n=40, seed=0, scale=1.0, nose=1.0, people=None, **changes):
    """Faces with 15 labels whose errors are the same directions whatever the scale; `nose` scales the nose tip's."""
    rng = np.random.default_rng([9, n])
    truth = rng.uniform(20, 76, (n, K, 2)).astype(np.float32)
    sizes = np.where(np.arange(K) == KAGGLE15.index("nose_tip"), nose, scale)[None, :, None]
    noise = rng.normal(0, 1, truth.shape) * sizes + np.random.default_rng([seed, 1]).normal(0, 0.05, truth.shape)
    fields = {
        "images": rng.integers(0, 255, (n, 24, 24, 1), dtype=np.uint8),
        "ids": np.arange(n),
        "convention": np.zeros(n, np.uint8),
        "truth": truth,
        "points": {"ensemble": (truth + noise).astype(np.float32)},
        "radius": np.ones((2, n, K), np.float32),
        "schema": KAGGLE15,
        "info": {"source": "synthetic"},
        "group": None if people is None else np.arange(n) % people,
    }
    return Predictions(**(fields | changes))


def picked(one, rows, **changes):
    """The faces of `one` at `rows`."""
    own = {name: getattr(one, name)[rows] for name in ("images", "ids", "convention", "truth")}
    points = {member: value[rows] for member, value in one.points.items()}
    group = None if one.group is None else one.group[rows]
    return replace(one, **(own | {"points": points, "radius": one.radius[:, rows], "group": group} | changes))


def measured(first, second):
    return measure_pair(pair_up(first, second, NAMES))


# ---- matching --------------------------------------------------------------------------------------------------------


def test_faces_are_matched_by_id_whatever_their_order():
    first = made()
    rows = np.random.default_rng(1).permutation(40)
    second = picked(made(scale=0.5), rows, ids=np.arange(40)[rows].astype(str))
    pair = pair_up(first, second, NAMES)
    assert pair.predictions.points["second"] == pytest.approx(made(scale=0.5).points["ensemble"])
    assert pair.relabelled == 0


def test_faces_that_only_one_has_are_left_out_and_counted():
    pair = pair_up(picked(made(), np.arange(30)), picked(made(), np.arange(10, 40)), NAMES)
    assert (len(pair.predictions), pair.left_out) == (20, (10, 10))
    assert dict(findings(pair, measure_pair(pair)))["Left out"].endswith("10 of “before”, 10 of “after”.")


def test_labels_that_differ_are_counted_and_those_of_the_first_hold():
    other = made()
    other.truth[:3] += 1
    pair = pair_up(made(), other, NAMES)
    assert pair.relabelled == 3
    assert pair.predictions.truth == pytest.approx(made().truth)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (made(ids=np.arange(100, 140)), "expected faces with the ids of before; received none"),
        (made(ids=np.zeros(40, int)), "expected every id once; received 39 repeats"),
        (made(images=np.zeros((40, 48, 48, 1), np.uint8)), r"expected images \(24, 24, 1\)"),
        (made(images=255 - made().images), "expected the photos of before under the same ids"),
        (replace(made(), schema=Schema("other", ("tip",), KAGGLE15.conventions)), "expected the points of kaggle15"),
    ],
)
def test_what_cannot_be_matched_is_refused(second, message):
    with pytest.raises(DataError, match=message):
        pair_up(made(), second, NAMES)


def test_faces_without_labels_are_refused():
    blank = made(truth=np.full((40, K, 2), np.nan, np.float32))
    with pytest.raises(DataError, match="before: expected labelled points that both found; received none"):
        pair_up(blank, made(), NAMES)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_change_is_the_difference_of_the_rmse_of_both():
    figures = measured(made(), made(scale=0.5))
    expected = [float(np.sqrt(np.mean(one.errors() ** 2) / 2)) for one in (made(), made(scale=0.5))]
    assert (figures.overall.first, figures.overall.second) == pytest.approx(expected, rel=1e-5)
    assert figures.overall.change.value == pytest.approx(expected[1] - expected[0], rel=1e-4)
    assert figures.overall.change.low < figures.overall.change.value < figures.overall.change.high < 0


def test_only_values_that_both_have_count():
    second = made(scale=0.5)
    second.points["ensemble"][:20] = np.nan
    figures = measured(made(), second)
    assert figures.overall.values == 20 * K
    assert np.isnan(figures.faces[:20]).all()


def test_a_changed_point_is_found_and_the_others_are_not():
    names = np.array(KAGGLE15.points)
    figures = measured(made(200, seed=1), made(200, seed=2, nose=2.0))
    told = np.array([verdict(change) for change in figures.points])
    assert names[told == "worse"].tolist() == ["nose_tip"]
    assert (told == "better").sum() == 0


def test_no_change_is_called_within_chance_about_as_often_as_promised():
    """Two files with errors of the same size: the test may call a change at most about one time in twenty."""
    called = sum(measured(picked(made(30, seed), np.arange(30)), _fresh(seed)).overall.p < 0.05 for seed in range(40))
    assert called <= 6


def _fresh(seed):
    one = made(30, seed)
    noise = np.random.default_rng([seed, 77]).normal(0, 1, one.truth.shape)
    return replace(one, points={"ensemble": (one.truth + noise).astype(np.float32)})


def test_intervals_draw_persons_where_they_are_known():
    """Ten copies of each of 20 faces say no more than the 20 alone."""
    rows, copies = np.arange(20), np.repeat(np.arange(20), 10)
    few = measured(picked(made(20, 1), rows, group=rows), picked(made(20, 2, scale=0.9), rows))
    own = {"ids": np.arange(200), "group": copies}
    many = measured(picked(made(20, 1), copies, **own), picked(made(20, 2, scale=0.9), copies, ids=np.arange(200)))
    assert many.overall.change == pytest.approx(few.overall.change, rel=1e-6)
    assert (many.groups, few.groups) == (20, 20)


def test_a_single_group_gives_no_interval():
    change = measured(made(people=1), made(scale=0.5)).overall
    assert np.isnan([change.p, change.change.low]).all()


def test_holm_raises_p_values_together():
    p = [0.01, 0.04, 0.03, np.nan]
    raised = [change.p for change in holm([Change(1, 1, None, one, 1) for one in p])]
    assert raised == pytest.approx([0.03, 0.06, 0.06, np.nan], nan_ok=True)


def test_identical_files_have_not_changed():
    figures = measured(made(), made())
    assert (figures.overall.change.value, figures.overall.p) == (0, 1)
    assert {verdict(change) for change in figures.points} == {"within chance"}


# ---- page and command ------------------------------------------------------------------------------------------------


def page_of(first, second, names=NAMES, title="What changed"):
    pair = pair_up(first, second, names)
    return pair_page(pair, measure_pair(pair), title)


def test_page_says_what_changed():
    page = page_of(made(200), made(200, seed=3, nose=2.0))
    assert "“after” is worse beyond chance: +" in page
    assert "Worse: nose tip (+" in page
    assert "SYNTHETIC drawn faces" in page


@pytest.mark.parametrize(
    "hostile", ["</script><script>alert(1)</script>", "<img src=x onerror=1>", "$$", "\u2028{{7*7}}"]
)
def test_hostile_names_change_nothing_in_the_structure(hostile):
    def tags(word):
        page = page_of(made(ids=_ids(word)), made(ids=_ids(word)), (word, f"{word}2"), word)
        return [part.partition(">")[0].partition(" ")[0] for part in page.partition("<script>")[0].split("<")]

    assert tags(hostile) == tags("calm")


def _ids(word):
    return np.array([f"{word}{i}" for i in range(40)])


def test_same_files_give_the_same_page():
    assert page_of(made(), made(1 * 40, seed=2)) == page_of(made(), made(40, seed=2))


def test_command_takes_runs_and_files(tmp_path, capsys):
    (tmp_path / "run" / "ensemble").mkdir(parents=True)
    made().save(tmp_path / "run" / "ensemble" / "predictions.npz")
    made(scale=0.5).save(tmp_path / "other.npz")
    assert main([str(tmp_path / "run"), str(tmp_path / "other.npz"), "--out", str(tmp_path / "c.html")]) is None
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("RMSE ")
    assert "-0.4" in said[0]
    assert said[1].startswith(f"{tmp_path}/c.html (")
    assert (tmp_path / "c.html").read_text("utf-8").count("<h1>What changed</h1>") == 1


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(RunError, match="expected a run folder or a predictions file; received no file"):
        compare(tmp_path / "nothing", tmp_path, tmp_path / "c.html")
    assert predictions_file(__file__) == Path(__file__)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("/a/runs/x", "/a/runs/y", ("x", "y")),
        ("/a/one/x.npz", "/a/two/x.npz", ("one/x.npz", "two/x.npz")),
        ("/a/x", "/a/x", ("/a/x", "/a/x (again)")),
    ],
)
def test_names_are_as_short_as_they_can_be(first, second, expected):
    assert tuple(name.replace("//", "/") for name in short_names(first, second)) == expected


def test_the_command_loads_no_drawing_for_its_help():
    code = "import sys, reports.compare\nassert not {'bokeh', 'cv2', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
