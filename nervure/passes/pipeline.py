"""The passes in their order: what happens to a graph before an executor plans it.

>>> from nervure.ir import Graph
>>> from nervure.prims.leaf import input_leaf
>>> from nervure.prims.unary import neg
>>> import numpy as np
>>> x = input_leaf((3,), np.dtype("float32"), "x")
>>> print(optimized(Graph([neg(neg(x))])).to_text(sites=False))
graph (%0: float32[3] "x") {
  return %0
}
<BLANKLINE>

The setting ``skip_passes`` (``NERVURE_SKIP_PASSES``) leaves passes out by name, and is
part of every key by which programs are kept.  At debug level 2 and above the verifier
looks at the graph after each pass, and what has changed is printed; at level 3 so are
the graphs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from nervure.config import PASS_NAMES, config
from nervure.errors import GraphError, explain, unknown_name
from nervure.ir.graph import Graph
from nervure.ir.verify import verify
from nervure.passes.change import Pass, PassRecord
from nervure.passes.dead import DEAD
from nervure.passes.fold import FOLD
from nervure.passes.inline import INLINE
from nervure.passes.layout import LAYOUT
from nervure.passes.merge import MERGE
from nervure.passes.simplify import SIMPLIFY

PASSES: Final[tuple[Pass, ...]] = (INLINE, SIMPLIFY, FOLD, LAYOUT, MERGE, DEAD)

# Decisions that belong to the schedule of an executor, which makes them where it plans
# its kernels (``exec/cpu``); they are skipped by the same names.
PLANNED: Final[Mapping[str, str]] = {
    "fusion": "Operations become tasks: loops, products with what follows them.",
    "in_place": "New state is written over the old one.",
    "recomputation": "Values are dropped and computed again, to fit a memory budget.",
    "offload": "Values that wait for long lie elsewhere meanwhile.",
    "schedule": "Kernels are shared among threads, which meet between phases.",
    "memory": "Values that do not live at the same time share memory.",
}

# A pass may make work for an earlier one; more rounds than these are not worth it.
MOST_ROUNDS: Final = 4
# The debug levels from which every pass is checked and named, and graphs are printed.
_VERIFY_FROM: Final = 2
_SHOW_FROM: Final = 3


def pass_named(name: str) -> Pass:
    """Return a pass by name; raises :class:`~nervure.errors.UnknownNameError`.

    >>> pass_named("fold").name
    'fold'
    """
    for one in PASSES:
        if one.name == name:
            return one
    raise unknown_name("pass", name, [one.name for one in PASSES])


def optimized(
    graph: Graph,
    *,
    skip: Collection[str] = (),
    record: list[PassRecord] | None = None,
) -> Graph:
    """Return a graph that computes the same with less work.

    Inputs and outputs keep their places and types; an input that is no longer needed
    stays listed.  The passes run in their order until none finds anything, at most
    ``MOST_ROUNDS`` times.

    Parameters
    ----------
    graph
        What is computed.
    skip
        Names of passes to leave out, besides those of ``config.skip_passes``.
    record
        A list to which every run of a pass that changed something is added.

    Raises :class:`~nervure.errors.UnknownNameError` for a pass that does not exist.

    >>> import nervure as nv
    >>> graph = nv.graph(-(-nv.exp(nv.parameter([1.0]))))
    >>> [node.op.name for node in optimized(graph).nodes]
    ['buffer', 'exp']
    """
    for name in skip:
        if name not in PASS_NAMES:
            raise unknown_name("pass", name, PASS_NAMES)
    left_out = {*skip, *config.skip_passes}
    chosen = [one for one in PASSES if one.name not in left_out]
    checked = config.debug >= _VERIFY_FROM
    _show("before the passes", graph)
    done: dict[str, Graph] = {}  # the graph in which a pass has found nothing
    for _ in range(MOST_ROUNDS):
        for one in chosen:
            if done.get(one.name) is graph:
                continue
            before = graph
            graph = _after(one, graph, record, checked)
            if graph is before:
                done[one.name] = graph
        if all(done.get(one.name) is graph for one in chosen):
            break
    _show("after the passes", graph)
    return graph


def _show(when: str, graph: Graph) -> None:
    if config.debug >= _SHOW_FROM:
        print(f"nervure: {when}\n{graph}")


def _after(
    one: Pass, graph: Graph, record: list[PassRecord] | None, checked: bool
) -> Graph:
    """Run one pass; returns the very graph if nothing has changed."""
    if record is None:
        after = one.run(graph)
    else:
        found = one.recorded(graph)
        after = found.after
        if after is not graph:
            record.append(found)
    if checked and after is not graph:
        try:
            verify(after)
        except GraphError as error:
            raise GraphError(
                explain(
                    f"after the pass {one.name!r}: {error}",
                    fix=f"leave it out with NERVURE_SKIP_PASSES={one.name} and "
                    f"report what {one.name} did",
                )
            ) from error
        print(f"nervure: {one.name}: {len(graph)} -> {len(after)} operations")
    return after
