"""Writing nodes of ONNX: names, constants, and sizes that follow the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.errors import NervureError, explain
from nervure.exporters.onnx.sizes import Size, sizes_of
from nervure.ir.node import Node

if TYPE_CHECKING:
    import onnx

# The number of each data type in the format; float32 is 1.
TYPE_NUMBERS: Mapping[str, int] = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
    "bfloat16": 16,
}


class ExportError(NervureError, NotImplementedError):
    """A model that cannot be written as ONNX, with the reason.

    >>> import nervure as nv
    >>> model = nv.models.Sequential(
    ...     [nv.layers.Input((None, 3)), nv.layers.SimpleRNN(2)]
    ... )
    >>> model.export("any.onnx")
    Traceback (most recent call last):
        ...
    nervure.exporters.onnx.writer.ExportError: ...
    """


@dataclass(frozen=True)
class Twin:
    """One node of a graph, and the same node of the graph for another batch."""

    first: Node
    second: Node

    @property
    def attrs(self) -> Any:
        """The attributes in the first graph."""
        return self.first.attrs

    @property
    def shape(self) -> list[Size]:
        """The sizes of the axes."""
        return self.sizes(self.first.shape, self.second.shape)

    def input_shape(self, place: int) -> list[Size]:
        """Return the sizes of the axes of an operand."""
        return self.sizes(
            self.first.inputs[place].shape, self.second.inputs[place].shape
        )

    def attribute_sizes(self, name: str) -> list[Size]:
        """Return an attribute of whole numbers."""
        return self.sizes(self.first.attrs[name], self.second.attrs[name])

    def sizes(self, first: Any, second: Any) -> list[Size]:
        """Return numbers of both graphs as sizes."""
        found = sizes_of(first, second)
        if found is None:
            self.refuse("a number in it is no multiple of the batch size")
        return found

    def refuse(self, reason: str) -> Any:
        """Raise the error that names the primitive."""
        scope = self.first.site.scope
        place = f" (layer {scope!r})" if scope else ""
        raise ExportError(
            explain(
                f"{self.first.op.name}{place} cannot be written as ONNX: {reason}",
                fix="give a fixed batch: model.export(path, batch_size=1)"
                if self.first is not self.second
                else None,
            )
        )


@dataclass
class Shared:
    """What a graph and the graphs inside it have in common."""

    initializers: list[onnx.TensorProto] = field(default_factory=list)
    constants: dict[Any, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    batch: str | None = None
    batch_source: str = ""


class Writer:
    """Collects the nodes of one graph."""

    def __init__(self, shared: Shared, scope: str = "") -> None:
        self.shared = shared
        self.nodes: list[onnx.NodeProto] = []
        self.names: dict[Node, Any] = {}
        # Values whose broadcast has not been written: they have the axes, but size 1.
        self.thin: dict[Node, tuple[str, tuple[int, ...]]] = {}
        # Values with their channels first, and convolutions that are not written yet.
        self.first: dict[Node, str] = {}
        self.pending: dict[Node, Any] = {}
        self.rectifiers: dict[Node, Node] = {}
        self.uses: dict[Node, int] = {}
        self.label = scope

    # --- names -----------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """Return a name that nothing has."""
        base = hint.replace(" ", "_") or "value"
        name, count = base, 1
        while name in self.shared.taken:
            count += 1
            name = f"{base}_{count}"
        self.shared.taken.add(name)
        return name

    def name(self, node: Node) -> str:
        """Return the name of the value of a node."""
        if node not in self.names and node in self.thin:
            from nervure.exporters.onnx.primitives.movement import expanded

            self.names[node] = expanded(self, node)
        if node not in self.names and self.is_first(node):
            rank = len(node.shape)
            self.names[node] = self.emit(
                "Transpose",
                self.channels_first(node) or "",
                perm=[0, *range(2, rank), 1],
            )
        found: str = self.names[node]
        return found

    def is_first(self, node: Node) -> bool:
        """Tell whether the value of a node is there with its channels first."""
        return node in self.first or node in self.pending

    def channels_first(self, node: Node) -> str | None:
        """Return the name of a value with its channels first, if it is there."""
        if node not in self.first and node in self.pending:
            self.first[node] = self.pending[node].written(self)
        return self.first.get(node)

    def turned_first(self, node: Node) -> str:
        """Return the name of a value with its channels first, turned if need be."""
        name = self.channels_first(node)
        if name is None:
            rank = len(node.shape)
            order = [0, rank - 1, *range(1, rank - 1)]
            name = self.emit("Transpose", self.name(node), perm=order)
            self.first[node] = name
        return name

    def has(self, node: Node) -> bool:
        """Tell whether a node has been written."""
        return node in self.names or node in self.thin or self.is_first(node)

    # --- nodes -----------------------------------------------------------------------

    def emit(self, op: str, *inputs: str, hint: str = "", **attributes: Any) -> str:
        """Write a node with one output and return the output's name."""
        return self.emit_many(op, inputs, 1, hint, **attributes)[0]

    def emit_many(
        self, op: str, inputs: Sequence[str], count: int, hint: str, **attributes: Any
    ) -> list[str]:
        """Write a node with several outputs and return their names."""
        from onnx import helper

        scope = self.label
        base = f"{scope}/{hint or op}" if scope else hint or op
        names = [self.fresh(base) for _ in range(count)]
        given = {key: one for key, one in attributes.items() if one is not None}
        self.nodes.append(
            helper.make_node(op, list(inputs), names, name=names[0], **given)
        )
        return names

    # --- data ------------------------------------------------------------------------

    def data(self, value: Any, hint: str = "constant") -> str:
        """Return the name of data; equal small ones are written once."""
        from onnx import numpy_helper

        array = np.asarray(value)
        key = None
        if array.size <= 64:
            key = (array.dtype.name, array.shape, array.tobytes())
            if key in self.shared.constants:
                return self.shared.constants[key]
        name = self.fresh(hint)
        packed = np.ascontiguousarray(array).reshape(array.shape)
        self.shared.initializers.append(numpy_helper.from_array(packed, name))
        if key is not None:
            self.shared.constants[key] = name
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Return the name of ``int64[n]``."""
        return self.data(np.asarray(list(values), np.int64))

    def scalar_like(self, value: Any, node: Node) -> str:
        """Return the name of a number in the type of a node."""
        return self.data(np.asarray(value, node.dtype))

    def sizes(self, values: Sequence[Size]) -> str:
        """Return the name of ``int64[n]``, computed from the batch where needed."""
        if all(one.fixed for one in values):
            return self.integers([one.rest for one in values])
        parts: list[str] = []
        run: list[int] = []
        for one in values:
            if one.fixed:
                run.append(one.rest)
                continue
            if run:
                parts.append(self.integers(run))
                run = []
            parts.append(self._computed(one))
        if run:
            parts.append(self.integers(run))
        return parts[0] if len(parts) == 1 else self.emit("Concat", *parts, axis=0)

    def _computed(self, size: Size) -> str:
        """Return the name of ``int64[1]``: a multiple of the batch and a rest."""
        name = self._batch()
        if size.factor != 1:
            name = self.emit("Mul", name, self.integers([size.factor]))
        if size.rest:
            name = self.emit("Add", name, self.integers([size.rest]))
        return name

    def _batch(self) -> str:
        if self.shared.batch is None:
            self.shared.batch = self.emit(
                "Shape", self.shared.batch_source, start=0, end=1, hint="batch"
            )
        return self.shared.batch

    def reshaped(self, name: str, sizes: Sequence[Size]) -> str:
        """Write a reshape; one size that follows the batch needs no computation."""
        moving = [k for k, one in enumerate(sizes) if not one.fixed]
        plain = [one.rest for one in sizes]
        if len(moving) == 1 and all(
            plain[k] > 0 for k in range(len(plain)) if k not in moving
        ):
            plain[moving[0]] = -1
            return self.emit("Reshape", name, self.integers(plain))
        return self.emit("Reshape", name, self.sizes(sizes), allowzero=1)
