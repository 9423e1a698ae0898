"""How each primitive is written in ``jax.lax``: a file for each group, one table."""

from __future__ import annotations

from typing import Final

from nervure.exec.xla.rules import (
    annotate,
    binary,
    contract,
    control,
    convolution,
    indexed,
    leaf,
    movement,
    order,
    reduce,
    select,
    unary,
    window,
)
from nervure.exec.xla.rules.rule import Context, Rule

TABLE: Final[dict[str, Rule]] = {
    **leaf.RULES,
    **unary.RULES,
    **binary.RULES,
    **select.RULES,
    **movement.RULES,
    **reduce.RULES,
    **order.RULES,
    **contract.RULES,
    **convolution.RULES,
    **window.RULES,
    **indexed.RULES,
    **annotate.RULES,
    **control.RULES,
}

__all__ = ["TABLE", "Context", "Rule"]
