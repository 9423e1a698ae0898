"""A graph written in ``jax.lax``, node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from nervure.config import config
from nervure.errors import GraphError, explain
from nervure.exec.xla.operations import Operations
from nervure.exec.xla.planned import options_for, planned
from nervure.exec.xla.rules import TABLE, Context
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes import optimized, runnable
from nervure.passes.recompute import Decision


def write_graph(context: Context, graph: Graph, known: dict[Node, Any]) -> list[Any]:
    """Return the outputs of a graph, given the values of its leaves.

    ``known`` is changed: it holds the values of all nodes afterwards.
    """
    for node in graph.nodes:
        if node not in known:
            rule = TABLE.get(node.op.name)
            if rule is None:
                raise GraphError(
                    explain(
                        f"the xla executor has no value for {node!r}",
                        fix="give the primitive a rule for XLA (see CONTRIBUTING.md), "
                        "or use the executor 'cpu'",
                    )
                )
            operands = [known[operand] for operand in node.inputs]
            known[node] = rule(context, node, *operands)
    return [known[node] for node in graph.outputs]


class Lowered:
    """A graph as a function of JAX: inputs, then data, in; outputs out.

    The *data* are the buffers of the graph in order.  They are arguments too, so graphs
    that differ in their data only are one program.

    Attributes
    ----------
    context
        What it is written for.
    operations
        What XLA will probably run, after the passes.
    plain
        What is decided without a budget: what the user has marked, and with ``offload``
        that all that waits is moved to the host.
    """

    def __init__(self, graph: Graph, context: Context, offload: bool = False) -> None:
        self.context = context
        skipped = config.skip_passes
        self.may_drop = "recomputation" not in skipped
        self.may_move = offload and "offload" not in skipped
        self._leaves = (*graph.inputs, *graph.buffers)
        self._graph = runnable(optimized(graph))

    @cached_property
    def operations(self) -> Operations:
        """What XLA will probably run, after the passes."""
        return Operations(self._graph, self._leaves, marked=self.may_drop)

    @cached_property
    def plain(self) -> Decision:
        """What is decided without a budget."""
        if not self._is_marked and not self.may_move:
            return Decision()
        required = self.operations.required
        if not self.may_move:
            return required
        moved = self.operations.worth_moving() - required.dropped
        return required._replace(moved=moved)

    @property
    def _is_marked(self) -> bool:
        return self.may_drop and any(
            node.op.name == "checkpoint" for node in self._graph.nodes
        )

    def function(
        self, decision: Decision
    ) -> tuple[Callable[[Sequence[Any]], tuple[Any, ...]], dict[str, Any]]:
        """Return the function that a decision means, and options for XLA."""
        if decision.dropped or decision.moved:
            schedule = self.operations.program.schedule(decision)
            if schedule.again or schedule.fetched:
                written = planned(self.operations, schedule, self.context)
                return written, options_for(self.context)
        return self._written, {}

    def _written(self, values: Sequence[Any]) -> tuple[Any, ...]:
        known = dict(zip(self._leaves, values, strict=True))
        return tuple(write_graph(self.context, self._graph, known))
