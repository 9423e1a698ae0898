"""Attributes of a node: a small immutable mapping that can be hashed.

Allowed values are ``bool``, ``int``, ``str``, ``None``, data types, tuples of these,
the payloads :class:`Constant`, :class:`Buffer` and :class:`Rule`, and graphs (the
bodies of loops and branches, see ``nervure.ir.bodies``).  Floats are not allowed,
because ``0.0 == -0.0`` would merge two different nodes: numbers travel in a
:class:`Constant`, which compares by its bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, Union

import numpy as np
import numpy.typing as npt

from nervure.dtypes import DType
from nervure.errors import explain

if TYPE_CHECKING:
    from nervure.ir.graph import Graph

NDArray = npt.NDArray[Any]


class DeviceValue(Protocol):
    """A value that lies on a device until somebody looks at it; it never changes.

    Attributes
    ----------
    shape, dtype
        Its type.
    shared
        Whether anybody but one cell may look at it later.  If not, the executor may
        overwrite its memory with the value that replaces it.
    """

    shape: tuple[int, ...]
    dtype: DType
    shared: bool

    @property
    def device(self) -> str:
        """The name of the device."""
        ...

    def numpy(self) -> NDArray:
        """Return the value as a read-only NumPy array."""
        ...


class Constant:
    """An array that is part of the graph's text; equal when type and bytes are equal.

    >>> import numpy as np
    >>> Constant(np.float32(0.0)) == Constant(np.float32(0.0))
    True
    >>> Constant(np.float32(0.0)) == Constant(np.float32(-0.0))
    False
    """

    __slots__ = ("_hash", "value")

    value: NDArray

    def __init__(self, value: NDArray) -> None:
        # np.ascontiguousarray would turn a scalar into a vector of one element
        frozen = np.array(value, order="C", copy=True)
        frozen.flags.writeable = False
        self.value = frozen
        self._hash = hash((frozen.dtype.name, frozen.shape, frozen.tobytes()))

    @property
    def dtype(self) -> DType:
        """The data type of the value."""
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Constant)
            and self._hash == other._hash
            and self.value.dtype == other.value.dtype
            and self.value.shape == other.value.shape
            and self.value.tobytes() == other.value.tobytes()
        )

    def __repr__(self) -> str:
        return f"Constant({self.value!r})"


_buffer_numbers = itertools.count()


class Buffer:
    """Data given by the user; each has an identity of its own and never merges.

    Its shape and its type are those of the leaf that holds it.

    ``held`` is a read-only array, or a value on a device, or None for a buffer that was
    read from a graph's text, which names data but does not hold it.

    >>> import numpy as np
    >>> one, other = Buffer(np.zeros(2)), Buffer(np.zeros(2))
    >>> one == one, one == other
    (True, False)
    """

    __slots__ = ("held", "name", "number", "parameter")

    def __init__(
        self,
        value: NDArray | DeviceValue | None,
        name: str = "",
        parameter: bool = False,
    ) -> None:
        if isinstance(value, np.ndarray):
            value = value.view()
            value.flags.writeable = False
        self.held = value
        self.name = name
        self.parameter = parameter
        self.number = next(_buffer_numbers)

    @property
    def value(self) -> NDArray | None:
        """The data as a NumPy array, brought from the device if they are there."""
        held = self.held
        return held if held is None or isinstance(held, np.ndarray) else held.numpy()

    def __repr__(self) -> str:
        kind = "parameter" if self.parameter else "buffer"
        return f"{kind} {self.name!r}" if self.name else f"{kind} #{self.number}"


class Rule:
    """A Python function carried by a node, compared by identity.

    ``function`` is None when the node was read from text, which never carries code.
    """

    __slots__ = ("function", "name")

    def __init__(self, function: Callable[..., Any] | None, name: str) -> None:
        self.function = function
        self.name = name

    def __repr__(self) -> str:
        return f"rule {self.name!r}"


AttrValue = Union[
    bool,
    int,
    str,
    None,
    DType,
    Constant,
    Buffer,
    Rule,
    "Graph",
    "tuple[AttrValue, ...]",
]


class Attrs(dict[str, AttrValue]):
    """An immutable, hashable mapping from attribute names to values.

    >>> attrs = Attrs(axes=(0, 1))
    >>> attrs["axes"], hash(attrs) == hash(Attrs(axes=(0, 1)))
    ((0, 1), True)
    """

    __slots__ = ("_hash",)

    _hash: int

    def __hash__(self) -> int:  # type: ignore[override]
        try:
            return self._hash
        except AttributeError:
            # With the types, so that True and 1 are not taken for one attribute.
            items = sorted(self.items(), key=lambda item: item[0])
            self._hash = hash(tuple([(name, type(v), v) for name, v in items]))
            return self._hash

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise ``TypeError``: attributes are part of what a node is."""
        raise TypeError(
            explain(
                "the attributes of a node cannot be changed: equal nodes are one node",
                fix="build a new node with nervure.ir.build.apply",
            )
        )

    __setitem__ = __delitem__ = _refuse
    clear = pop = popitem = setdefault = update = __ior__ = _refuse


NO_ATTRS: Final = Attrs()
