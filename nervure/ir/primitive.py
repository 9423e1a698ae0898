"""What an operation knows: one record with all its rules, side by side.

A primitive is declared once, in ``nervure/prims``.  The record holds the shape rule,
the NumPy reference (the definition of the operation), the gradient, how it may be
fused, and examples of right and wrong use from which the tests are made.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from nervure.dtypes import DType
from nervure.errors import GraphError, explain, nearest_names
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.node import Node, Shape

InferRule = Callable[[Sequence[Node], Attrs], tuple[Shape, DType]]
ReferenceRule = Callable[..., Any]
GradientRule = Callable[[Node, Node], Sequence[Node | None]]
# How reverse and forward mode are called: outputs, what is given for them (for ``wrt``
# in forward mode), and ``wrt``; see ``nervure.autodiff``.
ReverseMode = Callable[
    [Sequence[Node], Sequence[Node], Sequence[Node]], "list[Node | None]"
]
ForwardMode = Callable[[Sequence[Node], Sequence[Node], Sequence[Node]], list[Node]]


class Fusion(enum.Enum):
    """How a compiler may merge an operation with neighbours (after TVM's classes)."""

    LEAF = "leaf"
    """No operands: data, constants, counters."""

    ELEMENTWISE = "elementwise"
    """An output element comes from the same place of each operand."""

    BROADCAST = "broadcast"
    """Reads each element several times."""

    INJECTIVE = "injective"
    """Moves elements: each output reads one place."""

    REDUCTION = "reduction"
    """Combines many elements into one."""

    CONTRACTION = "contraction"
    """A dot or conv: what follows may be fused into it."""

    WINDOW = "window"
    """Combines a small neighbourhood."""

    OPAQUE = "opaque"
    """A kernel of its own."""

    ANNOTATION = "annotation"
    """Computes nothing."""


@dataclass(frozen=True)
class Sample:
    """Right use of a primitive, from which parity and gradient tests are made.

    ``smooth`` says that the gradient may be compared with central differences at these
    values; ``differentiate`` lists the operands to differentiate (all floating-point
    ones by default).  ``result`` names the result to look at where there are several.
    """

    inputs: tuple[NDArray, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    smooth: bool = True
    differentiate: tuple[int, ...] | None = None
    result: int = 0


@dataclass(frozen=True)
class WrongUse:
    """Wrong use of a primitive: a call that must raise ``error`` with ``message``.

    ``message`` is the beginning of the error's text (its first line).
    """

    build: Callable[[], Node]
    error: type[Exception]
    message: str


class ControlGradient(Protocol):
    """The reverse mode of an operation with bodies.

    It is given the cotangent of each result (None where there is none), which operands
    are wanted, and the function that differentiates graphs; it returns the cotangent of
    each operand.
    """

    def __call__(
        self,
        node: Node,
        cotangents: Sequence[Node | None],
        wanted: Sequence[bool],
        reverse: ReverseMode,
    ) -> Sequence[Node | None]:
        """Return the cotangent of each operand."""
        ...


class ControlTangents(Protocol):
    """The forward mode of an operation with bodies.

    It is given the change of each operand (None where there is none) and the function
    that differentiates graphs; it returns the change of each result.
    """

    def __call__(
        self, node: Node, tangents: Sequence[Node | None], forward: ForwardMode
    ) -> Sequence[Node | None]:
        """Return the change of each result."""
        ...


class ControlRules(NamedTuple):
    """How an operation with bodies is differentiated; its body is a graph."""

    gradient: ControlGradient
    tangents: ControlTangents


def _no_samples(_dtype: DType, _random: np.random.Generator) -> Sequence[Sample]:
    return ()


@dataclass(frozen=True, eq=False)
class Primitive:
    """An operation: its rules and examples.  Compared by identity.

    Attributes
    ----------
    name
        Lower-case name in the IR's text.
    operands
        Names of the operands, used in errors.  A single name ending in ``*`` means any
        number of operands.
    infer
        ``(inputs, attrs) -> (shape, dtype)``; raises the explained errors.
    reference
        ``(node, *arrays) -> array`` in NumPy: the definition of the operation.
    gradient
        ``(node, cotangent) -> one node or None per operand``; None where there is none.
    fusion
        How the operation may be fused.
    dtypes
        The operand types that the samples are tested with.
    samples
        ``(dtype, random generator) -> samples``.
    wrong_uses
        Calls that must fail, with the text of the failure.
    control
        For operations with bodies and several results: how they are differentiated.

    >>> from nervure.ir import primitive_named
    >>> dot = primitive_named("dot")
    >>> dot.operands, dot.fusion.name
    (('x', 'y'), 'CONTRACTION')
    """

    name: str
    operands: tuple[str, ...]
    infer: InferRule
    reference: ReferenceRule
    gradient: GradientRule | None
    fusion: Fusion
    dtypes: tuple[DType, ...] = ()
    samples: Callable[[DType, np.random.Generator], Sequence[Sample]] = _no_samples
    wrong_uses: Sequence[WrongUse] = ()
    control: ControlRules | None = None

    @property
    def variadic(self) -> bool:
        """Whether the operation takes any number of operands."""
        return len(self.operands) == 1 and self.operands[0].endswith("*")

    def operand_name(self, position: int) -> str:
        """Return the name of an operand for messages."""
        if self.variadic:
            return f"{self.operands[0][:-1]}{position}"
        return self.operands[position]

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


_registry: Final[dict[str, Primitive]] = {}


def register(primitive: Primitive) -> Primitive:
    """Add a primitive to the registry and return it."""
    if primitive.name in _registry:
        raise ValueError(
            explain(
                f"the primitive {primitive.name!r} is declared twice",
                fix="give it another name; primitive_named() returns the one that is "
                "there",
            )
        )
    _registry[primitive.name] = primitive
    return primitive


def primitives() -> Iterator[Primitive]:
    """Iterate over all primitives in the order of their declaration.

    >>> import nervure as nv
    >>> 60 < len(list(primitives())) < 90
    True
    """
    return iter(_registry.values())


def primitive_named(name: str) -> Primitive:
    """Return the primitive of this name; raises :class:`GraphError` if unknown.

    >>> import nervure as nv
    >>> primitive_named("tanh").operands
    ('x',)
    """
    try:
        return _registry[name]
    except KeyError:
        near = nearest_names(name, _registry)
        fix = f"did you mean {' or '.join(near)}?" if near else None
        raise GraphError(explain(f"unknown primitive {name!r}", fix=fix)) from None
