"""The general matrix product."""

from __future__ import annotations

from typing import Any, Final

from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, converted
from nervure.ir.node import Node


def product_precision(context: Context) -> lax.Precision:
    """Return how exact products are: whole, unless a narrower type is allowed.

    Left to itself XLA multiplies float32 in TF32 on a GPU and in bfloat16 on a TPU.
    """
    return lax.Precision.DEFAULT if context.tf32 else lax.Precision.HIGHEST


def _dot(context: Context, node: Node, x: Any, y: Any) -> Any:
    batch: Any = node.attrs["batch"]
    contract: Any = node.attrs["contract"]
    wide = dtypes.accumulator(node.dtype)
    result = lax.dot_general(
        x,
        y,
        (contract, batch),
        precision=product_precision(context),
        preferred_element_type=wide,
    )
    return converted(result, node.dtype)


RULES: Final[dict[str, Rule]] = {"dot": _dot}
