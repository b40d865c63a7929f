"""Screenshots of a run's pages as docs/ shows them, and of one page: takes Chromium, chromedriver and selenium.

python -m reports.build runs/default
python docs/screenshot.py runs/default docs/pages       # each page of a run on drawn faces: docs/pages/training.webp
python docs/screenshot.py two.html docs/pages/pair.webp          # that of reports.compare
python docs/screenshot.py http://127.0.0.1:5006/ docs/pages/serve.webp drawn.png     # specialists.serve with a photo

A picture shows its whole page. Long pages stand in columns side by side, cut between their cards.
Only pages of drawn faces belong in docs/, so those of a run whose faces are photos are refused.
"""

import base64
import contextlib
import itertools
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

DRAWN = "return document.documentElement.dataset.ready === 'true' || !document.querySelector('script:not([type])')"
STATUS = "return window.Bokeh?.documents[0]?.get_model_by_name('status')?.text ?? ''"  # of specialists.serve
SERVED = f"return Boolean((() => {{ {STATUS} }})())"
STILL = "return !window.Bokeh || Bokeh.documents.every((d) => d.is_idle)"
WIDTH, HEIGHT = 1280, 900  # px of the window
TALLEST, GAP = 3700, 40  # px of the page in one column, and between columns
SHOWN = 800  # px of a column's width in the picture
QUALITY = 60  # of WebP
# Where a page may be cut: below a section, but not below a heading or words that lead on.
CUTS = """return [...document.querySelectorAll("main > *")].filter((e) => e.offsetHeight &&
  !/^H|note|legend|bar/.test(e.tagName + " " + e.className)).map((e) => e.getBoundingClientRect().bottom + scrollY)"""
# What is done on a page before its picture is taken, so that it shows what a reader would come to see.
ACTS = {"network": "document.querySelector('[data-heat=face]')?.click(); document.getElementById('next')?.click()"}
SYNTHETIC = "SYNTHETIC drawn faces"


@contextlib.contextmanager
def browser():
    """A Chromium without a window."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        try:
            yield driver
        finally:
            driver.quit()


def screenshot(driver, page, photo=None):
    """uint8 [h, w, 3] of the whole page, in columns of at most about TALLEST px; `photo` is a file to give to it."""
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page if photo else Path(page).resolve().as_uri())
    WebDriverWait(driver, 60).until(lambda d: d.execute_script(SERVED if photo else DRAWN))
    driver.execute_script(ACTS.get(Path(page).stem, ""))
    if photo:
        driver.find_element("id", "file").send_keys(str(Path(photo).resolve()))
        WebDriverWait(driver, 60).until(lambda d: Path(photo).name in d.execute_script(STATUS))
    WebDriverWait(driver, 60).until(lambda d: d.execute_script(STILL))
    height = driver.execute_script("return document.documentElement.scrollHeight")
    seen = {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}}
    taken = base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", seen)["data"])
    return side_by_side(cv2.imdecode(np.frombuffer(taken, np.uint8), cv2.IMREAD_COLOR), driver.execute_script(CUTS))


def side_by_side(seen, cuts):
    """The picture `seen` in columns, cut at those of `cuts`, px from its top, that make them most alike."""
    height = len(seen)
    columns = -(-height // TALLEST)
    places = [min(cuts, key=lambda cut: abs(cut - height * i / columns)) for i in range(1, columns)]
    ends = [0, *(round(place) + 8 for place in places), height]
    parts = [seen[top:bottom] for top, bottom in itertools.pairwise(ends)]
    tallest = max(map(len, parts))
    paper = tuple(int(c) for c in seen[0, 0])
    filled = [cv2.copyMakeBorder(p, 0, tallest - len(p), 0, 0, cv2.BORDER_CONSTANT, value=paper) for p in parts]
    rule = np.full((tallest, GAP, 3), paper, np.uint8)
    return np.hstack([piece for part in filled for piece in (part, rule)][:-1])


def keep(seen, picture):
    """Write a screenshot as a small WebP file."""
    small = cv2.resize(seen, None, fx=SHOWN / WIDTH, fy=SHOWN / WIDTH, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(picture), small, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    print(f"{picture}: {Path(picture).stat().st_size // 1000} kB")


def pages(run):
    """The pages of a run. Exits where its faces are photos."""
    found = sorted(Path(run).glob("*.html"))
    index = Path(run) / "index.html"
    if index not in found or SYNTHETIC not in index.read_text("utf-8"):
        sys.exit(f"{index}: expected the index of a run on drawn faces (python -m reports.build RUN writes it)")
    return found


def main(source, target, photo=None):
    folder = Path(source).is_dir()
    wanted = [(page, Path(target) / f"{page.stem}.webp") for page in pages(source)] if folder else [(source, target)]
    with browser() as driver:
        for page, picture in wanted:
            keep(screenshot(driver, page, photo), picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
