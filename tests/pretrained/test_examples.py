"""The examples in the documentation of pretrained networks run."""

import pytest

import nervure.pretrained
from tests.examples import failures_in, modules_of, without_examples

# Their examples make many random weights.
LARGE = ("vision_transformer", "resnet", "inception", "densenet", "vgg")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=pytest.mark.slow) if one.endswith(LARGE) else one
        for one in modules_of(nervure.pretrained)
    ],
)
def test_examples(name):
    assert failures_in(name) == 0


def test_public_names_have_examples():
    assert without_examples(nervure.pretrained) == []
