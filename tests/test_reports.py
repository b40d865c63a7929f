"""The error report without a browser: its figures, its words, its packing, and what hostile text does to the page."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from data.errors import RunError, UsageError
from data.keypoints import KAGGLE15
from reports import attributes, bootstrap, charts, figures, gallery, markup, words
from reports.anchors import read_anchors
from reports.build import build_report, build_run, main
from reports.face_charts import overall_rows
from reports.frame import embedded
from reports.page import error_page, error_plots
from reports.predictions import Predictions

K = len(KAGGLE15)
ROOT = __file__.rsplit("/", 2)[0]


def made(n=12, seed=0, **changes):
    """Random faces with a base, specialists for two points and an ensemble; the last third has four labels."""
    rng = np.random.default_rng([seed, n])
    truth = rng.uniform(20, 76, (n, K, 2)).astype(np.float32)
    convention = (np.arange(n) >= n - n // 3).astype(np.uint8)
    four = [KAGGLE15.index(point) for point in KAGGLE15.conventions[1].labelled]
    truth[np.ix_(convention == 1, [j for j in range(K) if j not in four])] = np.nan
    full = np.where(np.isfinite(truth), truth, 48)
    base, ensemble = (full + rng.normal(0, spread, full.shape) for spread in (2.0, 1.0))
    specialist = np.where(np.isin(np.arange(K), (0, 10))[None, :, None], full + rng.normal(0, 1.2, full.shape), np.nan)
    points = {"base": base, "specialist": specialist, "ensemble": ensemble}
    fields = {
        "images": rng.integers(0, 255, (n, 24, 24, 1), dtype=np.uint8),
        "ids": np.arange(100, 100 + n),
        "convention": convention,
        "truth": truth,
        "points": {name: value.astype(np.float32) for name, value in points.items()},
        "radius": np.stack([np.full((n, K), 1.18), np.full((n, K), 2.15)]).astype(np.float32),
        "schema": KAGGLE15,
        "info": {"source": "synthetic", "faces": "validation", "run": "runs/default"},
    }
    return Predictions(**(fields | changes))


def one_value(dx, dy, n=1):
    """n faces with one labelled point each, the ensemble off by (dx, dy)."""
    truth = np.full((n, K, 2), np.nan, np.float32)
    truth[:, 3] = 40
    points = {"ensemble": np.full((n, K, 2), 40, np.float32) + np.float32([dx, dy])}
    return made(
        n, truth=truth, points=points, convention=np.zeros(n, np.uint8), radius=np.full((2, n, K), 5, np.float32)
    )


# ---- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [([[5.0]], 5 / 2**0.5), ([[3.0, 4.0]], 2.5), ([[2.0, np.nan]], 2**0.5), ([[0.0]], 0.0), ([[np.nan]], np.nan)],
)
def test_rmse_is_over_coordinates_and_skips_what_is_not_labelled(errors, expected):
    assert figures.rmse(np.array(errors)) == pytest.approx(expected, nan_ok=True)


def test_rmse_of_distances_is_kaggles_rmse_over_coordinates():
    predictions = made()
    difference = predictions.points["ensemble"] - predictions.truth
    expected = np.sqrt(np.nanmean(difference.astype(float) ** 2))
    assert figures.measure(predictions).overall["ensemble"].value == pytest.approx(expected, rel=1e-6)


def test_interval_covers_the_true_rmse_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(7), 0
    weights = figures.resamples(60, count=300)
    for _ in range(200):
        errors = np.linalg.norm(rng.normal(0, 1.5, (60, 4, 2)), axis=-1)
        low_high = figures.interval(errors, weights)
        hits += low_high.low <= 1.5 <= low_high.high
    assert 0.88 <= hits / 200 <= 0.99


def test_interval_treats_the_points_of_a_face_together():
    """Fifteen equal errors a face carry no more knowledge than one."""
    column = np.abs(np.random.default_rng(1).normal(2, 1, (80, 1)))
    weights = figures.resamples(80)
    assert figures.interval(np.repeat(column, 15, axis=1), weights) == pytest.approx(figures.interval(column, weights))


def test_resamples_are_the_same_for_the_same_seed_only():
    assert (figures.resamples(9, seed=1) == figures.resamples(9, seed=1)).all()
    assert (figures.resamples(9, seed=1) != figures.resamples(9, seed=2)).any()
    assert (figures.resamples(9).sum(axis=1) == 9).all()


def test_resamples_draw_groups_whole():
    weights = figures.resamples(6, group=np.array([7, 7, 9, 9, 9, 2]))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2:5] == weights[:, [2]]).all()
    assert (weights[:, 0] + weights[:, 2] + weights[:, 5] == 3).all()


def test_intervals_are_wider_where_faces_of_a_person_are_alike():
    errors = np.repeat(np.abs(np.random.default_rng(1).normal(2, 1, (20, 1))), 10, axis=0)
    group = np.repeat(np.arange(20), 10)
    alone, together = (figures.interval(errors, figures.resamples(200, group=g)) for g in (None, group))
    assert together.value == alone.value
    assert 2.5 < (together.high - together.low) / (alone.high - alone.low) < 4  # about the root of 10


def test_trimmed_interval_draws_persons_not_faces():
    errors = np.repeat(np.abs(np.random.default_rng(1).normal(2, 1, (20, 1))), 10, axis=0)
    person = np.repeat(np.arange(20), 10)
    alone, together = (figures.resamples(200, group=group) for group in (None, person))
    narrow, wide = (bootstrap.trimmed_interval(errors, weights, 0.02) for weights in (alone, together))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    same = bootstrap.trimmed_interval(errors, figures.resamples(200, group=np.zeros(200, int)), 0.02)
    assert np.isnan([same.low, same.high]).all()


def test_one_person_gives_no_interval():
    measured = figures.measure(made(group=np.zeros(12, int)))
    assert measured.groups == 1
    assert np.isnan(measured.overall["ensemble"].low)


@pytest.mark.parametrize("group", [None, np.arange(12) % 5])
def test_groups_are_saved_and_files_without_them_still_load(tmp_path, group):
    path = tmp_path / "predictions.npz"
    made(group=group).save(path)
    loaded = Predictions.load(path)
    assert (loaded.group is None) if group is None else (loaded.group == group).all()


def test_gain_compares_only_values_that_both_have():
    other = np.array([[2.0, np.nan], [2.0, 50.0]])
    own = np.array([[1.0, 9.0], [1.0, np.nan]])
    assert figures.gain_over(other, own, figures.resamples(2)).value == pytest.approx(1 / 2**0.5)


def test_coverage_counts_errors_up_to_the_radius():
    errors = np.array([[1.0, 2.0], [3.0, np.nan]])
    radius = np.array([[[1.0, 1.0], [1.0, 1.0]], [[9.0, 1.9], [2.9, 9.0]]])
    weights = figures.resamples(2)
    assert figures.share_within(errors, radius[0], weights).value == pytest.approx(1 / 3)
    assert figures.coverage_by_point(errors, radius) == pytest.approx(np.array([[0.5, 0.0], [0.5, 0.0]]))


def test_rmse_without_the_worst_faces():
    errors = np.array([[2.0, 2.0], [100.0, np.nan], [2.0, np.nan], [50.0, 50.0]])
    assert figures.without_worst_faces(errors, 2) == pytest.approx(np.sqrt(2))
    assert np.isnan(figures.without_worst_faces(errors, 4))


def test_worst_faces_share():
    errors = np.sqrt([[40.0], [30.0], [20.0], [5.0], [3.0], [2.0], [np.nan]])
    assert figures.worst_faces_share(errors, 2) == pytest.approx(0.7)
    assert np.isnan(figures.worst_faces_share(np.full((3, 1), np.nan)))


def test_offset_is_found_with_its_direction_and_share():
    vectors = np.random.default_rng(3).normal(0, 0.5, (400, 1, 2)) + np.array([0.0, 2.0])
    (found,) = figures.offsets(vectors, np.zeros(400, int))
    assert (found.dx, found.dy) == (pytest.approx(0, abs=0.1), pytest.approx(2, abs=0.1))
    assert found.share == pytest.approx(4 / 4.5, abs=0.03)
    assert found.sigmas > 30


def test_figures_by_convention_partition_the_whole():
    predictions = made(30)
    measured = figures.measure(predictions)
    assert [own[:2] for own in measured.conventions.values()] == [(20, 300), (10, 40)]
    squared = sum(values * own["ensemble"].value ** 2 for _, values, own in measured.conventions.values())
    assert np.sqrt(squared / measured.values) == pytest.approx(measured.overall["ensemble"].value)


def test_specialists_that_found_nothing_are_no_member():
    predictions = made()
    predictions.points["specialist"][:] = np.nan
    assert figures.measure(predictions).members == ("base", "ensemble")


def test_faces_without_any_prediction_are_refused():
    with pytest.raises(RunError, match="none that is finite"):
        figures.measure(made(points={"ensemble": np.full((12, K, 2), np.nan, np.float32)}))


# ---- what faces are like ---------------------------------------------------------------------------------------------


def turned(yaw=0.0, roll=0.0, n=1):
    """Points [n, 15, 2] of a face in the middle, turned and tilted by degrees, seen from afar."""
    x = np.array([12, -12, 7, 17, -7, -17, 6, 20, -6, -20, 0, 9, -9, 0, 0.0])
    y = np.array([0, 0, 0, 0, 0, 0, -9, -9, -9, -9, 14, 26, 26, 24, 29.0])
    depth = np.where(np.arange(K) == KAGGLE15.index("nose_tip"), attributes.NOSE * np.ptp(x[[0, 1]]), 0.0)
    pairs = 2 * np.mean([12, 7, 17, 6, 20, 9])
    depth *= pairs / 24
    a, b = np.radians([yaw, roll])
    flat = np.column_stack([x * np.cos(a) + depth * np.sin(a), y])
    turn = np.array([[np.cos(b), -np.sin(b)], [np.sin(b), np.cos(b)]])
    return np.repeat((flat @ turn.T + 48)[None], n, axis=0)


@pytest.mark.parametrize(("yaw", "roll"), [(0, 0), (20, 0), (-35, 0), (0, 12), (15, -25), (-10, 90)])
def test_turn_and_roll_are_found_from_the_points(yaw, roll):
    assert attributes.pose(turned(yaw, roll), KAGGLE15)[:, 0] == pytest.approx([yaw, roll], abs=0.1)


def test_pose_is_unknown_where_points_are():
    points = turned(n=2)
    points[1, KAGGLE15.index("nose_tip")] = np.nan
    (_, unknown), rolls = attributes.pose(points, KAGGLE15)
    assert np.isnan(unknown)
    assert rolls == pytest.approx([0, 0])
    assert np.isnan(attributes.pose(np.full((1, K, 2), np.nan), KAGGLE15)).all()


def test_turn_of_drawn_heads_is_estimated_well():
    from data.synthetic_people import draw_person
    from data.synthetic_points import DEPTH, sample_face

    true, found = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        face = sample_face(rng, draw_person(rng).shape, 0)
        points = face.project(np.column_stack([face.slots_flat[:K], DEPTH]))
        true.append(np.degrees(np.arctan2(face.rotation[0, 2], face.rotation[2, 2])))
        found.append(attributes.pose(points[None], KAGGLE15)[0, 0])
    assert np.corrcoef(true, found)[0, 1] > 0.9
    assert np.sqrt(np.mean(np.square(np.subtract(true, found)))) < 6


def test_blur_light_and_contrast_are_measured_around_the_points_only():
    import cv2

    noise = np.random.default_rng(2).integers(0, 200, (96, 96)).astype(np.uint8)
    box = np.zeros((96, 96), np.uint8)
    box[10:90, 10:90] = noise[10:90, 10:90]  # a zeroed border
    images = np.stack([noise, cv2.GaussianBlur(noise, (0, 0), 2), noise // 2 + 100, noise // 4, box])[..., None]
    focus, light, contrast = attributes.photo_measures(images, turned(n=5))
    assert focus[1] < focus[0] - 2
    assert (light[2] > light[0] + 40, contrast[3] < contrast[0] / 3) == (True, True)
    assert [m[4] for m in (focus, light, contrast)] == pytest.approx([m[0] for m in (focus, light, contrast)])


def test_parts_hold_equally_many_faces_and_those_beyond_the_ends():
    values = np.concatenate([np.arange(100.0), [1e6, np.nan]]).astype(np.float32)
    attribute = attributes.ranged("turn", "Turn", "x", values, ("", ""))
    assert np.bincount(attribute.parts()[:-1]).tolist() == pytest.approx([20] * 5, abs=1)
    assert attribute.parts()[-2:].tolist() == [4, -1]
    assert attribute.edges[-1] < 1e3


def test_median_of_each_part_has_an_interval_that_covers_it():
    scores = np.abs(np.random.default_rng(0).normal(2, 1, 300))
    attribute = attributes.ranged("roll", "Roll", "x", np.arange(300.0), ("", ""))
    medians = attributes.part_medians(attribute, scores, figures.resamples(300))
    part = attribute.parts()
    assert [m.value for m in medians] == pytest.approx([np.median(scores[part == i]) for i in range(5)])
    assert all(m.low < m.value < m.high for m in medians)


def test_what_makes_faces_hard_is_told_only_beyond_chance():
    dark = made(200)
    dark.images[:] = np.linspace(20, 220, 200).astype(np.uint8)[:, None, None, None] + (dark.images > 128)
    assert "Hard faces" not in said(dark)
    dark.points["ensemble"][:40] += 4
    assert said(dark)["Hard faces"].startswith("The most dark fifth by brightness has a median face RMSE of")


# ---- anchors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {}),
        (["dlib=1.96"], {"dlib": 1.96}),
        (["a=1, b = 2 ", "c=x=3"], {"a": 1, "b": 2, "c=x": 3}),
    ],
)
def test_anchors_are_names_and_px(given, expected):
    assert read_anchors(given) == expected


@pytest.mark.parametrize("given", ["dlib", "dlib=", "=1", "dlib=zero", "dlib=0", "dlib=-1", "dlib=nan", "dlib=inf"])
def test_what_is_no_anchor_is_refused(given):
    with pytest.raises(UsageError, match=r"--anchor: expected NAME=PX, such as dlib=1\.96; received"):
        read_anchors([given])


def test_findings_say_how_the_model_stands_beside_the_anchors():
    predictions = made(60, info={"source": "kaggle", "anchors": {"poor": 9.0, "near": 1.0, "best": 0.1}})
    told = said(predictions)["To compare with"]
    assert told.startswith(
        "Better than poor (9.00 px); about as good as near (1.00 px); worse than best (0.10 px). “Ab"
    )
    alone = made(60, info={"source": "kaggle", "anchors": {"poor": 9.0}})
    assert said(alone)["To compare with"] == "Better than poor (9.00 px)."
    assert next(row[1] for row in overall_rows(figures.measure(predictions))) == "best"


# ---- chart arithmetic ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("largest", "limit"), [(4.2, 4.5), (0.072, 0.075), (13, 15), (0, 1)])
def test_error_axes_end_at_a_round_number_above_nearly_all(largest, limit):
    assert charts.error_limit(np.full(10, float(largest))) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("limit", "radii"), [(5.5, [2, 4, 5.5]), (1, [0.5, 1]), (12, [5, 10, 12]), (0.09, [0.02, 0.04, 0.06, 0.08, 0.09])]
)
def test_rings_are_at_round_numbers_and_end_at_the_limit(limit, radii):
    assert charts.ring_radii(limit) == pytest.approx(radii)


def test_histogram_counts_every_error_once_and_the_far_ones_last():
    counts = charts.histogram(np.array([0.0, 0.01, 1.0, 3.99, 4.0, 900.0, np.nan]), 4.0)
    assert (counts.sum(), counts[0], counts[10], counts[-2], counts[-1]) == (6, 2, 1, 1, 2)


def test_cumulative_curve_rises_from_the_perfect_to_all_within_the_limit():
    curve = charts.cumulative(np.array([0.0, 1.0, 2.0, 8.0, np.nan]), 4.0)
    assert (curve[0], curve[charts.STEPS // 4], curve[-1]) == (25, 50, 75)


@pytest.mark.parametrize(("error", "within"), [(1.0, 2), (2.0, 1), (4.0, 0), (None, -1)])
def test_values_say_which_radius_they_keep_to(error, within):
    predictions = one_value(0, error or 1.0)
    predictions.radius[:] = np.float32([1.5, 3])[:, None, None] if error else np.nan
    assert charts.value_columns(predictions, ("ensemble",))["within"].tolist() == [within]


def test_values_hold_every_labelled_point_in_float32():
    predictions = made(9)
    columns = charts.value_columns(predictions, ("base", "ensemble"))
    assert len(columns["face"]) == 6 * 15 + 3 * 4
    assert columns["base"] == pytest.approx(predictions.errors("base")[columns["face"], columns["point"]])
    assert {columns[name].dtype.name for name in ("base", "ensemble")} == {"float32"}


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (0, 1, "1.00 px too low"),
        (0.1, -2, "2.00 px too high"),
        (-3, 0, "3.00 px too far left"),
        (1, 2, "2.00 px too low and 1.00 px too far right"),
    ],
)
def test_direction_in_words(dx, dy, expected):
    assert words.direction(dx, dy) == expected


def said(predictions):
    return dict(words.findings(figures.measure(predictions), KAGGLE15))


def test_findings_name_the_hardest_point_and_what_makes_it_hard():
    predictions = made(60)
    predictions.points["ensemble"][:, 10, 1] += 6
    found = said(predictions)
    assert found["Hardest point"].startswith("Nose tip is the hardest point at")
    assert "Nose tip" in found["Systematic offset"]
    assert "px too low on average" in found["Systematic offset"]


def test_findings_name_the_few_faces_that_make_the_error():
    predictions = made(60)
    predictions.points["ensemble"][3] += 40
    assert "look at them first" in said(predictions)["Outliers"]
    assert "spread over many" in said(made(60))["Outliers"]


@pytest.mark.parametrize(("factor", "word"), [(1.0, "as promised"), (0.5, "too narrow"), (2.0, "wider than")])
def test_findings_judge_the_radius(factor, word):
    predictions = made(600, radius=np.stack([np.full((600, K), factor * r, np.float32) for r in (1.1774, 2.1460)]))
    assert said(predictions)["Error radius"].count(word) == 2


def test_radii_are_judged_by_the_coverage_on_faces_left_out_of_their_fit():
    info = {"source": "kaggle", "faces": "validation", "coverage": [0.31, 0.7]}
    predictions = made(60, info=info)
    found = figures.measure(predictions)
    assert [interval.value for interval in found.coverage] == [0.31, 0.7]
    assert "holds 31 % of the points (too narrow)" in said(predictions)["Error radius"]
    assert "The merge was fitted on these faces" in said(predictions)["Error radius"]
    unknown = made(60, info={**info, "coverage": [None, None]})
    assert "too few persons" in said(unknown)["Error radius"].lower()


def test_findings_do_not_praise_a_difference_within_chance():
    predictions = made(60)
    predictions.points["base"][:] = predictions.points["ensemble"] + np.float32(1e-3)
    predictions.points["base"][::2] = predictions.points["ensemble"][::2] - np.float32(1e-3)
    assert "within chance" in said(predictions)["Overall"]
    assert "better than the base" in said(made(60))["Overall"]


# ---- faces -----------------------------------------------------------------------------------------------------------


def test_packed_coordinates_come_back_within_a_hundredth_of_a_pixel():
    step = gallery.quantum(96, 96)
    values = np.array([0.0, 47.123, -60.0, 383.0, np.nan, np.inf, 1e9])
    units = np.frombuffer(base64.b64decode(gallery.pack(values, step)), "<i2")
    assert units[:4] * step == pytest.approx(values[:4], abs=0.006)
    assert units[4:].tolist() == [gallery.MISSING, gallery.MISSING, -gallery.MISSING - 1]


@pytest.mark.parametrize(("count", "channels", "size"), [(1, 1, 40), (5, 3, 40), (7, 4, 300)])
def test_sprite_sheet_holds_each_face_in_its_cell(count, channels, size):
    import cv2

    shade = np.linspace(30, 220, count).astype(np.uint8)
    images = np.broadcast_to(shade[:, None, None, None], (count, size, size, channels)).copy()
    images[..., 0] = 200 if channels > 1 else images[..., 0]  # red
    sheet = gallery.sprite_sheet(images)
    coded = np.frombuffer(base64.b64decode(sheet["uri"].partition(",")[2]), np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    for index in range(count):
        top, left = index // sheet["columns"] * sheet["height"], index % sheet["columns"] * sheet["width"]
        middle = picture[top + sheet["height"] // 2, left + sheet["width"] // 2]
        expected = images[index, 0, 0, :3] if channels > 1 else np.repeat(images[index, 0, 0], 3)
        assert middle.astype(int) == pytest.approx(expected.astype(int), abs=12)


@pytest.mark.parametrize(
    ("count", "height", "width", "cell"),
    [(1783, 96, 96, (96, 96)), (7049, 96, 96, (71, 71)), (3, 1000, 500, (256, 128)), (0, 96, 96, (96, 96))],
)
def test_cells_shrink_before_the_sheet_becomes_too_large_to_hold(count, height, width, cell):
    assert gallery.cell_size(count, height, width) == cell


# ---- the page --------------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """The tags of a page with their ids, its texts, and its JSON."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.data, self.inside = [], [], None, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes).get("id"), tuple(name for name, _ in attributes)))
        self.inside = [tag, dict(attributes).get("id")]

    def handle_data(self, data):
        if self.inside == ["script", "page-data"] and self.data is None:
            self.data = json.loads(data)
        elif self.inside[:1] not in (["script"], ["style"]):
            self.texts.append(data)


def page_of(predictions, title="Report"):
    return error_page(predictions, figures.measure(predictions), title)


def no_truth(n):
    return made(n, truth=np.full((n, K, 2), np.nan, np.float32))


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        (made(), "12 held-out validation faces drawn by the synthetic source, 136 labelled points."),
        (made(), "SYNTHETIC drawn faces, not photos"),
        (no_truth(4), "None of these faces carries a label"),
        (one_value(3, 4), "Only left eye outer corner is both labelled and predicted here."),
        (one_value(3, 4), "one face gives no interval"),
        (one_value(0, 0, 3), "0.00 px"),
        (made(radius=np.full((2, 12, K), np.nan, np.float32)), "These predictions carry no error radius."),
        (made(0), "This predictions file holds no faces."),
    ],
)
def test_every_case_has_words(predictions, expected):
    assert expected in " ".join(Outline(page_of(predictions)).texts)


def test_real_faces_are_not_called_synthetic():
    page = page_of(made(info={"source": "kaggle", "faces": "test"}))
    assert "SYNTHETIC" not in page
    assert "12 test faces from kaggle" in page


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}{% x %}${7*7}",
    "$$x^2$$ \\(y\\)",
    "line\u2028para\u2029nul\x00",
    "\"'><b>&amp;",
    "lone \udcff surrogate",
]


def outline_of(word):
    info = {"source": word, "faces": word, "run": word}
    return Outline(page_of(made(ids=np.array([word] * 12), info=info), word))


@pytest.fixture(scope="module")
def calm():
    return outline_of("calm")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_changes_nothing_in_the_structure(hostile, calm):
    page = outline_of(hostile)
    assert page.tags == calm.tags
    assert page.data["ids"] == [str(word) for word in np.array([hostile] * 12)]
    assert hostile.encode("utf-8", "replace").decode() in page.texts


def test_page_asks_for_nothing_outside_itself():
    page = page_of(made())
    addresses = re.findall(r'(?:src|href)="([^"#][^"]{0,30})', re.sub(r"<script>.*?</script>", "", page, flags=re.S))
    assert {address.partition(",")[0] for address in addresses} == {"data:image/webp;base64", "data:"}
    assert "default-src 'none'" in page


def test_policy_admits_exactly_the_scripts_of_the_page():
    page = markup.document("t", "b", ["one();", "two();"])
    assert page.count("'sha256-") == 2
    assert "unsafe-eval" not in page
    assert "script-src 'none'" in markup.document("t", "b", [])


def test_same_predictions_give_the_same_bytes(tmp_path):
    first, second = (build_report(made(), tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_bokeh_ids_are_counted_per_page_and_stay_linked():
    predictions = made()
    plots = error_plots(predictions, figures.measure(predictions))
    page = embedded(plots)
    assert sorted(page["roots"].values()) == sorted(f"chart-{name}" for name in plots)
    assert {root["id"] for root in page["document"]["roots"]} == set(page["roots"])


def test_page_of_the_kaggle_test_set_is_small_enough_to_mail(tmp_path):
    n = 1783
    smooth = np.random.default_rng(5).normal(128, 30, (n, 12, 12, 1)).clip(0, 255).astype(np.uint8)
    images = smooth.repeat(8, axis=1).repeat(8, axis=2)
    path = build_report(made(n, images=images), tmp_path / "report.html")
    assert path.stat().st_size < 4_000_000


# ---- the command -----------------------------------------------------------------------------------------------------


def test_command_writes_the_report_of_a_run(tmp_path, capsys):
    (tmp_path / "ensemble").mkdir()
    made().save(tmp_path / "ensemble" / "predictions.npz")
    assert main([str(tmp_path)]) is None
    assert capsys.readouterr().out.startswith(f"{tmp_path}/report.html (")
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_command_takes_anchors(tmp_path):
    (tmp_path / "ensemble").mkdir()
    made().save(tmp_path / "ensemble" / "predictions.npz")
    main([str(tmp_path), "--anchor", "dlib=1.96"])
    assert "better than dlib (1.96 px)" in (tmp_path / "report.html").read_text("utf-8").lower()


def test_run_without_predictions_says_what_is_missing(tmp_path):
    with pytest.raises(RunError, match=r"ensemble/predictions\.npz: expected the predictions of an ensemble"):
        build_run(tmp_path)


def test_reports_do_not_import_keras_and_help_does_not_import_bokeh():
    code = (
        "import sys, reports.build as b, reports.page, reports.charts\n"
        "assert not {'keras', 'tensorflow', 'bokeh', 'cv2', 'pandas'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
