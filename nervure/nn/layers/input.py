"""Where a model's input enters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.layer import Layer
from nervure.nn.symbolic import Call, SymbolicTensor, as_partial_shape


class InputLayer(Layer):
    """The layer that stands for the input of a model.

    Parameters
    ----------
    shape
        The shape of one sample, with None for sizes that vary.
    batch_size
        The number of samples, if it is always the same.
    dtype
        The data type; float32 by default.
    batch_shape
        The shape with the batch in front, instead of ``shape``.
    name
        A name.

    Raises
    ------
    ArgumentError
        For both a shape and a batch shape, and for neither.

    >>> import nervure as nv
    >>> nv.layers.InputLayer((784,)).output.shape
    (None, 784)
    """

    def __init__(
        self,
        shape: Sequence[int | None] | int | None = None,
        batch_size: int | None = None,
        dtype: npt.DTypeLike | None = None,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if (shape is None) == (batch_shape is None):
            given = "none" if shape is None else "both"
            raise ArgumentError(
                explain(
                    f"give one of shape and batch_shape, got {given}",
                    fix="write Input((784,)), or Input(batch_shape=(32, 784))",
                )
            )
        if batch_shape is None:
            batch_shape = (batch_size, *as_partial_shape(shape or ()))
        elif batch_size is not None:
            raise ArgumentError(
                explain(
                    "batch_shape already tells the batch size",
                    fix="leave batch_size out, or write Input(shape, batch_size)",
                )
            )
        self.batch_shape = as_partial_shape(batch_shape)
        self._declared_shape = self.batch_shape
        self.built = True
        self.built_for = self.batch_shape
        self.tensor = SymbolicTensor(self.batch_shape, self.dtype, self.name)
        self._calls.append(Call(self, ((), {}), self.tensor))

    @property
    def entry(self) -> Call:
        """The call that brings the input in."""
        return self._calls[0]

    @property
    def input(self) -> SymbolicTensor:
        """The symbolic tensor that enters here."""
        return self.tensor

    def call(self, inputs: Array) -> Array:
        """Return the input."""
        return inputs

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, the call that brings the input in with it."""
        return dict(vars(self))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.dtype.name,
            "name": self.name,
        }


def Input(  # noqa: N802 - the name that Keras users type
    shape: Sequence[int | None] | int | None = None,
    batch_size: int | None = None,
    dtype: npt.DTypeLike | None = dtypes.DEFAULT_FLOAT,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
) -> SymbolicTensor:
    """Return a symbolic tensor for the input of a model.

    Parameters
    ----------
    shape
        The shape of one sample, with None for sizes that vary.
    batch_size
        The number of samples, if it is always the same.
    dtype
        The data type.
    batch_shape
        The shape with the batch in front, instead of ``shape``.
    name
        The name of the input's layer.

    >>> import nervure as nv
    >>> nv.layers.Input((28, 28, 1))
    <SymbolicTensor 'input_layer' float32[None, 28, 28, 1] from input_layer>
    """
    return InputLayer(shape, batch_size, dtype, batch_shape, name).tensor
