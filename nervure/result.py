"""What stands behind arrays: a node of the graph and, once computed, its value.

A :class:`Result` never changes what it stands for.  Arrays that came out of equal
operations share one, so nothing is computed twice; ``x[0] = 1`` lets the one array
``x`` stand for another result, and no other array notices.
"""

from __future__ import annotations

from typing import Protocol

from nervure.dtypes import DType
from nervure.evaluation import evaluate, register_result, result_of
from nervure.ir.attrs import NDArray
from nervure.ir.node import PARAMETRIC, UNTRACKED, Node, Shape
from nervure.prims.leaf import buffer_leaf


class CallOrigin(Protocol):
    """A value that came out of a compiled function, with the way to its graph."""

    depth: int

    def node(self) -> Node:
        """Build the node that computes the value."""
        ...


class Result:
    """A node, its value once it is computed, or both.

    Attributes
    ----------
    shape, dtype
        Those of the value.
    value
        The computed value, read-only; None before.
    """

    __slots__ = ("__weakref__", "_call", "_node", "dtype", "shape", "value")

    _node: Node | None
    _call: CallOrigin | None
    shape: Shape
    dtype: DType
    value: NDArray | None

    @classmethod
    def of_node(cls, node: Node) -> Result:
        """Return the result that stands for ``node``; the same one if one is alive."""
        existing = result_of(node)
        if existing is not None:
            return existing
        result = object.__new__(cls)
        result._node = node
        result._call = None
        result.shape = node.shape
        result.dtype = node.dtype
        buffer = node.buffer
        result.value = buffer.value if buffer is not None else None
        register_result(node, result)
        return result

    @classmethod
    def of_value(cls, value: NDArray, call: CallOrigin | None = None) -> Result:
        """Return the result of a NumPy array that nobody will change.

        ``call`` tells how to build the graph of a value that a compiled function has
        already computed, should anybody ask for it.
        """
        result = object.__new__(cls)
        result._node = None
        result._call = call
        result.shape = value.shape
        result.dtype = value.dtype
        result.value = value
        return result

    @property
    def node(self) -> Node:
        """The node of the graph; a ``buffer`` leaf once the graph is forgotten."""
        if self._node is None:
            assert self.value is not None
            if self._call is None:
                self._node = buffer_leaf(self.value)
            else:
                self._node, self._call = self._call.node(), None
            register_result(self._node, self)
        return self._node

    @property
    def tracking(self) -> int:
        """Why the graph is kept: ``UNTRACKED``, ``PARAMETRIC`` or ``TRACED``."""
        if self._node is not None:
            return self._node.tracking
        return UNTRACKED if self._call is None else PARAMETRIC

    @property
    def depth(self) -> int:
        """The length of the longest chain of operations below the value."""
        if self._node is not None:
            return self._node.depth
        return 0 if self._call is None else self._call.depth

    def accept_value(self, value: NDArray) -> None:
        """Take the computed value; forget the graph unless it is tracked."""
        self.value = value
        if self._node is not None and self._node.tracking == UNTRACKED:
            self._node = None

    def numpy(self) -> NDArray:
        """Return the value as a read-only NumPy array, computing it if necessary."""
        if self.value is None:
            evaluate([self])
        assert self.value is not None
        return self.value
