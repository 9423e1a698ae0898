"""The examples in the documentation run, and every public name has one."""

import pytest

import nervure.adversarial
from tests.examples import failures_in, modules_of, without_examples


@pytest.mark.parametrize("name", modules_of(nervure.adversarial))
def test_examples(name):
    assert failures_in(name) == 0


def test_public_names_have_examples():
    assert without_examples(nervure.adversarial) == []
