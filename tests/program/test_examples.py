"""The examples in the documentation of programs run and print what they say."""

from __future__ import annotations

import pytest

import nervure.program
from tests.examples import failures_in, modules_of

MODULES = [
    *modules_of(nervure.program),
    *("nervure.ir.sites", "nervure.ir.text", "nervure.exec.traffic"),
    *("nervure.passes.roles", "nervure.train.programs", "nervure.step"),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert failures_in(name) == 0
