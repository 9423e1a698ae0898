"""Vectors for whole numbers, such as the numbers of words."""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.nn import constraints, initializers, regularizers
from nervure.nn.arguments import positive_number
from nervure.nn.configuration import argument_names
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops.operands import as_node
from nervure.prims.indexed import gather


class Embedding(Layer):
    """A vector for each whole number: row ``i`` of a table for the number ``i``.

    ``int[batch, ...]`` becomes ``float32[batch, ..., output_dim]``; a floating-point
    input is rounded towards 0 first.  A number that has no row gives NaN, so that the
    loss tells of it.

    Parameters
    ----------
    input_dim
        The number of rows: the largest number plus 1.
    output_dim
        The number of elements of a vector.
    embeddings_initializer
        How the table starts; see ``nervure.initializers``.
    embeddings_regularizer
        A name, or a function of the table whose result is added to the loss.
    embeddings_constraint
        A name, or a function that maps each updated table to an allowed one.
    mask_zero
        Whether 0 is filling: the output then carries a mask that is False for zeros.
    weights
        The table to start with, ``float[input_dim, output_dim]``, or a list of it.
    input_length
        The length of a sample, for the first layer of a ``Sequential``; as in Keras 2.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.Embedding(3, 2, weights=[[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> layer([[2, 1]]).tolist()
    [[[3.0, 4.0], [1.0, 2.0]]]
    """

    embeddings: Variable

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Regularizer | str | None = None,
        embeddings_constraint: Constraint | str | None = None,
        mask_zero: bool = False,
        weights: Any = None,
        input_length: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if input_length is not None:
            options["input_shape"] = (input_length,)
        super().__init__(**options)
        self.input_dim = positive_count("input_dim", input_dim)
        self.output_dim = positive_count("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = self.mask_zero
        if weights is not None:
            self.build(None)
            self.set_weights(_as_one(weights))

    def build(self, input_shape: Any = None) -> None:
        """Create the table ``[input_dim, output_dim]``."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        numbers = inputs
        if not dtypes.is_integer(inputs.dtype):
            numbers = ops.astype(inputs, dtypes.int64)
        rows = Array.of_node(gather(as_node(self.embeddings), numbers.node, 0))
        known = (numbers >= 0) & (numbers < self.input_dim)
        return ops.where(known[..., None], rows, math.nan)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return False where the number is 0, if that means filling."""
        return inputs != 0 if self.mask_zero else None

    def _config_names(self) -> list[str]:
        # Not those of Layer: input_dim is no shape here.
        others = ("weights", "input_length", "input_shape", "batch_input_shape")
        return [name for name in argument_names(type(self)) if name not in others]


class ReversibleEmbedding(Embedding):
    """An embedding that also goes the other way, as at both ends of a language model.

    A call with ``reverse=True`` makes ``float32[batch, ..., input_dim]`` of
    ``float32[batch, ..., output_dim]``: a number for every row of the table, the larger
    the better it fits.  (Press and Wolf, "Using the output embedding to improve
    language models", 2017.)

    Parameters
    ----------
    tie_weights
        Whether the way back uses the same table; otherwise it has one of its own,
        ``float32[output_dim, input_dim]``.
    reverse_dtype
        The data type in which the way back is computed; that of the layer by default.
    logit_soft_cap
        A positive number c: the way back then ends with ``c * tanh(x / c)``.

    Other arguments: see :class:`Embedding`.

    >>> import nervure as nv
    >>> layer = nv.layers.ReversibleEmbedding(100, 8)
    >>> layer(layer([[3, 1, 4]]), reverse=True).shape
    (1, 3, 100)
    """

    reverse_embeddings: Variable

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Regularizer | str | None = None,
        embeddings_constraint: Constraint | str | None = None,
        mask_zero: bool = False,
        reverse_dtype: npt.DTypeLike | None = None,
        logit_soft_cap: float | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **options,
        )
        self.tie_weights = bool(tie_weights)
        self.reverse_dtype = None
        if reverse_dtype is not None:
            self.reverse_dtype = dtypes.as_dtype(reverse_dtype)
        self.logit_soft_cap = logit_soft_cap
        if logit_soft_cap is not None:
            positive_number("logit_soft_cap", logit_soft_cap)

    def build(self, input_shape: Any = None) -> None:
        """Create the table, and another for the way back if the two are not tied."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim),
                self.embeddings_initializer,
                name="reverse_embeddings",
            )

    def call(self, inputs: Array, reverse: bool = False) -> Array:
        """Compute the output."""
        if not reverse:
            rows = super().call(inputs)
            return rows.masked(inputs != 0) if self.mask_zero else rows
        if self.tie_weights:
            kernel = ops.transpose(self.embeddings.value)
        else:
            kernel = self.reverse_embeddings.value
        dtype = self.reverse_dtype or inputs.dtype
        logits = ops.astype(inputs, dtype) @ ops.astype(kernel, dtype)
        if self.logit_soft_cap is None:
            return logits
        return ops.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return None: ``call`` knows which way it goes, and has set the mask."""
        return None


def _as_one(weights: Any) -> list[Any]:
    """Return a list of one table, given such a list or a table."""
    if isinstance(weights, list) and len(weights) == 1:
        return weights
    return [weights]
