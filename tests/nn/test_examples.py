"""The examples in the documentation of layer 6 run and print what they say."""

import importlib

import pytest

import nervure.nn
from tests.examples import failures_in, modules_of, without_examples


@pytest.mark.parametrize("name", modules_of(nervure.nn))
def test_examples(name):
    assert failures_in(name) == 0


@pytest.mark.parametrize(
    "facade",
    [
        *("layers", "losses", "metrics", "optimizers", "initializers", "activations"),
        *("regularizers", "constraints", "nn"),
    ],
)
def test_public_names_have_examples(facade):
    assert without_examples(importlib.import_module(f"nervure.{facade}")) == []
