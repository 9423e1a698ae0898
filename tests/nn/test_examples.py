"""The examples in the documentation of layer 6 run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import nervure.nn
from nervure.nn.naming import reset_names

MODULES = [
    one.name for one in pkgutil.walk_packages(nervure.nn.__path__, "nervure.nn.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(module):
        reset_names()
        runner.run(test)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize(
    "facade",
    [
        *("layers", "losses", "metrics", "optimizers", "initializers", "activations"),
        *("regularizers", "constraints", "nn"),
    ],
)
def test_public_names_have_examples(facade):
    module = importlib.import_module(f"nervure.{facade}")
    without = [
        name
        for name in module.__all__
        if ">>>" not in (getattr(module, name).__doc__ or "")
    ]
    assert without == []
