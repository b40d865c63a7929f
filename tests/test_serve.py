"""The page for one's own photo: what it does with any upload, whom it answers, and all of it in a real browser."""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny
from bokeh.document import Document
from chromium import browser_with, in_browser

from data.errors import DataError, UsageError
from data.keypoints import KAGGLE15
from data.synthetic import draw_face
from specialists import serve_app
from specialists.predictor import Face
from specialists.serve import main, make_server
from specialists.serve_app import COLUMNS, LIMIT, WAITING, Page, decoded

CAMERA = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--window-size=1280,1600"
ROOT = Path(__file__).parent.parent
HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}$$\u2028\n.png"


def drawn(seed=3, size=(300, 420), side=180, left=120, top=60):
    """uint8 [H, W, 3]: a drawn face on a grey wall."""
    image, _ = draw_face(np.random.default_rng([seed]), size=side)
    photo = np.full((*size, 3), 120, np.uint8)
    photo[top : top + side, left : left + side] = image[..., None]
    return photo


def base64_of(photo, ending=".png"):
    return base64.b64encode(cv2.imencode(ending, photo[..., ::-1])[1].tobytes()).decode()


class Finder:
    """A predictor that finds as many faces as a photo has bright rows at its top."""

    schema = KAGGLE15
    about = {"run": HOSTILE, "schema": "kaggle15", "convention": "fifteen", "units": "px"}

    def __call__(self, photo):
        count = int((photo[:, 0, 0] > 250).sum())
        points = np.arange(30, dtype=np.float32).reshape(15, 2)
        return [Face(KAGGLE15.points, points + i, np.full((2, 15), 2 + i), (0, 0, 9, 9), 0.0) for i in range(count)]


@pytest.fixture
def page():
    made = Page(Finder())
    made.add_to(Document())
    return made


def bright(rows):
    photo = np.full((40, 50, 3), 90, np.uint8)
    photo[:rows] = 255
    return photo


def test_the_page_starts_empty_and_says_so(page):
    assert page.status.text == WAITING
    assert set(page.points.data) == {*COLUMNS, "size", "dot", "ring"}
    assert not page.points.data["x"]
    assert not page.figure.visible


def test_a_photo_comes_back_with_a_row_per_point_and_its_lines(page):
    page.look("two.png", base64_of(bright(2)))
    assert page.status.text == "two.png: 2 faces on 50 x 40 px."
    data = page.points.data
    assert list(data["face"]) == [1] * 15 + [2] * 15
    assert data["keypoint"][:2] == ["left eye center", "right eye center"]
    assert (data["x"][1], data["y"][1], data["x"][16]) == (2, 3, 3)
    assert (data["radius_50"][0], data["radius_90"][-1]) == (2, 3)
    assert len(page.lines.data["xs"]) == 2 * len(KAGGLE15.lines)
    assert data["size"] == [28] * 30  # from (0, 1) to (28, 29)
    assert page.lines.data["size"] == [28] * 2 * len(KAGGLE15.lines)
    shown = page.photo.data["image"][0]
    assert shown.shape == (40, 50)
    assert shown[0, 0] == 0xFFFFFFFF
    assert shown[-1, 0] == 0xFF5A5A5A
    assert (page.figure.x_range.end, page.figure.y_range.start) == (49.5, 39.5)


def test_one_after_the_other_replaces_everything(page):
    page.look("two.png", base64_of(bright(2)))
    page.look("none.png", base64_of(bright(0)))
    assert page.status.text == "none.png: no face found on 50 x 40 px."
    assert all(len(column) == 0 for column in page.points.data.values())
    assert page.lines.data == {"xs": [], "ys": [], "size": [], "line": []}
    assert (page.figure.visible, page.table.visible) == (True, False)
    assert len(page.photo.data["image"]) == 1
    assert page.upload.data == {"name": [], "content": []}  # what was sent is not kept


def test_a_large_photo_is_shown_smaller_in_its_own_px(page):
    page.look("wide.jpg", base64_of(np.full((100, 3000, 3), 90, np.uint8), ".jpg"))
    assert page.photo.data["image"][0].shape == (47, 1400)
    assert (page.photo.data["w"], page.photo.data["h"]) == ([3000], [100])


WRONG = [
    ("a.txt", base64.b64encode(b"hello").decode(), "a.txt: expected a picture; received something else"),
    ("a.png", "", "a.png: expected a picture; received something else"),
    ("a.png", "not base64 !", "a.png: expected a picture; received something else"),
    ("a.png", base64_of(bright(1))[:-60], "a.png: expected a"),
    ("", "", "photo: expected a picture"),
    ("x" * 300, "", "x" * 77 + "...: expected a picture"),
    (HOSTILE, "", "</script><img src=x onerror=alert(1)>{{7*7}}$$\\u2028\\n.png: expected a picture"),
]


@pytest.mark.parametrize(("name", "content", "words"), WRONG)
def test_what_is_no_picture_gets_a_sentence_and_clears_the_page(page, name, content, words):
    page.look("one.png", base64_of(bright(1)))
    page.look(name, content)
    assert page.status.text.startswith(words)
    assert "\n" not in page.status.text
    assert page.status.render_as_text
    assert not len(page.points.data["x"])
    assert not page.photo.data["image"]


def test_more_than_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(serve_app, "LIMIT", 3000)
    assert decoded("a", "A" * 4004).getbuffer().nbytes == 3003
    with pytest.raises(DataError, match=r"a: expected at most 0\.003 MB; received more"):
        decoded("a", "A" * 4008)


def test_hostile_names_change_nothing_in_the_page():
    document = Document()
    Page(Finder()).add_to(document)
    from bokeh.embed import file_html

    html = file_html(document, template=document.template, template_variables=document.template_variables)
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}$$" in html
    assert "49$$" not in html
    assert "cdn.bokeh.org" in html  # of file_html alone; the server's own page is looked at in a browser


@pytest.fixture
def server():
    made = make_server(Finder(), port=0)
    yield made
    made.stop()


def test_the_server_listens_on_this_machine_only(server):
    addresses = {sock.getsockname()[0] for sock in server._http._sockets.values()}
    assert addresses == {"127.0.0.1"}


def test_the_server_s_page_loads_only_from_itself(server):
    async def get():
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{server.port}/")

    server.start()
    html = server.io_loop.asyncio_loop.run_until_complete(get())
    links = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
    assert any("static/js/bokeh" in link for link in links)
    assert [link for link in links if "://" in link or link.startswith("//")] == []


def _get(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def test_pages_of_other_sites_may_not_ask(server):
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import websocket_connect

    async def connect(origin):
        url = f"ws://127.0.0.1:{server.port}/ws"
        return await websocket_connect(HTTPRequest(url, headers={"Origin": origin}), subprotocols=["bokeh", "none"])

    server.start()
    with pytest.raises(HTTPClientError, match="403"):
        server.io_loop.asyncio_loop.run_until_complete(connect("http://evil.example"))


def test_a_port_in_use_and_an_address_elsewhere_are_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for where in (("127.0.0.1", port), ("203.0.113.7", 0), ("no such name", 0)):
            with pytest.raises(UsageError, match="expected an IPv4 address of this machine and a free port; received"):
                make_server(Finder(), *where)


def test_a_port_that_is_none_is_refused():
    with pytest.raises(UsageError, match="--port: expected 0 to 65535; received 70000"):
        main(["--port", "70000"])


# In a browser, against the command itself.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny.merged_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def place(run):
    """Address of a running `python -m specialists.serve`; it must end without complaint on SIGTERM."""
    command = [sys.executable, "-m", "specialists.serve", "--run", str(run), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), line
    yield line.split()[0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (0, 143)
    process.stdout.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    camera = folder / "camera.mjpeg"  # what the browser takes for a camera: a drawn face
    camera.write_bytes(cv2.imencode(".jpg", cv2.resize(drawn(), (640, 480)))[1].tobytes() * 2)
    with browser_with(folder / "profile", *CAMERA, f"--use-file-for-fake-video-capture={camera}") as driver:
        yield driver


def wait(driver, condition, seconds=60):
    end = time.monotonic() + seconds
    while not driver.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < end, f"never came true: {condition}; log: {driver.get_log('browser')}"
        time.sleep(0.1)


MODEL = "Bokeh.documents[0].get_model_by_name('{}')"
STATUS, POINTS = MODEL.format("status"), MODEL.format("points")


@pytest.fixture
def opened(browser, place):
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(place)
    wait(browser, f"window.Bokeh && Bokeh.documents.length && {STATUS} && Bokeh.documents[0].is_idle")
    return browser


def send(driver, path):
    driver.find_element("id", "file").send_keys(str(path))


def status(driver, ends):
    wait(driver, f"{STATUS}.text.endsWith({json.dumps(ends)})")
    wait(driver, "Bokeh.documents[0].is_idle")


def orange(driver):
    """Pixels on the plot in the colour of points."""
    return driver.execute_script(
        "const all = []; (function walk(n) { if (n.tagName === 'CANVAS') all.push(n);"
        " if (n.shadowRoot) walk(n.shadowRoot); for (const c of n.children || []) walk(c); })(document.body);"
        "let found = 0; for (const canvas of all) { if (!canvas.width || !canvas.height) continue;"
        " const d = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data; if (!d) continue;"
        " for (let i = 0; i < d.length; i += 4)"
        " if (d[i + 3] > 200 && Math.abs(d[i] - 213) < 12 && Math.abs(d[i + 1] - 94) < 12 && d[i + 2] < 20) found++; }"
        "return found"
    )


def requests(driver):
    """Addresses that the page asked for, apart from what it has in itself."""
    told = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [entry["params"]["request"]["url"] for entry in told if entry["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith(("data:", "blob:", "chrome"))]


def complaints(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


@in_browser
def test_a_photo_is_uploaded_and_points_come_back(opened, place, run, tmp_path):
    from specialists.predictor import Predictor

    assert orange(opened) == 0
    (tmp_path / "drawn.png").write_bytes(base64.b64decode(base64_of(drawn())))
    send(opened, tmp_path / "drawn.png")
    status(opened, "drawn.png: 1 face on 420 x 300 px.")
    xs, names = opened.execute_script(f"return [Array.from({POINTS}.data.x), Array.from({POINTS}.data.keypoint)]")
    (face,) = Predictor(run)(drawn())
    assert xs == pytest.approx(face.points[:, 0].round(2).tolist(), abs=0.02)
    assert names[10] == "nose tip"
    wait(opened, "true")
    assert orange(opened) > 200
    rows = opened.execute_script(
        "let n = 0; (function walk(e) { if (e.classList?.contains('slick-row')) n++;"
        " if (e.shadowRoot) walk(e.shadowRoot); for (const c of e.children || []) walk(c); })(document.body); return n"
    )
    assert rows >= 10
    assert complaints(opened) == []
    assert [url for url in requests(opened) if not url.startswith(place)] == []


@in_browser
def test_no_face_and_no_picture_are_told_and_clear_the_page(opened, tmp_path):
    (tmp_path / "drawn.png").write_bytes(base64.b64decode(base64_of(drawn())))
    (tmp_path / "wall.png").write_bytes(base64.b64decode(base64_of(np.full((80, 90, 3), 99, np.uint8))))
    (tmp_path / "<img src=x onerror=alert(1)>.jpg").write_bytes(b"no picture")
    send(opened, tmp_path / "drawn.png")
    status(opened, "1 face on 420 x 300 px.")
    send(opened, tmp_path / "wall.png")
    status(opened, "wall.png: no face found on 90 x 80 px.")
    assert opened.execute_script(f"return {POINTS}.data.x.length") == 0
    assert orange(opened) == 0
    send(opened, tmp_path / "<img src=x onerror=alert(1)>.jpg")
    status(opened, "<img src=x onerror=alert(1)>.jpg: expected a picture; received something else")
    assert opened.execute_script("return document.querySelectorAll('img').length") == 0
    assert complaints(opened) == []


@in_browser
def test_a_file_too_large_never_leaves_the_browser(opened, tmp_path):
    with open(tmp_path / "large.jpg", "wb") as file:
        file.truncate(LIMIT + 1)
    send(opened, tmp_path / "large.jpg")
    wait(opened, "!document.getElementById('trouble').hidden")
    said = opened.find_element("id", "trouble").text
    assert said == "large.jpg: expected at most 20 MB; received 20.0 MB."
    assert opened.execute_script(f"return {STATUS}.text") == WAITING


@in_browser
def test_the_camera_takes_a_picture(opened):
    opened.find_element("id", "camera").click()
    wait(opened, "!document.getElementById('shoot').hidden && document.getElementById('seen').videoWidth > 0")
    opened.find_element("id", "shoot").click()
    wait(opened, f"{STATUS}.text.startsWith('camera: ')")
    said = opened.execute_script(f"return {STATUS}.text")
    assert re.fullmatch(r"camera: 1 face on \d+ x \d+ px\.", said)
    opened.find_element("id", "stop").click()
    assert opened.execute_script("return document.getElementById('seen').hidden")
    assert complaints(opened) == []


@in_browser
def test_a_dropped_photo_is_taken(opened):
    opened.execute_script(
        "const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));"
        "const data = new DataTransfer(); data.items.add(new File([bytes], 'dropped.png'));"
        "document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true}))",
        base64_of(drawn()),
    )
    status(opened, "dropped.png: 1 face on 420 x 300 px.")


@pytest.fixture
def phone(opened):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield opened
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


CUT = """const all = []; (function walk(e) { if (e.shadowRoot) walk(e.shadowRoot);
for (const c of e.children || []) { if (/slick-(cell|header-column)( |$)/.test(c.className)) all.push(c); walk(c); } })(
document.body);
const words = (e) => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect(); };
const cut = all.filter((e) => { const [of, r] = [e.getBoundingClientRect(),
    words(e.querySelector(".slick-column-name") || e)];
  return r.left < of.left - 1 || r.right > of.right + 1 || r.top < of.top - 1 || r.bottom > of.bottom + 1; });
const fonts = new Set(all.map((e) => getComputedStyle(e).fontFamily));
return [all.length, cut.map((e) => e.textContent), [...fonts], getComputedStyle(document.body).fontFamily]"""


@in_browser
def test_on_a_phone_no_word_of_the_table_is_cut_and_marks_shrink_with_a_face(phone, tmp_path):
    (tmp_path / "near.png").write_bytes(base64.b64decode(base64_of(drawn())))
    far = drawn(size=(900, 1260), left=500, top=300)
    (tmp_path / "far.png").write_bytes(base64.b64decode(base64_of(far)))
    marks = []
    for name, size in (("near.png", "420 x 300"), ("far.png", "1260 x 900")):
        send(phone, tmp_path / name)
        status(phone, f"{name}: 1 face on {size} px.")
        wait(phone, f"{POINTS}.data.dot[0] < 5")
        marks.append(phone.execute_script(f"const d = {POINTS}.data; return [d.dot[0], d.ring[0]]"))
    assert marks[0][0] > marks[1][0] >= 1.5
    assert marks[0][1] > marks[1][1] >= 0.3
    count, cut, fonts, font = phone.execute_script(CUT)
    assert count >= 6 * 16
    assert cut == []
    assert fonts == [font]
    across = phone.execute_script("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    assert across[0] == across[1] <= 390
