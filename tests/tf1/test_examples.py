"""The examples in the documentation of TensorFlow 1's names run."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import nervure.tf1

MODULES = [
    one.name for one in pkgutil.walk_packages(nervure.tf1.__path__, "nervure.tf1.")
]


@pytest.fixture(autouse=True)
def _empty_graph():
    """Outside every `with`, as in a script."""
    nervure.tf1.reset_default_graph()


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    # Functions out of a table live in a closure, where the finder does not look.
    made = [
        one
        for one in vars(module).values()
        if inspect.isfunction(one) and one.__code__.co_name == "call"
    ]
    tests = doctest.DocTestFinder().find(module, extraglobs={"np": np})
    for one in made:
        tests += doctest.DocTestFinder().find(one, one.__name__, module=False)
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize(
    "space", ["", ".nn", ".train", ".summary", ".gfile", ".layers", ".losses"]
)
def test_public_names_have_examples(space):
    module = importlib.import_module(f"nervure.tf1{space}")
    own = module.__name__ == "nervure.tf1" or hasattr(module, "__path__")
    without = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__.startswith("nervure.tf1" if own else module.__name__)
        and ">>>" not in (value.__doc__ or "")
    ]
    assert without == []
