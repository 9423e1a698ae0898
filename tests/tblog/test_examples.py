"""The examples in the documentation of event files run."""

import doctest
import importlib
import pkgutil

import pytest

import nervure.tblog

MODULES = [
    "nervure.tblog",
    *(
        one.name
        for one in pkgutil.walk_packages(nervure.tblog.__path__, "nervure.tblog.")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_have_examples():
    for name in nervure.tblog.__all__:
        if name not in ("GraphNode", "Run"):  # data, which the reader returns
            assert ">>>" in (getattr(nervure.tblog, name).__doc__ or ""), name
