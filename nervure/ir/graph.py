"""Several nodes seen as a program: inputs, outputs, and what lies between.

All traversals are iterative: a chain of 100,000 nodes is an ordinary graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from nervure.errors import GraphError, explain
from nervure.ir.build import rebuild
from nervure.ir.node import Node


def topological(
    outputs: Iterable[Node], stop: Collection[Node] = frozenset()
) -> list[Node]:
    """Return every node that ``outputs`` need, operands before their users.

    The order is that of a depth-first walk from the first output, so it depends on the
    graph alone.  Nodes in ``stop`` are listed, their operands are not visited.

    >>> import nervure as nv
    >>> x = nv.parameter([1.0])
    >>> [node.op.name for node in topological([nv.exp(nv.tanh(x)).node])]
    ['buffer', 'tanh', 'exp']
    """
    order: list[Node] = []
    done: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, bool]] = [(output, False)]
        while stack:
            node, operands_done = stack.pop()
            if node in done:
                continue
            if operands_done or not node.inputs or node in stop:
                done.add(node)
                order.append(node)
                continue
            stack.append((node, True))
            stack.extend(
                (operand, False)
                for operand in reversed(node.inputs)
                if operand not in done
            )
    return order


def substitute(outputs: Sequence[Node], replacement: Mapping[Node, Node]) -> list[Node]:
    """Return ``outputs`` with some nodes replaced wherever they are used.

    Raises
    ------
    GraphError
        For a replacement of another type than the node that it stands for.

    >>> import nervure as nv
    >>> x, y = nv.parameter([1.0]), nv.parameter([2.0])
    >>> node = nv.tanh(x).node
    >>> substitute([node], {x.node: y.node})[0].inputs[0] is y.node
    True
    """
    for old, new in replacement.items():
        if old.shape != new.shape or old.dtype != new.dtype:
            raise GraphError(
                explain(
                    f"cannot replace a node of type {old.type_text} by one of type "
                    f"{new.type_text}",
                    fix="a replacement has the same shape and data type; cast or "
                    "reshape it first",
                )
            )
    done: dict[Node, Node] = dict(replacement)
    for node in topological(outputs, stop=replacement.keys()):
        if node in done:
            continue
        inputs = tuple(done[operand] for operand in node.inputs)
        done[node] = node if inputs == node.inputs else rebuild(node, inputs)
    return [done[output] for output in outputs]


class Graph:
    """A program: ``inputs`` in order, ``outputs`` in order.

    Parameters
    ----------
    outputs
        What is computed.
    inputs
        The ``input`` leaves in the order of the arguments.  None takes those that the
        outputs use, in the order of first use.  An input need not be used.

    Iterating gives the nodes in topological order, ``len`` counts them and ``str``
    writes them as text.  Two graphs are equal when their inputs and outputs are the
    same nodes.

    Raises
    ------
    GraphError
        For inputs that are no leaves, or are named twice.

    >>> import nervure as nv
    >>> x = nv.asarray([1.0, 2.0])
    >>> len(nv.graph(x + x))
    2
    """

    __slots__ = ("__dict__", "inputs", "outputs")

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def __init__(
        self, outputs: Iterable[Node], inputs: Iterable[Node] | None = None
    ) -> None:
        self.outputs = tuple(outputs)
        used = [node for node in self.nodes if node.op.name == "input"]
        if inputs is None:
            self.inputs = tuple(used)
            return
        self.inputs = tuple(inputs)
        given = set(self.inputs)
        if len(given) != len(self.inputs):
            raise GraphError(
                explain("an input is listed twice", fix="list each input once")
            )
        for node in self.inputs:
            if node.op.name != "input":
                raise GraphError(
                    explain(
                        f"{node!r} is listed as an input but is not a leaf",
                        fix="list inputs only, made by nervure.prims.leaf.input_leaf",
                    )
                )
        for node in used:
            if node not in given:
                raise GraphError(
                    explain(
                        f"the outputs need the input {node!r}, not listed",
                        fix="list it among the inputs, in the order in which values "
                        "are given",
                    )
                )

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node that the outputs need, operands first."""
        return tuple(topological(self.outputs))

    @cached_property
    def users(self) -> dict[Node, tuple[Node, ...]]:
        """For each node, the nodes that have it as an operand (each once)."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in dict.fromkeys(node.inputs):
                users[operand].append(node)
        return {node: tuple(found) for node, found in users.items()}

    @property
    def buffers(self) -> tuple[Node, ...]:
        """The ``buffer`` leaves, in order of first use."""
        return tuple(node for node in self.nodes if node.op.name == "buffer")

    @cached_property
    def structural_hash(self) -> str:
        """A hexadecimal digest of the structure; equal graphs have equal digests.

        It does not depend on names, sites, the data of buffers, or the process.
        """
        from nervure.ir.text import canonical_lines

        digest = hashlib.sha256()
        for line in canonical_lines(self):
            digest.update(line.encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def to_text(self, *, sites: bool = True, full: bool = True) -> str:
        """Write the graph as SSA text that :func:`nervure.ir.parser.parse` reads.

        ``sites`` adds the user's lines as comments; ``full=False`` shortens large
        constants, which makes the text readable but not parsable.
        """
        from nervure.ir.text import to_text

        return to_text(self, sites=sites, full=full)

    def to_json(self) -> str:
        """Write the graph as JSON that :func:`nervure.ir.jsonform.from_json` reads."""
        from nervure.ir.jsonform import to_json

        return to_json(self)

    def to_dot(self) -> str:
        """Write the graph in Graphviz' DOT language."""
        from nervure.ir.dot import to_dot

        return to_dot(self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Graph)
            and self.inputs == other.inputs
            and self.outputs == other.outputs
        )

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs))

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        return self.to_text(full=False)

    def __repr__(self) -> str:
        return (
            f"<Graph of {len(self)} nodes, {len(self.inputs)} inputs, "
            f"{len(self.outputs)} outputs>"
        )
