"""A graph as the operations that XLA will probably run, and the values between them.

XLA fuses what is computed element by element into what reads it, and never makes a
broadcast or a constant as a whole.  So only some nodes are *kept*: their values have
memory of their own.  The rest is computed *within* those that need it.  This is a model
to decide with; what a program takes in truth, XLA says itself when it has compiled it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nervure.exec.work import operations as work_of
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.passes.checkpoint import Region, regions
from nervure.passes.recompute import Decision, Operation, Program, Value
from nervure.passes.roles import Role, roles

# What it costs to move a byte to the host and back, in elementary operations: the
# operations that a GPU does meanwhile (tens of TFLOP/s beside tens of GB/s).
MOVE_COST: Final = 500.0
# Fewer bytes than this are not moved.
LEAST_MOVED: Final = 2**16

_NEVER_WHOLE: Final = frozenset({Fusion.LEAF, Fusion.ANNOTATION, Fusion.BROADCAST})
_FUSED: Final = frozenset({Fusion.ELEMENTWISE, Fusion.INJECTIVE})


class Operations:
    """The operations of a graph.

    Attributes
    ----------
    graph
        What is computed, after the passes.
    leaves
        What the program is given.
    roots
        The kept nodes that are computed, in the order in which they are thought to run:
        first what goes forward, then whatever frees most memory.
    bodies
        For each the nodes that are computed within it, operands first, itself last.
    values
        All kept nodes: the roots, then the leaves.
    program
        The same for :mod:`nervure.passes.recompute`; a value's number is its place.
    required
        What ``nervure.checkpoint`` decides.
    depth
        For each root the length of the longest way to it.
    """

    def __init__(
        self, graph: Graph, leaves: Sequence[Node], *, marked: bool = True
    ) -> None:
        self.graph = graph
        self.leaves = tuple(leaves)
        given = set(leaves)
        kept = _kept(graph, given)
        bodies = {
            node: _body(node, kept)
            for node in graph.nodes
            if node in kept and node not in given
        }
        reads = {root: _reads(body, kept) for root, body in bodies.items()}
        self.roots = _ordered(graph, reads, given)
        self.bodies = [bodies[root] for root in self.roots]
        self.values = [*self.roots, *dict.fromkeys(leaves)]
        self.number = {node: place for place, node in enumerate(self.values)}
        self.reads = [
            tuple(self.number[one] for one in reads[root]) for root in self.roots
        ]
        self.depth: list[int] = []
        for found in self.reads:
            below = [self.depth[one] for one in found if one < len(self.roots)]
            self.depth.append(1 + max(below, default=0))
        regions_ = regions(graph) if marked else []
        self.program = Program(
            [
                Operation(found, (place,), float(sum(map(work_of, body))), place)
                for place, (found, body) in enumerate(
                    zip(self.reads, self.bodies, strict=True)
                )
            ],
            [self._value(node) for node in self.values],
            MOVE_COST,
            self._late_uses(regions_),
        )
        self.required = self._required(regions_, kept)

    def _value(self, node: Node) -> Value:
        leaf = self.number[node] >= len(self.roots)
        lasting = leaf or node in self._results or node.op.control is not None
        return Value(node.nbytes, 0 if lasting else node.nbytes, lasting)

    @property
    def _results(self) -> frozenset[Node]:
        return frozenset(self.graph.outputs)

    def _late_uses(self, regions_: Sequence[Region]) -> dict[int, int]:
        """Return for inner values of regions when they are first needed outside."""
        found: dict[int, int] = {}
        for region in regions_:
            within = {*region.inner, region.result}
            for time, (root, reads) in enumerate(
                zip(self.roots, self.reads, strict=True)
            ):
                if root not in within:
                    for value in reads:
                        if self.values[value] in region.inner:
                            found[value] = min(found.get(value, time), time)
        return found

    def _required(self, regions_: Sequence[Region], kept: set[Node]) -> Decision:
        """Return what regions decide: inner values go, arguments stay."""
        dropped, held = set(), set()
        for region in regions_:
            inner = {self.number[one] for one in region.inner if one in self.number}
            dropped |= {one for one in inner if self.program.late[one] is not None}
            for argument in region.arguments:
                held |= {
                    self.number[one]
                    for one in _reads(_body(argument, kept, argument in kept), kept)
                    if one in self.number
                }
        return Decision(frozenset(dropped), held=frozenset(held - dropped))

    def worth_moving(self) -> frozenset[int]:
        """Return the values that wait and are not too small to be moved."""
        values = self.program.values
        return frozenset(
            one for one in self.program.waiting if values[one].kept >= LEAST_MOVED
        )


def operands(node: Node) -> Sequence[Node]:
    """Return what a node computes with; an annotation only names the others."""
    return node.inputs[:1] if node.op.fusion is Fusion.ANNOTATION else node.inputs


def _kept(graph: Graph, leaves: set[Node]) -> set[Node]:
    """Return the nodes whose values have memory of their own."""
    kept = set(leaves)
    readers: dict[Node, set[Node]] = {}  # kept nodes that a node is computed within
    outputs = set(graph.outputs)
    for node in reversed(graph.nodes):
        found = readers.get(node, set())
        if node in leaves:
            continue
        if node in outputs or not _is_within(node, len(found)):
            kept.add(node)
            found = {node}
        for one in operands(node):
            readers.setdefault(one, set()).update(found)
    return kept


def _is_within(node: Node, readers: int) -> bool:
    fusion = node.op.fusion
    if fusion in _NEVER_WHOLE or node.op.name == "part":
        return True
    if fusion is Fusion.INJECTIVE and len(node.inputs) == 1:
        return True
    return fusion in _FUSED and readers == 1


def _body(root: Node, kept: set[Node], is_value: bool = False) -> tuple[Node, ...]:
    """Return the nodes that are computed within a root, operands first."""
    if is_value:
        return ()
    found: dict[Node, None] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            found[node] = None
        elif node not in found and (node is root or node not in kept):
            stack.append((node, True))
            stack += [(one, False) for one in operands(node)]
    return tuple(found)


def _reads(body: Sequence[Node], kept: set[Node]) -> tuple[Node, ...]:
    """Return the kept nodes that a body reads."""
    within = set(body)
    return tuple(
        dict.fromkeys(
            one
            for node in body
            for one in operands(node)
            if one in kept and one not in within
        )
    )


def _ordered(
    graph: Graph, reads: dict[Node, tuple[Node, ...]], leaves: set[Node]
) -> list[Node]:
    """Return the roots in an order that takes little memory.

    What goes forward keeps its order; of the rest comes next what is ready and makes
    least of what is alive (as XLA's list scheduler has it).
    """
    role = roles(graph)
    order = [root for root in reads if role[root] is Role.FORWARD]
    rest = [root for root in reads if role[root] is not Role.FORWARD]
    users: dict[Node, int] = {}
    for found in reads.values():
        for one in found:
            users[one] = users.get(one, 0) + 1
    lasting = {*graph.outputs, *leaves}
    for root in order:
        for one in reads[root]:
            users[one] -= 1
    readers: dict[Node, list[Node]] = {}
    waits: dict[Node, int] = {}
    pending = set(rest)
    for root in rest:
        missing = [one for one in reads[root] if one in pending]
        waits[root] = len(missing)
        for one in missing:
            readers.setdefault(one, []).append(root)
    place = {root: number for number, root in enumerate(rest)}
    ready = {root for root in rest if not waits[root]}

    def growth(root: Node) -> tuple[int, int]:
        freed = sum(
            one.nbytes for one in reads[root] if users[one] == 1 and one not in lasting
        )
        return (0 if root in lasting else root.nbytes) - freed, place[root]

    while ready:
        root = min(ready, key=growth)
        ready.remove(root)
        order.append(root)
        for one in reads[root]:
            users[one] -= 1
        for one in readers.get(root, ()):
            waits[one] -= 1
            if not waits[one]:
                ready.add(one)
    return order
