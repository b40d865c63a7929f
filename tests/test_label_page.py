"""The label page: what it says, what it refuses, and what it does in a browser."""

import csv
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from chromium import Page, in_browser, model
from test_labels import NOSE, K, planted, predicted, without

from data.errors import RunError, UsageError
from data.keypoints import KAGGLE15
from data.storage import read_arrays
from reports import labels as command
from reports.label_doubts import judge_rows
from reports.label_noise import measure_noise
from reports.label_offsets import convention_differences, mirror_test
from reports.label_page import label_page
from reports.label_store import FILE, store_labels
from reports.label_words import findings, lede
from reports.labels import build_labels, write_labels

HOSTILE = "</script><img onerror=alert(1)>{{7*7}}$$\u2028"


def with_wrong_rows(**more):
    """Planted labels with pictures of eight wrong rows: 0 to 3 shifted, 4 to 7 with one point off."""
    labels = planted(**({"n": 400, "twins": 60} | more))
    labels.points[:4] += np.array([12, 9], np.float32)
    labels.points[4:8, NOSE] += 13
    rng = np.random.default_rng(1)
    rows = np.arange(40)
    return replace(labels, pictured=rows, pictures=rng.integers(0, 255, (40, 96, 96, 1), dtype=np.uint8))


def told(labels, predictions=None):
    """dict of lead to sentence."""
    doubts = judge_rows(labels)
    noise = measure_noise(labels, doubts, predictions)
    mirror = mirror_test(labels, doubts.wrong, "regression")
    differences = convention_differences(labels, doubts.wrong)
    return dict(findings(labels, doubts, noise, mirror, differences))


def test_findings_say_what_was_planted():
    said = told(with_wrong_rows(n=1200, offset=(1.2, 0)))
    assert said["Wrong labels"].startswith(
        "8 rows (0.7 %) are likely wrong: whole face shifted (4), one point off (4)."
    )
    assert "a perfect network would score" in said["Left to win"]
    assert said["Leaning labels"].startswith("As a whole, labels lie 1.")
    assert "px to the right of what their mirror images say." in said["Leaning labels"]
    assert "“four” draws nose tip" in said["Conventions"]
    assert said["Conventions"].endswith("The other points agree.")


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (["left_eye_center"], "Left eye center should agree, and does not."),
        (["left_eye_center", "right_eye_center"], "Left eye center, right eye center should agree, and do not."),
    ],
)
def test_points_that_should_agree_between_conventions_are_told(points, said):
    labels = planted(n=1200)
    for point in points:
        labels.points[labels.convention == 1, KAGGLE15.index(point)] += 2
    assert told(labels)["Conventions"].endswith(said)


@pytest.mark.parametrize(
    ("labels", "lead", "words"),
    [
        (lambda: planted(twins=0), "Wrong labels", "No row deviates 6 times as far as is usual"),
        (lambda: planted(twins=0), "Noise", "Too few pictures were labelled twice"),
        (lambda: planted(), "Leaning labels", "Labels and their mirror images agree as a whole."),
        (lambda: without(planted(), "base"), "Left to win", "That takes a network's answers"),
        (lambda: planted(four=0.0), "Conventions", "All rows are labelled by one convention, “fifteen”."),
    ],
)
def test_empty_cases_have_words(labels, lead, words):
    assert words in told(labels())[lead]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_few_rows_make_a_page(rows):
    labels = planted(n=5, twins=0)
    labels.points[1:] = np.nan if rows == 1 else labels.points[1:]
    cut = ("points", "convention", "group", "image", "ids", "held")
    labels = replace(labels, **{name: getattr(labels, name)[:rows] for name in cut})
    labels = replace(labels, opinions={name: own[:rows] for name, own in labels.opinions.items()})
    html, rows_csv = label_page(labels)
    assert "<h1>What the labels are worth</h1>" in html
    assert rows_csv.count("\r\n") >= 1
    assert ("None of these faces carries a label" in html) == (rows == 0)
    assert lede(labels).startswith(f"{rows} face")


def test_hostile_names_stay_text():
    labels = with_wrong_rows()
    labels = replace(labels, ids=np.array([f"{HOSTILE}{i}" for i in range(400)]), source=HOSTILE)
    html, _ = label_page(labels, title=HOSTILE)
    assert "<img onerror" not in html
    assert html.count("</script>") == html.count("<script")


def test_the_same_labels_give_the_same_page():
    labels = with_wrong_rows()
    rows = np.arange(0, 300, 2)
    assert label_page(labels, predicted(labels, rows)) == label_page(labels, predicted(labels, rows))


def test_the_page_and_its_csv_are_written_side_by_side(tmp_path):
    page, rows = write_labels(with_wrong_rows(), tmp_path / "worth.html")
    assert (page, rows) == (tmp_path / "worth.html", tmp_path / "worth.csv")
    table = list(csv.DictReader(io.StringIO(rows.read_text())))
    assert {row["row"] for row in table if row["verdict"] == "likely wrong"} == {str(i) for i in range(8)}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["worth.csv", "worth.html"]


def small_faces():
    from data.faces import Faces

    rng = np.random.default_rng(2)
    points = rng.uniform(30, 60, (30, K, 2)).astype(np.float32)
    images = rng.integers(0, 255, (30, 96, 96, 1), dtype=np.uint8)
    return Faces(images, points, np.zeros(30, np.uint8), np.arange(30), np.arange(30), KAGGLE15, "kaggle")


def test_a_run_is_drawn_from_what_it_keeps(tmp_path, capsys):
    faces = small_faces()
    store_labels(tmp_path, faces, (np.arange(20), np.arange(20, 30)), [faces.slots[:20] + 1, faces.slots[20:] + 1])
    command.main(["--run", str(tmp_path)])
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{tmp_path / 'labels.html'} (")
    assert out[1].startswith(f"{tmp_path / 'labels.csv'} (")
    assert read_arrays(tmp_path / FILE)["held"].sum() == 10


def test_a_data_set_is_drawn_alone(tmp_path):
    page, _ = command.label_set(small_faces(), tmp_path / "set.html")
    assert "quick regression" in page.read_text()
    assert "base network" not in page.read_text().partition("<footer>")[0].partition('id="page-data"')[0]


def test_a_run_without_labels_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"labels\.npz: expected the labels of a run"):
        build_labels(tmp_path)
    with pytest.raises(RunError, match="expected the predictions of an ensemble"):
        command.label_set(small_faces(), tmp_path / "set.html", tmp_path)


@pytest.mark.parametrize("options", [[], ["--run", "r", "--out", "x.html"], ["--data", "d"]])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(UsageError, match="expected"):
        command.main(options)


# ---- in a browser


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    labels = with_wrong_rows()
    rows = np.arange(0, 300, 2)
    return write_labels(labels, tmp_path_factory.mktemp("labels") / "labels.html", predicted(labels, rows))


@pytest.fixture
def page(browser, written):
    return Page(browser, written[0])


def ids(page, selector="#rows th"):
    return [
        int(text)
        for text in page.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)
    ]


def doubtful(written):
    return list(csv.DictReader(io.StringIO(written[1].read_text())))


@in_browser
class TestInABrowser:
    def test_it_complains_of_nothing_and_asks_for_nothing(self, page):
        assert page.complaints() == []
        assert page.requests()[0] == []
        for name in ("cloud", "noise", "split", "mirror"):
            assert page.run(f"return document.querySelector('#chart-{name}').childElementCount") > 0

    def test_table_and_pictures_show_the_doubtful_rows_worst_first(self, page, written):
        wanted = [int(row["row"]) for row in doubtful(written)]
        assert ids(page) == wanted
        assert page.status == f"{len(wanted)} rows to look at"
        cards = page.run("return [...document.querySelectorAll('#wall .score')].map(e => e.textContent)")
        assert cards == [f"row {i}" for i in wanted if i < 40][:21]

    def test_a_kind_keeps_its_rows_and_show_all_brings_back_the_others(self, page, written):
        page.click("[data-kind='shift']")
        assert set(ids(page)) == {0, 1, 2, 3}
        assert page.status.startswith(f"4 rows to look at of {len(doubtful(written))}")
        assert page.run("return document.querySelectorAll('#wall .face').length") == 4
        page.click("#clear")
        assert len(ids(page)) == len(doubtful(written))

    def test_points_and_labelling_choose_rows_and_dots(self, page):
        everything = len(page.data("dots", "x"))
        page.click(f"[data-point='{NOSE}'].chip")
        assert {4, 5, 6, 7} <= set(ids(page))
        seen = page.run(f"return {model('dots-view')}.filter.indices.length")
        points = page.data("dots", "point")
        assert seen == points.count(NOSE) < everything
        page.click("[data-convention='1'].chip")
        kinds = page.data("dots", "kind")
        both = sum(p == NOSE and k == 1 for p, k in zip(points, kinds, strict=True))
        assert page.run(f"return {model('dots-view')}.filter.indices.length") == both

    def test_a_choice_without_rows_has_words(self, page):
        page.click("[data-kind='shift']")
        page.click("[data-kind='point']")
        page.click(f"[data-point='{KAGGLE15.index('left_eye_inner_corner')}'].chip")
        assert page.status.startswith("0 rows")
        assert page.run("return document.getElementById('wall-empty').hidden") is False
        assert page.run("return document.getElementById('download').disabled") is True

    def test_the_rows_that_are_shown_can_be_downloaded(self, page, written, tmp_path):
        page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        page.click("[data-kind='shift']")
        page.click("#download")
        end = time.monotonic() + 20
        while not (found := list(tmp_path.glob("*.csv"))):
            assert time.monotonic() < end, "nothing was downloaded"
            time.sleep(0.05)
        rows = list(csv.DictReader(io.StringIO(found[0].read_text())))
        assert rows == [row for row in doubtful(written) if row["row"] in "0123"]
        assert page.complaints() == []

    @pytest.mark.parametrize("column", ["id", "times", "distance", "second"])
    def test_the_table_sorts_both_ways(self, page, column):
        place = ["id", "times", "distance", "second"].index(column)
        cell = f"return [...document.querySelectorAll('#rows tr')].map(r => Number(r.children[{place}].textContent))"
        seen = {}
        for _ in range(2):
            page.click(f"[data-column='{column}']")
            way = page.run(f"return document.querySelector(\"[data-column='{column}']\").parentElement.ariaSort")
            seen[way] = page.run(cell)
        assert seen["ascending"] == sorted(seen["ascending"])
        assert seen["descending"] == sorted(seen["descending"], reverse=True)

    def test_a_row_opens_large_and_keys_lead_on(self, page, written):
        page.click("#wall .face")
        first, second = (doubtful(written)[i]["row"] for i in (0, 1))
        assert page.run("return document.getElementById('large-title').textContent") == f"Row {first}"
        assert page.run("return document.querySelectorAll('#large-art .mark.truth').length") == page.run(
            "return document.querySelectorAll('#large-rows tr').length"
        )
        page.run("document.getElementById('large').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
        assert page.run("return document.getElementById('large-title').textContent") == f"Row {second}"
        page.click("[data-layer='base']")
        assert page.run("return document.querySelectorAll('#large-art .mark.base').length") == 0
        page.click("#close")
        assert page.run("return document.getElementById('large').open") is False

    def test_duplicates_are_drawn_with_both_labels(self, page):
        page.click("#pairs .face")
        assert page.run("return document.getElementById('large-title').textContent").startswith("Rows ")
        assert page.run("return document.querySelectorAll('#large-art .mark.twin').length") > 0

    def test_the_csv_is_downloaded_from_a_file(self, page, browser, written, tmp_path):
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
        page.click("#download")
        whole = arrived(tmp_path / "labels.csv")
        assert whole == written[1].read_bytes()
        (tmp_path / "labels.csv").unlink()
        page.click("[data-kind='shift']")
        page.click("#download")
        rows = list(csv.DictReader(io.StringIO(arrived(tmp_path / "labels.csv").decode())))
        assert {row["row"] for row in rows} == {"0", "1", "2", "3"}

    @pytest.mark.parametrize("width", [390, 1280])
    def test_it_fits_its_window(self, page, browser, width):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            page.wait("Bokeh.documents.at(-1).is_idle")
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    @pytest.mark.parametrize("case", ["no labels", "no network", "hostile", "no wrong rows"])
    def test_every_case_opens_without_complaint(self, browser, tmp_path, case):
        labels = with_wrong_rows()
        if case == "no labels":
            labels.points[:] = np.nan
        if case == "no wrong rows":
            labels = planted(n=400, twins=0, regression=1.0)
        if case == "no network":
            labels = without(labels, "base")
        if case == "hostile":
            labels = replace(labels, ids=np.array([f"{HOSTILE}{i}" for i in range(400)]), source=HOSTILE)
        made = Page(browser, write_labels(labels, tmp_path / "labels.html")[0], ready=case != "no labels")
        assert made.complaints() == []
        assert made.requests()[0] == []
        assert made.run("return document.querySelectorAll('img[onerror]').length") == 0


def arrived(path, seconds=20):
    """Bytes of a download once it is whole."""
    import time

    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)
    return path.read_bytes()
