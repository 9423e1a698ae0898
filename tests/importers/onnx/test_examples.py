"""The examples in the docstrings of reading and writing ONNX."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "nervure.exporters.onnx.model",
        "nervure.exporters.onnx.sizes",
        "nervure.importers.onnx.model",
        "nervure.importers.onnx.reading",
        "nervure.importers.onnx.refusal",
    ],
)
def test_examples(name):
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.ELLIPSIS
    )
    assert result.attempted
    assert not result.failed
