"""What all tests share."""

import os
from pathlib import Path

import pytest
from chromium import browser_with
from trust import figures  # noqa: F401 a fixture

import base_models  # noqa: F401 it says how a backend shall be imported, before a test imports one

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
SHARED = "KEYPOINT_SHARED"


def pytest_collection_modifyitems(items):
    """What has one size only is part of the full size, too, by the marker `trust`. Other plugins choose afterwards."""
    for item in items:
        parameters = item.callspec.id.split("-") if hasattr(item, "callspec") else ()
        if item.get_closest_marker("faults") and "quick" not in parameters:
            item.add_marker("trust")


@pytest.fixture(scope="session")
def shared():
    """Folder with the real faces that tests may use: the path in the environment variable KEYPOINT_SHARED."""
    folder = os.environ.get(SHARED)
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"{SHARED} does not name a folder of real faces")
    return Path(folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Selenium driver of headless Chromium; tests that use it are marked by `chromium.in_browser`."""
    with browser_with(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """What the trust tests try: a small competition and a run on it, `stages.World`."""
    from stages import make_world

    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def starter(tmp_path_factory):
    """A `killing.Starter`: processes of the real commands without the seconds that importing takes."""
    from killing import Starter

    with Starter(tmp_path_factory.mktemp("said")) as made:
        yield made
