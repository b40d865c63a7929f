"""The index of a run and the command that builds all pages: what is linked, what is not there and why, and how fast."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from chromium import Page, in_browser
from test_report_browser import predictions
from test_training_page import add_base, add_specialist

from data.errors import RunError
from data.storage import write_json
from reports import index, run_pages
from reports.build import main
from reports.features import FEATURES, Features, Layer
from reports.index import Entry, index_page, title_of
from reports.run_pages import SHEETS, build_all

ROOT = Path(__file__).parents[1]
HOSTILE = "</script><img onerror=alert(1)>{{7*7}}$$\u2028"


def make_run(folder, faces=12):
    """A run with predictions, features and trainings, and no labels."""
    folder.mkdir(exist_ok=True)
    fingerprint = add_base(folder)
    add_specialist(folder, "nose_tip", fingerprint)
    (folder / "ensemble").mkdir()
    predictions(faces).save(folder / "ensemble" / "predictions.npz")
    maps = np.zeros((1, 4, 2, 2), np.uint8)
    kernel = np.ones((4, 1, 3, 3), np.int8)
    layer = Layer(
        "stem", "convolution 3x3", "stem", [2, 2, 4], 36, [3, 3, 1, 4], 0.5, [1, 2], kernel, maps, np.zeros((4, 2))
    )
    about = {"network": "resnet", "base": fingerprint, "looked": 12, "source": "synthetic"}
    faces = np.zeros((1, 96, 96, 1), np.uint8)
    Features(faces, np.array([1000]), ["the only one"], [layer], None, about).save(folder / FEATURES)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("runs") / "my run")
    build_all(folder)
    return folder


def links(page):
    return re.findall(r'<a href="([^"]*)"', page)


def test_the_index_links_what_was_built_and_says_what_was_not(run):
    path, entries = build_all(run)
    page = path.read_text()
    there = {entry.file for entry in entries if not entry.problem}
    assert there >= {"report.html", "training.html", "network.html"}
    assert [link for link in links(page) if link[2:] in there] == [
        f"./{entry.file}" for entry in entries if not entry.problem
    ]
    assert all((run / link[2:]).is_file() for link in links(page))
    gone = {entry.file: entry.problem for entry in entries if entry.problem}
    assert "labels.npz: expected the labels of a run" in gone["labels.html"]
    assert "labels.npz: expected the labels of a run" in page
    assert "comparison.html" not in {entry.file for entry in entries}  # a run that compares nothing lacks nothing


def test_key_figures_are_those_of_the_files(run):
    made = predictions(12)
    errors = made.errors("ensemble").astype(float)
    scores = np.sqrt(np.nanmean(errors**2, 0) / 2)
    assert index.report_figures(run)[0][1].endswith(f"{np.nanmax(scores):.2f} px")
    assert index.training_figures(run) == [
        ("networks", "2"),
        ("training time", "8 s"),
        ("base, trimmed RMSE", "3.00 px"),
    ]
    assert dict(index.network_figures(run))["dead filters"] == "2 of 4"
    overall = f"{np.sqrt(np.nanmean(errors**2) / 2):.2f} px"
    assert f"<dt>RMSE, ensemble</dt><dd><strong>{overall}</strong>" in (run / "index.html").read_text()


def test_specialists_of_some_points_have_no_figure_beside_those_of_all(run):
    page = (run / "index.html").read_text()
    assert "RMSE, base" in page
    assert "RMSE, specialist" not in page


def test_a_page_that_breaks_costs_no_other(run, monkeypatch):
    def broken(run, anchors):
        raise ZeroDivisionError("of ours")

    rows = tuple(
        run_pages.Sheet(s.file, s.title, s.about, broken, s.figures) if s.file == "report.html" else s for s in SHEETS
    )
    monkeypatch.setattr(run_pages, "SHEETS", rows)
    path, entries = build_all(run)
    assert next(e.problem for e in entries if e.file == "report.html") == "ZeroDivisionError: of ours"
    assert "./training.html" in links(path.read_text())


def test_a_full_disk_is_not_hidden(run, monkeypatch):
    def full(run, anchors):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_pages, "SHEETS", (run_pages.Sheet("a.html", "A", "", full, "report_figures"),))
    with pytest.raises(OSError, match="No space left"):
        build_all(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="expected the folder of a run"):
        build_all(tmp_path)
    with pytest.raises(RunError, match="expected the folder of a run"):
        build_all(tmp_path / "nowhere")


def test_a_run_that_only_has_a_base_gets_its_pages(tmp_path):
    add_base(tmp_path)
    path, entries = build_all(tmp_path)
    assert "./training.html" in links(path.read_text())
    problems = {entry.file: entry.problem for entry in entries}
    assert "expected the predictions of an ensemble" in problems["report.html"]
    assert "python -m base_models.features" in problems["network.html"]


def test_a_comparison_links_the_runs_of_its_networks(tmp_path):
    write_json(tmp_path / "comparison.json", {"networks": [{"network": "vgg", "why": "not trained yet"}]})
    add_base(tmp_path / "vgg")
    build_all(tmp_path / "vgg")
    path, entries = build_all(tmp_path)
    assert [entry.file for entry in entries] == ["comparison.html"]
    assert links(path.read_text()) == ["./comparison.html", "./vgg/index.html"]


def test_other_pages_of_the_folder_are_linked_by_their_titles(tmp_path):
    add_base(tmp_path)
    name = "a <b>&\"'#?100%.html"
    (tmp_path / name).write_text("<html><title>Two &lt;runs&gt; &amp; more</title></html>")
    (tmp_path / "untitled.html").write_text("<p>")
    page = build_all(tmp_path)[0].read_text()
    assert ">Two &lt;runs&gt; &amp; more</a>" in page
    assert "./a%20%3Cb%3E%26%22%27%23%3F100%25.html" in links(page)
    assert title_of(tmp_path / "untitled.html") == "untitled.html"


def test_hostile_names_stay_text(tmp_path):
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    entries = [Entry(HOSTILE, HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)]), Entry("b.html", HOSTILE, "", [], HOSTILE)]
    page = index_page(folder, entries)
    assert page.count("</script>") == index_page(tmp_path, []).count("</script>")
    assert "<img onerror" not in page


def test_a_run_without_any_page_has_words(tmp_path):
    assert "This run has no page yet." in index_page(tmp_path, [])


def test_the_command_tells_pages_sizes_and_reasons(run, capsys):
    main([str(run)])
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{re.escape(str(run))}/report\.html \(\d\.\d MB\)", lines[0])
    assert any(line.startswith("not built: labels.html: ") for line in lines)
    assert lines[-1] == f"{run}/index.html: links all of them"


def test_the_index_is_shown_where_that_is_asked_for(run, monkeypatch):
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    main([str(run)])
    assert shown == []
    main([str(run), "--open"])
    assert shown == [(run / "index.html").resolve().as_uri()]


def test_anchors_reach_the_error_report(run):
    main([str(run), "--anchor", "dlib=1.96"])
    assert "dlib" in (run / "report.html").read_text()


def test_building_needs_no_tensorflow_and_few_seconds(run):
    """Seconds of the processor, as told by the children's clock: other work on the machine does not count."""
    code = (
        "import sys, time; from reports.run_pages import build_all; build_all(sys.argv[1])\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
        "assert time.process_time() < 10, time.process_time()"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True, cwd=ROOT)


@in_browser
class TestInBrowser:
    def test_links_lead_to_pages_that_draw_themselves(self, browser, run):
        path, entries = build_all(run)
        there = [entry for entry in entries if not entry.problem]
        page = Page(browser, path, ready=False)
        assert page.complaints() == []
        outside, own = page.requests()
        assert ([url for url in outside if not url.startswith("chrome:")], own) == ([], [path.as_uri()])
        for place in range(len(there)):
            page = Page(browser, path, ready=False)
            page.run("document.querySelectorAll('.page a')[arguments[0]].click()", place)
            page.wait("document.documentElement.dataset.ready === 'true'")
            assert page.complaints() == []

    @pytest.mark.parametrize("width", [1280, 390])
    def test_nothing_is_wider_than_the_screen(self, browser, run, width):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            for name in ("index.html", "training.html", "network.html"):
                page = Page(browser, run / name, ready=name != "index.html")
                assert page.run("return document.documentElement.scrollWidth") <= width, name
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
