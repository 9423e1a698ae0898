"""From operations of a TensorFlow 1 graph to nodes of Nervure's graph.

Emission walks over the operations that are needed, in the order in which they were
made, and calls each one's ``emit(context, *arrays)``. All shapes are known then: a
placeholder has the shape that is fed. The :class:`Context` holds what changes from run
to run and therefore becomes an input of the program: variables, fed values, keys of
random numbers.

Where the shape of a result depends on the *value* of a tensor (``tf.zeros([n, 3])``),
``context.static`` asks for it. If it comes out of a placeholder, the value that is fed
becomes a part of the program (:class:`NeedsStatic`), as a shape is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import random
from nervure.array import Array
from nervure.errors import TraceError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.graph import topological
from nervure.ir.node import Node, made_at
from nervure.prims.leaf import input_leaf
from nervure.tf1.errors import InvalidArgumentError, UnimplementedError
from nervure.tf1.graph import Operation
from nervure.tf1.tensor import Tensor

if TYPE_CHECKING:
    from nervure.tf1.variables import Variable


@dataclass
class HostValue:
    """A value that Python makes after the run: text, summaries, prints.

    Attributes
    ----------
    arrays
        What the run has to compute for it.
    build
        Given their values, makes the value.
    """

    arrays: list[Array]
    build: Callable[..., Any]


@dataclass
class Effect:
    """Something that Python does after the run, before variables change."""

    arrays: list[Array]
    act: Callable[..., None]


class NeedsStatic(Exception):  # noqa: N818 - a message between two functions
    """The program depends on the values of these placeholders."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__(", ".join(tensor.name for tensor in tensors))
        self.tensors = list(tensors)


@dataclass
class Context:
    """What operations know while they are emitted.

    Attributes
    ----------
    env
        The value of every tensor that has one.
    fed
        The input that stands for each fed tensor, by node.
    reads
        The input that stands for each variable's value before the run.
    current
        Each variable's value now.
    written
        The variables that change, in order.
    keys
        The input that stands for the key of each random operation.
    flags
        Inputs for what a session knows about variables (whether they have a value).
    effects
        What Python does after the run.
    iteration
        Inside a loop, the number of the step; random numbers differ from step to step.
    frozen
        Why variables cannot change here, if so.
    """

    env: dict[Tensor, Any] = field(default_factory=dict)
    fed: dict[Node, Tensor] = field(default_factory=dict)
    reads: dict[Variable, Node] = field(default_factory=dict)
    current: dict[Variable, Array] = field(default_factory=dict)
    written: dict[Variable, None] = field(default_factory=dict)
    keys: dict[Operation, Node] = field(default_factory=dict)
    flags: dict[Variable, Node] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    iteration: Array | None = None
    frozen: str = ""

    # --- variables -------------------------------------------------------------------

    def before(self, variable: Variable) -> Array:
        """Return a variable's value before the run."""
        node = self.reads.get(variable)
        if node is None:
            shape, dtype = variable.known_shape, variable.dtype.dtype
            node = self.reads[variable] = input_leaf(shape, dtype, variable.op.name)
        return Array.of_node(node)

    def now(self, variable: Variable) -> Array:
        """Return a variable's value at this point of the run."""
        if variable not in self.current:
            self.current[variable] = self.before(variable)
        return self.current[variable]

    def write(self, variable: Variable, array: Array) -> None:
        """Change a variable."""
        if self.frozen:
            raise UnimplementedError(
                explain(f"{variable.name}: a variable cannot change {self.frozen}")
            )
        self.current[variable] = array
        self.written[variable] = None

    def has_value(self, variable: Variable) -> Array:
        """Return whether the session has a value for a variable."""
        if variable not in self.flags:
            self.flags[variable] = input_leaf((), np.dtype(bool), "is initialized")
        return Array.of_node(self.flags[variable])

    # --- random numbers --------------------------------------------------------------

    def key(self, operation: Operation) -> Array:
        """Return the key of a random operation for this run, ``uint32[2]``."""
        if operation not in self.keys:
            self.keys[operation] = input_leaf((2,), np.dtype(np.uint32), "random key")
        key = Array.of_node(self.keys[operation])
        return key if self.iteration is None else random.fold_in(key, self.iteration)

    # --- values that shapes depend on ------------------------------------------------

    def static(self, array: Array, tensor: Tensor) -> NDArray:
        """Return the value of a tensor that a shape depends on."""
        try:
            return array.numpy()
        except TraceError:
            pass
        leaves = [one for one in topological([array.node]) if one.op.name == "input"]
        fed = [self.fed[leaf] for leaf in leaves if leaf in self.fed]
        if len(fed) == len(leaves):
            raise NeedsStatic(fed)
        raise InvalidArgumentError(
            explain(
                f"the shape of a result depends on the value of {tensor.name}, which "
                "is known only while the graph runs",
                operands=[("x", tensor.type_text, str(tensor.op.site))],
                fix="let it depend on constants, shapes and placeholders only",
            )
        )


def emit_operation(context: Context, operation: Operation) -> None:
    """Emit one operation, whose inputs have been emitted."""
    arrays = [context.env[tensor] for tensor in operation.inputs]
    with made_at(operation.site._replace(scope=operation.name)):
        result = operation.emit(context, *arrays)
    results = result if isinstance(result, list | tuple) else [result]
    if not operation.outputs:
        return
    for tensor, value in zip(operation.outputs, results, strict=True):
        if tensor not in context.env:  # else it is fed
            context.env[tensor] = value


def emit_all(context: Context, operations: Iterable[Operation]) -> None:
    """Emit operations in their order."""
    for operation in operations:
        if operation.outputs and all(one in context.env for one in operation.outputs):
            continue
        emit_operation(context, operation)


def needed(
    targets: Iterable[Operation], known: Iterable[Tensor] = (), start: int = 0
) -> list[Operation]:
    """Return the operations that ``targets`` need, in the order of their making.

    Nothing is needed for the tensors ``known``, nor for operations before number
    ``start``.
    """
    given = set(known)
    found: set[Operation] = set()
    waiting = list(targets)
    while waiting:
        operation = waiting.pop()
        if operation in found or operation.number < start:
            continue
        found.add(operation)
        waiting.extend(operation.control_inputs)
        waiting.extend(one.op for one in operation.inputs if one not in given)
    return sorted(found, key=lambda one: one.number)


def outside(operations: Sequence[Operation], start: int) -> list[Tensor]:
    """Return the tensors made before ``start`` that operations after it read."""
    return list(
        dict.fromkeys(
            tensor
            for operation in operations
            for tensor in operation.inputs
            if tensor.op.number < start
        )
    )


def waits_outside(operations: Sequence[Operation], start: int) -> list[Operation]:
    """Return the operations made before ``start`` that those after it wait for."""
    return list(
        dict.fromkeys(
            other
            for operation in operations
            for other in operation.control_inputs
            if other.number < start
        )
    )


def child(context: Context, env: Mapping[Tensor, Any]) -> Context:
    """Return a context for a body, which shares variables, keys and feeds."""
    return Context(
        dict(env),
        context.fed,
        context.reads,
        dict(context.current),
        {},
        context.keys,
        context.flags,
        [],
        context.iteration,
        context.frozen,
    )
