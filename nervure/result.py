"""What stands behind arrays: a node of the graph and, once computed, its value.

A :class:`Result` never changes what it stands for.  Arrays that came out of equal
operations share one, so nothing is computed twice; ``x[0] = 1`` lets the one array
``x`` stand for another result, and no other array notices.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nervure.dtypes import DType
from nervure.evaluation import evaluate, register_result, result_of
from nervure.ir.attrs import DeviceValue, NDArray
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
    """

    __slots__ = ("__weakref__", "_call", "_node", "_there", "_value", "dtype", "shape")

    _node: Node | None
    _call: CallOrigin | None
    shape: Shape
    dtype: DType
    _value: NDArray | None
    _there: DeviceValue | None  # the value where it is not in NumPy's memory

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
        result._hold(buffer.held if buffer is not None else None)
        register_result(node, result)
        return result

    @classmethod
    def of_value(
        cls, value: NDArray | DeviceValue, call: CallOrigin | None = None
    ) -> Result:
        """Return the result of an array that nobody will change, or of a device's.

        ``call`` tells how to build the graph of a value that a compiled function has
        already computed, should anybody ask for it.
        """
        result = object.__new__(cls)
        result._node = None
        result._call = call
        result.shape = value.shape
        result.dtype = value.dtype
        result._hold(value)
        return result

    def _hold(self, value: NDArray | DeviceValue | None) -> None:
        here = value is None or isinstance(value, np.ndarray)
        self._value = value if here else None  # type: ignore[assignment]
        self._there = None if here else value  # type: ignore[assignment]

    @property
    def value(self) -> NDArray | None:
        """The computed value, read-only, brought from its device; None before."""
        if self._value is None and self._there is not None:
            self._value = self._there.numpy()
        return self._value

    @property
    def held(self) -> NDArray | DeviceValue | None:
        """The computed value where it is; None before."""
        return self._value if self._there is None else self._there

    def held_as(self, value: NDArray | DeviceValue) -> Result:
        """Return a result of the same value that holds it in another place.

        One that depends on a parameter keeps its graph.
        """
        if self.tracking == UNTRACKED:
            return Result.of_value(value)
        result = Result.of_value(value)
        result._node = self.node
        register_result(result._node, result)  # what comes next is computed there
        return result

    @property
    def node(self) -> Node:
        """The node of the graph; a ``buffer`` leaf once the graph is forgotten."""
        if self._node is None:
            if self._call is None:
                held = self.held
                assert held is not None
                self._node = buffer_leaf(held)
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

    def accept_value(self, value: NDArray | DeviceValue) -> None:
        """Take the computed value; forget the graph unless it is tracked."""
        self._hold(value)
        if self._node is not None and self._node.tracking == UNTRACKED:
            self._node = None

    def numpy(self) -> NDArray:
        """Return the value as a read-only NumPy array, computing it if necessary."""
        if self.held is None:
            evaluate([self])
        value = self.value
        assert value is not None
        return value

    def computed(self) -> NDArray | DeviceValue:
        """Return the value where it is, computing it if necessary."""
        if self.held is None:
            evaluate([self])
        assert self.held is not None
        return self.held
