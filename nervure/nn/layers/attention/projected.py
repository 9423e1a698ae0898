"""Attention between linear maps of query, key and value: what the kinds share."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, TypedDict

from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn import constraints, initializers, regularizers
from nervure.nn.layer import Layer
from nervure.nn.layers.attention.masks import combined_mask
from nervure.nn.layers.core import positive_count
from nervure.nn.layers.einsum_dense import EinsumDense
from nervure.nn.layers.regularization import Dropout
from nervure.nn.masking import with_mask
from nervure.nn.symbolic import PartialShape, as_partial_shape, shapes_of


class ProjectedAttention(Layer):
    """The base of layers with heads: maps, masks and shapes.

    A subclass calls :meth:`_keep` in ``__init__``, says with :meth:`_heads` what the
    maps make, and computes in :meth:`_attend`.
    """

    query_dense: EinsumDense
    key_dense: EinsumDense
    value_dense: EinsumDense
    output_dense: EinsumDense
    gate_dense: EinsumDense | None = None
    _output_sizes: tuple[int, ...] | None = None  # those of the query by default

    def _keep(self, options: KeptOptions) -> None:
        """Store the arguments that all kinds have."""
        self.supports_masking = True
        self.dropout = options["dropout"]
        self.use_bias = bool(options["use_bias"])
        window = options["sliding_window"]
        if window is not None:
            window = positive_count("sliding_window", window)
        self.sliding_window = window
        self.flash_attention = options["flash_attention"]
        self.kernel_initializer = initializers.get(options["kernel_initializer"])
        self.bias_initializer = initializers.get(options["bias_initializer"])
        self.kernel_regularizer = regularizers.get(options["kernel_regularizer"])
        self.bias_regularizer = regularizers.get(options["bias_regularizer"])
        self.kernel_constraint = constraints.get(options["kernel_constraint"])
        self.bias_constraint = constraints.get(options["bias_constraint"])
        self.use_gate = bool(options["use_gate"])
        self.seed = options["seed"]
        self.dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype)

    # --- what a subclass defines -----------------------------------------------------

    def _heads(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Return numbers of heads and their sizes: of query, key and value."""
        raise NotImplementedError

    def _attend(
        self,
        query: Array,
        key: Array,
        value: Array,
        allowed: Array | None,
        training: bool,
    ) -> tuple[Array, Array]:
        """Return the means of the values for each head, and their weights."""
        raise NotImplementedError

    # --- weights ---------------------------------------------------------------------

    def build(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> None:
        """Create the maps for a query, a value and a key of these shapes.

        One list ``[query, value, key]`` will do as well.
        """
        query, value, key = three_shapes(query_shape, value_shape, key_shape)
        self._check_shapes(query, value, key)
        of_query, of_key, of_value = self._heads()
        result = (of_query[0], of_value[1])
        self.query_dense = self._map("query", query, of_query)
        self.key_dense = self._map("key", key, of_key)
        if self.use_gate:
            self.gate_dense = self._map("gate", query, result, activation="sigmoid")
        self.value_dense = self._map("value", value, of_value)
        features: Any = self._output_sizes or query[-1:]
        self.output_dense = self._map(
            "attention_output", (*query[:-1], *result), features, input_axes=2
        )

    def _map(
        self,
        name: str,
        input_shape: PartialShape,
        outputs: Sequence[int],
        input_axes: int = 1,
        activation: str | None = None,
    ) -> EinsumDense:
        """Return a linear map of the last axes, with its weights."""
        letters = string.ascii_lowercase
        before = letters[:input_axes]
        after = letters[input_axes : input_axes + len(outputs)]
        layer = EinsumDense(
            f"...{before},{before}{after}->...{after}",
            outputs,
            activation,
            after if self.use_bias else None,
            self.kernel_initializer,
            self.bias_initializer,
            self.kernel_regularizer,
            self.bias_regularizer,
            self.kernel_constraint,
            self.bias_constraint,
            name=name,
            trainable=self.trainable,
            dtype=self.dtype,
        )
        layer.build(input_shape)
        return layer

    def _check_shapes(self, query: Any, value: Any, key: Any) -> None:
        """Raise :class:`~nervure.errors.ShapeError` for shapes that do not fit."""
        ranks = {len(query), len(value), len(key)}
        if len(ranks) > 1 or min(ranks) < 3 or value[1:-1] != key[1:-1]:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected query, value and key of one "
                    "rank from 3, the last two equal but for their features; got the "
                    f"shapes {list(query)}, {list(value)} and {list(key)}",
                    fix="the axes are [batch, places, features]",
                )
            )

    def _shapes_to_build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = dict(zip(("query", "value", "key"), args, strict=False)) | kwargs
        if given.get("query") is None or given.get("value") is None:
            raise TypeError(
                explain(
                    f"the layer {self.name!r} is called with a query and a value",
                    fix="for attention of a sequence to itself write layer(x, x)",
                )
            )
        return [
            None if given.get(name) is None else shapes_of(given[name])
            for name in ("query", "value", "key")
        ]

    # --- computing -------------------------------------------------------------------

    def call(  # type: ignore[override]  # more inputs than one
        self,
        query: Array,
        value: Array,
        key: Array | None = None,
        query_mask: Array | None = None,
        value_mask: Array | None = None,
        key_mask: Array | None = None,
        attention_mask: Array | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Compute the output, and the weights if they are asked for."""
        key = value if key is None else key
        allowed = combined_mask(
            query,
            value,
            query_mask,
            (value_mask, key_mask),
            attention_mask,
            use_causal_mask,
            self.sliding_window,
        )
        # The maps have nothing to do with masks: they are in `allowed`.
        query, value, key = (with_mask(one, None) for one in (query, value, key))
        heads, weights = self._attend(
            self.query_dense(query),
            self.key_dense(key),
            self.value_dense(value),
            allowed,
            training,
        )
        if self.gate_dense is not None:
            heads = heads * self.gate_dense(query)
        outputs = with_mask(self.output_dense(heads), query_mask)
        return (outputs, weights) if return_attention_scores else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return None: ``call`` gives the output the query's mask."""
        return None

    def compute_output_shape(
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> Any:
        """Return the shape of the output for a query, a value and a key."""
        query, value, key = three_shapes(query_shape, value_shape, key_shape)
        self._check_shapes(query, value, key)
        return (*query[:-1], *(self._output_sizes or query[-1:]))


class KeptOptions(TypedDict):
    """The arguments that all kinds have."""

    dropout: float
    use_bias: bool
    sliding_window: int | None
    flash_attention: bool | None
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any
    use_gate: bool
    seed: int | None


def three_shapes(
    query: Any, value: Any, key: Any
) -> tuple[PartialShape, PartialShape, PartialShape]:
    """Return the shapes of query, value and key, however they were given."""
    if value is None:
        query, value, *rest = query
        key = rest[0] if rest else None
    return (
        as_partial_shape(query),
        as_partial_shape(value),
        as_partial_shape(value if key is None else key),
    )
