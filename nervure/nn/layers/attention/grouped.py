"""Attention whose queries have more heads than its keys and values."""

from __future__ import annotations

import math
from typing import Any, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.attention.projected import ProjectedAttention
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer
from nervure.ops.nn.attention import attention_weights, weighted_values


class GroupQueryAttention(ProjectedAttention):
    """Attention in which several heads of queries share one of keys and values.

    As :class:`MultiHeadAttention`, with less memory for keys and values.  One head for
    them makes it multi-query attention.  (Ainslie et al., "GQA: training generalized
    multi-query transformer models from multi-head checkpoints", 2023.)

    ``float[batch, queries, features]`` and ``float[batch, keys, ...]`` become
    ``float[batch, queries, features]``.

    Parameters
    ----------
    head_dim
        The size of a head.
    num_query_heads
        The number of heads of the queries.
    num_key_value_heads
        The number of heads of keys and values, which divides that of the queries.
    dropout, use_bias, sliding_window, flash_attention, use_gate, seed
        See :class:`MultiHeadAttention`.
    kernel_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    kernel_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`; ``call`` takes the same as that
    of :class:`MultiHeadAttention`.

    Raises
    ------
    ArgumentError
        For heads that the groups do not divide.

    >>> import nervure as nv
    >>> layer = nv.layers.GroupQueryAttention(4, num_query_heads=6,
    ...                                       num_key_value_heads=2)
    >>> x = nv.zeros((3, 5, 16))
    >>> layer(x, x).shape, layer.key_dense.kernel.shape
    ((3, 5, 16), (16, 2, 4))
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        use_gate: bool = False,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.head_dim = positive_count("head_dim", head_dim)
        self.num_query_heads = positive_count("num_query_heads", num_query_heads)
        self.num_key_value_heads = positive_count(
            "num_key_value_heads", num_key_value_heads
        )
        if self.num_query_heads % self.num_key_value_heads:
            raise ArgumentError(
                explain(
                    f"expected a multiple of the {num_key_value_heads} heads of keys "
                    f"and values as num_query_heads, got {num_query_heads}",
                    fix="every head of keys and values serves as many query heads",
                )
            )
        self._keep(
            {
                "dropout": dropout,
                "use_bias": use_bias,
                "sliding_window": sliding_window,
                "flash_attention": flash_attention,
                "kernel_initializer": kernel_initializer,
                "bias_initializer": bias_initializer,
                "kernel_regularizer": kernel_regularizer,
                "bias_regularizer": bias_regularizer,
                "kernel_constraint": kernel_constraint,
                "bias_constraint": bias_constraint,
                "use_gate": use_gate,
                "seed": seed,
            }
        )

    def _heads(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        shared = (self.num_key_value_heads, self.head_dim)
        return (self.num_query_heads, self.head_dim), shared, shared

    def _attend(
        self,
        query: Array,
        key: Array,
        value: Array,
        allowed: Array | None,
        training: bool,
    ) -> tuple[Array, Array]:
        if allowed is not None and allowed.ndim == 3:
            allowed = allowed[:, None]
        weights = attention_weights(
            query, key, mask=allowed, scale=1.0 / math.sqrt(self.head_dim)
        )
        kept = self.dropout_layer(weights, training=training)
        return weighted_values(kept, value), weights

    def _check_shapes(self, query: Any, value: Any, key: Any) -> None:
        super()._check_shapes(query, value, key)
        if len(query) != 3:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} expected inputs with the 3 axes [batch, "
                    f"places, features], got the shape {list(query)}",
                    fix="bring every sample to the axes [places, features] with "
                    "Reshape",
                )
            )
