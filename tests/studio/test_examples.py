"""The examples in the documentation of the studio run."""

import pytest

import nervure.studio
from tests.examples import failures_in, modules_of


@pytest.mark.parametrize("name", modules_of(nervure.studio))
def test_examples(name):
    assert failures_in(name) == 0
