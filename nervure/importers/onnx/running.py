"""Running a graph: each node's builder is called with the arrays of its inputs.

The same code runs while a program is traced and on values.  Sizes, axes and the like,
which builders need as numbers, are computed on the host: an array that depends on no
argument has a value that can be looked at, so chains such as ``Shape``, ``Gather``,
``Concat`` become static wherever shapes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import numpy as np

from nervure.array import Array
from nervure.errors import FileFormatError, NervureError
from nervure.importers.onnx.budget import Budget
from nervure.importers.onnx.functions import standard_function
from nervure.importers.onnx.records import (
    AttributeOfCaller,
    OnnxFunction,
    OnnxGraph,
    OnnxNode,
    Unreadable,
    dtype_of,
    plain_array,
)
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.importers.onnx.table import builder_of, oldest_version, refusal_of
from nervure.ir.attrs import NDArray
from nervure.ir.node import TRACED, scope
from nervure.prims.leaf import buffer_leaf, const

# An array, a list of arrays (a sequence), or None for an input that is left out.
Value = Any
Names = Mapping[str, Value]

# What comes of attributes and inputs that are missing or of other kinds than they ought
# to be.
_SENSELESS: Final = (
    *(TypeError, ValueError, LookupError, AttributeError),
    *(ArithmeticError, NotImplementedError, AssertionError, RecursionError),
)
# Up to so many elements data become part of a graph, where passes see their values.
_SMALL = 64


def constant(value: NDArray) -> Array:
    """Return an array of data that belong to a graph."""
    data = plain_array(value)
    if data.size <= _SMALL:
        return Array.of_node(const(data))
    return Array.of_node(buffer_leaf(np.require(data, requirements="C")))


def is_known(value: Value) -> bool:
    """Tell whether a value can be looked at now: it depends on no argument."""
    if isinstance(value, list):
        return all(map(is_known, value))
    return value is None or value.tracking != TRACED


@dataclass(frozen=True)
class Rules:
    """What the nodes of a graph mean: versions of operator sets, and functions."""

    opsets: Mapping[str, int]
    functions: Mapping[tuple[str, str], OnnxFunction]
    given_attributes: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget(100))


class Operation:
    """One node while it is run: what a builder may ask about it."""

    def __init__(self, node: OnnxNode, rules: Rules, outer: Names) -> None:
        self.node = node
        self.rules = rules
        self.outer = outer
        self.name = node.operator
        self.version = rules.opsets.get(node.domain, 1)
        self.outputs = node.outputs

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default where the node has none."""
        value = self.node.attributes.get(name, default)
        if isinstance(value, AttributeOfCaller):
            value = self.rules.given_attributes.get(value.name, default)
        if isinstance(value, Unreadable):
            self.refuse(value.why)
        return value

    def dtype(self, name: str, default: int | None = None) -> Any:
        """Return an attribute that names a data type; None where there is none."""
        number = self.attribute(name, default)
        return None if number is None else dtype_of(number, self.name)

    def wants(self, place: int) -> bool:
        """Tell whether somebody uses the output at a place."""
        return len(self.outputs) > place and bool(self.outputs[place])

    def known(self, value: Array, what: str) -> NDArray:
        """Return the value of an input that decides shapes.

        Raises :class:`UnsupportedError` where it depends on an argument.
        """
        if not is_known(value):
            self.refuse(
                f"its {what} is computed from the model's inputs; shapes must be known "
                "when a program is made",
                fix="give fixed values with load_model(path, known={name: value})",
            )
        return value.numpy()

    def numbers(self, value: Array | None, what: str) -> list[int] | None:
        """Return whole numbers that decide shapes as a list; None for no input."""
        if value is None:
            return None
        return [int(one) for one in np.atleast_1d(self.known(value, what))]

    def refuse(self, reason: str, fix: str | None = None) -> NoReturn:
        """Raise the error that names the operator."""
        raise UnsupportedError(self.name, reason, self.node.label, fix)

    def subgraph(self, name: str) -> Callable[..., list[Value]]:
        """Return the graph of an attribute as a function of its inputs."""
        graph = self.attribute(name)
        if not isinstance(graph, OnnxGraph):
            self.refuse(f"it has no graph {name!r}")

        def function(*inputs: Value) -> list[Value]:
            names = [value.name for value in graph.inputs]
            if len(names) != len(inputs):
                raise _damaged(
                    f"the graph {name!r} of {self.name} takes {len(names)} values, not "
                    f"{len(inputs)}"
                )
            given = dict(zip(names, inputs, strict=True))
            return run_graph(graph, self.rules, {**self.outer, **given})

        return function


def run_graph(graph: OnnxGraph, rules: Rules, values: Names) -> list[Value]:
    """Return the outputs of a graph, given the values of names around it."""
    known = dict(values)
    for name, data in graph.initializers.items():
        # What was given from outside (a weight) stands for the data of the file.
        if name not in known:
            known[name] = constant(data)
    run_nodes(graph.nodes, rules, known)
    return outputs_of(graph, known)


def outputs_of(graph: OnnxGraph, known: Names) -> list[Value]:
    """Return the outputs of a graph that has run."""
    for value in graph.outputs:
        if value.name not in known:
            raise _damaged(f"nothing makes the output {value.name!r}")
    return [known[value.name] for value in graph.outputs]


def run_nodes(nodes: Iterable[OnnxNode], rules: Rules, known: dict[str, Value]) -> None:
    """Run nodes in order, adding their outputs to ``known``."""
    for node in nodes:
        if all(name in known for name in node.outputs if name):
            continue  # folded before
        inputs = [_input(node, name, known) for name in node.inputs]
        with scope(node.label):
            results = run_node(node, rules, inputs, known)
        rules.budget.spend(node.operator, node.label, results)
        for name, result in zip(node.outputs, results, strict=False):
            if name:
                known[name] = result


def _input(node: OnnxNode, name: str, known: Names) -> Value:
    if not name:
        return None
    if name not in known:
        raise _damaged(f"{node.operator} reads {name!r}, which nothing before it makes")
    return known[name]


def _damaged(problem: str) -> FileFormatError:
    from nervure.importers.onnx.reading import damaged

    return damaged(problem)


def run_node(
    node: OnnxNode, rules: Rules, inputs: Sequence[Value], outer: Names
) -> Sequence[Value]:
    """Return the results of one node."""
    function = rules.functions.get((node.domain, node.operator))
    operation = Operation(node, rules, outer)
    if function is not None:
        return _run_function(operation, function, inputs)
    if node.domain != "":
        operation.refuse(f"it belongs to the operators of {node.domain!r}")
    reason = refusal_of(node.operator)
    if reason is not None:
        operation.refuse(reason)
    builder = builder_of(node.operator, operation.version)
    if builder is None:
        return _run_standard(operation, inputs)
    try:
        results = builder(operation, *inputs)
    except UnsupportedError:
        raise
    except NervureError as error:
        error.add_note(f"in the node {node.label!r} ({node.operator}) of a graph")
        raise
    except _SENSELESS as error:
        raise _damaged(
            f"the node {node.label!r} ({node.operator}) makes no sense: {error}"
        ) from error
    return results if isinstance(results, tuple) else (results,)


def _run_standard(operation: Operation, inputs: Sequence[Value]) -> Sequence[Value]:
    """Run an operator without a builder by the definition that the standard gives."""
    function = standard_function(operation, inputs)
    if function is None:
        oldest = oldest_version(operation.name)
        if oldest is not None:
            operation.refuse(
                f"its version {operation.version} is too old; known from {oldest} on",
                fix="convert the model with onnx.version_converter",
            )
        operation.refuse("Nervure has no such operation")
    return _run_function(operation, function, inputs)


def _run_function(
    operation: Operation, function: OnnxFunction, inputs: Sequence[Value]
) -> Sequence[Value]:
    attributes = {
        **function.defaults,
        **{name: operation.attribute(name) for name in operation.node.attributes},
    }
    opsets = {**operation.rules.opsets, **function.opsets}
    outside = operation.rules
    rules = Rules(opsets, outside.functions, attributes, outside.budget)
    given = [*inputs, *([None] * (len(function.inputs) - len(inputs)))]
    known = dict(zip(function.inputs, given, strict=False))
    run_nodes(function.nodes, rules, known)
    return tuple(known.get(name) for name in function.outputs)
