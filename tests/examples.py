"""Running the examples of docstrings, and finding names that have none."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

from nervure.nn.naming import reset_names


def modules_of(package: ModuleType) -> list[str]:
    """Return the names of a package and of all modules below it."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(one.name for one in found)]


def failures_in(name: str) -> int:
    """Run a module's examples, each as the first of a session; return what failed."""
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        reset_names()
        runner.run(test)
    return runner.summarize().failed


def without_examples(module: ModuleType) -> list[str]:
    """Return the public names of a module whose docstrings have no example."""
    return [
        name
        for name in module.__all__
        if ">>>" not in (getattr(module, name).__doc__ or "")
    ]
