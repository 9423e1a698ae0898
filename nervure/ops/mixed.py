"""Mixed precision: products in a narrow type, everything else in float32.

While :func:`products_in` is in force, the operands of matrix products and convolutions
are rounded to the narrow type, and the result comes back as float32.  Inside of a
product the sums are float32 anyway.  Weights, activations between products,
normalisation, losses and the optimizer keep float32, so no loss scale is needed with
bfloat16.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Final

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.node import Node
from nervure.prims import contract as products
from nervure.prims import convolution
from nervure.prims.select import cast

_product_type: Final[ContextVar[DType | None]] = ContextVar(
    "nervure_product_type", default=None
)


@contextlib.contextmanager
def products_in(dtype: DType | None) -> Iterator[None]:
    """Compute products of float32 in another type; None changes nothing."""
    token = _product_type.set(dtype)
    try:
        yield
    finally:
        _product_type.reset(token)


def _product(compute: Callable[[Node, Node], Node], x: Node, y: Node) -> Node:
    narrow = _product_type.get()
    if narrow is None or not x.dtype == y.dtype == dtypes.float32:
        return compute(x, y)
    return cast(compute(cast(x, narrow), cast(y, narrow)), dtypes.float32)


AxisPair = tuple[Sequence[int], Sequence[int]]


def dot(
    x: Node,
    y: Node,
    batch: AxisPair = ((), ()),
    contract: AxisPair = ((), ()),
) -> Node:
    """Return :func:`nervure.prims.contract.dot` in the type for products."""
    return _product(lambda a, b: products.dot(a, b, batch, contract), x, y)


def conv(
    x: Node,
    kernel: Node,
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    """Return :func:`nervure.prims.convolution.conv` in the type for products."""
    return _product(
        lambda a, b: convolution.conv(a, b, strides, padding, dilation, groups),
        x,
        kernel,
    )


def conv_input_grad(
    g: Node,
    kernel: Node,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    """Return the transposed convolution in the type for products."""
    return _product(
        lambda a, b: convolution.conv_input_grad(
            a, b, sizes, strides, padding, dilation, groups
        ),
        g,
        kernel,
    )
