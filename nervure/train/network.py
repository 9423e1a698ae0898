"""Models as networks of layers: their graph, their parts, their summary."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from nervure import ops, tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import (
    ArgumentError,
    ShapeError,
    explain,
    unknown_name,
)
from nervure.nn.call_graph import CallGraph
from nervure.nn.graph_config import connected, graph_config
from nervure.nn.inference import infer_outputs
from nervure.nn.layer import Layer
from nervure.nn.layers import Operation
from nervure.nn.masking import mask_leaves, mask_of, with_mask
from nervure.nn.registry import CustomObjectScope
from nervure.nn.symbolic import PartialShape, SymbolicTensor, map_shapes
from nervure.train.arrange import arranged
from nervure.train.json_form import to_json
from nervure.train.summary import summary_text


class Network(Layer):
    """A layer made of layers, which may know the graph that connects them."""

    _graph: CallGraph | None
    _graph_layers: list[Layer]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Make a network that has no graph yet."""
        network = super().__new__(cls, *args, **options)
        network._graph = None
        network._graph_layers = []
        # The layers inside say what becomes of masks.
        network.supports_masking = True
        return network

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        if inputs is None and outputs is None:
            return
        if inputs is None or outputs is None:
            missing = "inputs" if inputs is None else "outputs"
            raise ArgumentError(
                explain(
                    f"the model {self.name!r} got no {missing}",
                    fix="write Model(inputs, outputs), or define call() in a subclass",
                )
            )
        self._graph = CallGraph(inputs, outputs, self.name)
        self._graph_layers = self._graph.operations
        self.built = True
        self.built_for = self.input_shape
        if not trainable:
            self.trainable = False

    # --- the parts -------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside the model, without the operations on tensors."""
        return [one for one in self.operations if not isinstance(one, Operation)]

    @property
    def operations(self) -> list[Layer]:
        """The layers directly inside the model, and the operations between them."""
        return self._sublayers() if self._graph is None else self._graph.operations

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name or by its place among :attr:`layers`.

        Raises
        ------
        UnknownNameError
            For an unknown name, with the nearest ones.
        ArgumentError
            For a place that does not exist, or when not exactly one of both is given.
        """
        if (name is None) == (index is None):
            raise ArgumentError(
                explain(
                    "get_layer expects a name or an index, got "
                    + ("neither" if name is None else "both"),
                    fix="write model.get_layer('dense') or model.get_layer(index=0)",
                )
            )
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ArgumentError(
                    explain(
                        f"the model {self.name!r} has {len(layers)} layers, there is "
                        "none "
                        f"with index {index}",
                        fix=f"count from 0 to {len(layers) - 1}, or name the layer",
                    )
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise unknown_name("layer", name, [layer.name for layer in layers])

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print the table of layers with the numbers of parameters.

        Parameters
        ----------
        line_length
            The number of characters of a line; by default as many as needed.
        print_fn
            Called once with the whole text, instead of ``print``.
        expand_nested
            Show the layers of models inside this one as well.
        show_trainable
            Add a column that says whether training changes the layer.
        """
        text = summary_text(self, line_length, show_trainable, expand_nested)
        (print_fn or print)(text)

    # --- inputs and outputs ----------------------------------------------------------

    @property
    def graph(self) -> CallGraph | None:
        """The calls between inputs and outputs; None where ``call`` defines them."""
        return self._graph

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs; empty as long as their shapes are unknown."""
        return [] if self._graph is None else list(self._graph.inputs)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs; empty as long as their shapes are unknown."""
        return [] if self._graph is None else list(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs in the structure in which they were given."""
        if self._graph is None:
            return super().input
        return tree.unflatten(self._graph.input_structure, self._graph.inputs)

    @property
    def output(self) -> Any:
        """The symbolic outputs in the structure in which they were given."""
        if self._graph is None:
            return super().output
        return tree.unflatten(self._graph.output_structure, self._graph.outputs)

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs; None for unknown sizes."""
        if self._graph is None:
            return super().input_shape
        return tree.map_leaves(lambda one: one.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs; None for unknown sizes."""
        if self._graph is None:
            return super().output_shape
        return tree.map_leaves(lambda one: one.shape, self.output)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs; empty where ``call`` defines the model."""
        return [] if self._graph is None else self._graph.input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs; empty where unknown."""
        return [] if self._graph is None else self._graph.output_names

    @property
    def input_structure(self) -> tree.Structure | None:
        """How the inputs are arranged; None where ``call`` defines it."""
        return None if self._graph is None else self._graph.input_structure

    @property
    def output_structure(self) -> tree.Structure | None:
        """How the outputs are arranged; None where ``call`` defines it."""
        return None if self._graph is None else self._graph.output_structure

    @property
    def input_dtype(self) -> DType:
        """The data type in which the model takes its input."""
        return self._graph.inputs[0].dtype if self._graph is not None else self.dtype

    # --- calling ---------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights of all layers for inputs of a shape, batch first.

        Raises what ``call`` raises when it is tried on inputs of this shape.
        """
        if self._graph is None:
            inputs = map_shapes(
                lambda shape: SymbolicTensor(shape, self.dtype, ""), input_shape
            )
            infer_outputs(functools.partial(self._run, False), (inputs,), {})
            self.clear_losses()

    def _build_for(self, shapes: Any) -> None:
        if type(self).build is Network.build:
            # The call that is about to happen builds the layers inside.
            self.built_for = shapes
        else:
            super()._build_for(shapes)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pass the inputs through the graph; a subclass may define its own ``call``."""
        if self._graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} does not define call(), and it was given no "
                "inputs and outputs"
            )
        graph = self._graph
        arrays = arranged(inputs, graph.input_structure, graph.input_names, "inputs")
        masks = mask_leaves(mask)
        if len(masks) != len(arrays):
            masks = [None] * len(arrays)
        values = [
            self._entering(array, tensor, given)
            for array, tensor, given in zip(arrays, graph.inputs, masks, strict=True)
        ]
        return graph.run(values)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return no further masks: the layers inside have attached theirs."""

    def _entering(self, given: Any, tensor: SymbolicTensor, mask: Any) -> Array:
        """Return an array as the graph takes it, with a mask that was passed."""
        array = ops.asarray(given)
        kept = mask_of(given) if mask is None else mask
        shape = tensor.shape
        if not _fits(array.shape, shape):
            if array.shape[-1:] == (1,) and _fits(array.shape[:-1], shape):
                array = ops.squeeze(array, -1)
            elif _fits((*array.shape, 1), shape):
                array = ops.expand_dims(array, -1)
            else:
                raise ShapeError(
                    explain(
                        f"the model {self.name!r} expects the input {tensor.name!r} of "
                        f"shape {list(shape)}, got {list(array.shape)}",
                        fix="pass the features that the model was made for",
                    )
                )
        return with_mask(ops.astype(array, tensor.dtype), kept)

    # --- plain data ------------------------------------------------------------------

    @property
    def serialized_class_name(self) -> str | None:
        """How data call the class: a model with a graph and no class of its own."""
        return "Functional" if type(self).__name__ == "Model" else None

    def get_config(self) -> dict[str, Any]:
        """Return the layers and how they are connected, as plain data.

        A subclass with a constructor of its own returns the constructor's arguments.
        """
        if self._graph is None or not self._keeps_constructor():
            return super().get_config()
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype.name,
            **graph_config(self._graph),
        }

    def _config_names(self) -> list[str]:
        names = super()._config_names()
        if not self._keeps_constructor():
            return names
        return [one for one in names if one not in ("inputs", "outputs")]

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """Make a model with new weights from what :meth:`get_config` returned.

        ``custom_objects`` are further classes and functions by name.
        """
        with CustomObjectScope(custom_objects):
            if "input_layers" not in config:
                return super().from_config(config)
            inputs, outputs = connected(config)
        return cls(
            inputs,
            outputs,
            name=config["name"],
            trainable=config.get("trainable", True),
            dtype=config.get("dtype"),
        )

    def _keeps_constructor(self) -> bool:
        """Tell whether a class is made with inputs and outputs, as ``Model`` is."""
        return type(self).__init__ is Network.__init__

    def to_json(self, **options: Any) -> str:
        """Return the layers and how they are connected as JSON, without weights.

        ``options`` are those of :func:`json.dumps`.  Raises :class:`TypeError` for
        functions and classes of one's own that were not registered.
        """
        return to_json(self, **options)


def _fits(shape: tuple[int, ...], wanted: PartialShape) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or one == size for one, size in zip(shape, wanted, strict=True)
    )
