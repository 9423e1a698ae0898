"""The examples in the documentation of programs run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import nervure.program
from nervure.nn.naming import reset_names

FOLDER = "nervure.program."
MODULES = [
    *(
        one.name
        for one in pkgutil.walk_packages(nervure.program.__path__, "nervure.program.")
    ),
    *("nervure.ir.sites", "nervure.ir.text", "nervure.exec.traffic"),
    *("nervure.passes.roles", "nervure.train.programs", "nervure.step"),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(module):
        reset_names()
        runner.run(test)
    assert runner.summarize().failed == 0
