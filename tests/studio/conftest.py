"""A studio for the tests, and Chromium to look at it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

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
