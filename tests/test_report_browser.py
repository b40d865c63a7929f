"""The error report in a real browser: it loads nothing, complains of nothing, and every choice changes every view."""

import time

import numpy as np
import pytest
from chromium import MARKS, Page, model

from data.keypoints import KAGGLE15
from reports.build import build_report
from reports.predictions import Predictions

K, N = len(KAGGLE15), 60
NOSE = KAGGLE15.index("nose_tip")
POINTS = "button[data-chip]"

pytestmark = MARKS


def predictions(n=N, truth=True, specialists=True, ids=None, points=range(K), radii=(2, 5), group=None):
    """Faces whose error grows with their number: face i is off by 0.1 + i / 10 px times a point's own factor."""
    rng = np.random.default_rng([4, n])
    labels = rng.uniform(24, 72, (n, K, 2)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, (n, K))
    way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    size = (0.1 + np.arange(n) / 10)[:, None, None] * np.linspace(1, 2, K)[None, :, None]
    convention = (np.arange(n) % 3 == 0).astype(np.uint8)
    kept = np.isin(np.arange(K), list(points)) & bool(truth)
    four = np.isin(KAGGLE15.points, KAGGLE15.conventions[1].labelled)
    known = kept[None, :] & ((convention == 0)[:, None] | four[None, :])
    found = {"base": labels + 2 * size * way, "ensemble": labels + size * way}
    if specialists:
        found["specialist"] = np.where(np.isin(np.arange(K), (0, NOSE))[None, :, None], found["ensemble"], np.nan)
    return Predictions(
        images=rng.integers(0, 255, (n, 96, 96, 1), dtype=np.uint8),
        ids=np.arange(1000, 1000 + n) if ids is None else ids,
        convention=convention,
        truth=np.where(known[..., None], labels, np.nan).astype(np.float32),
        points={name: value.astype(np.float32) for name, value in found.items()},
        radius=np.broadcast_to(np.float32(radii)[:, None, None], (2, n, K)).copy(),
        schema=KAGGLE15,
        info={"source": "synthetic", "faces": "validation"},
        group=group,
    )


@pytest.fixture(scope="module")
def full_report(tmp_path_factory):
    return build_report(predictions(), tmp_path_factory.mktemp("report") / "report.html")


ATTRIBUTES = ("sharpness", "brightness", "contrast", "turn", "roll", "labelling")
CHARTS = ("overall", "rmse", "vectors", "curve", "histogram", "coverage", "calibration", *ATTRIBUTES)


@pytest.fixture
def page(browser, full_report):
    return Page(browser, full_report)


def drawn_dots(page):
    """How many error vectors have a place in the chart."""
    return page.run(f"return Array.from({model('cells')}.data.x).filter(Number.isFinite).length")


def four_point_faces():
    return {1000 + i for i in range(0, N, 3)}


def test_page_asks_for_nothing_and_complains_of_nothing(page, full_report):
    page.click("#gallery .face")
    assert page.complaints() == []
    outside, own = page.requests()
    assert (outside, own) == ([], [full_report.as_uri()])


def test_all_charts_are_drawn(page):
    page.wait(f"document.querySelectorAll('.chart').length === {len(CHARTS)}")
    for chart in CHARTS:
        left, _, width, height = page.rectangle(f"#chart-{chart}")
        assert (left >= 0, width > 300, height > 120) == (True, True, True), chart


def test_worst_faces_come_first_and_a_click_turns_to_the_best(page):
    assert page.gallery == [1000 + N - 1 - i for i in range(N)]
    page.click("[data-order=best]")
    assert page.gallery == [1000 + i for i in range(N)]


@pytest.mark.parametrize(("jump", "first"), [("best", 1000), ("worst", 1000 + N - 1)])
def test_failures_and_successes_are_one_click_away(page, jump, first):
    page.click(f"[data-jump={jump}]")
    assert page.ids("#gallery [data-face]")[0] == first
    top = page.run("return document.getElementById('faces-title').getBoundingClientRect().top")
    assert 0 <= top < 400


def test_only_faces_in_sight_are_in_the_page(browser, tmp_path):
    page = Page(browser, build_report(predictions(500), tmp_path / "report.html"))
    page.wait("document.querySelectorAll('#gallery .face').length > 0")
    assert page.run("return document.querySelectorAll('#gallery .face, #table-body tr').length") < 120
    page.run("const b = document.getElementById('gallery-box'); b.scrollTop = b.scrollHeight")
    page.wait("document.querySelector('#gallery [data-rank=\"499\"]')")
    assert page.ids("#gallery [data-rank='499']") == [1000]


def test_arrow_keys_lead_through_the_gallery(page):
    page.click("#gallery .face")
    page.click("#close")
    page.run("document.querySelector('#gallery .face').focus()")
    for key, rank in (("ArrowRight", 1), ("End", N - 1), ("ArrowLeft", N - 2), ("Home", 0)):
        page.run(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
            key,
        )
        assert page.run("return document.activeElement.dataset.rank") == str(rank)


def test_page_computes_the_figures_that_python_drew(page):
    """Choosing nothing, the script's own figures replace Python's in the charts: they must be the same."""
    fresh = predictions()
    errors = fresh.errors()
    point = page.data("points", "point")
    expected = [np.sqrt(np.nanmean(errors[:, j].astype(float) ** 2) / 2) for j in point]
    page.click(f"[data-chip='{NOSE}']")
    page.click("#clear")
    assert page.data("points", "ensemble") == pytest.approx(expected, rel=1e-5)
    within = [100 * np.nanmean(np.where(np.isfinite(errors[:, j]), errors[:, j] <= 2, np.nan)) for j in point]
    assert page.data("points", "half") == pytest.approx(within, rel=1e-5)
    assert sum(page.data("bars", "count")) == np.isfinite(errors).sum()


def test_choosing_a_point_changes_status_gallery_table_and_charts(page):
    before = page.data("curve", "ensemble")
    mouth = KAGGLE15.index("mouth_left_corner")  # labelled in fifteen-point faces only
    page.click(f"[data-chip='{mouth}']")
    assert page.status.startswith(f"{N - 20} of {N} faces · {N - 20} of")
    assert not four_point_faces() & set(page.gallery + page.rows)
    assert len(page.rows) == N - 20
    assert page.data("curve", "ensemble") != before
    assert sum(page.data("bars", "count")) == N - 20
    assert drawn_dots(page) == N - 20
    page.click("#clear")
    assert page.status.startswith(f"{N} of {N} faces")
    assert page.data("curve", "ensemble") == pytest.approx(before, abs=1e-4)


def test_tapping_a_row_of_the_chart_chooses_its_point(page):
    left, top, width, _ = page.rectangle("#chart-rmse")
    page.drag([(left + 0.7 * width, top + 16), (left + 0.7 * width, top + 16)])
    page.wait("document.querySelectorAll('[data-chip][aria-pressed=true]').length === 1")
    top_row = page.data("points", "point")[0]
    assert page.run("return document.querySelector('[data-chip][aria-pressed=true]').dataset.chip") == str(top_row)


def test_choosing_a_labelling_keeps_its_faces_only(page):
    page.click("[data-convention='1']")
    assert set(page.rows) == four_point_faces()
    page.click("[data-convention='']")
    assert len(page.rows) == N


def test_a_typed_range_of_errors_keeps_faces_with_such_errors(page):
    page.run("low.value = 11; low.dispatchEvent(new Event('change'))")
    errors = predictions().errors()
    expected = {1000 + int(i) for i in np.nonzero(np.nan_to_num(errors).max(axis=1) >= 11)[0]}
    assert set(page.rows) == expected
    assert page.status.split(" · ")[1].startswith(f"{(errors >= 11).sum()} of")


def test_axis_of_the_points_stretches_for_a_selection_and_comes_back(page):
    end = page.run(f"return {model('rmse-range')}.end")
    page.run("low.value = 11; low.dispatchEvent(new Event('change'))")
    largest = max(score for score in page.data("points", "right") if score is not None)
    assert end < largest < page.run(f"return {model('rmse-range')}.end")
    page.click("#clear")
    page.settle()
    assert page.run(f"return {model('rmse-range')}.end") == end


def test_dragging_across_the_bars_chooses_a_range(page):
    left, top, width, height = page.rectangle("#chart-histogram")
    y = top + height / 2
    page.drag([(left + 0.3 * width, y), (left + 0.4 * width, y), (left + 0.5 * width, y)])
    page.wait("low.value !== '' && high.value !== ''")
    low, high = (float(page.run(f"return {name}.value")) for name in ("low", "high"))
    errors = predictions().errors()
    assert 0 < low < high
    inside = int(page.status.split(" · ")[1].split(" of ")[0].replace(",", ""))
    assert inside == pytest.approx(((errors >= low) & (errors <= high)).sum(), abs=2)


def values():
    """face, point and error of every labelled point, as the page numbers them."""
    errors = predictions().errors()
    face, point = np.nonzero(np.isfinite(errors))
    return face, point, errors[face, point]


def test_a_lasso_in_the_scatter_shows_the_faces_it_caught(page):
    left, top, width, height = page.rectangle("#chart-vectors")
    before = {chart: page.pixels(chart) for chart in ("vectors", "overall", "curve", "turn", "calibration")}
    x, y, r = left + 0.1 * width, top + 0.2 * height, 0.05 * width
    page.drag([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r), (x - r, y - r + 1)])
    page.wait("document.getElementById('status').textContent.includes('picked')")
    caught = page.run(f"return Array.from({model('cells')}.selected.indices)")
    face, point, _ = values()
    assert 0 < len(caught) < len(face)
    assert set(point[caught]) == {0}  # the first cell
    assert set(page.rows) == set(page.gallery) == {1000 + face[i] for i in caught}
    assert sum(page.data("bars", "count")) == len(caught)
    assert f" · {len(caught)} of {len(face)} labelled points" in page.status
    assert [chart for chart, drawn in before.items() if page.pixels(chart) == drawn] == []


def test_the_page_waits_until_a_lasso_is_closed(page):
    """Else each move of the mouse would draw every chart again."""
    left, top, width, height = page.rectangle("#chart-vectors")
    x, y, r = left + 0.1 * width, top + 0.2 * height, 0.05 * width
    places = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r), (x - r, y - r + 1)]
    page.drag(places, released=False)
    time.sleep(0.3)
    assert page.status.startswith(f"{N} of {N} faces")
    x, y = places[-1]
    end = {"type": "mouseReleased", "x": x, "y": y, "button": "left", "clickCount": 1}
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", end)
    page.wait("document.getElementById('status').textContent.includes('picked')")


def test_selecting_values_in_the_source_does_the_same(page):
    page.choose("cells", [0, 1, 40])
    assert set(page.gallery) == {1000 + values()[0][i] for i in (0, 1, 40)}
    page.choose("cells", [])
    assert len(page.gallery) == N


def test_a_chosen_point_fills_the_chart_of_error_vectors_and_its_words_say_the_bias(page):
    assert len(page.data("titles", "text")) == K
    page.click(f"[data-chip='{NOSE}']")
    assert page.data("titles", "text") == ["nose tip"]
    fresh = predictions()
    error = (fresh.points["ensemble"] - fresh.truth)[:, NOSE].astype(float)
    kept = error[
        np.linalg.norm(error, axis=1)
        <= page.run("return JSON.parse(document.getElementById('page-data').textContent).limit")
    ]
    (said,) = page.data("notes", "text")
    assert float(said.split(" px")[0]) == pytest.approx(np.hypot(*kept.mean(axis=0)), abs=0.02)


def test_the_ellipse_holds_two_standard_deviations(page):
    page.click(f"[data-chip='{NOSE}']")
    fresh = predictions()
    error = (fresh.points["ensemble"] - fresh.truth)[:, NOSE].astype(float)
    limit = page.run("return JSON.parse(document.getElementById('page-data').textContent).limit")
    kept = error[np.linalg.norm(error, axis=1) <= limit]
    xs, ys = (np.array(page.data("ellipses", name)[0], float) for name in ("xs", "ys"))
    ring = np.array(page.data("rings", "xs")[-1], float)  # the outermost, of radius `limit`
    stretch = (ring.max() - ring.min()) / 2 / limit
    expected = 2 * kept.std(axis=0)
    assert [np.ptp(xs) / 2 / stretch, np.ptp(ys) / 2 / stretch] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_bar_of_an_attribute_chooses_its_faces_and_all_views_follow(page, attribute):
    before = page.pixels("rmse")
    counts = page.data(f"parts-{attribute}", "count")
    assert sum(counts) == N
    page.choose(f"parts-{attribute}", [0])
    assert len(page.rows) == len(page.gallery) == counts[0]
    assert f"{counts[0]} faces picked" in page.status
    assert page.pixels("rmse") != before
    assert page.data(f"parts-{attribute}", "count") == counts  # its own choice does not empty a chart
    page.choose(f"parts-{attribute}", [])
    assert len(page.rows) == N


def woodruff(scores, group):
    """Ends of the 95 % interval of the median of `scores`, whose faces count by `group`, written the plain way."""
    order = np.argsort(scores)
    scores, group = scores[order], group[order]
    below = (scores <= np.median(scores)) - 0.5
    sums = np.array([below[group == one].sum() for one in np.unique(group)])
    spread = 1.96 * np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1))
    places = np.array([-spread, spread]) + len(scores) / 2
    return scores[np.floor(places + 0.5).astype(int).clip(0, len(scores) - 1)]


@pytest.mark.parametrize("faces_each", [1, 5])
def test_intervals_of_medians_count_persons_not_faces(browser, tmp_path, faces_each):
    rows = np.arange(N) // faces_each
    page = Page(browser, build_report(predictions(group=rows), tmp_path / "report.html"))
    errors = predictions().errors().astype(float)
    scores = np.sqrt(np.nanmean(errors**2, axis=1) / 2)
    for part, kept in enumerate((np.arange(N) % 3 > 0, np.arange(N) % 3 == 0)):
        ends = [page.data("parts-labelling", name)[part] for name in ("low", "high")]
        assert ends == pytest.approx(woodruff(scores[kept], rows[kept]), rel=1e-4)


def test_one_person_has_no_interval(browser, tmp_path):
    path = build_report(predictions(group=np.zeros(N, np.int64)), tmp_path / "report.html")
    page = Page(browser, path)
    assert page.run(f"return Array.from({model('parts-turn')}.data.low).some(Number.isFinite)") is False
    assert page.run(f"return Array.from({model('calibration-dots')}.data.low).some(Number.isFinite)") is False
    assert page.complaints() == []


def test_faces_beyond_the_axis_lie_on_its_end(page):
    end = page.run(f"return {model('panel-turn')}.y_range.end")
    largest = np.nanmax(np.array(page.data("faces", "y"), float))
    assert 0.9 * end < largest < end


def test_tapping_a_bar_of_the_labelling_chooses_its_faces(page):
    left, top, width, height = page.rectangle("#chart-labelling")
    page.drag([(left + 0.75 * width, top + 0.7 * height)] * 2)
    page.wait("document.getElementById('status').textContent.includes('picked')")
    assert set(page.rows) == four_point_faces()


def test_a_lasso_among_the_faces_of_an_attribute_chooses_them(page):
    left, top, width, height = page.rectangle("#chart-turn")
    x0, x1, y0, y1 = left + 0.14 * width, left + 0.55 * width, top + 0.14 * height, top + 0.55 * height
    page.drag([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0), (x0, y0 + 1)])
    page.wait("document.getElementById('status').textContent.includes('picked')")
    caught = page.run(f"return Array.from({model('faces')}.selected.indices)")
    assert 0 < len(caught) < N
    assert set(page.rows) == {1000 + face for face in caught}


def test_a_mark_of_the_calibration_chooses_the_values_behind_it(page):
    counts = page.data("calibration-dots", "count")
    before = page.pixels("vectors")
    page.choose("calibration-dots", [3])
    assert page.status.split(" · ")[1].startswith(f"{counts[3]} of ")
    assert page.pixels("vectors") != before
    assert page.data("calibration-dots", "count") == counts


def test_calibration_is_the_quantile_of_the_errors(page):
    x, y = page.data("calibration-dots", "x"), page.data("calibration-dots", "y")
    _, _, errors = values()
    assert x == pytest.approx([2] * 10 + [5] * 10, abs=0.02)
    assert np.mean(y[:10]) == pytest.approx(np.median(errors), rel=0.1)


def test_anchors_stand_beside_the_members_and_stay_when_these_follow_a_choice(browser, tmp_path):
    path = build_report(predictions(), tmp_path / "report.html", anchors={"dlib": 1.96, "</b>$$x$$": 50.0})
    page = Page(browser, path)
    names, value = page.data("overall", "name"), page.data("overall", "value")
    assert value == sorted(value)
    before = dict(zip(names, value, strict=True))
    assert before["dlib"] == 1.96
    page.click("[data-convention='1']")
    after = dict(zip(page.data("overall", "name"), page.data("overall", "value"), strict=True))
    assert [name for name in names if before[name] == after[name]] == ["dlib", "</b>＄＄x＄＄"]
    assert page.complaints() == []


def test_filters_add_up_and_an_empty_choice_has_words(page):
    page.click("[data-convention='1']")
    page.click(f"[data-chip='{KAGGLE15.index('mouth_left_corner')}']")
    assert page.rows == []
    assert page.run("return document.getElementById('gallery-empty').checkVisibility()")
    assert "RMSE – px" in page.status


def test_a_face_opens_large_with_its_figures_and_keys_lead_on(page):
    page.click("#gallery .face")
    assert page.run("return large.open")
    assert page.run("return document.getElementById('large-title').textContent") == f"Face {1000 + N - 1}"
    cells = page.run(
        "return Array.from(document.querySelectorAll('#large-rows tr:first-child td'), c => c.textContent)"
    )
    errors = [predictions().errors(m)[N - 1, 0] for m in ("base", "specialist", "ensemble")]
    assert [float(cell) for cell in cells] == pytest.approx([*errors, 2, 5], abs=0.02)
    assert page.run("return document.querySelectorAll('#large-art .mark.truth').length") == K
    page.run("large.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
    assert page.run("return document.getElementById('large-title').textContent") == f"Face {1000 + N - 2}"


def test_layers_of_the_large_view_can_be_left_out(page):
    page.click("#gallery .face")
    page.click("[data-layer=truth]")
    assert page.run("return document.querySelectorAll('#large-art .truth').length") == 0
    assert page.run("return document.querySelectorAll('#large-art .mark.base').length") == K


def test_the_large_view_draws_the_photo(page):
    page.click("#gallery .face")
    script = "const c = document.querySelector('#large-art canvas');"
    script += "return Array.from(c.getContext('2d').getImageData(0, 0, 96, 96).data.filter((_, i) => i % 4 === 0))"
    drawn = np.array(page.run(script), float).reshape(96, 96)
    assert np.corrcoef(drawn.ravel(), predictions().images[N - 1].ravel())[0, 1] > 0.7


@pytest.mark.parametrize("column", ["id", "count", "score", "base", "point"])
def test_table_sorts_by_every_column_both_ways(page, column):
    heads = page.run("return Array.from(document.querySelectorAll('#table-head button'), b => b.dataset.sort)")
    place = heads.index(column)
    rows = "document.querySelectorAll('#table-body tr[data-face]')"
    script = f"return Array.from({rows}, r => r.cells[arguments[0]].textContent)"

    def sorted_by_click():
        page.click(f"[data-sort={column}]")
        state = page.run("return document.querySelectorAll('#table-head th')[arguments[0]].ariaSort", place)
        cells = page.run(script, place)
        keys = cells if column == "point" else [float(cell) for cell in cells]
        assert keys == sorted(keys, reverse=state == "descending")
        return state

    assert {sorted_by_click(), sorted_by_click()} == {"ascending", "descending"}


CASES = {
    "no truth": {"truth": False},
    "one point": {"points": [NOSE]},
    "no specialists": {"specialists": False},
    "one face": {"n": 1},
    "no radii": {"radii": (np.nan, np.nan)},
    "hostile ids": {
        "n": 6,
        "ids": np.array(["</script><img src=x onerror=alert(1)>", "{{7*7}}", "$$", "\u2028", "<b>", "'"]),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_opens_without_complaint(browser, tmp_path, case):
    path = build_report(predictions(**CASES[case]), tmp_path / "report.html", title=f"{case} </script><b>$$x$$")
    page = Page(browser, path)
    page.click("#gallery .face")
    assert page.run("return large.open")
    assert len(page.gallery) == CASES[case].get("n", N)
    assert page.complaints() == []
    assert page.requests()[0] == []
    assert page.run("return document.querySelectorAll('main b, h1 b, img:not(#sheet)').length") == 0


def test_no_faces_is_a_page_of_words(browser, tmp_path):
    page = Page(browser, build_report(predictions(0), tmp_path / "report.html"), ready=False)
    assert "holds no faces" in page.run("return document.body.innerText")
    assert page.complaints() == []


def test_nothing_sticks_out_on_a_phone(browser, full_report):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page = Page(browser, full_report)
        assert page.run("return document.documentElement.scrollWidth") == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
