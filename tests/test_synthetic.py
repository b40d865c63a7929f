"""Drawn faces: exact points, the real set's statistics, repeatability, and the files made of them."""
# ruff: noqa: RUF005  (sums of vectors, not of lists)

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from data import synthetic_head as head
from data import synthetic_labels, synthetic_people, synthetic_points
from data.errors import UsageError
from data.kaggle_statistics import FOUR_MEAN, FOUR_SD, MEAN, SD
from data.keypoints import KAGGLE15
from data.synthetic import draw_face, main, make_faces, make_files, make_test, plan_rows
from data.synthetic_drawing import FINE, _before, _seen_at
from data.synthetic_scene import Scene
from data.synthetic_skin import paint

FOUR = [KAGGLE15.index(name) for name in KAGGLE15.conventions[1].labelled]
SLOT = {name: i for i, name in enumerate(KAGGLE15.slot_names)}


@pytest.fixture(scope="module")
def faces():
    return make_faces(600, seed=1)


@pytest.fixture(scope="module")
def geometry():
    """Persons, shots and faces of both framings, without pictures."""

    def one(seed):
        rng = np.random.default_rng(seed)
        person, shot = synthetic_people.draw_person(rng), synthetic_people.draw_shot(rng)
        return person, shot, synthetic_points.sample_face(rng, person.shape, seed % 2)

    return [one(seed) for seed in range(40)]


def dot_on(canvas_position, scale):
    """A canvas that is black but for one soft dot."""
    sides = (head.WIDE, head.TALL)
    near = [np.exp(-0.5 * ((np.arange(n * scale) - c) / 2) ** 2) for n, c in zip(sides, canvas_position, strict=True)]
    return (200 * np.outer(near[1], near[0])).astype(np.float32)


def test_a_dot_on_the_flat_face_appears_where_its_point_is_said_to_be(geometry):
    errors = []
    for person, _, face in geometry[:12]:
        height, black = head.heights(face, person.build, FINE), np.zeros((96 * FINE,) * 2, np.uint8)
        points = Scene(face, 96 * FINE).px(_seen_at(face, height, FINE))
        for flat, expected in zip(head.canvas(face.slots_flat, FINE), points, strict=True):
            picture = _before(black, face, height, dot_on(flat, FINE), FINE).astype(float)
            y, x = np.mgrid[: 96 * FINE, : 96 * FINE]
            if picture.sum() > 1200:  # turned away or cut off otherwise
                centre = np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()
                errors.append(np.linalg.norm(centre - expected) / FINE)
    assert len(errors) > 0.85 * 12 * 17
    assert np.median(errors) < 0.15
    assert np.quantile(errors, 0.95) < 0.4


def painted(face, person, shot, point, scale=4):
    """Mean tone of the flat face around a point, as a function of where to look; nothing covers the features."""
    bare = replace(person, style="bald", beard=(0, 0, 0), skin=200.0, age=0.0, iris=20.0)
    open_eyes = replace(shot, opening=np.full(2, 6.0), gaze=np.zeros(2))
    flat = paint(face, replace(bare, **point), open_eyes, np.random.default_rng(0), scale).astype(float)

    def tone(position):
        x, y = np.round(head.canvas(position, scale)).astype(int)
        return flat[y - 1 : y + 2, x - 1 : x + 2].mean()

    return tone


def test_pupils_are_dark_and_brows_end_at_their_points(geometry):
    for person, shot, face in geometry[:8]:
        tone = painted(face, person, shot, {"brow": 0.3})
        for side, out in (("left", 1), ("right", -1)):
            assert tone(face.flat[SLOT[f"{side}_eye_center"]]) < 40
            for end, inward in (("inner", out), ("outer", -out)):
                brow = face.flat[SLOT[f"{side}_eyebrow_{end}_end"]]
                assert tone(brow + [1.5 * inward, 0]) + 25 < tone(brow - [2.5 * inward, 0])


def test_lips_end_at_their_points(geometry):
    """Where dark lips differ from pale ones is where lips are."""
    for person, shot, face in geometry[:8]:
        pale, dark = (painted(face, person, shot, {"lips": lips}) for lips in (0.95, 0.35))
        for name, inwards in (("top", 1), ("bottom", -1)):
            lip = face.flat[SLOT[f"mouth_center_{name}_lip"]]
            inside, outside = (pale(lip + [0, v * inwards]) - dark(lip + [0, v * inwards]) for v in (0.9, -0.9))
            assert inside > 40
            assert outside < 0.35 * inside


def test_same_seed_gives_same_bytes_and_another_seed_others():
    first, again, other = make_faces(12, seed=5), make_faces(12, seed=5), make_faces(12, seed=6)
    assert first.digest() == again.digest()
    assert not np.array_equal(first.images, other.images)
    assert not np.array_equal(first.points, other.points)


def test_a_draw_does_not_depend_on_the_count():
    few, many = make_faces(10, seed=5), make_faces(30, seed=5)
    order = plan_rows(10, 5).draw
    place = {draw: row for row, draw in enumerate(plan_rows(30, 5).draw)}
    rows = [place[draw] for draw in order]
    np.testing.assert_array_equal(few.images, many.images[rows])
    np.testing.assert_array_equal(few.points, many.points[rows])
    np.testing.assert_array_equal(few.group, many.group[rows])


@pytest.mark.parametrize("size", [32, 96, 130, 192])
def test_any_size_shows_the_same_faces(size):
    faces, usual = make_faces(4, seed=2, size=size), make_faces(4, seed=2)
    assert faces.images.shape == (4, size, size, 1)
    np.testing.assert_allclose(faces.points, (usual.points + 0.5) * size / 96 - 0.5, atol=0.2)
    for image, other in zip(faces.images, usual.images, strict=True):
        small = [
            cv2.GaussianBlur(cv2.resize(i[..., 0], (32, 32), interpolation=cv2.INTER_AREA), (0, 0), 1)
            for i in (image, other)
        ]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("options", [{"count": 0}, {"size": 8}, {"seed": -1}])
def test_impossible_sets_are_refused(options):
    with pytest.raises(UsageError, match=f"{next(iter(options))}: expected at least"):
        make_faces(**options)


def test_rows_of_the_first_convention_come_first_and_make_a_third(faces):
    assert (np.diff(faces.convention.astype(int)) >= 0).all()
    assert 0.26 < (faces.convention == 0).mean() < 0.39
    assert faces.ids.tolist() == list(range(600))
    assert faces.source == "synthetic"


def test_missing_labels_follow_the_real_set():
    rows = [synthetic_labels.annotate(np.full((17, 2), 50.0), i % 2, np.random.default_rng(i)) for i in range(6000)]
    known = np.isfinite(rows).all(-1)
    full, four = known[0::2], known[1::2]
    assert 0.92 < full.all(1).mean() < 0.955  # 2,140 of 2,284
    outer = (~full[:, [KAGGLE15.index("left_eyebrow_outer_end"), KAGGLE15.index("nose_tip")]]).sum(0)
    assert outer[0] > 25
    assert outer[1] == 0  # the real set labels every nose
    assert not four[:, [i for i in range(15) if i not in FOUR]].any()
    assert four[:, FOUR].all(1).mean() > 0.99


def test_pictures_repeat_with_other_labels_in_the_same_group():
    faces, plan = make_faces(300, seed=3), plan_rows(300, 3)
    share = 1 - len(np.unique(plan_rows(20000, 3).picture)) / 20000
    assert 0.07 < share < 0.09
    pairs = [np.flatnonzero(plan.picture == p) for p in np.unique(plan.picture) if (plan.picture == p).sum() > 1]
    assert len(pairs) > 10
    for rows in pairs:
        assert (faces.images[rows] == faces.images[rows[0]]).all()
        assert len(set(faces.group[rows])) == 1
        assert not np.array_equal(faces.points[rows[0]], faces.points[rows[1]], equal_nan=True)
    assert 1.3 < 300 / len(np.unique(faces.group)) < 2.2


def exact(geometry_of, count=1500):
    """Exact slots of both framings, on the smooth depth that points have, without drawing."""
    for framing in (0, 1):
        slots = []
        for seed in range(count):
            rng = np.random.default_rng([seed, framing])
            face = synthetic_points.sample_face(rng, rng.standard_normal(30), framing)
            depth = np.append(synthetic_points.DEPTH, [4, 8])
            slots.append(face.project(np.column_stack([face.slots_flat, depth])))
        geometry_of[framing] = np.array(slots)
    return geometry_of


def test_positions_have_the_real_means_and_spreads():
    """Against the competition's own labels, each convention in its own frame."""
    found = exact({})
    full, four = found[0][:, :15], found[1][:, KAGGLE15.slots[1][FOUR]]
    np.testing.assert_allclose(full.mean(0), MEAN, atol=1.0)
    np.testing.assert_allclose(four.mean(0), FOUR_MEAN, atol=1.0)
    assert (np.abs(four.std(0) / FOUR_SD - 1) < 0.25).all()
    ratio = full.std(0) / SD
    assert np.abs(np.log(ratio)).mean() < 0.15
    assert ratio.min() > 0.8
    assert ratio.max() < 1.75  # turned heads move the brows' outer ends more than the real set's do


def test_conventions_draw_nose_and_lip_apart_as_the_real_set_does(faces):
    nose, lip = 2, 3
    full, four = (np.nanmedian(faces.points[faces.convention == c][:, FOUR], 0) for c in (0, 1))
    assert 55.5 < full[nose, 1] < 59
    assert 63.5 < four[nose, 1] < 67
    assert 80.5 < full[lip, 1] < 84.5
    assert 75.5 < four[lip, 1] < 79.5


def test_label_noise_is_as_large_as_asked():
    slots = np.full((17, 2), 48.0)
    rows = np.array([synthetic_labels.annotate(slots, 0, np.random.default_rng(i), gross=0) for i in range(3000)])
    sd = np.nanstd(rows, 0)
    assert 0.2 < sd.min() < 0.5
    assert 1.0 < sd.max() < 1.7
    assert np.nanmax(np.abs(synthetic_labels.annotate(slots, 0, np.random.default_rng(0), 0, 0) - 48)) == 0
    wrong = [np.nanmean(synthetic_labels.annotate(slots, 0, np.random.default_rng(i), 0, 1.0)) for i in range(50)]
    assert np.std(wrong) > 3


def test_faces_look_like_photographs_in_their_figures(faces):
    images = faces.images[..., 0].astype(float)
    assert 90 < images.mean() < 120
    assert 35 < images.std((1, 2)).mean() < 50
    middle = images.mean(0)
    eyes, cheeks = middle[34:40, 26:34].mean(), middle[52:58, 24:32].mean()
    assert eyes + 15 < cheeks  # sockets are darker than cheeks


def test_draw_face_returns_every_slot():
    image, slots = draw_face(np.random.default_rng(0))
    assert image.shape == (96, 96)
    assert slots.shape == (17, 2)
    assert slots[SLOT["nose_tip@four"], 1] > slots[SLOT["nose_tip"], 1]
    assert slots[SLOT["left_eye_center"], 0] > slots[SLOT["right_eye_center"], 0]  # the person's left


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_files_agree_with_each_other_and_with_the_faces(tmp_path):
    make_files(tmp_path, count=20, test_count=9, seed=4)
    training, persons = rows_of(tmp_path / "training.csv"), rows_of(tmp_path / "training_persons.csv")
    faces = make_faces(20, seed=4)
    assert training[0] == [*KAGGLE15.columns, "Image"]
    for row, points, image in zip(training[1:], faces.points, faces.images, strict=True):
        read = np.array([float(v) if v else np.nan for v in row[:30]]).reshape(15, 2)
        np.testing.assert_allclose(read, points, atol=1e-5)
        assert row[30] == " ".join(map(str, image.ravel()))
    assert persons[1:] == [[str(i), f"person_{who}"] for i, who in enumerate(faces.group)]


def test_the_lookup_table_asks_in_order_for_what_the_truth_answers(tmp_path):
    make_files(tmp_path, count=1, test_count=30, seed=4)
    images, lookup, truth = (rows_of(tmp_path / f"{n}.csv")[1:] for n in ("test", "IdLookupTable", "test_truth"))
    faces = make_test(30, 4)
    assert [row[0] for row in images] == [str(i) for i in range(1, 31)]
    assert [row[0] for row in lookup] == [row[0] for row in truth] == [str(i) for i in range(1, len(lookup) + 1)]
    asked = {str(i): sum(row[1] == str(i) for row in lookup) for i in range(1, 31)}
    assert list(asked.values()) == [8 if four else 30 for four in faces.convention]
    for (_, image, feature, blank), (_, value) in zip(lookup, truth, strict=True):
        assert not blank
        expected = faces.points[int(image) - 1].ravel()[KAGGLE15.columns.index(feature)]
        assert float(value) == pytest.approx(expected, abs=1e-5)


def test_the_command_writes_the_files(tmp_path, capsys):
    main(["--out", str(tmp_path / "new"), "--count", "3", "--test-count", "2"])
    names = "training.csv, training_persons.csv, test.csv, IdLookupTable.csv, test_truth.csv"
    assert names in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(names.split(", "))
