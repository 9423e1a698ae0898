"""Which query may attend to which key."""

from __future__ import annotations

from nervure import ops
from nervure.array import Array
from nervure.ops.nn.attention import causal_mask


def combined_mask(
    query: Array,
    key: Array,
    query_mask: Array | None = None,
    key_masks: tuple[Array | None, ...] = (),
    attention_mask: Array | None = None,
    use_causal_mask: bool = False,
    sliding_window: int | None = None,
) -> Array | None:
    """Return where all conditions allow attention, None for everywhere.

    Parameters
    ----------
    query, key
        ``[batch, queries, ...]`` and ``[batch, keys, ...]``, for their lengths.
    query_mask
        ``bool[batch, queries]``: the queries that are asked at all.
    key_masks
        ``bool[batch, keys]`` each: the keys that may be attended to.
    attention_mask
        ``bool[..., queries, keys]``: the pairs that are allowed.
    use_causal_mask
        Whether a query may only attend to keys that are not after it.
    sliding_window
        Attention goes to keys less than this number of places away.

    Returns
    -------
    ``bool[..., queries, keys]`` that broadcasts with a batch in front.
    """
    lengths = query.shape[1], key.shape[1]
    conditions = [] if attention_mask is None else [attention_mask.astype(bool)]
    if query_mask is not None:
        conditions.append(query_mask.astype(bool)[..., :, None])
    conditions += [
        one.astype(bool)[..., None, :] for one in key_masks if one is not None
    ]
    if use_causal_mask:
        conditions.append(causal_mask(*lengths)[None])
    if sliding_window is not None:
        conditions.append(_near(*lengths, sliding_window)[None])
    if not conditions:
        return None
    allowed = conditions[0]
    for condition in conditions[1:]:
        allowed = allowed & condition
    return allowed


def _near(queries: int, keys: int, window: int) -> Array:
    """Return ``bool[queries, keys]``: true where both are close together."""
    return ops.abs(ops.arange(queries)[:, None] - ops.arange(keys)[None, :]) < window
