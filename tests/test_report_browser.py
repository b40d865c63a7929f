"""The error report in a real browser: it loads nothing, complains of nothing, and every choice changes every view."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from data.keypoints import KAGGLE15
from reports.build import build_report
from reports.predictions import Predictions

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1280,900"
).split()
K, N = len(KAGGLE15), 60
NOSE = KAGGLE15.index("nose_tip")
POINTS = "button[data-chip]"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM.exists() and DRIVER.exists()), reason=f"needs {CHROMIUM} and {DRIVER}"),
]


def predictions(n=N, truth=True, specialists=True, ids=None, points=range(K), radii=(2, 5)):
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
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module")
def full_report(tmp_path_factory):
    return build_report(predictions(), tmp_path_factory.mktemp("report") / "report.html")


class Page:
    """What a reader sees and does."""

    def __init__(self, driver, path, ready=True):
        self.driver = driver
        driver.get_log("browser"), driver.get_log("performance")  # of the page before
        driver.get(path.as_uri())
        if ready:
            self.wait("document.documentElement.dataset.ready === 'true'")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, f"never came true: {condition}; log: {self.driver.get_log('browser')}"
            time.sleep(0.05)

    def click(self, selector):
        self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'}); e.click()", selector
        )

    def ids(self, selector):
        return [1000 + int(face) for face in self.run(FACES_SCRIPT, selector)]

    @property
    def gallery(self):
        return self.ids("#gallery [data-face]")

    @property
    def rows(self):
        return self.ids("#table-body [data-face]")

    @property
    def status(self):
        return self.run("return document.getElementById('status').textContent")

    def data(self, source, column):
        return self.run(f"return Array.from({model(source)}.data[arguments[0]])", column)

    def choose(self, source, indices):
        """Select rows of a chart's source, as its lasso, box or tap does."""
        self.run(f"{model(source)}.selected.indices = arguments[0]", indices)

    def rectangle(self, selector):
        script = "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
        script += "const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]"
        return self.run(script, selector)

    def drag(self, places):
        """Press at the first of `places` (x, y in px of the window), move along the others, and let go."""
        send = self.driver.execute_cdp_cmd
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 2), "mouseReleased"]
        send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": places[0][0], "y": places[0][1]})
        for kind, (x, y) in zip(kinds, places, strict=True):
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            send("Input.dispatchMouseEvent", event)

    def complaints(self):
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Addresses asked for since the page was opened, other than its own and what it carries in itself."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("data:", "file:"))], [
            u for u in sent if u.startswith("file:")
        ]


FACES_SCRIPT = "return Array.from(document.querySelectorAll(arguments[0]), e => e.dataset.face)"


def model(name):
    return f"Bokeh.documents.at(-1).get_model_by_name('{name}')"


@pytest.fixture
def page(browser, full_report):
    return Page(browser, full_report)


def four_point_faces():
    return {1000 + i for i in range(0, N, 3)}


def test_page_asks_for_nothing_and_complains_of_nothing(page, full_report):
    page.click("#gallery .face")
    assert page.complaints() == []
    outside, own = page.requests()
    assert (outside, own) == ([], [full_report.as_uri()])


def test_all_charts_are_drawn(page):
    page.wait("document.querySelectorAll('.chart').length === 5")
    for chart in ("rmse", "vectors", "curve", "histogram", "coverage"):
        left, _, width, height = page.rectangle(f"#chart-{chart}")
        assert (left >= 0, width > 300, height > 120) == (True, True, True), chart


def test_worst_faces_come_first_and_a_click_turns_to_the_best(page):
    assert page.gallery == [1000 + N - 1 - i for i in range(24)]
    page.click("[data-order=best]")
    assert page.gallery == [1000 + i for i in range(24)]


def test_more_faces_are_a_click_away(page):
    page.click("#gallery-more")
    page.click("#gallery-more")
    assert len(page.gallery) == N
    assert not page.run("return document.getElementById('gallery-more').checkVisibility()")


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
    assert len(page.run(f"return {model('view')}.filter.indices")) == N - 20
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
    assert len(page.rows) == 50


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


def test_a_lasso_in_the_scatter_shows_the_faces_it_caught(page):
    left, top, width, height = page.rectangle("#chart-vectors")
    x, y, r = left + 0.5 * width, top + 0.3 * height, 0.08 * width
    page.drag([(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r), (x - r, y - r + 1)])
    page.wait("document.getElementById('status').textContent.includes('lassoed')")
    caught = page.run(f"return Array.from({model('values')}.selected.indices)")
    faces = page.data("values", "face")
    assert 0 < len(caught) < len(faces)
    assert set(page.rows) == {1000 + faces[i] for i in caught}
    assert sum(page.data("bars", "count")) == len(caught)


def test_selecting_values_in_the_source_does_the_same(page):
    page.choose("values", [0, 1, 40])
    faces = page.data("values", "face")
    assert set(page.gallery) == {1000 + faces[i] for i in (0, 1, 40)}
    page.choose("values", [])
    assert len(page.gallery) == 24


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
    page.click("#table-more")
    heads = page.run("return Array.from(document.querySelectorAll('#table-head button'), b => b.dataset.sort)")
    place = heads.index(column)
    script = "return Array.from(document.querySelectorAll('#table-body tr'), r => r.cells[arguments[0]].textContent)"

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
    assert len(page.gallery) == min(24, CASES[case].get("n", N))
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
