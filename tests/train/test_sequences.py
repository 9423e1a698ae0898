"""Sequences of different lengths as one array, as Keras makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nervure.errors import ArgumentError, DataError, UnknownNameError
from nervure.utils import pad_sequences

ROWS = [[1], [2, 3], [], [4, 5, 6]]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [[0, 0, 1], [0, 2, 3], [0, 0, 0], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [0, 0, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [0, 0], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [0, 0], [4, 5]]),
        ({"maxlen": 1, "value": 9}, [[1], [3], [9], [6]]),
        ({"maxlen": 0}, [[], [], [], []]),
    ],
)
def test_pad_sequences(options: dict[str, Any], expected: list[list[int]]) -> None:
    found = pad_sequences(ROWS, **options)
    assert found.dtype == np.int32 and found.tolist() == expected


def test_elements_of_other_shapes_and_types() -> None:
    found = pad_sequences([np.ones((1, 2)), np.zeros((2, 2))], dtype="float32", value=3)
    assert found.tolist() == [[[3, 3], [1, 1]], [[0, 0], [0, 0]]]
    words = pad_sequences([["a"], ["b", "c"]], dtype=object, value="")
    assert words.tolist() == [["", "a"], ["b", "c"]]
    assert pad_sequences([]).shape == (0, 0)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: pad_sequences(3), DataError, "a list of sequences, got int"),
        (lambda: pad_sequences([[1], 2]), DataError, "number 1 of the sequences is 2"),
        (lambda: pad_sequences([[[1]], [[1, 2]]]), DataError, r"\[1\] and \[2\]"),
        (lambda: pad_sequences([[1]], value="x"), ArgumentError, "dtype=object"),
        (lambda: pad_sequences([[1]], padding="p"), UnknownNameError, "padding: 'p'"),
        (lambda: pad_sequences([[1]], maxlen=-1), ArgumentError, "maxlen"),
    ],
)
def test_refusals(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
