"""Branches and loops in a TensorFlow 1 graph, which become Nervure's own.

The functions are called once, while the graph is made. What they make belongs to the
branch or the body and runs only there; what they use from outside runs before it.
Variables may change inside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from nervure import control_flow, ops, tree
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.tf1 import data_types
from nervure.tf1.building import operation
from nervure.tf1.emission import (
    Context,
    child,
    emit_all,
    needed,
    outside,
    waits_outside,
)
from nervure.tf1.graph import Graph, Operation
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor
from nervure.tf1.variables import Variable


class _Body(NamedTuple):
    """What a function made: its results, and the operations that they need."""

    results: list[Tensor | Operation]
    structure: tree.Structure
    operations: list[Operation]
    captured: list[Tensor]
    waits: list[Operation]

    @property
    def tensors(self) -> list[Tensor]:
        """The results that have values."""
        return [one for one in self.results if isinstance(one, Tensor)]

    @property
    def changed(self) -> list[Variable]:
        """The variables that change in it."""
        return _changed(self.operations)


def _changed(operations: Sequence[Operation]) -> list[Variable]:
    found: dict[Variable, None] = {}
    for one in operations:
        for variable in (
            one.attributes.get("variable"),
            *one.attributes.get("variables", ()),
        ):
            if variable is not None:
                found[variable] = None
    return list(found)


@contextlib.contextmanager
def _inside(graph: Graph, what: str) -> Iterator[None]:
    graph.inside.append(what)
    try:
        with graph.control_dependencies(None):
            yield
    finally:
        graph.inside.pop()


def _made(
    graph: Graph, function: Callable[..., Any], arguments: Sequence[Any], start: int
) -> _Body:
    with _inside(graph, "a branch or loop"):
        value = function(*arguments)
    flat, structure = tree.flatten(value)
    results = [
        one if isinstance(one, Operation) else convert_to_tensor(one) for one in flat
    ]
    targets = [one if isinstance(one, Operation) else one.op for one in results]
    own = needed(targets, (), start)
    tensors = [one for one in results if isinstance(one, Tensor)]
    captured = list(
        dict.fromkeys(
            [*outside(own, start), *(one for one in tensors if one.op.number < start)]
        )
    )
    waits = [
        *waits_outside(own, start),
        *(one for one in targets if one.number < start),
    ]
    return _Body(results, structure, own, captured, waits)


def _run(body: _Body, context: Context) -> list[Array]:
    """Emit a body and return the values of its results."""
    emit_all(context, body.operations)
    return [context.env[one] for one in body.tensors]


# --- branches ------------------------------------------------------------------------


def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
) -> Any:
    """Return ``true_fn()`` or ``false_fn()``, as a truth value decides in the run.

    Only the operations made inside the function that is chosen run.

    Parameters
    ----------
    pred
        A truth value without axes.
    true_fn, false_fn
        Return tensors of the same types, in the same structure; ``fn1`` and ``fn2`` are
        old names.
    strict
        Whether a list of one tensor stays a list.

    Raises
    ------
    ArgumentError
        For one branch without the other.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.constant(2.0)
    ...     session.run(tf.cond(x > 1.0, lambda: x * 10.0, lambda: x))
    np.float32(20.0)
    """
    first, second = true_fn or fn1, false_fn or fn2
    if first is None or second is None:
        raise ArgumentError(
            explain(
                "cond: give true_fn and false_fn",
                fix="write tf.cond(pred, true_fn, false_fn)",
            )
        )
    asked = convert_to_tensor(pred, data_types.bool_)
    graph = asked.graph
    start = graph.version
    with graph.name_scope(name or "cond"):
        bodies = [_made(graph, one, (), start) for one in (second, first)]
        _check_branches(*bodies)
        types = [
            (_common_shape(one, other), one.dtype)
            for one, other in zip(*(body.tensors for body in bodies), strict=True)
        ]
        captured = _distinct(bodies[0].captured, bodies[1].captured)
        changed = _distinct(bodies[0].changed, bodies[1].changed)

        def emit(context: Context, chosen: Array, *arrays: Array) -> list[Array]:
            env = dict(zip(captured, arrays, strict=True))

            def branch(body: _Body) -> Callable[[], list[Array]]:
                def run() -> list[Array]:
                    inner = child(context, env)
                    values = _run(body, inner)
                    return [*values, *(inner.now(one) for one in changed)]

                return run

            for variable in changed:
                context.now(variable)
            found = control_flow.cond(chosen, branch(bodies[1]), branch(bodies[0]))
            for variable, value in zip(changed, found[len(types) :], strict=True):
                context.write(variable, value)
            return list(found[: len(types)])

        with graph.control_dependencies([*bodies[0].waits, *bodies[1].waits]):
            made = operation(
                "Cond",
                [asked, *captured],
                emit,
                "Cond",
                types=types,
                attributes={"variables": changed},
            )
    return _returned(made, bodies[1], strict)


def _distinct(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys([*first, *second]))


def _returned(made: Operation, body: _Body, strict: bool) -> Any:
    """Return the outputs in the structure of the function's results."""
    left = iter(made.outputs)
    values = [next(left) if isinstance(one, Tensor) else made for one in body.results]
    found = tree.unflatten(body.structure, values)
    if not strict and isinstance(found, list | tuple) and len(found) == 1:
        return found[0]
    return made if found is None else found


def _check_branches(one: _Body, other: _Body) -> None:
    same = len(one.tensors) == len(other.tensors) and (
        one.structure.leaf_count == other.structure.leaf_count
    )
    if not same:
        raise ShapeError(
            explain(
                f"cond: the functions return different structures: {other.structure} "
                "and "
                f"{one.structure}",
                fix="return as many tensors, nested in the same way, from both",
            )
        )
    for first, second in zip(other.tensors, one.tensors, strict=True):
        if first.dtype != second.dtype:
            raise DTypeError(
                explain(
                    f"cond: the functions return {first.dtype.name} and "
                    f"{second.dtype.name}",
                    operands=[
                        (label, each.type_text, f"{each.name}, {each.op.site}")
                        for label, each in (("true", first), ("false", second))
                    ],
                    fix="convert one with tf.cast",
                )
            )


def _common_shape(one: Tensor, other: Tensor) -> TensorShape:
    first, second = one.shape.sizes, other.shape.sizes
    if first is None or second is None or len(first) != len(second):
        return TensorShape(None)
    pairs = zip(first, second, strict=True)
    return TensorShape(
        [size if size == other_size else None for size, other_size in pairs]
    )


def case(
    pred_fn_pairs: Any,
    default: Callable[[], Any] | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """Return the result of the first function whose truth value is true.

    ``pred_fn_pairs`` is a list of pairs or a dict; the last serves where none is true
    and there is no ``default``.

    Raises
    ------
    ArgumentError
        For no pairs.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.constant(5.0)
    ...     session.run(tf.case([(x < 1.0, lambda: x), (x < 9.0, lambda: x * 2.0)],
    ...                         default=lambda: x * 3.0))
    np.float32(10.0)
    """
    pairs = list(
        pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs
    )
    if not pairs:
        raise ArgumentError(
            explain(
                "case: expected at least one pair",
                fix="write tf.case([(pred, fn)], default=fn)",
            )
        )
    function = default or pairs.pop()[1]
    for asked, chosen in reversed(pairs):
        function = _either(asked, chosen, function, strict, name)
    return function()


def _either(
    asked: Any, first: Any, second: Any, strict: bool, name: str
) -> Callable[[], Any]:
    return lambda: cond(asked, first, second, strict, name)


# --- loops ---------------------------------------------------------------------------


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: int | None = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeat ``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)`` is true.

    Parameters
    ----------
    cond, body
        Functions of the loop variables; the body returns as many tensors of the same
        types.
    loop_vars
        The first values, in a list or tuple (or one tensor).
    maximum_iterations
        At most so many steps; derivatives need it.
    return_same_structure
        Whether one loop variable is returned in a list.

    ``shape_invariants`` and the other arguments are taken and not used: a value keeps
    its shape within a run.

    Raises
    ------
    ArgumentError
        For no variables of the loop.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     n, total = tf.while_loop(lambda n, s: n > 0, lambda n, s: (n - 1, s + n),
    ...                              [tf.constant(4), tf.constant(0)])
    ...     session.run(total)
    np.int32(10)
    """
    listed = list(loop_vars) if isinstance(loop_vars, list | tuple) else [loop_vars]
    flat, structure = tree.flatten(listed)
    first = [convert_to_tensor(one) for one in flat]
    if not first:
        raise ArgumentError(
            explain(
                "while_loop: expected at least one loop variable",
                fix="pass loop_vars, such as [tf.constant(0)]",
            )
        )
    graph = first[0].graph
    start = graph.version
    with graph.name_scope(name or "while"):
        variables = [_loop_variable(one) for one in first]
        arguments = tree.unflatten(structure, variables)
        question = _made(graph, cond, arguments, start)
        step = _made(graph, body, arguments, start)
        _check_body(first, question, step)
        emit = _Loop(variables, question, step, maximum_iterations)
        types = [(one.shape, one.dtype) for one in first]
        with graph.control_dependencies([*question.waits, *step.waits]):
            made = operation(
                "While",
                [*first, *emit.captured],
                emit,
                "While",
                types=types,
                attributes={"variables": step.changed},
            )
    found = tree.unflatten(structure, list(made.outputs))
    if len(found) == 1 and not return_same_structure:
        return found[0]
    return tuple(found) if isinstance(loop_vars, tuple) else found


def _loop_variable(value: Tensor) -> Tensor:
    """Return the tensor that stands for a loop variable inside the loop."""

    def emit(_context: Context) -> Array:
        raise ArgumentError(
            explain(
                "a tensor that was made inside a loop is used outside it",
                fix="let the body return it as a loop variable",
            )
        )

    made = operation(
        "LoopVariable", (), emit, "variable", types=[(value.shape, value.dtype)]
    )
    return made.outputs[0]


def _check_body(first: Sequence[Tensor], question: _Body, step: _Body) -> None:
    asked = question.tensors
    if len(asked) != 1 or asked[0].dtype != data_types.bool_:
        raise DTypeError(
            explain(
                "while_loop: cond must return one truth value",
                fix="compare the loop variables, as in lambda i: i < 10",
            )
        )
    if question.changed:
        raise ArgumentError(
            explain(
                "while_loop: cond must not change a variable",
                fix="change it in the body",
            )
        )
    if len(step.tensors) != len(first):
        raise ShapeError(
            explain(
                f"while_loop: body returns {len(step.tensors)} tensors, expected "
                f"{len(first)}",
                fix="return one tensor for each loop variable, in the same order",
            )
        )
    for place, (old, new) in enumerate(zip(first, step.tensors, strict=True)):
        if old.dtype != new.dtype:
            raise DTypeError(
                explain(
                    f"while_loop: loop variable {place} changes from "
                    f"{old.dtype.name} to "
                    f"{new.dtype.name}",
                    fix="convert it with tf.cast at the end of the body",
                )
            )


class _Loop:
    """Emits a loop."""

    def __init__(
        self,
        variables: Sequence[Tensor],
        question: _Body,
        step: _Body,
        most: int | None,
    ) -> None:
        own = set(variables)
        self.captured = [
            one for one in _distinct(question.captured, step.captured) if one not in own
        ]
        self._variables = variables
        self._question = question
        self._step = step
        self._most = most

    def __call__(self, context: Context, *arrays: Array) -> list[Array]:
        count = len(self._variables)
        changed = self._step.changed
        constants = dict(zip(self.captured, arrays[count:], strict=True))

        def inner(state: Sequence[Array]) -> Context:
            made = child(context, constants)
            made.env.update(zip(self._variables, state[1 : count + 1], strict=True))
            made.current.update(zip(changed, state[count + 1 :], strict=True))
            made.iteration = (
                state[0]
                if context.iteration is None
                else (state[0] + context.iteration * 1_000_003)
            )
            return made

        def goes_on(*state: Array) -> Array:
            return _run(self._question, inner(state))[0]

        def once(*state: Array) -> tuple[Array, ...]:
            now = inner(state)
            values = _run(self._step, now)
            return (state[0] + 1, *values, *(now.now(one) for one in changed))

        begin = (ops.asarray(0), *arrays[:count], *(context.now(v) for v in changed))
        found = control_flow.while_loop(goes_on, once, begin, self._most)
        for variable, value in zip(changed, found[count + 1 :], strict=True):
            context.write(variable, value)
        return list(found[1 : count + 1])
