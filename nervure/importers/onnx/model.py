"""A graph of ONNX as a layer, and the model that consists of it."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.errors import ArgumentError, NervureError, explain, nearest_names
from nervure.importers.onnx.budget import Budget, bytes_for
from nervure.importers.onnx.folding import FoldedGraph, folded
from nervure.importers.onnx.reading import (
    OnnxFile,
    damaged,
    from_proto,
    parsed,
    read_file,
)
from nervure.importers.onnx.records import OnnxValue, dtype_of
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.importers.onnx.running import Rules, constant, outputs_of, run_nodes
from nervure.ir.attrs import NDArray
from nervure.ir.node import TRACED
from nervure.layers import Input
from nervure.models import Model
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.registry import register_keras_serializable
from nervure.nn.variable import Variable
from nervure.train.saving.container import UNUSABLE, is_no_fault_of_a_file

if TYPE_CHECKING:
    import onnx

# What constants may take in a graph that comes from memory, not from a file.
_MOST_BYTES: Final = 1 << 32


@register_keras_serializable("nervure.importers.onnx")
class OnnxGraphLayer(Layer):
    """The nodes of a graph of ONNX, with their weights.

    Made by :func:`load_model`; its weights have the names of the file.

    Parameters
    ----------
    graph
        The nodes and constants that remain after folding: a model of ONNX in base64.
    parameters
        For each weight its name, its shape, its data type, and whether it is trained.

    >>> import nervure as nv, tempfile
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.export(f"{folder}/m.onnx")
    ...     again = load_model(f"{folder}/m.onnx")
    >>> isinstance(again.layers[-1], OnnxGraphLayer), again.count_params()
    (True, 8)
    """

    def __init__(
        self,
        graph: str,
        parameters: Sequence[Sequence[Any]],
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.graph = graph
        self.parameters = [list(one) for one in parameters]
        self._file = parsed(base64.b64decode(graph))
        self.named: dict[str, Variable] = {}
        for name, shape, dtype, trainable in self.parameters:
            self.named[name] = self.add_weight(
                shape,
                "zeros",
                dtype,
                bool(trainable),
                name=re.sub(r"[/:]", ".", name) or "weight",
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the outputs for the inputs, in the order of the file."""
        graph = self._file.graph
        values = inputs if isinstance(inputs, list | tuple) else [inputs]
        known = {name: constant(data) for name, data in graph.initializers.items()}
        known |= {name: weight.value for name, weight in self.named.items()}
        for value, array in zip(graph.inputs, values, strict=True):
            wanted = value.dtype or array.dtype
            known[value.name] = array if array.dtype == wanted else array.astype(wanted)
        traced = any(one.tracking == TRACED for one in values)
        # Among values that are all known, constants cannot be told from results.
        most = bytes_for(len(self.graph)) if traced else None
        budget = Budget(len(graph.nodes), most)
        rules = Rules(self._file.opsets, self._file.functions, budget=budget)
        run_nodes(graph.nodes, rules, known)
        outputs = outputs_of(graph, known)
        return outputs[0] if len(outputs) == 1 else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data."""
        config = dict(super().get_config())
        return {**config, "graph": self.graph, "parameters": self.parameters}


def load_model(
    path: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    *,
    known: Mapping[str, npt.ArrayLike] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    max_bytes: int | None = None,
) -> Model:
    """Read a model of ONNX: one that predicts, can be trained, and be differentiated.

    Parameters
    ----------
    path
        A ``.onnx`` file.  Data in other files are read from its folder only.
    custom_objects
        Not used; every reader of models has it.
    known
        Values for inputs that decide shapes; they become part of the model.
    input_shapes
        Other shapes than those of the file, batch first, None where a size varies:
        ``{"data": (None, 3, 224, 224)}`` for a file that says a batch of 1.
    outputs
        The names of the values to return, instead of the file's outputs: any value of
        the graph, such as the features before a classifier.
    max_bytes
        How many bytes constants may take that the graph computes before it runs; by
        default twice the file's size and 24 MiB, so that a small file stays small.

    Returns
    -------
    Model
        Inputs are as in the file: images have their channels first.

    Raises
    ------
    UnsupportedError
        For an operator, a version or a type that Nervure does not compute; it is named.
    FileFormatError
        For a damaged file, and for external data outside its folder.
    OSError
        When the file cannot be read.

    >>> import os, tempfile
    >>> import numpy as np
    >>> import nervure as nv
    >>> from nervure.importers import onnx
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "m.onnx")
    ...     model.export(path)
    ...     again = onnx.load_model(path)
    >>> x = np.ones((4, 3), "float32")
    >>> bool(np.allclose(again.predict(x), model.predict(x)))
    True
    """
    del custom_objects
    name = Path(path).stem
    file = read_file(path)
    most = bytes_for(Path(path).stat().st_size) if max_bytes is None else max_bytes
    try:
        return model_of(file, name, known, input_shapes, outputs, most)
    except (NervureError, OSError):
        raise
    except UNUSABLE as error:
        if is_no_fault_of_a_file(error):
            raise
        raise damaged(f"it describes no model ({error})") from error


def load_weights(model: Model, path: Path) -> None:
    """Raise: which weight of a file is which of another model, nobody can tell.

    >>> import nervure as nv
    >>> load_weights(nv.models.Sequential(), Path("weights.onnx"))
    Traceback (most recent call last):
        ...
    nervure.errors.ArgumentError: ...
    """
    raise ArgumentError(
        explain(
            f"the weights of {str(path)!r} cannot be put into {model.name!r}: ONNX has "
            "no names that models share",
            fix="read the model itself with nervure.models.load_model",
        )
    )


def model_from_proto(
    proto: onnx.ModelProto,
    *,
    known: Mapping[str, npt.ArrayLike] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
) -> Model:
    """Return the model of a ``ModelProto`` in memory; see :func:`load_model`.

    ``known`` gives values for inputs that decide shapes, as for :func:`load_model`.

    >>> from onnx import helper
    >>> from nervure.importers import onnx
    >>> x = helper.make_tensor_value_info("x", 1, ("batch", 2))
    >>> y = helper.make_tensor_value_info("y", 1, ("batch", 2))
    >>> node = helper.make_node("Exp", ["x"], ["y"])
    >>> graph = helper.make_graph([node], "g", [x], [y])
    >>> model = onnx.model_from_proto(helper.make_model(graph))
    >>> model.predict([[0.0, 0.0]]).tolist()
    [[1.0, 1.0]]
    """
    name = proto.graph.name or "model"
    return model_of(from_proto(proto), name, known, input_shapes, outputs)


def model_of(
    file: OnnxFile,
    name: str,
    known: Mapping[str, npt.ArrayLike] | None = None,
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    max_bytes: int = _MOST_BYTES,
) -> Model:
    """Return the model of a file that was read."""
    if outputs is not None:
        file = _with_outputs(file, outputs)
    given = _checked_known(file, known or {})
    parts = folded(file, given, max_bytes)
    tensors = [
        _input(value, (input_shapes or {}).get(value.name)) for value in parts.inputs
    ]
    if not tensors:
        raise UnsupportedError("", "its outputs depend on no input")
    layer = _layer(file, parts)
    results = layer(tensors[0] if len(tensors) == 1 else tensors)
    return Model(
        tensors[0] if len(tensors) == 1 else tensors,
        results,
        name=_plain_name(name),
    )


def _layer(file: OnnxFile, parts: FoldedGraph) -> OnnxGraphLayer:
    proto = _remaining(file, parts)
    described = [
        [name, list(one.value.shape), one.value.dtype.name, one.trainable]
        for name, one in parts.weights.items()
    ]
    floats = {
        one.dtype for one in parts.inputs if one.dtype and dtypes.is_float(one.dtype)
    }
    dtype = floats.pop() if len(floats) == 1 else dtypes.DEFAULT_FLOAT
    text = base64.b64encode(proto.SerializeToString()).decode()
    layer = OnnxGraphLayer(text, described, name="graph", dtype=dtype)
    for name, one in parts.weights.items():
        layer.named[name].assign(one.value)
    return layer


def _remaining(file: OnnxFile, parts: FoldedGraph) -> onnx.ModelProto:
    """Return a model of the nodes that are left, with constants but without weights."""
    import onnx

    proto = onnx.ModelProto()
    proto.ir_version = file.proto.ir_version
    proto.opset_import.extend(file.proto.opset_import)
    proto.functions.extend(file.proto.functions)
    proto.graph.name = file.proto.graph.name
    proto.graph.node.extend(node.proto for node in parts.nodes)
    inputs = {value.name: value for value in file.proto.graph.input}
    proto.graph.input.extend(inputs[value.name] for value in parts.inputs)
    proto.graph.output.extend(
        onnx.ValueInfoProto(name=value.name) for value in file.graph.outputs
    )
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(
            np.ascontiguousarray(data).reshape(data.shape), name
        )
        for name, data in parts.constants.items()
    )
    return proto


def _nearest_value(name: str, known: Collection[str]) -> str:
    near = " or ".join(repr(one) for one in nearest_names(name, known))
    return f"did you mean {near}?" if near else f"it has {', '.join(sorted(known)[:9])}"


def _with_outputs(file: OnnxFile, names: Sequence[str]) -> OnnxFile:
    from dataclasses import replace

    made = {name for node in file.graph.nodes for name in node.outputs}
    for name in names:
        if name not in made:
            raise ArgumentError(
                explain(
                    f"the graph has no value {name!r}",
                    fix=_nearest_value(name, made),
                )
            )
    values = tuple(OnnxValue(name, None, None) for name in names)
    return replace(file, graph=replace(file.graph, outputs=values))


def _checked_known(
    file: OnnxFile, known: Mapping[str, npt.ArrayLike]
) -> dict[str, NDArray]:
    inputs = {value.name: value for value in file.graph.inputs}
    given = {}
    for name, value in known.items():
        if name not in inputs:
            raise ArgumentError(
                explain(
                    f"the graph has no input {name!r}",
                    fix="its inputs are " + ", ".join(map(repr, inputs)),
                )
            )
        given[name] = np.asarray(value, inputs[name].dtype)
    return given


def _input(value: OnnxValue, shape: Sequence[int | None] | None) -> Any:
    wanted = value.shape if shape is None else tuple(shape)
    if wanted is None:
        raise UnsupportedError(
            "",
            f"the rank of its input {value.name!r} is not said",
            fix=f"give load_model(path, input_shapes={{{value.name!r}: (None, ...)}})",
        )
    if value.dtype is None and value.element:
        dtype_of(value.element)  # refused by name
    if value.dtype is None:
        raise UnsupportedError("", f"its input {value.name!r} is no array")
    return Input(batch_shape=wanted, dtype=value.dtype, name=_plain_name(value.name))


def _plain_name(name: str) -> str:
    return name.replace("/", ".") or "onnx"
