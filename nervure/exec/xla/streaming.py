"""Data that are read batch by batch instead of lying on the device as a whole.

A training step takes the whole data as constants and gathers the rows of its batch.
Where these do not fit on a device, or every process shall hold its own rows only, the
rows are gathered on the host, for a few steps at a time: the gathers are cut out of the
graph, and what they return becomes a value that varies from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure.exec.reference import ReferenceExecutor
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node
from nervure.prims.leaf import input_leaf


class Rows:
    """Rows that are gathered when somebody asks for them, and only those.

    Parameters
    ----------
    values
        What rows are taken from; a memory map is read where they lie.
    places
        ``int64[steps, ...]``: which rows.
    """

    def __init__(self, values: NDArray, places: NDArray) -> None:
        self._values, self._places = values, places
        self.shape = (*places.shape, *values.shape[1:])
        self.dtype = values.dtype
        self.nbytes = int(np.prod(self.shape)) * values.dtype.itemsize

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray:
        """Return the rows of a part of the places, whole or in part."""
        rank = self._places.ndim
        rows = np.take(self._values, self._places[index[:rank]], axis=0)
        rest: tuple[Any, ...] = (..., *index[rank:])
        return np.asarray(rows[rest])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        del dtype, copy
        return np.take(self._values, self._places, axis=0)


class Streaming:
    """A step without its gathers from constants.

    Parameters
    ----------
    graph
        A step; its inputs are state, constants and varying values.
    state_count, constant_count
        How many of the inputs are state and constants.

    Attributes
    ----------
    graph
        The step with the same state, the constants that stay, and as varying values the
        ones there were, then what the gathers return.
    streamed
        The places, among the constants, of those that are read row by row only.
    """

    def __init__(self, graph: Graph, state_count: int, constant_count: int) -> None:
        moving = state_count + constant_count
        constants = graph.inputs[state_count:moving]
        varying = graph.inputs[moving:]
        gathers = [self._gathers(graph, leaf, set(varying)) for leaf in constants]
        self.streamed = [place for place, found in enumerate(gathers) if found]
        self._gather_nodes = [node for found in gathers for node in found]
        self._sources = [place for place, found in enumerate(gathers) for _ in found]
        rows = [input_leaf(node.shape, node.dtype, "rows")
                for node in self._gather_nodes]  # fmt: skip
        outputs = substitute(
            graph.outputs, dict(zip(self._gather_nodes, rows, strict=True))
        )
        kept = [leaf for leaf in constants if leaf not in
                {constants[place] for place in self.streamed}]  # fmt: skip
        inputs = [*graph.inputs[:state_count], *kept, *varying, *rows]
        self.graph = Graph(outputs, inputs)
        self.constant_count = len(kept)
        indices = [node.inputs[1] for node in self._gather_nodes]
        self._indices = ReferenceExecutor().compile(Graph(indices, varying))

    @staticmethod
    def _gathers(graph: Graph, leaf: Node, varying: set[Node]) -> list[Node]:
        """Return the gathers of rows by which alone a constant is read, if so."""
        users = graph.users.get(leaf, ())
        for node in users:
            if node.op.name != "gather" or node.attrs["axis"] != 0:
                return []
            if node.inputs[0] is not leaf or node.inputs[1] is leaf:
                return []
            below = topological([node.inputs[1]])
            if not all(one.inputs or one in varying or one.op.name in ("const", "iota")
                       for one in below):  # fmt: skip
                return []
        return [] if leaf in graph.outputs else list(users)

    def kept(self, constants: Sequence[NDArray]) -> list[NDArray]:
        """Return the constants that stay constants."""
        return [
            value for place, value in enumerate(constants) if place not in self.streamed
        ]

    def rows(
        self, constants: Sequence[NDArray], varying: Sequence[NDArray]
    ) -> list[Rows]:
        """Return what each gather gives for some steps, stacked."""
        steps = [
            self._indices([values[step] for values in varying])
            for step in range(len(varying[0]))
        ]
        found: list[Rows] = []
        for number, source in enumerate(self._sources):
            values = constants[source]
            places = np.stack([indices[number] for indices in steps])
            inside = np.clip(places, 0, len(values) - 1)  # as the primitive does
            found.append(Rows(values, inside.astype(np.int64)))
        return found

    def step_nbytes(self) -> int:
        """Return the bytes that one step gathers."""
        return sum(node.nbytes for node in self._gather_nodes)
