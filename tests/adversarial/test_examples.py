"""The examples in the documentation run, and every public name has one."""

import doctest
import importlib
import pkgutil

import pytest

import nervure.adversarial
from nervure.nn.naming import reset_names

MODULES = [
    one.name
    for one in pkgutil.walk_packages(
        nervure.adversarial.__path__, "nervure.adversarial."
    )
]


@pytest.mark.parametrize("name", ["nervure.adversarial", *MODULES])
def test_examples(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(module):
        reset_names()
        runner.run(test)
    assert runner.summarize().failed == 0


def test_public_names_have_examples():
    without = [
        name
        for name in nervure.adversarial.__all__
        if name != "RobustnessCurve"  # what robustness_curve returns
        and ">>>" not in (getattr(nervure.adversarial, name).__doc__ or "")
    ]
    assert without == []
