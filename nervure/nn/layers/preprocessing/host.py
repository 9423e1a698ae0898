"""Layers that work on texts: before the graph, on NumPy arrays of strings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nervure.array import Array
from nervure.errors import DTypeError, TraceError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.layer import Layer
from nervure.nn.symbolic import SymbolicTensor
from nervure.state import Cell

# Texts in an array, of any length.
TEXT = np.dtype(object)


class HostLayer(Layer):
    """A layer whose input is no array of numbers, and so cannot be in a graph.

    It is called on data, before they are given to a model.  A subclass defines
    ``call``, which is given what the user passed.
    """

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Apply the layer to texts: a NumPy array, lists of strings, or a string."""
        inputs: Any = args[0] if args else kwargs.get("inputs")
        if isinstance(inputs, SymbolicTensor):
            raise TraceError(
                explain(
                    f"the layer {self.name!r} works on texts, which cannot be in a "
                    "graph",
                    fix="apply it to the data, and give the model the numbers that it "
                    "returns",
                )
            )
        if not self.built:
            self.build(np.shape(inputs))
            self.built = True
        return self.call(*args, **kwargs)


def as_texts(values: Any, name: str) -> NDArray:
    """Return texts as an array of Python strings; bytes are taken for UTF-8.

    Raises :class:`~nervure.errors.DTypeError` for anything else; ``name`` is that of
    the layer.
    """
    if isinstance(values, Array | Cell):
        raise DTypeError(
            explain(
                f"the layer {name!r} expected texts, got numbers",
                fix="pass strings, or use IntegerLookup for whole numbers",
            )
        )
    given = np.asarray(values)
    if given.dtype.kind not in "OUST" and given.size:
        raise DTypeError(
            explain(
                f"the layer {name!r} expected texts, got data of type {given.dtype}",
                fix="convert it first, for example with .astype(str)",
            )
        )
    return each(given, lambda value: _as_text(value, name))


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise DTypeError(
            explain(
                f"the layer {name!r} expected texts, got {value!r} among them",
                fix="convert every value to a string first",
            )
        )
    return str(value)


def each(values: NDArray, function: Callable[[Any], Any], dtype: Any = TEXT) -> NDArray:
    """Return an array of a function's results for every element."""
    result = np.empty(values.shape, dtype)
    result.reshape(-1)[:] = [function(value) for value in values.reshape(-1)]
    return result


def rows_of(values: NDArray) -> list[list[Any]]:
    """Return the elements of each row, ``[batch, ...]``; a single one is a row."""
    if values.ndim == 0:
        return [[values.item()]]
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    return [list(row) for row in rows.tolist()]
