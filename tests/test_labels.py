"""The figures of the label page on planted cases: wrong rows, duplicates, noise, offsets, conventions."""

import numpy as np
import pytest

from data.errors import RunError
from data.faces import Faces
from data.keypoints import KAGGLE15
from reports.label_doubts import LOOK, WRONG, explain, judge_rows
from reports.label_duplicates import disagreements, pairs_of
from reports.label_noise import measure_noise
from reports.label_offsets import convention_differences, mirror_test
from reports.label_regression import regress
from reports.label_rows import as_csv, cell, doubtful_rows
from reports.label_store import Labels, read_labels, store_labels
from reports.predictions import Predictions

K, SLOTS = len(KAGGLE15), len(KAGGLE15.slot_names)
NOSE, LIP = KAGGLE15.index("nose_tip"), KAGGLE15.index("mouth_center_bottom_lip")
LEFT, RIGHT = KAGGLE15.index("left_eye_center"), KAGGLE15.index("right_eye_center")
MIRROR = KAGGLE15.slot_mirror


def shape_of_a_face():
    """float [slots, 2]: a mirror-symmetric face; the four-point convention draws nose and lip elsewhere."""
    rng = np.random.default_rng(3)
    own = rng.uniform(25, 70, (SLOTS, 2))
    mirrored = own[MIRROR] * (-1, 1) + (95, 0)
    return (own + mirrored) / 2


def planted(n=1200, noise=1.0, base=1.2, regression=2.5, offset=(0.0, 0.0), twins=150, seed=0, four=0.5):
    """Labels = truth + noise + offset, and opinions that err independently; `twins` rows repeat an earlier picture."""
    rng = np.random.default_rng([seed, n])
    truth = shape_of_a_face() + rng.normal(0, 3, (n, 1, 2)) + rng.normal(0, 1, (n, SLOTS, 2))
    image = np.arange(n)
    image[n - twins :] = np.arange(twins)
    truth = truth[image]
    convention = (rng.random(n) < four).astype(np.uint8)
    slots = truth + rng.normal(0, noise, truth.shape) + offset
    points = KAGGLE15.from_slots(slots, convention)
    unlabelled = ~np.isin(KAGGLE15.points, KAGGLE15.conventions[1].labelled)
    points[(convention == 1)[:, None] & unlabelled] = np.nan
    opinions = {
        "base": truth + rng.normal(0, base, truth.shape),
        "regression": truth + rng.normal(0, regression, truth.shape),
    }
    return Labels(
        points=points.astype(np.float32),
        convention=convention,
        group=image // 5,
        image=image.astype(np.int64),
        ids=np.arange(n),
        held=np.arange(n) % 2 == 0,
        opinions={name: own.astype(np.float32) for name, own in opinions.items()},
        pictured=np.zeros(0, np.int64),
        pictures=np.zeros((0, 96, 96, 1), np.uint8),
        mean_picture=np.zeros((96, 96), np.uint8),
        size=(96, 96),
        schema=KAGGLE15,
        source="planted",
    )


def without(labels, *names):
    from dataclasses import replace

    return replace(labels, opinions={name: own for name, own in labels.opinions.items() if name not in names})


# ---- wrong rows


def test_planted_wrong_rows_are_found_and_named():
    labels = planted()
    rng = np.random.default_rng(7)
    shifted, swapped, single = (np.flatnonzero(labels.convention == 0)[at : at + 5] for at in (10, 30, 50))
    labels.points[shifted] += np.array([11, -9], np.float32)
    for row in swapped:
        labels.points[row] = labels.points[row][np.roll(np.arange(K), 4)]
    labels.points[single, NOSE] += rng.choice([-14, 14], (5, 2))
    doubts = judge_rows(labels)
    assert set(np.flatnonzero(doubts.wrong)) == {*shifted, *swapped, *single}
    assert set(doubts.order[:15]) == {*shifted, *swapped, *single}
    assert {doubts.kind[row] for row in shifted} == {"shift"}
    assert {doubts.kind[row] for row in swapped} == {"exchange"}
    assert {doubts.kind[row] for row in single} == {"point"}
    assert set(doubts.point[single]) == {NOSE}
    assert doubts.words[single[0]].startswith("nose tip lies 1")
    assert "too far right" in doubts.words[shifted[0]]
    assert "too high" in doubts.words[shifted[0]]


def test_the_usual_deviation_does_not_notice_wrong_rows():
    clean, dirty = planted(), planted()
    dirty.points[:60] += 30
    usual = judge_rows(dirty).usual / judge_rows(clean).usual
    np.testing.assert_allclose(usual, 1, atol=0.12)
    assert (judge_rows(clean).score < WRONG).all()


@pytest.mark.parametrize(
    ("off", "kind", "words"),
    [
        ({LEFT: (8, 0), RIGHT: (8, 0), NOSE: (8, 1), LIP: (8, 0)}, "shift", "all 4 labels lie 8 px too far right"),
        ({LEFT: (-30, 0), RIGHT: (30, 0), NOSE: (0, 1)}, "exchange", "left eye center and right eye center stand"),
        ({LEFT: (0, 0), RIGHT: (1, 0), NOSE: (0, -9)}, "point", "nose tip lies 9 px too high"),
        (
            {LEFT: (0, 8), RIGHT: (7, 0), NOSE: (0, 1)},
            "several",
            "left eye center and right eye center are off by up to 8 px",
        ),
        ({NOSE: (0, 9)}, "point", "nose tip lies 9 px too low"),  # one label is no face that is shifted
    ],
)
def test_what_is_wrong_is_said(off, kind, words):
    there = np.full((K, 2), np.nan)
    vectors = np.full((K, 2), np.nan)
    there[[LEFT, RIGHT, NOSE, LIP]] = [(65, 40), (35, 40), (50, 60), (50, 80)]
    for point, vector in off.items():
        vectors[point] = vector
    times = np.linalg.norm(vectors, axis=-1)
    found, said = explain(vectors, there, times, KAGGLE15)
    assert found == kind
    assert said.startswith(words)


def test_rows_without_labels_or_opinion_are_not_doubted():
    labels = planted(n=60, twins=0)
    labels.points[3] = np.nan
    labels.opinions["base"][4] = np.nan
    doubts = judge_rows(labels)
    assert doubts.score[3] == doubts.score[4] == 0
    assert np.isfinite(doubts.second[5])


# ---- duplicates and noise


def test_duplicates_are_paired_and_sorted_by_disagreement():
    labels = planted(n=200, twins=3, noise=0)
    np.testing.assert_array_equal(pairs_of(labels.image), [[0, 197], [1, 198], [2, 199]])
    labels.points[198, LEFT] += (3, 4)
    labels.points[199, RIGHT] += (0, 1)
    found = disagreements(labels)
    assert (found[0].first, found[0].second, found[0].point) == (1, 198, LEFT)
    assert found[0].distance == pytest.approx(5, abs=1e-3)
    assert found[1].distance == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_duplicates_give_the_planted_noise(noise):
    labels = planted(noise=noise, twins=400)
    measured = measure_noise(labels, judge_rows(labels)).overall["duplicates"]
    assert measured.low < noise < measured.high
    assert measured.value == pytest.approx(noise, rel=0.06)


def test_copied_labels_are_counted_but_say_nothing_of_noise():
    labels = planted(n=600, noise=1.0, twins=200)
    for row in range(500, 600):
        labels.points[row], labels.convention[row] = (
            labels.points[labels.image[row]],
            labels.convention[labels.image[row]],
        )
    measured = measure_noise(labels, judge_rows(labels))
    assert measured.copies == 100
    assert measured.overall["duplicates"].value == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(("noise", "base"), [(1.0, 1.2), (2.0, 0.5), (0.5, 2.0)])
def test_shared_error_gives_the_planted_noise_and_what_is_left(noise, base):
    labels = planted(n=3000, noise=noise, base=base, twins=0)
    measured = measure_noise(labels, judge_rows(labels))
    found = measured.overall
    assert measured.member == "base"
    assert found["shared"].value == pytest.approx(noise, abs=0.12)
    assert found["error"].value == pytest.approx(np.hypot(noise, base), rel=0.03)
    assert found["rest"].value == pytest.approx(base, rel=0.1)
    assert np.isnan(found["duplicates"].value)


def test_wrong_rows_are_not_noise():
    labels = planted(n=3000)
    labels.points[::100] += 30
    measured = measure_noise(labels, judge_rows(labels))
    assert measured.overall["shared"].value == pytest.approx(1.0, abs=0.1)
    assert measured.overall["all"].value > 3
    wrong, noise, left = measured.split[-1]
    assert wrong + noise + left == pytest.approx(1)
    assert wrong == pytest.approx(30 * 900 / (30 * 900 + 1470 * 2.44), abs=0.03)  # every hundredth row is held out
    assert noise / (noise + left) == pytest.approx(1 / 2.44, abs=0.04)


def test_without_a_network_only_duplicates_speak():
    labels = without(planted(), "base")
    measured = measure_noise(labels, judge_rows(labels))
    assert measured.member == ""
    assert set(measured.overall) == {"duplicates"}
    assert np.isnan(measured.split).all()


def predicted(labels, rows, ids=None):
    """A run's predictions on rows of `labels`: the ensemble errs half as much as the base."""
    base = KAGGLE15.from_slots(labels.opinions["base"], labels.convention)[rows]
    ensemble = np.where(np.isfinite(labels.points[rows]), (base + labels.points[rows]) / 2, base)
    return Predictions(
        images=np.zeros((len(rows), 8, 8, 1), np.uint8),
        ids=labels.ids[rows] if ids is None else ids,
        convention=labels.convention[rows],
        truth=labels.points[rows].copy(),
        points={"base": base, "ensemble": ensemble.astype(np.float32)},
        radius=np.full((2, len(rows), K), np.nan, np.float32),
        schema=KAGGLE15,
    )


def test_the_ensembles_predictions_are_found_again_by_their_ids():
    labels = planted()
    rows = np.arange(0, 600, 3)
    measured = measure_noise(labels, judge_rows(labels), predicted(labels, rows))
    assert measured.member == "ensemble"
    assert measured.overall["error"].value == pytest.approx(np.hypot(1, 1.2) / 2, rel=0.05)
    other = predicted(labels, rows)
    other.truth[:, LEFT] += 1
    with pytest.raises(RunError, match="expected those of a run on these labels"):
        measure_noise(labels, judge_rows(labels), other)
    with pytest.raises(RunError, match="expected those of a run on these labels"):
        measure_noise(labels, judge_rows(labels), predicted(labels, rows, ids=rows + 10_000))


# ---- offsets and conventions


@pytest.mark.parametrize("offset", [0.0, 1.1, -0.6])
def test_the_mirror_shows_a_planted_offset(offset):
    mirror = mirror_test(planted(offset=(offset, 0.7)), np.zeros(1200, bool), "regression")
    assert mirror.all.low < offset < mirror.all.high
    assert mirror.all.value == pytest.approx(offset, abs=0.06)
    assert bool(mirror.notable) == (offset != 0)  # both eyes too low is its own mirror image: it cannot show
    eyes = next(side for side in mirror.sides if side.slot == LEFT)
    assert eyes.partner == RIGHT
    assert eyes.y.value == pytest.approx(0, abs=0.15)


def test_the_mirror_shows_a_side_that_lies_lower():
    labels = planted()
    labels.points[:, LEFT, 1] += 1
    eyes = next(s for s in mirror_test(labels, np.zeros(1200, bool), "regression").sides if s.slot == LEFT)
    assert eyes.y.value == pytest.approx(0.5, abs=0.15)
    assert eyes.x.value == pytest.approx(0, abs=0.2)


def test_a_network_is_only_asked_about_rows_it_did_not_train_on():
    labels = planted()
    labels.points[~labels.held] += 5
    mirror = mirror_test(labels, np.zeros(1200, bool), "base")
    assert mirror.all.low < 0 < mirror.all.high
    assert mirror.rows == labels.held.sum()


def test_conventions_are_told_apart():
    labels = planted()
    labels.points[labels.convention == 1, RIGHT, 0] += 2
    wanted = shape_of_a_face()
    own = {d.point: d for d in convention_differences(labels, np.zeros(1200, bool))}
    assert set(own) == {LEFT, RIGHT, NOSE, LIP}
    apart = wanted[KAGGLE15.slots[1][NOSE]] - wanted[NOSE]
    assert own[NOSE].own
    assert (own[NOSE].dx.value, own[NOSE].dy.value) == pytest.approx(tuple(apart), abs=0.3)
    assert own[NOSE].cost == pytest.approx(0.5 * np.linalg.norm(apart) / np.sqrt(2), abs=0.2)
    assert own[RIGHT].dx.value == pytest.approx(2, abs=0.4)
    assert not own[RIGHT].own
    assert own[LEFT].dx.low < 0 < own[LEFT].dx.high


# ---- the regression


@pytest.fixture(scope="module")
def drawn():
    """160 faces of discs and a line on grey, moved and turned a little; all points labelled, without noise."""
    import cv2

    rng = np.random.default_rng(5)
    angle, shift = rng.normal(0, 0.1, 160), rng.normal(0, 3, (160, 1, 2))
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], 1)
    points = (((shape_of_a_face()[:K] - 47.5) @ turn) + 47.5 + shift).astype(np.float32)
    images = np.full((160, 96, 96, 1), 120, np.uint8)
    for image, own in zip(images, points.round().astype(int).tolist(), strict=True):
        cv2.circle(image, own[LEFT], 5, 20, -1)
        cv2.circle(image, own[RIGHT], 5, 20, -1)
        cv2.line(image, own[NOSE], own[LIP], 220, 3)
    noisy = np.clip(images + rng.normal(0, 6, images.shape), 0, 255).astype(np.uint8)
    return Faces(noisy, points, np.zeros(160, np.uint8), np.arange(160), np.arange(160), KAGGLE15, "planted")


def test_the_regression_finds_points_it_was_not_shown(drawn):
    answer = regress(drawn)
    error, spread = answer[:, :K] - drawn.points, drawn.points - drawn.points.mean(0)
    assert np.sqrt((error**2).mean()) < 0.4 * np.sqrt((spread**2).mean())
    assert np.isnan(answer[:, K:]).all()  # no face is labelled by the four-point convention
    np.testing.assert_array_equal(answer, regress(drawn))


def test_what_it_says_of_a_row_does_not_depend_on_its_groups_labels(drawn):
    from dataclasses import replace

    group = np.arange(160) // 4
    points = drawn.points.copy()
    points[group == 7] += 12
    before, after = (regress(replace(drawn, group=group, points=p)) for p in (drawn.points, points))
    np.testing.assert_array_equal(before[group == 7], after[group == 7])
    assert not np.array_equal(before, after)


def test_mirrored_faces_get_mirrored_answers(drawn):
    from dataclasses import replace

    points = drawn.points[:, KAGGLE15.mirror] * (-1, 1) + (95, 0)
    turned = regress(
        replace(drawn, images=np.ascontiguousarray(drawn.images[:, :, ::-1]), points=points.astype(np.float32))
    )
    expected = regress(drawn)[:, MIRROR] * (-1, 1) + (95, 0)
    np.testing.assert_allclose(turned, expected, atol=2e-2)


def test_few_labels_give_no_opinion(drawn):
    assert np.isnan(regress(drawn[:8])).all()
    assert np.isnan(regress(drawn[:0])).all()


# ---- the store and the CSV


def test_labels_survive_storing(tmp_path, drawn):
    rows = np.arange(120), np.arange(120, 160)
    answers = [drawn.slots[own] + 1 for own in rows]
    path = store_labels(tmp_path, drawn, rows, answers)
    labels = Labels.load(path)
    assert path == tmp_path / "labels.npz"
    assert labels.schema == drawn.schema
    assert labels.held.sum() == 40
    np.testing.assert_array_equal(labels.points, drawn.points)
    np.testing.assert_array_equal(labels.opinions["base"][rows[1]], answers[1])
    assert labels.judge == "base"
    np.testing.assert_array_equal(labels.pictures[-1], drawn.images[labels.pictured[-1]])
    before = path.read_bytes()
    assert store_labels(tmp_path, drawn, rows, answers).read_bytes() == before


@pytest.mark.parametrize("change", ["points", "opinions/base", "pictured", "meta"])
def test_a_file_that_does_not_fit_is_refused(tmp_path, drawn, change):
    from data.storage import read_arrays, write_arrays

    path = store_labels(
        tmp_path, drawn[:20], (np.arange(12), np.arange(12, 20)), [drawn.slots[:12], drawn.slots[12:20]]
    )
    arrays = read_arrays(path)
    arrays[change] = arrays[change][:-1] if change != "pictured" else arrays[change] + 1000
    write_arrays(path, arrays)
    with pytest.raises(RunError, match=r"labels\.npz: expected the labels of a run"):
        Labels.load(path)


def test_large_pictures_are_kept_small():
    rng = np.random.default_rng(0)
    faces = Faces(
        images=rng.integers(0, 255, (14, 400, 600, 3), dtype=np.uint8),
        points=rng.uniform(100, 300, (14, K, 2)).astype(np.float32),
        convention=np.zeros(14, np.uint8),
        group=np.arange(14),
        ids=np.array([f"face {i}" for i in range(14)]),
        schema=KAGGLE15,
        source="other",
    )
    labels = read_labels(faces)
    assert labels.pictures.shape[1:] == (171, 256, 3)
    assert labels.scale == pytest.approx((256 / 600, 171 / 400))
    assert 0 < len(labels.pictured) <= 14


def test_the_csv_lists_the_rows_to_look_at():
    labels = planted()
    labels.points[40] += 25
    labels.points[1190, LEFT] += 9
    doubts = judge_rows(labels)
    rows = doubtful_rows(labels, doubts)
    assert [row["row"] for row in rows[:2]] == [40, 1190]
    assert rows[0]["verdict"] == "likely wrong"
    assert rows[1]["same_picture_as"] == str(labels.image[1190])
    assert all(row["times_the_usual"] >= LOOK for row in rows)
    lines = as_csv(rows).split("\r\n")
    assert lines[0].startswith("row,convention,verdict,kind,what,point,")
    assert lines[1].startswith(f"40,{KAGGLE15.conventions[labels.convention[40]].name},likely wrong,whole face shifted")
    assert len(lines) == len(rows) + 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "1.00"), (float("nan"), ""), (-3, "-3"), ("=1+1", "'=1+1"), ("@x", "'@x"), ("a=b", "a=b"), (7, "7")],
)
def test_no_cell_is_a_formula(value, shown):
    assert cell(value) == shown
