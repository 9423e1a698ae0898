"""The examples in the documentation of the studio run."""

import doctest
import importlib
import pkgutil

import pytest

import nervure.studio
from nervure.nn.naming import reset_names

MODULES = [
    one.name
    for one in pkgutil.walk_packages(nervure.studio.__path__, "nervure.studio.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    reset_names()
    assert doctest.testmod(importlib.import_module(name)).failed == 0
