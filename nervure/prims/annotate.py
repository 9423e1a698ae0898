"""Primitives that compute nothing: they tell other parts of the system something.

| primitive | tells |
|---|---|
| ``stop_gradient`` | autodiff: treat the value as a constant |
| ``custom_gradient`` | autodiff: use this rule for the derivative |
| ``checkpoint`` | executors: do not keep what lies between these arguments and me |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GradientError, GraphError, explain
from nervure.ir.attrs import Attrs, NDArray, Rule
from nervure.ir.build import apply
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.slicing import sample_values


def _infer_first(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
    if not inputs:
        raise GraphError(
            explain(
                "custom_gradient: expected a value and its arguments",
                fix="give it the value first, then what the rule takes",
            )
        )
    return inputs[0].shape, inputs[0].dtype


def _samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 3, 4)
    return [Sample((values,), smooth=False), Sample((values[:0],), smooth=False)]


STOP_GRADIENT = register(
    Primitive(
        "stop_gradient",
        ("x",),
        _infer_first,
        lambda node, x: x,
        lambda node, g: (None,),
        Fusion.ANNOTATION,
        dtypes.ALL,
        _samples,
    )
)


def stop_gradient(x: Node) -> Node:
    """Return x; derivatives treat it as a constant."""
    return apply(STOP_GRADIENT, x)


def _custom_gradient(node: Node, g: Node) -> Sequence[Node | None]:
    rule = node.attrs["rule"]
    assert isinstance(rule, Rule)
    if rule.function is None:
        raise GradientError(
            explain(
                f"the gradient rule {rule.name!r} is not here: a graph read from text "
                "carries no code",
                fix="make the graph anew with the function that has the rule",
            )
        )
    return (None, *rule.function(node.inputs[1:], g))


def _custom_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 3, 4)
    attrs = {"rule": Rule(lambda _arguments, g: (g,), "identity")}
    return [Sample((values, values), attrs), Sample((values[:0], values[:0]), attrs)]


def _first(_node: Node, value: NDArray, *_arguments: NDArray) -> NDArray:
    return value


CUSTOM_GRADIENT: Primitive = register(
    Primitive(
        "custom_gradient",
        ("operand*",),
        _infer_first,
        _first,
        _custom_gradient,
        Fusion.ANNOTATION,
        dtypes.FLOATS,
        _custom_samples,
        [
            WrongUse(
                lambda: apply(CUSTOM_GRADIENT, rule=Rule(None, "none")),
                GraphError,
                "custom_gradient: expected a value and its arguments",
            )
        ],
    )
)


def custom_gradient(
    value: Node,
    arguments: Sequence[Node],
    rule: Callable[[Sequence[Node], Node], Sequence[Node | None]],
    name: str = "custom",
) -> Node:
    """Return ``value``, whose derivative is defined by ``rule``.

    ``rule`` takes the arguments (those of this node, which may have been rebuilt with
    others) and the cotangent of ``value``; it returns the cotangents of the arguments.
    No derivative flows through the graph that computed ``value``.
    """
    return apply(CUSTOM_GRADIENT, value, *arguments, rule=Rule(rule, name))


def _infer_checkpoint(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
    if not inputs:
        raise GraphError(
            explain(
                "checkpoint: expected a value and its arguments",
                fix="give it the value first, then what it was computed from",
            )
        )
    return inputs[0].shape, inputs[0].dtype


def _checkpoint_gradient(node: Node, g: Node) -> Sequence[Node | None]:
    # derivatives flow through the graph that computed the value
    return (g, *[None] * (len(node.inputs) - 1))


def _checkpoint_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 3, 4)
    return [
        Sample((values, values), smooth=False),
        Sample((values[:0], values[:0]), smooth=False),
    ]


CHECKPOINT: Primitive = register(
    Primitive(
        "checkpoint",
        ("operand*",),
        _infer_checkpoint,
        _first,
        _checkpoint_gradient,
        Fusion.ANNOTATION,
        dtypes.ALL,
        _checkpoint_samples,
        [
            WrongUse(
                lambda: apply(CHECKPOINT),
                GraphError,
                "checkpoint: expected a value and its arguments",
            )
        ],
    )
)


def checkpoint(value: Node, arguments: Sequence[Node]) -> Node:
    """Return ``value``; what it is computed through is computed again when needed.

    That are the values between the arguments and it, which an executor drops once
    ``value`` is known, and computes again from the arguments for a gradient.
    """
    return apply(CHECKPOINT, value, *arguments)
