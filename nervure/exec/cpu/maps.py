"""Fused elementwise kernels: one loop nest for a whole group of nodes.

Operands are read in place through views, so broadcasts, transposes and slices cost no
pass of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nervure import dtypes
from nervure.exec.cpu import expressions
from nervure.exec.cpu.bands import band_height, bands_of, unaligned
from nervure.exec.cpu.elements import first_lanes, loaded, stored
from nervure.exec.cpu.expressions import cost_of, register_type
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall
from nervure.exec.cpu.llvm import Value, literal, vector_type
from nervure.exec.cpu.nest import Nest, Row, Stream
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.threefry import paired_words, random_words
from nervure.exec.cpu.views import View, contiguous_strides, view_of
from nervure.ir.attrs import Constant
from nervure.ir.node import Node, Shape

__all__ = ["Group", "GroupReader", "Nest", "Row", "Stream", "copy_kernel",
           "first_lanes", "loaded", "map_kernel", "stored"]  # fmt: skip

# --- groups of nodes -----------------------------------------------------------------

COUNTERS = frozenset({"iota", "random_bits"})


def scalar_constant(view: View) -> Value | None:
    """Return the literal of a view that shows one constant everywhere."""
    root = view.root
    if root.op.name != "const" or any(view.strides) or root.shape != ():
        return None
    payload = root.attrs["value"]
    assert isinstance(payload, Constant)
    element = register_type(root.dtype)
    return Value(element, literal(payload.value.item(), element))


class Group:
    """Elementwise nodes of one shape, computed together.

    ``outputs`` are those that get memory.  Everything read from outside is a view of a
    node that has memory, a scalar constant, or a counter; or it is ``given`` when the
    nodes are computed.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[Node],
        given: Sequence[Node] = (),
    ) -> None:
        self.nodes = list(nodes)
        self.outputs = list(outputs)
        inside = {*nodes, *given}
        self.views: dict[Node, View] = {}
        for node in nodes:
            if node.op.name in COUNTERS:
                continue
            for operand in node.inputs:
                if operand not in inside:
                    self.views.setdefault(operand, view_of(operand))
        self.keys = [node.inputs[0] for node in nodes if node.op.name == "random_bits"]

    @property
    def roots(self) -> list[Node]:
        """The nodes whose memory is read."""
        read = [view.root for view in self.views.values()
                if scalar_constant(view) is None]  # fmt: skip
        keys = [view_of(key).root for key in self.keys]
        return list(dict.fromkeys([*read, *keys]))

    @property
    def read_views(self) -> list[View]:
        """The views through which memory is read; the whole of the keys."""
        keys = [unaligned(view_of(key).root) for key in self.keys]
        return [*self.views.values(), *keys]

    @property
    def shape(self) -> Shape:
        """The shape of every node."""
        return self.nodes[0].shape

    def lanes(self, target: Target) -> int:
        """Return the number of lanes: fewer when 8-byte elements are computed."""
        wide = any(node.dtype.itemsize == 8 for node in self.nodes)
        return target.vector_bytes // (8 if wide else 4)

    def cost(self) -> float:
        """Return the number of elementary operations, roughly."""
        return float(math.prod(self.shape)) * (1 + sum(map(cost_of, self.nodes)))


class GroupReader:
    """Evaluates a group's nodes at a place of a nest."""

    def __init__(self, group: Group, b: KernelBuilder, pointers: dict[Node, Value]):
        self.group = group
        self.b = b
        self.streams: list[Stream] = []
        self._place: dict[Node, int] = {}
        self._constants: dict[Node, Value] = {}
        self._pointers = pointers
        self._pairs: dict[Node, tuple[Value, Value]] = {}
        self._keys = {key: self._load_key(key) for key in group.keys}
        for operand, view in group.views.items():
            fixed = scalar_constant(view)
            if fixed is not None:
                self._constants[operand] = fixed
                continue
            pointer = pointers[view.root]
            stream = Stream(pointer, operand.dtype, view.offset, view.strides)
            self._place[operand] = len(self.streams)
            self.streams.append(stream)
        for node in group.nodes:
            if node.op.name in COUNTERS:
                self._place[node] = len(self.streams)
                self.streams.append(Stream(None, dtypes.int64, 0, _counting(node)))

    @property
    def paired(self) -> list[int]:
        """The places of the streams that count random words."""
        return [place for node, place in self._place.items()
                if node.op.name == "random_bits"]  # fmt: skip

    def _load_key(self, key: Node) -> tuple[Value, Value]:
        view = view_of(key)
        base = self._pointers[view.root]
        words = [
            self.b.load("i32", self.b.address(base, "i32", view.offset + k * step), 4)
            for k, step in ((0, 0), (1, view.strides[0]))
        ]
        return words[0], words[1]

    def values(
        self,
        row: Row,
        column: Value,
        lanes: int,
        active: int,
        given: Mapping[Node, Value] | None = None,
    ) -> dict[Node, Value]:
        """Write the instructions of all nodes; returns every node's value."""
        b = self.b
        known: dict[Node, Value] = dict(given or {})

        def operand(node: Node) -> Value:
            if node not in known:
                fixed = self._constants.get(node)
                if fixed is not None:
                    type_ = vector_type(fixed.type, lanes)
                    text = fixed.name if lanes == 1 else f"splat ({fixed})"
                    known[node] = Value(type_, text)
                else:
                    known[node] = row.load(self._place[node], column, lanes, active)
            return known[node]

        for node in self.group.nodes:
            if node.op.name == "iota":
                count = row.load(self._place[node], column, lanes, active)
                known[node] = expressions.convert(b, count, dtypes.int64, node.dtype)
            elif node.op.name == "random_bits":
                known[node] = self._random_words(node, row, column, lanes)
            else:
                known[node] = expressions.emit(
                    b, node, [operand(one) for one in node.inputs]
                )
        return known

    def _random_words(self, node: Node, row: Row, column: Value, lanes: int) -> Value:
        """Return random words; both of every pair where the nest visits pairs."""
        place, key = self._place[node], self._keys[node.inputs[0]]
        if row.pair is None:
            start = row.position(place, column)
            return random_words(self.b, key, start, lanes, node.size)
        first, second = row.pair
        if not second:
            position = row.position(place, first)
            self._pairs[node] = paired_words(self.b, key, position, lanes)
        return self._pairs[node][int(second)]


def _counting(node: Node) -> tuple[int, ...]:
    """Return strides that make a stream's position the value of a counter."""
    if node.op.name == "random_bits":
        return contiguous_strides(node.shape)
    return tuple(int(axis == node.attrs["axis"]) for axis in range(len(node.shape)))


def copy_kernel(node: Node, target: Target) -> KernelCall:
    """Return the kernel that writes a chain of movements out into memory.

    For a reshape that has to move elements, its operand is written out in order.
    """
    view = view_of(node)
    if view.root is node and node.op.name == "reshape":
        view = view_of(node.inputs[0])
    moved = np.dtype(f"u{node.dtype.itemsize}")  # a float might be changed on the way
    b = KernelBuilder("copy", target, 2)
    source, destination = b.operands
    streams = [
        Stream(source, moved, view.offset, view.strides),
        Stream(destination, moved, 0, contiguous_strides(view.shape)),
    ]
    nest = Nest(b, view.shape, streams, target.vector_bytes // moved.itemsize)

    def body(row: Row, column: Value, lanes: int, active: int) -> None:
        row.store(1, column, row.load(0, column, lanes, active), lanes, active)

    nest.emit(body)
    kernel = b.finish(nest.units, 2.0 * node.size)
    return KernelCall(kernel, (view.root,), (node,))


def map_kernel(
    group: Group, target: Target, over: Mapping[Node, Node] | None = None
) -> KernelCall:
    """Return the kernel that computes a group.

    ``over`` names for outputs the operand over which they may be written.
    """
    reads, writes = group.roots, list(group.outputs)
    b = KernelBuilder("map", target, len(reads) + len(writes))
    pointers = dict(zip([*reads, *writes], b.operands, strict=True))
    for new, old in (over or {}).items():
        if new in writes and old in reads:
            b.may_alias(pointers[old], pointers[new])
    reader = GroupReader(group, b, pointers)
    streams = list(reader.streams)
    for node in writes:
        strides = contiguous_strides(node.shape)
        streams.append(Stream(pointers[node], node.dtype, 0, strides))
    lanes = group.lanes(target)
    rows = group.shape[0] if group.shape else 0
    height = band_height(rows, math.prod(group.shape[1:]))
    nest = Nest(b, group.shape, streams, lanes, paired=reader.paired, band=height)
    first_output = len(reader.streams)

    def body(row: Row, column: Value, lanes: int, active: int) -> None:
        values = reader.values(row, column, lanes, active)
        for place, node in enumerate(writes):
            row.store(first_output + place, column, values[node], lanes, active)

    nest.emit(body)
    kernel = b.finish(nest.units, group.cost())
    bands = None
    if nest.banded:
        bands = bands_of(rows, height, group.read_views, writes)
    return KernelCall(kernel, tuple(reads), tuple(writes), bands)
