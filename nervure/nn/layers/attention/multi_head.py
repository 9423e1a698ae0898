"""Attention with several heads, each with projections of its own."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.attention.projected import ProjectedAttention
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer
from nervure.ops.nn.softmax import masked_softmax


class MultiHeadAttention(ProjectedAttention):
    """Several attentions side by side, each between projections of its own.

    Query, key and value are mapped to ``num_heads`` small vectors each.  Every head
    takes for each query the mean of the values, weighted by
    ``softmax(query @ key.T / sqrt(key_dim))``, and a last map joins the heads.
    (Vaswani et al., "Attention is all you need", 2017.)

    ``float[batch, queries, features]`` and ``float[batch, keys, ...]`` become
    ``float[batch, queries, features]``.

    Parameters
    ----------
    num_heads
        The number of heads.
    key_dim, value_dim
        The sizes of a head's queries and keys, and of its values (``key_dim`` by
        default).
    dropout
        The share of the weights that are dropped in training.
    use_bias
        Whether the maps have biases.
    output_shape
        The sizes of the output's last axes; those of the query by default.
    attention_axes
        The axes that attention goes along: all but the first and the last by default.
    sliding_window
        If given, attention goes only to keys less than this number of places away.
    flash_attention
        Kept for Keras's signature: how it is computed is the executor's business.
    kernel_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    kernel_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.
    use_gate
        Whether the heads' results are multiplied by a sigmoid of one more map of the
        query.
    seed
        Of the dropout; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    ``call(query, value, key=None)`` takes ``value`` as keys when there are none, and
    further:

    query_mask, value_mask, key_mask
        ``bool[batch, length]``: the places that count.
    attention_mask
        ``bool[batch, queries, keys]``: the pairs that are allowed.  A query that may
        attend to nothing gets a mean of 0.
    use_causal_mask
        Whether a query may only attend to places that are not after it.
    return_attention_scores
        Return the weights ``float[batch, heads, queries, keys]`` as well.

    >>> import nervure as nv
    >>> layer = nv.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> x = nv.zeros((3, 5, 16))
    >>> outputs, weights = layer(x, x, return_attention_scores=True)
    >>> outputs.shape, weights.shape
    ((3, 5, 16), (3, 2, 5, 5))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
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
        self.num_heads = positive_count("num_heads", num_heads)
        self.key_dim = positive_count("key_dim", key_dim)
        self.value_dim = (
            self.key_dim
            if value_dim is None
            else positive_count("value_dim", value_dim)
        )
        self._output_sizes = _counts("output_shape", output_shape)
        self.attention_axes = _axes(attention_axes)
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
        small = (self.num_heads, self.key_dim)
        return small, small, (self.num_heads, self.value_dim)

    def _attend(
        self,
        query: Array,
        key: Array,
        value: Array,
        allowed: Array | None,
        training: bool,
    ) -> tuple[Array, Array]:
        """Return the heads' means ``[batch, queries, heads, value_dim]``, and weights.

        With other ``attention_axes`` than one, "queries" and "keys" are several axes,
        which the weights have behind the heads and all other axes.
        """
        axes = self._attention_places(query.ndim)
        products, means = _equations(query.ndim, axes)
        scale = 1.0 / math.sqrt(self.key_dim)
        scores = ops.einsum(products, query * scale, key)
        if allowed is not None:
            # The mask has no axis for the heads.
            missing = scores.ndim - allowed.ndim
            place = allowed.ndim - 2 * len(axes)
            shape = (*allowed.shape[:place], *(1,) * missing, *allowed.shape[place:])
            allowed = ops.reshape(allowed, shape)
        weights = masked_softmax(
            scores, allowed, tuple(range(scores.ndim - len(axes), scores.ndim))
        )
        kept = self.dropout_layer(weights, training=training)
        return ops.einsum(means, kept, value), weights

    def _attention_places(self, rank: int) -> tuple[int, ...]:
        """Return the attention axes from 0, for projections of a rank."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 2))
        found = tuple(
            axis if axis >= 0 else rank - 1 + axis for axis in self.attention_axes
        )
        if not all(0 < axis < rank - 2 for axis in found):
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} cannot attend along the axes "
                    f"{list(self.attention_axes)} of inputs with {rank - 1} axes",
                    fix="choose axes between the first, the batch, and the last, the "
                    "features",
                )
            )
        return found

    def _config_names(self) -> list[str]:
        return [name for name in super()._config_names() if name != "output_shape"]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        sizes = self._output_sizes
        return {
            **super().get_config(),
            "output_shape": None if sizes is None else list(sizes),
        }


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Return the subscripts of the products and of the means, for :func:`einsum`.

    Projections are ``[batch axes, attention axes, heads, features]`` in any order of
    the axes in the middle, weights ``[batch axes, heads, queries, keys]``.
    """
    letters = string.ascii_lowercase
    query = letters[:rank]
    key = "".join(
        letters[rank + place] if place in axes else query[place]
        for place in range(rank)
    )
    rest = "".join(query[place] for place in range(rank - 1) if place not in axes)
    weights = (
        rest
        + "".join(query[axis] for axis in axes)
        + "".join(key[axis] for axis in axes)
    )
    value = key[:-1] + letters[2 * rank]
    result = query[:-1] + letters[2 * rank]
    return f"{query},{key}->{weights}", f"{weights},{value}->{result}"


def _counts(name: str, value: Any) -> tuple[int, ...] | None:
    """Return one size or several as a tuple, None for none."""
    if value is None:
        return None
    given = value if isinstance(value, list | tuple) else (value,)
    return tuple(positive_count(name, one) for one in given)


def _axes(value: Any) -> tuple[int, ...] | None:
    """Return one axis or several as a tuple, None for none."""
    if value is None:
        return None
    axes = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not axes or not all(
        isinstance(one, int) and not isinstance(one, bool) for one in axes
    ):
        raise TypeError(
            explain(
                "expected attention_axes to be a whole number or a list of them, got "
                f"{value!r}",
                fix="leave it out to attend over all axes but the batch and the "
                "features",
            )
        )
    return axes
