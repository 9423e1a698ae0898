"""Dropout: elements set to 0 at random."""

from __future__ import annotations

from collections.abc import Sequence

from nervure import ops, random
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.node import Shape
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.operands import as_node


@composite("dropout")
def dropout(
    x: ArrayLike,
    rate: float,
    key: ArrayLike | None = None,
    *,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return x with elements set to 0 at random and the others scaled up.

    Each element is dropped with probability ``rate`` and multiplied by 1 / (1 - rate)
    otherwise, so the expected value stays.  Whether it is kept is decided by comparing
    random bits with an integer: the same everywhere, and exact.

    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting
    (2014).

    Parameters
    ----------
    x
        ``float[...]``
    rate
        From 0, which returns x, to 1, which returns zeros.
    key
        ``uint32[2]``; None draws one from the process's generator.
    noise_shape
        The shape of the mask, which broadcasts to x: 1 on an axis drops whole slices,
        None takes the size of x.

    Raises
    ------
    ArgumentError
        For a rate outside the range from 0 to 1.
    ShapeError
        For a mask that does not fit x, or a key that is none.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> y = nn.dropout(nv.ones(1000), 0.5, nv.random.key(0))
    >>> nv.unique_values(y).tolist()
    [0.0, 2.0]
    """
    if not 0 <= rate <= 1:
        raise ArgumentError(
            explain(
                f"dropout: expected a rate from 0 to 1, got {rate!r}",
                fix="the rate is the share that is dropped",
            )
        )
    array = Array.of_node(as_float(as_node(x)))
    shape = mask_shape("dropout", array.shape, noise_shape)
    if rate == 0:
        return array
    kept = random.bernoulli(shape, p=1.0 - rate, key=key)
    scaled = array * (1.0 / (1.0 - rate)) if rate < 1 else array
    return ops.where(kept, scaled, 0.0)


def dropped_below(
    x: Array,
    limit: Array,
    factor: Array,
    key: ArrayLike,
    noise_shape: Sequence[int | None] | None = None,
) -> Array:
    """Return x times ``factor`` where random words are below a limit, and 0 elsewhere.

    ``limit`` is ``uint32[]`` and ``factor`` a scalar of x's type: arrays, so that they
    may be inputs of a program.
    """
    words = random.bits(mask_shape("dropout", x.shape, noise_shape), key=key)
    return ops.where(words < limit, x * factor, 0.0)


def mask_shape(op: str, shape: Shape, wanted: Sequence[int | None] | None) -> Shape:
    """Return the shape of the mask for x of a shape; None takes sizes of x.

    Raises :class:`~nervure.errors.ShapeError` for one that does not broadcast to x.
    """
    if wanted is None:
        return shape
    given = tuple(wanted)
    if len(given) == len(shape) and all(
        one is None or one in (1, extent)
        for one, extent in zip(given, shape, strict=True)
    ):
        pairs = zip(given, shape, strict=True)
        return tuple(extent if one is None else int(one) for one, extent in pairs)
    raise ShapeError(
        explain(
            f"{op}: a mask of shape {list(given)} does not fit x of shape "
            f"{list(shape)}",
            fix="give one size for each axis of x: 1, its size, or None",
        )
    )
