"""The examples in the documentation of pretrained networks run."""

import doctest
import importlib
import pkgutil

import pytest

import nervure.pretrained
from nervure.nn.naming import reset_names

MODULES = [
    "nervure.pretrained",
    *(
        one.name
        for one in pkgutil.walk_packages(
            nervure.pretrained.__path__, "nervure.pretrained."
        )
    ),
]
# Their examples make many random weights.
LARGE = ("vision_transformer", "resnet", "inception", "densenet", "vgg")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=pytest.mark.slow) if one.endswith(LARGE) else one
        for one in MODULES
    ],
)
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
        for name in nervure.pretrained.__all__
        if ">>>" not in (getattr(nervure.pretrained, name).__doc__ or "")
    ]
    assert not without
