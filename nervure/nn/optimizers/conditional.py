"""Updates that happen in some steps only, in a graph that is always the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from nervure import ops
from nervure.array import Array
from nervure.nn.variable import Variable


@contextlib.contextmanager
def only_where(condition: Array, variables: Iterable[Variable]) -> Iterator[None]:
    """Undo what the block does to variables unless the condition, ``bool[]``, holds.

    The new values are computed in any case and chosen by the condition, so a compiled
    step has no branches.
    """
    before = [(variable, variable.value) for variable in variables]
    yield
    for variable, old in before:
        new = variable.value
        if new is not old:
            variable.assign(ops.where(condition, new, old))
