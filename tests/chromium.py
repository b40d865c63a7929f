"""The browser that tests open pages in: Debian's Chromium, headless, driven by Selenium."""

import contextlib
import json
import shutil
import time
from pathlib import Path

import pytest

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1280,900"
).split()
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM.exists() and DRIVER.exists()), reason=f"needs {CHROMIUM} and {DRIVER}"),
]


def in_browser(test):
    """Decorator of a test, or of a class of tests, that needs the browser."""
    for mark in MARKS:
        test = mark(test)
    return test


@contextlib.contextmanager
def browser_with(profile, *flags):
    """Context: a Selenium driver that logs what pages complain of and ask for.

    Args:
        profile: an empty folder; deleted afterwards.
        flags: of Chromium, besides `FLAGS`.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


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

    def settle(self):
        """Until what was chosen shows everywhere: what is out of sight follows a few frames later."""
        self.wait("document.documentElement.dataset.busy !== 'true'")

    def ids(self, selector):
        self.settle()
        return [1000 + int(face) for face in self.run(FACES_SCRIPT, selector)]

    def scrolled(self, box, selector):
        """Faces in a list, gathered while it is scrolled from its top to its end."""
        found = []
        self.run(f"{box}.scrollTop = 0; {box}.dispatchEvent(new Event('scroll'))")
        while True:
            found += [face for face in self.ids(selector) if face not in found]
            script = f"const b = {box}, at = b.scrollTop; b.scrollTop += 0.7 * b.clientHeight;"
            if not self.run(f"{script} b.dispatchEvent(new Event('scroll')); return b.scrollTop > at"):
                return found

    @property
    def gallery(self):
        """Faces of the whole gallery, in its order."""
        return self.scrolled("document.getElementById('gallery-box')", "#gallery [data-face]")

    @property
    def rows(self):
        """Faces of the whole table, in its order."""
        return self.scrolled("document.getElementById('table-box')", "#table-body [data-face]")

    def pixels(self, chart):
        """The chart as it is drawn: bytes of its canvas."""
        self.settle()
        self.wait("Bokeh.documents.at(-1).is_idle")
        time.sleep(0.1)
        return self.run(PIXELS_SCRIPT, f"chart-{chart}")

    @property
    def status(self):
        return self.run("return document.getElementById('status').textContent")

    def data(self, source, column):
        self.settle()
        return self.run(f"return Array.from({model(source)}.data[arguments[0]])", column)

    def choose(self, source, indices):
        """Select rows of a chart's source, as its lasso, box or tap does."""
        self.run(f"{model(source)}.selected.indices = arguments[0]", indices)

    def rectangle(self, selector):
        script = "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
        script += "const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]"
        return self.run(script, selector)

    def drag(self, places, released=True):
        """Press at the first of `places` (x, y in px of the window), move along the others, and let go, or not yet."""
        send = self.driver.execute_cdp_cmd
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 2), "mouseReleased" if released else "mouseMoved"]
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
        # The browser's own first tab may still be loading its chrome: parts; no page can ask for such.
        elsewhere = [url for url in sent if not url.startswith(("data:", "file:", "chrome:"))]
        return elsewhere, [url for url in sent if url.startswith("file:")]


PIXELS_SCRIPT = """
const find = (root) => {
  for (const e of root.querySelectorAll("*")) {
    if (e.tagName === "CANVAS") return e;
    const inside = e.shadowRoot && find(e.shadowRoot);
    if (inside) return inside;
  }
};
return find(document.getElementById(arguments[0])).toDataURL();
"""
FACES_SCRIPT = "return Array.from(document.querySelectorAll(arguments[0]), e => e.dataset.face)"


def model(name):
    return f"Bokeh.documents.at(-1).get_model_by_name('{name}')"
