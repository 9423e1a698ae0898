"""A studio for the tests, and Chromium to look at it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import nervure as nv
from nervure.datasets import mnist
from tests.studio.browsing import PATIENCE

pytest.importorskip("starlette", reason="the studio needs nervure[studio]")
pytest.importorskip("uvicorn", reason="the studio needs nervure[studio]")

PICTURES = Path(__file__).resolve().parents[2] / "build" / "studio"


@pytest.fixture(scope="module")
def chromium():
    """Chromium of the system, driven by Playwright, whose event loop ends with it."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the pages are tested with playwright"
    )
    path = os.environ.get("NERVURE_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # Containers run as root, where Chromium's own sandbox cannot start.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder for pictures of the pages."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The folder of runs that the studio of the tests shows."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def model():
    """The lecture's CNN, which knows digits a little."""
    from nervure.studio.inspector.subject import lecture_network

    nv.utils.set_random_seed(0)
    (images, y), _ = mnist.load_data()
    x = (images[:9600, ..., None] / 255).astype(np.float32)
    found = lecture_network()
    found.fit(x, y[:9600], batch_size=64, epochs=1, verbose=0)
    return found


@pytest.fixture(scope="session")
def server(model, runs):
    """A studio for that network and those runs."""
    from nervure.studio.application import Subject
    from nervure.studio.server import Server

    found = Server(Subject(model, "lecture.nv", runs)).start()
    yield found
    found.close()


@pytest.fixture
def page(chromium, server):
    """A page that must neither ask other machines nor write errors to its console."""
    found = chromium.new_page(viewport={"width": 1280, "height": 800})
    found.set_default_timeout(PATIENCE)
    asked, problems = [], []
    found.on("request", lambda request: asked.append(urlsplit(request.url)))
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on(
        "console",
        lambda message: message.type == "error" and problems.append(message.text),
    )
    yield found
    found.close()
    hosts = {one.netloc for one in asked if one.scheme in ("http", "https", "ws")}
    assert hosts == {f"127.0.0.1:{server.port}"}
    assert problems == []
