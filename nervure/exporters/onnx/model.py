"""A model as a file of ONNX."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from nervure import tree
from nervure._version import __version__
from nervure.array import Array
from nervure.errors import ArgumentError, NotBuiltError, as_path, explain
from nervure.exporters.onnx import primitives as _registered  # noqa: F401
from nervure.exporters.onnx.primitives.control import twins, write_nodes
from nervure.exporters.onnx.sizes import FIRST_BATCH, SECOND_BATCH
from nervure.exporters.onnx.writer import TYPE_NUMBERS, ExportError, Shared, Writer
from nervure.ir.graph import substitute
from nervure.ir.node import Node
from nervure.nn.symbolic import SymbolicTensor
from nervure.prims.leaf import buffer_leaf, input_leaf
from nervure.state import Cell, tracing_cells
from nervure.train.model import Model
from nervure.train.saving.atomic import write_atomically

if TYPE_CHECKING:
    import onnx

# The version of the operators that is written, and of the file.
OPSET: Final = 20
_IR_VERSION: Final = 9


def export_model(
    model: Model,
    path: str | os.PathLike[str],
    *,
    batch_size: int | None = None,
) -> None:
    """Write a model that predicts as a ``.onnx`` file.

    Parameters
    ----------
    model
        A model that knows its inputs.
    path
        Ends in ``.onnx``.
    batch_size
        The number of samples, if it shall be fixed.  By default the file takes any.

    Raises
    ------
    ExportError
        For a computation that ONNX has no operator for; the layer is named.
    ArgumentError
        For another ending.
    NotBuiltError
        When the model does not know the shapes of its inputs.

    >>> import os, tempfile
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.export(os.path.join(folder, "m.onnx"))
    ...     os.listdir(folder)
    ['m.onnx']
    """
    place = as_path(path)
    if place.suffix.lower() != ".onnx":
        raise ArgumentError(
            explain(
                f"a model is exported to a file that ends in .onnx, got {str(path)!r}",
                fix="write model.export('model.onnx')",
            )
        )
    write_atomically(
        place, model_proto(model, batch_size=batch_size).SerializeToString()
    )


def model_proto(model: Model, *, batch_size: int | None = None) -> onnx.ModelProto:
    """Return what :func:`export_model` writes, as a ``ModelProto``.

    Raises
    ------
    NotBuiltError
        For a model that does not know its inputs.

    >>> import nervure as nv
    >>> from nervure.exporters.onnx import model_proto
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    >>> [node.op_type for node in model_proto(model).graph.node]
    ['MatMul', 'Add']
    """
    from onnx import helper

    if not model.inputs:
        raise NotBuiltError(
            explain(
                f"the model {model.name!r} does not know its inputs, so it cannot be "
                "exported",
                fix="make it of layers.Input, or give its first layer input_shape=",
            )
        )
    free = any(None in one.shape for one in model.inputs) and batch_size is None
    sizes = (FIRST_BATCH, SECOND_BATCH) if free else (batch_size or 1,) * 2
    first = _Traced(model, sizes[0])
    second = _Traced(model, sizes[1]) if free else first
    shared = Shared()
    writer = Writer(shared)
    names = [writer.fresh(one.name) for one in model.inputs]
    follows = [k for k, one in enumerate(model.inputs) if one.shape[:1] == (None,)]
    shared.batch_source = names[follows[0]] if follows else ""
    output_names = [writer.fresh(name) for name in _output_names(model, first)]
    given = dict(zip(first.leaves, names, strict=True))
    weights = _Weights()
    pairs = twins(weights.put_into(first), weights.put_into(second))
    write_nodes(writer, pairs, given)
    ends = weights.put_into(first)
    for name, node in zip(output_names, ends, strict=True):
        writer.nodes.append(
            helper.make_node("Identity", [writer.name(node)], [name], name=name)
        )
    _rename_last(writer, output_names)
    writer.nodes = _needed(writer.nodes, output_names)
    used = {name for node in writer.nodes for name in _read_names(node)}
    graph = helper.make_graph(
        writer.nodes,
        model.name,
        [
            _information(n, a, b)
            for n, a, b in zip(names, first.leaves, second.leaves, strict=True)
        ],
        [
            _information(n, a, b)
            for n, a, b in zip(output_names, first.outputs, second.outputs, strict=True)
        ],
        [one for one in shared.initializers if one.name in used],
    )
    return helper.make_model(
        graph,
        producer_name="nervure",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )


class _Traced:
    """A model's graph for one batch size: leaves, cells (weights) and outputs."""

    leaves: list[Node]
    outputs: list[Node]
    cells: dict[Node, Cell]

    def __init__(self, model: Model, batch: int) -> None:
        self.leaves = [
            input_leaf(_sizes(one, batch), one.dtype, one.name) for one in model.inputs
        ]
        arrays = [Array.of_node(leaf) for leaf in self.leaves]
        structure = model.input_structure
        given = arrays[0] if structure is None else tree.unflatten(structure, arrays)
        with tracing_cells() as cells:
            results = model(given, training=False)
        self.outputs = [one.node for one in tree.flatten(results)[0]]
        self.cells = {leaf: cell for cell, leaf in cells.leaves.items()}


class _Weights:
    """The weights as data of the graph, the same for both batch sizes."""

    def __init__(self) -> None:
        self.leaves: dict[Cell, Node] = {}

    def put_into(self, traced: _Traced) -> list[Node]:
        """Return the outputs with values instead of cells."""
        replacement = {}
        for leaf, cell in traced.cells.items():
            if cell not in self.leaves:
                label = getattr(cell, "path", cell.name)
                self.leaves[cell] = buffer_leaf(cell.stored.numpy(), label)
            replacement[leaf] = self.leaves[cell]
        return substitute(traced.outputs, replacement)


def _needed(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """Return the nodes on which the outputs depend."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(_read_names(node))
            kept.append(node)
    return kept[::-1]


def _sizes(tensor: SymbolicTensor, batch: int) -> tuple[int, ...]:
    if None in tensor.shape[1:]:
        raise ExportError(
            explain(
                f"the input {tensor.name!r} has sizes besides the batch that vary: "
                f"{tensor.type_text}",
                fix="make the model for one size",
            )
        )
    return tuple(batch if one is None else one for one in tensor.shape)


def _output_names(model: Model, traced: _Traced) -> list[str]:
    names = model.known_output_names or []
    if len(names) != len(traced.outputs):
        return [f"output_{k}" for k in range(len(traced.outputs))]
    return list(names)


def _rename_last(writer: Writer, outputs: Sequence[str]) -> None:
    """Let the node that computes an output have its name, where only it is asked."""
    readers: dict[str, int] = {}
    for node in writer.nodes:
        for name in _read_names(node):
            readers[name] = readers.get(name, 0) + 1
    makers = {name: node for node in writer.nodes for name in node.output}
    for name in outputs:
        last = makers[name]
        source = last.input[0]
        if readers[source] != 1 or source not in makers:
            continue
        maker = makers[source]
        maker.output[list(maker.output).index(source)] = name
        writer.nodes.remove(last)


def _read_names(node: Any) -> list[str]:
    names = list(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names += _read_names(inner)
            names += [one.name for one in attribute.g.output]
    return names


def _information(name: str, first: Node, second: Node) -> Any:
    from onnx import helper

    shape = [
        a if a == b else "batch" if a == FIRST_BATCH else None
        for a, b in zip(first.shape, second.shape, strict=True)
    ]
    return helper.make_tensor_value_info(name, TYPE_NUMBERS[first.dtype.name], shape)
