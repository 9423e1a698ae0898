"""Attention without maps: the inputs themselves are compared and averaged."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain, unknown_name
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.attention.masks import combined_mask
from nervure.nn.layers.regularization import Dropout
from nervure.nn.masking import with_mask
from nervure.nn.symbolic import as_partial_shape
from nervure.nn.variable import Variable
from nervure.ops.nn.softmax import masked_softmax


class Attention(Layer):
    """For each query the mean of the values, weighted by how well keys fit it.

    ``softmax(query @ key.T) @ value``.  (Luong et al., "Effective approaches to
    attention-based neural machine translation", 2015.)

    The input is a list ``[query, value]`` or ``[query, value, key]``, where the values
    are the keys too if there are none: ``float[batch, queries, features]``,
    ``float[batch, keys, outputs]`` and ``float[batch, keys, features]`` become
    ``float[batch, queries, outputs]``.

    Parameters
    ----------
    use_scale
        Whether a weight multiplies the scores.
    score_mode
        "dot" compares by the dot product; "concat" by the sum of
        ``tanh(query + key)`` over the features, times a weight.
    dropout
        The share of the weights that are dropped in training.
    seed
        Of the dropout; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    ``call`` takes further:

    mask
        A list of masks ``bool[batch, length]`` or None, for query and value.  Values
        without count get no weight; the output of masked queries is 0.
    return_attention_scores
        Return the weights ``float[batch, queries, keys]`` as well.
    use_causal_mask
        Whether a query may only attend to places that are not after it.

    Raises
    ------
    UnknownNameError
        For another score mode.

    >>> import nervure as nv
    >>> query, value = nv.zeros((1, 1, 2)), nv.reshape(nv.arange(4.0), (1, 2, 2))
    >>> nv.layers.Attention()([query, value]).tolist()
    [[[1.0, 2.0]]]
    """

    scale: Variable | None = None
    concat_score_weight: Variable | None = None

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if score_mode not in ("dot", "concat"):
            raise unknown_name("score_mode", score_mode, ("dot", "concat"))
        self.use_scale = bool(use_scale)
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype)

    def build(self, input_shape: Any) -> None:
        """Create the weights, single numbers."""
        self._checked(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                (), "ones", name="concat_score_weight"
            )

    def call(
        self,
        inputs: list[Array],
        mask: list[Array | None] | None = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Compute the output, and the weights if they are asked for."""
        query, value, *keys = self._checked(inputs)
        key = keys[0] if keys else value
        query_mask, value_mask = [*(mask or ()), None, None][:2]
        allowed = combined_mask(
            query, value, None, (value_mask,), None, use_causal_mask
        )
        weights = masked_softmax(self._scores(query, key), allowed)
        outputs = self.dropout_layer(weights, training=training) @ value
        if query_mask is not None:
            counted = query_mask.astype(bool)
            outputs = with_mask(ops.where(counted[..., None], outputs, 0.0), query_mask)
        return (outputs, weights) if return_attention_scores else outputs

    def _scores(self, query: Array, key: Array) -> Array:
        """Return how well keys fit queries: ``[batch, queries, keys]``."""
        if self.concat_score_weight is None:
            scores = query @ ops.swapaxes(key, -2, -1)
            return scores if self.scale is None else scores * self.scale
        sums = query[..., :, None, :] + key[..., None, :, :]
        if self.scale is not None:
            sums = sums * self.scale
        return ops.sum(ops.tanh(sums), axis=-1) * self.concat_score_weight

    def _checked(self, inputs: Any) -> list[Any]:
        """Return the two or three inputs, or shapes of them."""
        if not isinstance(inputs, list | tuple) or len(inputs) not in (2, 3):
            count = len(inputs) if isinstance(inputs, list | tuple) else 1
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected the list [query, value] or "
                    f"[query, value, key], got {count} inputs",
                    fix="call it as layer([query, value])",
                )
            )
        return list(inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return None: ``call`` gives the output the query's mask."""
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the output for a list of shapes."""
        query, value, *_ = map(as_partial_shape, self._checked(input_shape))
        return (*query[:-1], value[-1])


class AdditiveAttention(Attention):
    """For each query the mean of the values, weighted by a small network's scores.

    The score of a key is the sum over the features of ``scale * tanh(query + key)``.
    (Bahdanau et al., "Neural machine translation by jointly learning to align and
    translate", 2015.)

    Inputs, masks and outputs: see :class:`Attention`.

    Parameters
    ----------
    use_scale
        Whether a weight for each feature multiplies the tanh.
    dropout
        The share of the weights that are dropped in training.
    seed
        Of the dropout; None draws one from the process's generator.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> query, value = nv.zeros((1, 1, 2)), nv.ones((1, 2, 2))
    >>> nv.layers.AdditiveAttention()([query, value]).tolist()
    [[[1.0, 1.0]]]
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_scale, dropout=dropout, seed=seed, **options)

    def build(self, input_shape: Any) -> None:
        """Create the weight ``[features]``."""
        query = self._checked(input_shape)[0]
        if self.use_scale:
            self.scale = self.add_weight([query[-1]], "glorot_uniform", name="scale")

    def _scores(self, query: Array, key: Array) -> Array:
        values = ops.tanh(query[..., :, None, :] + key[..., None, :, :])
        if self.scale is not None:
            values = values * self.scale
        return ops.sum(values, axis=-1)
