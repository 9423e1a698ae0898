"""What docs/explaining.md shows is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from nervure.config import config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explaining.md"


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with config.override(cache_dir=tmp_path):
        found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 20 and not found.failed, capsys.readouterr().out
