"""The examples in the documentation run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import nervure.sklearn
import nervure.wrappers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scikit-learn.md"
MODULES = [
    one.name
    for package in (nervure.sklearn, nervure.wrappers)
    for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_public_names_have_examples() -> None:
    for name in nervure.sklearn.__all__:
        assert ">>>" in getattr(nervure.sklearn, name).__doc__


@pytest.mark.slow
def test_the_page_runs() -> None:
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 10
    assert results.failed == 0
