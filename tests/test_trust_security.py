"""Hostile names on every page, and a hostile visitor of the page for one's own photos."""

import base64
import html
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import psutil
import pytest
from test_compare import plausible
from test_index import make_run
from test_tuning_pages import results, sweep
from trust import sized

from data.augment import AugmentSettings
from data.keypoints import KAGGLE15
from data.storage import read_json, write_json
from data.synthetic import make_faces
from reports.comparison import comparison_page
from reports.label_page import label_page
from reports.label_store import read_labels
from reports.predictions import Predictions
from reports.run_pages import SHEETS, build_all
from reports.search import search_page
from reports.sweep import sweep_page
from specialists.serve_app import LIMIT, WAITING

ROOT = Path(__file__).parents[1]
HOSTILE = {
    "a script": "</script><script>alert(1)</script>",
    "an attribute": "\"'><img src=x onerror=alert(1)>",
    "a template": "{{7*7}}{% x %}$$x^2$$",
    "separators": "line\u2028para\u2029 -->",
}


class Read(HTMLParser):
    """A page as a browser reads it: every tag with the names of its attributes, and how often it says a word."""

    def __init__(self, page, word):
        super().__init__()
        self.word, self.tags, self.script, self.said = word, [], None, {"text": 0, "attribute": 0, "data": 0}
        self.feed(page)
        self.close()

    def count(self, where, text):
        plain = html.unescape(text).replace("\uff04", "$")  # data hold pieces of HTML; Bokeh takes $$ for TeX
        self.said[where] += plain.count(self.word)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        self.script = dict(attributes).get("type", "text/javascript") if tag == "script" else None
        for _, value in attributes:
            self.count("attribute", value or "")

    def handle_endtag(self, tag):
        self.script = None

    def handle_data(self, data):
        if self.script == "application/json":
            for text in texts(json.loads(data)):
                self.count("data", text)
        elif self.script:
            assert self.word not in data, "a name in a program: expected all of them in the page's data"
        else:
            self.count("text", data)


def texts(tree):
    """Every text of a JSON value, names of members too."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (dict, list)):
        parts = (*tree, *tree.values()) if isinstance(tree, dict) else tree
        for part in parts:
            yield from texts(part)


def named(folder, word):
    """A run in which everything that a file, a person or a set may name is called `word`."""
    make_run(folder)
    source = folder / "ensemble" / "predictions.npz"
    found = Predictions.load(source)
    ids, schema = np.array([f"{word}{i}" for i in range(len(found))]), replace(KAGGLE15, name=word)
    info = found.info | {"source": word, "faces": word, "run": word}
    replace(found, ids=ids, schema=schema, info=info).save(source)
    for path in folder.rglob("settings.json"):
        own = {"source": word, "schema": word, "augment": asdict(AugmentSettings())}
        write_json(path, read_json(path) | own)
    write_json(folder / "comparison.json", {"networks": plausible(vgg=word, source=word)})


def pages(folder, word):
    """dict of page to its text: of a run, of a search and of a sweep."""
    named(folder, word)
    _, entries = build_all(folder)
    assert [e.problem for e in entries if e.problem and e.file != "labels.html"] == []
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.html")}
    labels = read_labels(make_faces(30, seed=1))
    labels = replace(labels, ids=np.array([f"{word}{i}" for i in range(30)]), source=word)
    found["labels.html"] = label_page(replace(labels, schema=replace(KAGGLE15, name=word)), title=word)[0]
    found["search.html"] = search_page(results(5, name=word, source=word, tuner=word))
    found["sweep.html"] = sweep_page(sweep(2, name=word, words=word, source=word, label=word))
    found["failed.html"] = comparison_page(plausible(vgg=word), word)
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    made = pages(tmp_path_factory.mktemp("calm") / "run", "serene")
    return {name: Read(page, "serene") for name, page in made.items()}


@sized("kinds", ["a script"], list(HOSTILE))
def test_a_name_is_the_same_text_on_any_page_and_changes_nothing_around_it(calm, tmp_path, figures, kinds):
    assert {sheet.file for sheet in SHEETS} <= calm.keys()
    unnamed = {name for name, page in calm.items() if not any(page.said.values())}
    assert unnamed == {"index.html", "training.html", "network.html"}  # the first tells the folder's: test_index
    for kind in kinds:
        made = pages(tmp_path / kind, HOSTILE[kind])
        found = {name: Read(page, HOSTILE[kind]) for name, page in made.items()}
        changed = [name for name in calm if (found[name].tags, found[name].said) != (calm[name].tags, calm[name].said)]
        figures("pages that a hostile name left as they are", len(calm) - len(changed), len(calm))
        assert changed == []


# A hostile visitor.

OURS = "serve_app.py"  # in every traceback through our own code

SERVER = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from test_serve import Finder
from specialists.serve import serve
serve(Finder(), "127.0.0.1", 0)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(address of a running server, its process, the file with its complaints)."""
    complaints = tmp_path_factory.mktemp("server") / "stderr"
    with open(complaints, "wb") as err:
        call = [sys.executable, "-c", SERVER.format(root=str(ROOT))]
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=err, text=True, env=os.environ)
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), complaints.read_text()
    yield line.split()[0], process, complaints
    process.terminate()
    process.wait(20)
    process.stdout.close()


def photo(rows):
    """Base64 of a picture on which the server finds `rows` faces."""
    made = np.full((40, 50, 3), 90, np.uint8)
    made[:rows] = 255
    return base64.b64encode(cv2.imencode(".png", made)[1].tobytes()).decode()


def asked(address, request):
    """(status, body) of a raw HTTP request; 400 where the server closes without a word, 0 where it does nothing."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as link:
        answer, silent = b"", 400
        try:
            link.sendall(request)
            while chunk := link.recv(1 << 16):
                answer += chunk
        except ConnectionError:  # it need not hear us out
            pass
        except TimeoutError:  # it may wait for a next request once it has answered
            silent = 0
    return (int(answer.split()[1]) if answer else silent), answer


def uploaded(address, data, seconds=30):
    """What the page says after it was sent `data` for its upload, as our page's script or another program sends it."""
    from bokeh.client import pull_session

    end, said = time.monotonic() + seconds, WAITING
    with pull_session(url=address) as session:
        session.document.get_model_by_name("upload").data = data
        while said.startswith((WAITING, "Looking")) and time.monotonic() < end:
            session.force_roundtrip()
            time.sleep(0.05)
            session.pull()
            said = session.document.get_model_by_name("status").text
    return said


def works(address):
    return uploaded(address, {"name": ["good.png"], "content": [photo(1)]}) == "good.png: 1 face on 50 x 40 px."


PATHS = ["/../../etc/passwd", "/static/../../../../../../../../etc/passwd", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd"]
PATHS += ["/static/..%2f..%2f..%2f..%2f..%2fetc/passwd", "//etc/passwd", "/static//etc/passwd", "/static/js/%00"]
PATHS += ["/static/..\\..\\..\\etc\\passwd", "/ws", "/../specialists/serve.py", "/static/js/../../../__init__.py"]
PATHS += ["/" + "a" * 200_000, "/static/" + "../" * 5000, "/?bokeh-session-id=../../x", "/file:///etc/passwd"]


STATUSES = (200, 400, 403, 404, 405, 414, 431, 500)  # the last is Tornado's answer to a NUL


@pytest.mark.faults
def test_no_path_leads_out_of_the_page(place, figures):
    address, process, _ = place
    for path in PATHS:
        status, answer = asked(address, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        good = b"root:" not in answer and b"import numpy" not in answer and status in STATUSES
        figures("hostile requests that changed nothing", good and process.poll() is None, 1)
        assert good, (path[:80], status, answer[:200])
        assert status != 200 or path.startswith("/?")


REQUESTS = [
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    b"PUT /static/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\0\1\2\3\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\nConnection: close\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
]


@pytest.mark.faults
def test_wrong_requests_are_refused_and_the_page_goes_on(place, figures):
    address, process, _ = place
    for request in REQUESTS:
        status, answer = asked(address, request)
        figures("hostile requests that changed nothing", status >= 400 and process.poll() is None, 1)
        assert status >= 400, (request[:60], answer[:200])
    assert works(address)


UPLOADS = {  # what is sent: what the page says; None = as before
    "no picture": ({"name": ["a.png"], "content": ["hello"]}, "a.png: expected a picture; received something else"),
    "a number for a name": ({"name": [3], "content": [photo(1)]}, None),
    "numbers": ({"name": ["a.png"], "content": [3]}, "a.png: expected a picture; received something else"),
    "no content": ({"name": ["a.png"], "content": []}, "a.png: expected a picture; received something else"),
    "an object": ({"name": [{"a": 1}], "content": [{"b": []}]}, None),
    "other columns": ({"x": ["a.png"], "y": [photo(1)]}, None),
    "lists in lists": ({"name": [[["a"]]], "content": [[["b"]]]}, None),
    "nothing": ({"name": [None], "content": [None]}, None),
    "a path for a name": ({"name": ["../../etc/passwd"], "content": [""]}, "../../etc/passwd: expected a picture"),
    "many at once": ({"name": ["a.png"] * 999, "content": [photo(2)] * 999}, "a.png: 2 faces on 50 x 40 px."),
    "a long name": ({"name": ["x" * 10**6], "content": [""]}, "x" * 77 + "...: expected a picture"),
    "markup for a name": ({"name": ["<script>a</script>"], "content": [photo(0)]}, "<script>a</script>: no face found"),
}


@pytest.mark.faults
@pytest.mark.parametrize("kind", UPLOADS)
def test_an_upload_of_a_wrong_kind_gets_a_sentence_and_no_traceback(place, figures, kind):
    address, process, complaints = place
    data, words = UPLOADS[kind]
    said = uploaded(address, data, 30 if words else 1)
    good = said.startswith(words or WAITING) and "\n" not in said
    good = good and process.poll() is None and OURS not in complaints.read_text()
    figures("hostile requests that changed nothing", good, 1)
    assert good, (said, complaints.read_text()[-2000:])


@pytest.mark.faults
def test_a_message_beyond_the_limit_ends_that_visit_only(place, figures):
    from tornado.httpclient import HTTPRequest
    from tornado.ioloop import IOLoop
    from tornado.websocket import WebSocketClosedError, websocket_connect

    address, process, complaints = place
    before = psutil.Process(process.pid).memory_info().rss

    async def send(message):
        from bokeh.util.token import generate_jwt_token, generate_session_id

        token = generate_jwt_token(generate_session_id())
        request = HTTPRequest(f"ws{address[4:]}ws", headers={"Origin": address.rstrip("/")})
        link = await websocket_connect(request, subprotocols=["bokeh", token])
        await link.read_message()
        try:
            await link.write_message(message)
            while len(message) > LIMIT and await link.read_message() is not None:
                pass
        except WebSocketClosedError:
            pass
        link.close()
        return link.close_code

    assert IOLoop().run_sync(lambda: send("x" * (2 * LIMIT)), timeout=60) in (1009, 1006, None)
    for message in ("{", json.dumps({"msgtype": "PATCH-DOC"}), "[]", "\u2028"):
        IOLoop().run_sync(lambda message=message: send(message), timeout=60)
    grown = (psutil.Process(process.pid).memory_info().rss - before) / 2**20
    figures("hostile requests that changed nothing", grown < 200, 1)
    assert grown < 200
    assert works(address), complaints.read_text()[-2000:]


@sized("visitors", 6, 40)
def test_many_visitors_at_once_all_get_their_own_answer(place, figures, visitors):
    address, process, complaints = place
    before = psutil.Process(process.pid).memory_info().rss

    def visit(i):
        said = uploaded(address, {"name": [f"{i}.png"], "content": [photo(i % 4)]}, 30 + 10 * visitors)
        faces = ["no face found", "1 face", "2 faces", "3 faces"][i % 4]
        return said == f"{i}.png: {faces} on 50 x 40 px."

    with ThreadPoolExecutor(visitors) as pool:
        right = sum(pool.map(visit, range(visitors)))
    figures("visitors at once that got their own answer", right, visitors)
    assert right == visitors, complaints.read_text()[-2000:]
    assert (psutil.Process(process.pid).memory_info().rss - before) / 2**20 < 200 + 5 * visitors
    assert OURS not in complaints.read_text()
