"""The examples in the documentation of event files run."""

import pytest

import nervure.tblog
from tests.examples import failures_in, modules_of, without_examples


@pytest.mark.parametrize("name", modules_of(nervure.tblog))
def test_examples(name):
    assert failures_in(name) == 0


def test_public_names_have_examples():
    assert without_examples(nervure.tblog) == []
