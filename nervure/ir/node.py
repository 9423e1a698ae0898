"""One operation of a graph: an immutable node, interned so that equal means identical.

Because nodes are hash-consed, common subexpressions are one node from the start, and
``is`` answers whether two computations are the same.  The table holds weak references:
a node that nobody uses disappears.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NoReturn

from nervure.dtypes import DType
from nervure.errors import explain
from nervure.ir.attrs import NO_ATTRS, Attrs, Buffer, Constant, Rule
from nervure.ir.record import type_text
from nervure.ir.sites import Site, current_scope, current_site, made_at, scope

if TYPE_CHECKING:
    from nervure.ir.primitive import Primitive

__all__ = [
    "Attrs",
    "Buffer",
    "Constant",
    "PARAMETRIC",
    "TRACED",
    "UNTRACKED",
    "Node",
    "Rule",
    "Shape",
    "Site",
    "current_scope",
    "current_site",
    "intern",
    "interned_count",
    "made_at",
    "scope",
]

Shape = tuple[int, ...]

UNTRACKED: Final = 0
PARAMETRIC: Final = 1
TRACED: Final = 2

_UNCHANGEABLE: Final = explain(
    "a node cannot be changed: equal nodes are one node",
    fix="build a new node with nervure.ir.build.apply",
)


class Node:
    """An operation applied to nodes.

    Attributes
    ----------
    op
        The primitive.
    inputs
        The operands.
    attrs
        The static arguments (axes, strides, ...).
    shape, dtype
        The type of the value; every node has exactly one value.  Several results are
        one record, see ``nervure.ir.record``.
    site
        Where the first maker made it.  Not part of the identity.
    tracking
        Why the graph below is worth keeping: ``UNTRACKED``, ``PARAMETRIC`` (the value
        depends on a ``nervure.parameter``) or ``TRACED`` (on an ``input`` leaf).
    depth
        The length of the longest way down to a leaf.

    >>> import nervure as nv
    >>> node = nv.tanh(nv.parameter([1.0, 2.0])).node
    >>> node.op.name, node.shape, node.dtype.name, node.inputs[0].op.name
    ('tanh', (2,), 'float32', 'buffer')
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "depth",
        "dtype",
        "inputs",
        "op",
        "shape",
        "site",
        "tracking",
    )

    op: Primitive
    inputs: tuple[Node, ...]
    attrs: Attrs
    shape: Shape
    dtype: DType
    site: Site
    tracking: int
    depth: int

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(_UNCHANGEABLE)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(_UNCHANGEABLE)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        """The number of bytes of the value."""
        return self.size * self.dtype.itemsize

    @property
    def type_text(self) -> str:
        """The type as it is written everywhere: ``float32[32, 10]``."""
        return type_text(self.shape, self.dtype)

    @property
    def buffer(self) -> Buffer | None:
        """The data of a ``buffer`` leaf, None for every other node."""
        payload = self.attrs.get("buffer")
        return payload if isinstance(payload, Buffer) else None

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.type_text} from {self.site}>"


_set_op = Node.__dict__["op"].__set__
_set_inputs = Node.__dict__["inputs"].__set__
_set_attrs = Node.__dict__["attrs"].__set__
_set_shape = Node.__dict__["shape"].__set__
_set_dtype = Node.__dict__["dtype"].__set__
_set_site = Node.__dict__["site"].__set__
_set_tracking = Node.__dict__["tracking"].__set__
_set_depth = Node.__dict__["depth"].__set__

# The key names inputs by ``id``: an entry goes before its node lets go of its inputs,
# so no id in a living key can have been reused, and the table keeps nothing alive.
_Key = tuple[Any, ...]


class _Reference(weakref.ref[Node]):
    __slots__ = ("key",)
    key: _Key


_table: dict[_Key, _Reference] = {}
# Reentrant: a collection may drop nodes while the thread that holds the lock interns.
_lock = threading.RLock()


def _after_fork() -> None:
    """Forget a lock that a thread which is not here may hold."""
    global _lock
    _lock = threading.RLock()
    if sys.version_info < (3, 12):  # later ones have no locks
        for one in gc.get_objects():
            if type(one) is functools.cached_property:
                vars(one)["lock"] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _forget(reference: weakref.ref[Node]) -> None:
    """Drop a dead node's entry, unless an equal node has taken the place."""
    key = reference.key  # type: ignore[attr-defined]
    with _lock:  # or another thread could take the place between the two steps
        if _table.get(key) is reference:
            del _table[key]


def key_of(op: Primitive, inputs: tuple[Node, ...], attrs: Attrs) -> _Key:
    """Return the interning key of an operation."""
    return (op, attrs, *map(id, inputs))


def find(key: _Key) -> Node | None:
    """Return the living node of this key, if there is one."""
    reference = _table.get(key)
    return reference() if reference is not None else None


def _leaf_tracking(op: Primitive, attrs: Attrs) -> int:
    if op.name == "input":
        return TRACED
    buffer = attrs.get("buffer")
    own = isinstance(buffer, Buffer) and buffer.parameter
    return PARAMETRIC if own else UNTRACKED


def intern(
    key: _Key,
    op: Primitive,
    inputs: tuple[Node, ...],
    attrs: Attrs,
    shape: Shape,
    dtype: DType,
    site: Site | None = None,
) -> Node:
    """Make the node of this key, or return the one another thread made first."""
    node = object.__new__(Node)
    _set_op(node, op)
    _set_inputs(node, inputs)
    _set_attrs(node, attrs or NO_ATTRS)
    _set_shape(node, shape)
    _set_dtype(node, dtype)
    _set_site(node, site or current_site())
    if inputs:
        _set_tracking(node, max([operand.tracking for operand in inputs]))
        _set_depth(node, 1 + max([operand.depth for operand in inputs]))
    else:
        _set_tracking(node, _leaf_tracking(op, attrs))
        _set_depth(node, 0)
    reference = _Reference(node, _forget)
    reference.key = key
    with _lock:
        existing = _table.get(key)
        if existing is not None:
            other = existing()
            if other is not None:
                return other
        _table[key] = reference
    return node


def interned_count() -> int:
    """Return how many nodes are alive; used by tests against memory growth."""
    return len(_table)
