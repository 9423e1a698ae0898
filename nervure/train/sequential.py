"""Models that are a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from nervure import tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, NotBuiltError, explain
from nervure.ir.node import scope
from nervure.nn.layer import Layer
from nervure.nn.layers import Input, InputLayer
from nervure.nn.masking import with_mask
from nervure.nn.serialization import deserialize, know_classes, serialize
from nervure.nn.symbolic import (
    Call,
    PartialShape,
    SymbolicTensor,
    TensorType,
    as_partial_shape,
)
from nervure.train.model import Model


class Sequential(Model):
    """Layers, one after the other: the output of each is the input of the next.

    Parameters
    ----------
    layers
        The layers.  The first may be ``Input(shape)``, or know the shape of its input
        (``Dense(32, input_shape=(784,))``); then the model is built at once.  Otherwise
        it is built when it first sees data.
    name, trainable, dtype
        As for every :class:`~nervure.models.Model`.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(32, input_shape=(784,), activation="relu"),
    ...     nv.layers.Dense(10, activation="softmax"),
    ... ])
    >>> model.output_shape, model.count_params()
    ((None, 10), 25450)
    """

    def __init__(
        self,
        layers: Iterable[Any] | None = None,
        name: str | None = None,
        *,
        trainable: bool = True,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self._stack: list[Layer] = []
        # The symbolic tensors before the first layer and after each one; empty as long
        # as the shape of the input is unknown.
        self._tensors: list[SymbolicTensor] = []
        for layer in _as_list(layers):
            self.add(layer)

    # --- changing the stack ----------------------------------------------------------

    def add(self, layer: Any) -> None:
        """Put a layer on top.

        Raises
        ------
        ArgumentError
            For what is no layer, and for a layer whose name is taken.
        ShapeError
            When the output of the layer below does not fit.  Nothing is changed then.
        """
        if isinstance(layer, SymbolicTensor | InputLayer):
            self._add_input(layer)
            return
        self._check(layer)
        tensors = self._tensors
        if not self._stack and not tensors:
            known = _known_input(layer)
            tensors = [] if known is None else [known]
        if tensors:
            tensors = [*tensors, self._called(layer, tensors[-1])]
        self._tensors = tensors
        self._stack.append(layer)
        self._changed()

    def pop(self) -> Layer:
        """Take the topmost layer off and return it.

        Raises :class:`~nervure.errors.ArgumentError` when there is none.
        """
        if not self._stack:
            raise ArgumentError(
                explain(
                    f"the model {self.name!r} has no layers, so none can be taken off",
                    fix="add a layer first, with model.add(layer)",
                )
            )
        layer = self._stack.pop()
        if self._tensors:
            self._tensors.pop()
        self._changed()
        return layer

    def build(self, input_shape: Any) -> None:
        """Build the layers for inputs of a shape, with the batch first.

        Raises
        ------
        NotBuiltError
            When there is no layer.
        ShapeError
            When the layers do not fit; nothing is built then.
        """
        if not self._stack:
            raise NotBuiltError(
                explain(
                    f"the model {self.name!r} has no layers, so it computes nothing",
                    fix="add layers with model.add(...)",
                )
            )
        if self._tensors:
            return
        shape = as_partial_shape(input_shape)
        tensors = [Input(batch_shape=(None, *shape[1:]), dtype=self.dtype)]
        for layer in self._stack:
            tensors.append(layer(tensors[-1]))
        self._tensors = tensors

    def _add_input(self, given: SymbolicTensor | InputLayer) -> None:
        if self._stack or self._tensors:
            raise ArgumentError(
                explain(
                    f"an Input must come first, but {self.name!r} has "
                    + (f"{len(self._stack)} layers" if self._stack else "one already"),
                    fix="make a new model that starts with the Input",
                )
            )
        tensor = given.output if isinstance(given, InputLayer) else given
        self._tensors = [tensor]

    def _check(self, layer: Any) -> None:
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ArgumentError(
                explain(
                    f"expected a layer, got the class {layer.__name__}",
                    fix=f"make one: {layer.__name__}(...)",
                )
            )
        if not isinstance(layer, Layer):
            raise ArgumentError(
                explain(
                    f"expected a layer, got {layer!r}",
                    fix="add layers such as nervure.layers.Dense(10)",
                )
            )
        if any(inner is self for inner in layer.flattened()):
            raise ArgumentError(
                explain(
                    f"the model {self.name!r} cannot be a layer of itself",
                    fix="make a new model for the inner one",
                )
            )
        if any(layer.name == other.name for other in self._stack):
            raise ArgumentError(
                explain(
                    f"the model {self.name!r} has a layer named {layer.name!r} already",
                    fix="give each layer a name of its own, and add each only once",
                )
            )

    def _called(self, layer: Layer, tensor: SymbolicTensor) -> SymbolicTensor:
        with scope(self.name):
            output: SymbolicTensor = layer(tensor)
        return output

    def _changed(self) -> None:
        """Bring what depends on the layers up to date."""
        self.built = bool(self._stack and self._tensors)
        self.built_for = self._tensors[0].shape if self.built else None
        self.forget_programs()

    # --- what the model is -----------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers from bottom to top, without the input."""
        return list(self._stack)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pass the input through all layers."""
        if mask is not None and isinstance(inputs, Array):
            inputs = with_mask(inputs, mask)
        for layer in self._stack:
            inputs = layer(inputs)
        return inputs

    @property
    def operations(self) -> list[Layer]:
        """The layers from bottom to top: nothing is between them."""
        return list(self._stack)

    @property
    def input_names(self) -> list[str]:
        """The name of the input in a list; empty as long as its shape is unknown."""
        return [one.name for one in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The name of the topmost layer in a list; empty when there is none."""
        return [one.name for one in self._stack[-1:]]

    @property
    def input_structure(self) -> tree.Structure:
        """A single tensor."""
        return tree.LEAF

    @property
    def output_structure(self) -> tree.Structure | None:
        """A single tensor, unless the topmost layer gives several."""
        if self._tensors and not isinstance(self._tensors[-1], SymbolicTensor):
            return tree.flatten(self._tensors[-1])[1]
        return tree.LEAF

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic input in a list; empty as long as its shape is unknown."""
        return self._tensors[:1]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic output in a list; empty as long as its shape is unknown."""
        return self._tensors[-1:]

    @property
    def input(self) -> SymbolicTensor:
        """The symbolic input."""
        return self._tensor(0, "input")

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic output."""
        return self._tensor(-1, "output")

    @property
    def input_shape(self) -> PartialShape:
        """The shape of the input; None for the size of the batch."""
        return self.input.shape

    @property
    def output_shape(self) -> PartialShape:
        """The shape of the output; None for the size of the batch."""
        return self.output.shape

    @property
    def input_dtype(self) -> DType:
        """The data type in which the model takes its input."""
        return self._tensors[0].dtype if self._tensors else self.dtype

    def _tensor(self, place: int, wanted: str) -> SymbolicTensor:
        if not self._tensors:
            raise NotBuiltError(
                explain(
                    f"the model {self.name!r} has no {wanted} yet: the shape of its "
                    "input is not known",
                    fix="give the first layer input_shape=..., start with "
                    "Input(shape), or call the model on data",
                )
            )
        return self._tensors[place]

    # --- copies ----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs, the tensors without the chain of calls."""
        types = [tree.map_leaves(TensorType.of, one) for one in self._tensors]
        return {**super().__getstate__(), "_tensors": types}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        types, self._tensors = self._tensors, []
        for place, one in enumerate(types):
            if not place:
                first: TensorType = one  # type: ignore[assignment]
                made = Input(
                    batch_shape=first.shape, dtype=first.dtype, name=first.name
                )
                made.mask = first.tensor().mask
                self._tensors.append(made)
                continue
            made = tree.map_leaves(lambda type_: type_.tensor(), one)
            layer = self._stack[place - 1]
            layer.remember_call(Call(layer, ((self._tensors[-1],), {}), made))
            self._tensors.append(made)

    # --- plain data ------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the layers as plain data, and the shape of the input if it is known.

        A subclass with a constructor of its own returns the constructor's arguments.
        """
        if type(self).__init__ is not Sequential.__init__:
            return super().get_config()
        stack = [serialize(one) for one in self._stack]
        if self._tensors:
            tensor = self._tensors[0]
            entry = InputLayer(
                batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
            )
            stack.insert(0, serialize(entry))
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype.name,
            "layers": stack,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Any:
        """Make a model with new weights from what :meth:`get_config` returned.

        ``custom_objects`` are further classes and functions by name.
        """
        if cls.__init__ is not Sequential.__init__:
            return super().from_config(config, custom_objects)
        layers = [deserialize(one, custom_objects) for one in config["layers"]]
        return cls(
            layers,
            name=config["name"],
            trainable=config.get("trainable", True),
            dtype=config.get("dtype"),
        )


def _as_list(layers: Any) -> list[Any]:
    if layers is None:
        return []
    if isinstance(layers, list | tuple):
        return list(layers)
    raise ArgumentError(
        explain(
            f"layers must be a list of layers, got {layers!r}",
            fix="write Sequential([Dense(32), Dense(10)])",
        )
    )


def _known_input(layer: Layer) -> SymbolicTensor | None:
    """Return the input that a first layer says it takes, or None."""
    if isinstance(layer, Model):
        inputs = layer.inputs
        return (
            Input(batch_shape=inputs[0].shape, dtype=inputs[0].dtype)
            if inputs
            else None
        )
    shape = layer.declared_input_shape
    if shape is None and isinstance(layer.built_for, tuple):
        shape = (None, *layer.built_for[1:])
    return None if shape is None else Input(batch_shape=shape, dtype=layer.dtype)


know_classes({"Sequential": Sequential, "Functional": Model, "Model": Model})
