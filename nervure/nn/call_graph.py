"""The graph of a model: which calls of layers lead from its inputs to its outputs.

Its nodes are calls, not layers, so a layer may be used many times.  The order of the
layers is that of Keras: by the distance to the outputs, then as a search from the
outputs meets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from nervure import tree
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.layer import Layer
from nervure.nn.layers.input import InputLayer
from nervure.nn.symbolic import Call, SymbolicTensor, TensorType


class _Step(NamedTuple):
    """A call, with its arguments taken apart once."""

    call: Call
    leaves: list[Any]
    structure: tree.Structure


class _Number(NamedTuple):
    """Stands for a tensor in a copy's state."""

    place: int


class CallGraph:
    """The calls between symbolic inputs and outputs, in an order to run them.

    Parameters
    ----------
    inputs, outputs
        Symbolic tensors in lists, tuples and dicts.  An input may come out of another
        layer: then the graph begins there.
    name
        The model's name, for messages.

    Raises
    ------
    ArgumentError
        For what is no symbolic tensor, for outputs that do not follow from the inputs
        alone, for calls in a circle, and for two layers of one name.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str) -> None:
        self._name = name
        self.inputs, self.input_structure = _tensors(inputs, "inputs", name)
        self.outputs, self.output_structure = _tensors(outputs, "outputs", name)
        _check_distinct(self.inputs, name)
        # For each input, the call of an input layer that brings it in.
        self._entries = {id(one): _entry(one) for one in self.inputs}
        calls, found = self._search()
        self.operations = self._ordered_layers(calls, found)
        _check_names(self.operations, name)
        self._steps = [
            _Step(call, *tree.flatten(call.arguments))
            for call in calls
            if not isinstance(call.layer, InputLayer)
        ]

    @property
    def calls(self) -> list[Call]:
        """The calls in the order in which they run, without those of the inputs."""
        return [step.call for step in self._steps]

    @property
    def input_layers(self) -> list[InputLayer]:
        """The layers where the inputs enter, in the order of the inputs."""
        return [self._entries[id(one)].layer for one in self.inputs]  # type: ignore[misc]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in their order."""
        return [layer.name for layer in self.input_layers]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs, in their order."""
        return [self.call_of(one).layer.name for one in self.outputs]

    def call_of(self, tensor: SymbolicTensor) -> Call:
        """Return the call that gives a tensor of the graph."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            return entry
        assert tensor.origin is not None
        return tensor.origin[0]

    def run(self, values: Sequence[Array]) -> Any:
        """Call the layers on arrays and return the outputs in their structure."""
        known: dict[int, Any] = {
            id(tensor): value for tensor, value in zip(self.inputs, values, strict=True)
        }
        for step in self._steps:
            leaves = [
                known[id(leaf)] if isinstance(leaf, SymbolicTensor) else leaf
                for leaf in step.leaves
            ]
            args, kwargs = tree.unflatten(step.structure, leaves)
            results = tree.flatten(step.call.layer(*args, **kwargs))[0]
            tensors = tree.flatten(step.call.outputs)[0]
            known |= {
                id(one): result for one, result in zip(tensors, results, strict=True)
            }
        return tree.unflatten(
            self.output_structure, [known[id(one)] for one in self.outputs]
        )

    # --- copies ----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return the graph as flat lists: a chain of calls may be very long."""
        tensors: dict[int, int] = {}
        types: list[TensorType] = []

        def number(tensor: SymbolicTensor) -> _Number:
            if id(tensor) not in tensors:
                tensors[id(tensor)] = len(types)
                types.append(TensorType.of(tensor))
            return _Number(tensors[id(tensor)])

        def numbered(leaves: list[Any]) -> list[Any]:
            return [
                number(one) if isinstance(one, SymbolicTensor) else one
                for one in leaves
            ]

        calls = []
        for step in self._steps:
            outputs, structure = tree.flatten(step.call.outputs)
            calls.append(
                (
                    *(step.call.layer, numbered(step.leaves), step.structure),
                    *(numbered(outputs), structure),
                )
            )
        return {
            "name": self._name,
            "operations": self.operations,
            "calls": calls,
            "inputs": (numbered(self.inputs), self.input_structure),
            "outputs": (numbered(self.outputs), self.output_structure),
            "entries": self.input_layers,
            "types": types,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        tensors = [one.tensor() for one in state["types"]]
        self._entries = {}
        for number, layer in zip(state["inputs"][0], state["entries"], strict=True):
            if layer.tensor.name == tensors[number.place].name:
                tensors[number.place] = layer.tensor
            self._entries[id(tensors[number.place])] = layer.entry

        def leaves_of(leaves: list[Any]) -> list[Any]:
            return [
                tensors[one.place] if isinstance(one, _Number) else one
                for one in leaves
            ]

        self._name = state["name"]
        self.operations = state["operations"]
        self.inputs, self.input_structure = (
            leaves_of(state["inputs"][0]),
            state["inputs"][1],
        )
        self.outputs, self.output_structure = (
            leaves_of(state["outputs"][0]),
            state["outputs"][1],
        )
        self._steps = []
        for layer, leaves, structure, outputs, output_structure in state["calls"]:
            given = leaves_of(leaves)
            call = Call(
                layer,
                tree.unflatten(structure, given),
                tree.unflatten(output_structure, leaves_of(outputs)),
            )
            layer.remember_call(call)
            self._steps.append(_Step(call, given, structure))

    # --- finding the calls -----------------------------------------------------------

    def _search(self) -> tuple[list[Call], dict[int, int]]:
        """Return all calls, each after those it needs, and when layers were found."""
        finished: dict[int, Call] = {}
        open_: set[int] = set()
        found: dict[int, int] = {}
        waiting = [(self._origin(one), False) for one in reversed(self.outputs)]
        while waiting:
            call, is_done = waiting.pop()
            if is_done:
                open_.discard(id(call))
                finished[id(call)] = call
                continue
            if id(call) in finished:
                continue
            if id(call) in open_:
                raise self._circle(call)
            open_.add(id(call))
            found.setdefault(id(call.layer), len(found))
            waiting.append((call, True))
            waiting.extend((one, False) for one in reversed(self._parents(call)))
        return list(finished.values()), found

    def _parents(self, call: Call) -> list[Call]:
        if isinstance(call.layer, InputLayer):
            return []
        return [self._origin(tensor, call) for tensor in call.inputs]

    def _origin(self, tensor: SymbolicTensor, needed_by: Call | None = None) -> Call:
        """Return the call that gives a tensor; raise for one that has none here."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            return entry
        call = None if tensor.origin is None else tensor.origin[0]
        if call is not None and not isinstance(call.layer, InputLayer):
            return call
        where = "an output" if needed_by is None else f"layer {needed_by.layer.name!r}"
        raise ArgumentError(
            explain(
                f"the graph of the model {self._name!r} is disconnected: {where} needs "
                f"{tensor.name!r}, which does not follow from the inputs",
                operands=[
                    ("needed", tensor.type_text, f"symbolic tensor {tensor.name!r}"),
                    *(("input", one.type_text, one.name) for one in self.inputs),
                ],
                fix=f"add {tensor.name!r} to the inputs of the model",
            )
        )

    def _circle(self, call: Call) -> ArgumentError:
        return ArgumentError(
            explain(
                f"the graph of the model {self._name!r} has a cycle: the layer "
                f"{call.layer.name!r} needs its own output",
                fix="give each layer inputs that come before it",
            )
        )

    def _ordered_layers(self, calls: list[Call], found: dict[int, int]) -> list[Layer]:
        """Return the layers by decreasing distance to the outputs."""
        of_call: dict[int, int] = {}
        of_layer: dict[int, int] = {}
        layers: dict[int, Layer] = {}
        for call in reversed(calls):
            depth = max(of_call.get(id(call), 0), of_layer.get(id(call.layer), 0))
            of_call[id(call)] = of_layer[id(call.layer)] = depth
            layers[id(call.layer)] = call.layer
            for parent in self._parents(call):
                of_call[id(parent)] = max(depth + 1, of_call.get(id(parent), 0))
        for layer in self.input_layers:  # an input that no output needs
            if id(layer) not in layers:
                layers[id(layer)], of_layer[id(layer)], found[id(layer)] = layer, 0, -1
        return sorted(
            layers.values(), key=lambda one: (-of_layer[id(one)], found[id(one)])
        )


def _tensors(
    given: Any, what: str, name: str
) -> tuple[list[SymbolicTensor], tree.Structure]:
    leaves, structure = tree.flatten(given)
    for leaf in leaves:
        if not isinstance(leaf, SymbolicTensor):
            raise ArgumentError(
                explain(
                    f"the {what} of the model {name!r} must be symbolic tensors, got "
                    f"{_kind_of(leaf)}",
                    fix="start with x = Input(shape) and call layers on it: "
                    "Model(x, Dense(10)(x))",
                )
            )
    if not leaves:
        raise ArgumentError(
            explain(
                f"the model {name!r} needs {what}, got none",
                fix="pass it, as in Model(inputs=x, outputs=layer(x))",
            )
        )
    return leaves, structure


def _kind_of(leaf: Any) -> str:
    if isinstance(leaf, Layer):
        return f"the layer {leaf.name!r}, which has not been called"
    return f"an object of type {type(leaf).__name__}"


def _check_distinct(inputs: Iterable[SymbolicTensor], name: str) -> None:
    seen: set[int] = set()
    for tensor in inputs:
        if id(tensor) in seen:
            raise ArgumentError(
                explain(
                    f"the input {tensor.name!r} occurs twice among the inputs of the "
                    "model "
                    f"{name!r}",
                    fix="name each input once",
                )
            )
        seen.add(id(tensor))


def _entry(tensor: SymbolicTensor) -> Call:
    """Return the call of the input layer for a tensor where a graph begins."""
    if tensor.origin is not None and isinstance(tensor.origin[0].layer, InputLayer):
        return tensor.origin[0]
    made_by = tensor.name if tensor.origin is None else tensor.origin[0].layer.name
    layer = InputLayer(
        batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{made_by}_input"
    )
    return layer.entry


def _check_names(layers: Iterable[Layer], name: str) -> None:
    by_name: dict[str, Layer] = {}
    for layer in layers:
        if layer.name in by_name:
            raise ArgumentError(
                explain(
                    f"the model {name!r} has two layers named {layer.name!r}: a "
                    f"{type(by_name[layer.name]).__name__} and a "
                    f"{type(layer).__name__}",
                    fix="give each layer a name of its own; to use one layer twice, "
                    "call the same object twice",
                )
            )
        by_name[layer.name] = layer
