"""Derivatives within a TensorFlow 1 graph."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

from nervure import autodiff, ops
from nervure.array import Array
from nervure.errors import GradientError, explain
from nervure.ir.graph import substitute
from nervure.ir.node import Node
from nervure.prims.annotate import custom_gradient
from nervure.prims.binary import add
from nervure.prims.leaf import full_like
from nervure.tf1.building import operation
from nervure.tf1.emission import Context, child, emit_operation
from nervure.tf1.graph import Operation
from nervure.tf1.tensor import Tensor, convert_to_tensor

# Nothing flows through these, though their results may be floating-point.
_STOPS: Final = frozenset(
    {"StopGradient", "Assign", "AssignAdd", "AssignSub", "ScatterAdd", "ScatterUpdate"}
)


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
) -> list[Tensor | None]:
    """Return the derivatives of the sum of ``ys`` with respect to each of ``xs``.

    Parameters
    ----------
    ys, xs
        A tensor, a variable, or a list of them.
    grad_ys
        For each of ``ys`` what its elements count; None is ones.
    stop_gradients
        Tensors that are treated as constants.

    The other parameters are taken and not used.

    Returns
    -------
    A list with a tensor for each of ``xs``, None where ``ys`` do not depend on it.

    Raises
    ------
    GradientError
        For ``xs`` of whole numbers.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.constant(3.0)
    ...     session.run(tf.gradients(x * x, [x]))
    [np.float32(6.0)]
    """
    outputs = [convert_to_tensor(one) for one in _listed(ys)]
    wrt = [getattr(one, "snapshot", one) for one in _listed(xs)]
    wrt = [convert_to_tensor(one) for one in wrt]
    fixed = [convert_to_tensor(one) for one in _listed(stop_gradients or [])]
    _check_smooth([*outputs, *wrt])
    given = _listed(grad_ys) if grad_ys is not None else [None] * len(outputs)
    if len(given) != len(outputs):
        raise GradientError(
            explain(
                f"expected {len(outputs)} grad_ys, got {len(given)}",
                fix="give one grad_y for each y, or leave grad_ys out",
            )
        )
    path = _path(outputs, wrt, fixed)
    places = [place for place, x in enumerate(wrt) if _reaches(x, outputs, path)]
    results: list[Tensor | None] = [None] * len(wrt)
    if not places:
        return results
    seeds = [
        one if one is None else convert_to_tensor(one, y.dtype)
        for one, y in zip(given, outputs, strict=True)
    ]
    chosen = [wrt[place] for place in places]
    emit = _Derivative(outputs, chosen, seeds, fixed, path)
    made = operation(
        "Gradients",
        list(
            dict.fromkeys(
                [*outputs, *chosen, *(s for s in seeds if s is not None), *fixed]
            )
        ),
        emit,
        name,
        types=[(x.shape, x.dtype) for x in chosen],
    )
    for place, tensor in zip(places, made.outputs, strict=True):
        results[place] = tensor
    return results


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _check_smooth(tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        if not tensor.dtype.is_floating:
            raise GradientError(
                explain(
                    "gradients: whole numbers and truth values have no derivative",
                    operands=[
                        ("x", tensor.type_text, f"{tensor.name}, {tensor.op.site}")
                    ],
                    fix="convert with tf.cast(x, tf.float32) before it is used",
                )
            )


def _path(
    outputs: Sequence[Tensor], wrt: Sequence[Tensor], fixed: Sequence[Tensor]
) -> list[Operation]:
    """Return the operations on the ways from ``wrt`` to ``outputs``, in order."""
    above: set[Operation] = set()
    waiting = [one.op for one in outputs]
    while waiting:
        one = waiting.pop()
        if one not in above:
            above.add(one)
            waiting.extend(tensor.op for tensor in one.inputs)
    active = set(wrt)
    stopped = set(fixed)
    path = []
    for one in sorted(above, key=lambda each: each.number):
        if one.type in _STOPS:
            continue
        if any(x in active and x.dtype.is_floating for x in one.inputs):
            path.append(one)
            active.update(
                y for y in one.outputs if y.dtype.is_floating and y not in stopped
            )
    return path


def _reaches(x: Tensor, outputs: Sequence[Tensor], path: Sequence[Operation]) -> bool:
    """Tell whether an output depends on ``x`` through floating-point operations."""
    active = {x}
    for one in path:
        if any(tensor in active for tensor in one.inputs):
            active.update(y for y in one.outputs if y.dtype.is_floating)
    return any(output in active for output in outputs)


class _Derivative:
    """Emits the derivatives of tensors."""

    def __init__(
        self,
        outputs: Sequence[Tensor],
        wrt: Sequence[Tensor],
        seeds: Sequence[Tensor | None],
        fixed: Sequence[Tensor],
        path: Sequence[Operation],
    ) -> None:
        self._outputs = outputs
        self._wrt = wrt
        self._seeds = seeds
        self._fixed = fixed
        self._path = path
        # Readings that wait for something: the variable may have changed by then, and
        # what they give is differentiated all the same.
        self._reads = {
            one.outputs[0]: one.inputs[0] for one in path if one.type == "ReadVariable"
        }

    def __call__(self, context: Context, *_arrays: Array) -> list[Array]:
        env = context.env
        plain = not self._fixed and not self._reads
        if plain and all(_is_input(env[x]) for x in self._wrt):
            # Variables and placeholders: inputs of the program, each a node of its own.
            return self._reverse(env, env, {})
        # Two tensors may be one node of Nervure's graph, which merges what is equal;
        # here they are different things to differentiate. So the way is emitted once
        # more with marks in it, which the real nodes replace in the result.
        inner = child(context, env)
        replacement: dict[Node, Node] = {}
        wanted = dict.fromkeys([*self._wrt, *self._fixed, *self._reads])
        on_the_way = {y for one in self._path for y in one.outputs}
        for tensor in on_the_way:
            inner.env.pop(tensor, None)
        for tensor in wanted:
            if tensor not in on_the_way:
                self._mark(inner, tensor, env, replacement)
        for one in self._path:
            if one.type == "ReadVariable":  # what was read, not what is there by now
                inner.env[one.outputs[0]] = env[one.outputs[0]]
            else:
                emit_operation(inner, one)
            for tensor in one.outputs:
                if tensor in wanted:
                    self._mark(inner, tensor, env, replacement)
        return self._reverse(inner.env, env, replacement)

    def _mark(
        self,
        context: Context,
        tensor: Tensor,
        real: dict[Tensor, Any],
        replacement: dict[Node, Node],
    ) -> None:
        """Let a tensor be a node that is equal to no other."""
        node = context.env[tensor].node
        stops = tensor in self._fixed or tensor in self._reads

        def rule(_arguments: Sequence[Node], g: Node) -> Sequence[Node | None]:
            return (None if stops else g,)

        mark = custom_gradient(node, [node], rule, "mark")
        replacement[mark] = real[tensor].node
        context.env[tensor] = Array.of_node(mark)

    def _reverse(
        self,
        env: dict[Tensor, Any],
        outer: dict[Tensor, Any],
        replacement: dict[Node, Node],
    ) -> list[Array]:
        outputs = [env[y].node for y in self._outputs]
        cotangents = [
            full_like(node, 1)
            if seed is None
            else ops.broadcast_to(outer[seed], node.shape).node
            for seed, node in zip(self._seeds, outputs, strict=True)
        ]
        wrt = [env[x].node for x in (*self._wrt, *self._reads)]
        found = autodiff.reverse(outputs, cotangents, wrt)
        count = len(self._wrt)
        nodes = []
        for x, node, share in zip(self._wrt, wrt, found, strict=False):
            parts = [
                share,
                *(
                    other
                    for other, of in zip(
                        found[count:], self._reads.values(), strict=True
                    )
                    if of is x
                ),
            ]
            present = [part for part in parts if part is not None]
            nodes.append(
                functools.reduce(add, present) if present else full_like(node, 0)
            )
        if replacement:
            nodes = substitute(nodes, replacement)
        return [Array.of_node(node) for node in nodes]


def _is_input(array: Array) -> bool:
    return array.node.op.name == "input"
