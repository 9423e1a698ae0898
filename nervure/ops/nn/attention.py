"""Attention: means of values, weighted by how well keys fit queries."""

from __future__ import annotations

import math

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike
from nervure.ops.nn.precision import wide_floats
from nervure.ops.nn.softmax import masked_softmax


def causal_mask(queries: int, keys: int) -> Array:
    """Return ``bool[queries, keys]``: true where the key is not after the query.

    >>> from nervure.ops.nn.attention import causal_mask
    >>> causal_mask(2, 3).tolist()
    [[True, False, False], [True, True, False]]
    """
    return ops.arange(queries)[:, None] >= ops.arange(keys)[None, :]


@composite("attention")
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    attn_logits_soft_cap: float | None = None,
) -> Array:
    """Return for each query the mean of the values, weighted by scaled dot products.

    ``softmax(query @ key.T * scale + bias) @ value`` for each head.  Vaswani et al.,
    "Attention is all you need", 2017.

    Parameters
    ----------
    query
        ``float[batch, queries, heads, features]``
    key
        ``float[batch, keys, heads, features]``.  With fewer heads than the queries
        have, each head serves as many queries in turn.
    value
        ``float[batch, keys, heads, outputs]``, with the heads of the keys.
    bias
        Added to the products; broadcasts to ``[batch, heads, queries, keys]``.
    mask
        Truth values that broadcast to the same shape: true where attention is allowed.
        A query for which nothing is allowed gets zeros.
    scale
        1 / sqrt(features) by default.
    is_causal
        Whether a query may only attend to keys that are not after it.
    attn_logits_soft_cap
        A bound c of the products p: they become ``p / (1 + abs(p) / c)``.

    Returns
    -------
    ``float[batch, queries, heads, outputs]``

    Raises
    ------
    ShapeError
        For arguments that do not have these shapes.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> x = nv.reshape(nv.arange(3.0), (1, 3, 1, 1))
    >>> nn.dot_product_attention(x, x * 0.0, x, is_causal=True)[0, :, 0, 0].tolist()
    [0.0, 0.5, 1.0]
    """
    weights = attention_weights(
        query, key, bias, mask, scale, is_causal, attn_logits_soft_cap
    )
    return weighted_values(weights, value)


def attention_weights(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    attn_logits_soft_cap: float | None = None,
) -> Array:
    """Return how much of each value :func:`dot_product_attention` takes.

    ``float[batch, heads, queries, keys]``; the arguments are described there.

    >>> import nervure as nv
    >>> from nervure.ops.nn.attention import attention_weights
    >>> attention_weights(nv.ones((1, 1, 1, 2)), nv.ones((1, 4, 1, 2)))[0, 0].tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    queries, dtype = wide_floats(query)
    keys = ops.asarray(key).astype(queries.dtype)
    _check_queries(queries, keys)
    batch, length, heads, features = queries.shape
    groups = keys.shape[2]
    factor = 1.0 / math.sqrt(features) if scale is None else scale
    # Heads that share a key become an axis of their own instead of copies of the key.
    shared = ops.reshape(
        queries * factor, (batch, length, groups, heads // groups, features)
    )
    products = ops.einsum("btgrh,bsgh->bgrts", shared, keys)
    scores = ops.reshape(products, (batch, heads, length, keys.shape[1]))
    if attn_logits_soft_cap is not None:
        scores = scores / (1.0 + ops.abs(scores) / attn_logits_soft_cap)
    if bias is not None:
        scores = scores + ops.asarray(bias).astype(scores.dtype)
    return masked_softmax(scores, _allowed(scores, mask, is_causal)).astype(dtype)


def weighted_values(weights: ArrayLike, value: ArrayLike) -> Array:
    """Return for each query the sum of the values times their weights.

    Parameters
    ----------
    weights
        ``float[batch, heads, queries, keys]``
    value
        ``float[batch, keys, heads, outputs]``; with fewer heads each serves as many of
        the weights in turn.

    Returns
    -------
    ``float[batch, queries, heads, outputs]``

    Raises
    ------
    ShapeError
        For arguments that do not have these shapes.

    >>> import nervure as nv
    >>> from nervure.ops.nn.attention import weighted_values
    >>> weighted_values(nv.ones((1, 2, 3, 4)), nv.ones((1, 4, 2, 5))).shape
    (1, 3, 2, 5)
    """
    wide, dtype = wide_floats(weights)
    values = ops.asarray(value).astype(wide.dtype)
    _check_values(wide, values)
    batch, heads, length, places = wide.shape
    groups = values.shape[2]
    shared = ops.reshape(wide, (batch, groups, heads // groups, length, places))
    outputs = ops.einsum("bgrts,bsgh->btgrh", shared, values)
    shape = (batch, length, heads, values.shape[3])
    return ops.reshape(outputs, shape).astype(dtype)


def _allowed(scores: Array, mask: ArrayLike | None, is_causal: bool) -> Array | None:
    """Return where attention is allowed, None for everywhere."""
    allowed = None if mask is None else ops.asarray(mask).astype(bool)
    if is_causal:
        causal = causal_mask(*scores.shape[2:])
        allowed = causal if allowed is None else allowed & causal
    return allowed


def _check_queries(query: Array, key: Array) -> None:
    """Raise :class:`~nervure.errors.ShapeError` unless both fit together."""
    for name, array in (("query", query), ("key", key)):
        if array.ndim != 4:
            raise ShapeError(
                explain(
                    f"attention: expected {name} with the 4 axes [batch, time, heads, "
                    f"features], got shape {list(array.shape)}",
                    fix="bring it to these axes with nervure.reshape",
                )
            )
    if (
        query.shape[0] != key.shape[0]
        or query.shape[3] != key.shape[3]
        or query.shape[2] % max(1, key.shape[2])
    ):
        raise ShapeError(
            explain(
                "attention: query and key do not fit together, their shapes are "
                f"{list(query.shape)} and {list(key.shape)}",
                fix="both have equal batches and features, and the heads of the query "
                "are a multiple of those of the key",
            )
        )


def _check_values(weights: Array, value: Array) -> None:
    """Raise :class:`~nervure.errors.ShapeError` unless both fit together."""
    if (
        weights.ndim != 4
        or value.ndim != 4
        or (weights.shape[0], weights.shape[3]) != value.shape[:2]
        or weights.shape[1] % max(1, value.shape[2])
    ):
        raise ShapeError(
            explain(
                f"attention: weights of shape {list(weights.shape)} and values of "
                f"shape {list(value.shape)} do not fit together",
                fix="the values are [batch, keys, heads, features], as many and with "
                "as many heads as the keys",
            )
        )
