"""Python's operators on tensors and variables.

The functions behind them are in modules that need tensors themselves, so they are
entered into a table when these are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nervure.tf1.tensor import Tensor

# By the names of Python's methods, without their underscores.
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}


class Operators:
    """What ``x + y`` and the like do; equality stays identity, as in TensorFlow 1."""

    __slots__ = ()

    # NumPy's operators leave mixed operations to us.
    __array_ufunc__ = None
    __array_priority__ = 1000

    def __add__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["add"](self, other)
        return found

    def __radd__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["add"](other, self)
        return found

    def __sub__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["sub"](self, other)
        return found

    def __rsub__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["sub"](other, self)
        return found

    def __mul__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["mul"](self, other)
        return found

    def __rmul__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["mul"](other, self)
        return found

    def __truediv__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["truediv"](self, other)
        return found

    def __rtruediv__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["truediv"](other, self)
        return found

    def __floordiv__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["floordiv"](self, other)
        return found

    def __rfloordiv__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["floordiv"](other, self)
        return found

    def __mod__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["mod"](self, other)
        return found

    def __rmod__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["mod"](other, self)
        return found

    def __pow__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["pow"](self, other)
        return found

    def __rpow__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["pow"](other, self)
        return found

    def __matmul__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["matmul"](self, other)
        return found

    def __rmatmul__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["matmul"](other, self)
        return found

    def __and__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["and"](self, other)
        return found

    def __rand__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["and"](other, self)
        return found

    def __or__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["or"](self, other)
        return found

    def __ror__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["or"](other, self)
        return found

    def __xor__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["xor"](self, other)
        return found

    def __rxor__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["xor"](other, self)
        return found

    def __lt__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["lt"](self, other)
        return found

    def __le__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["le"](self, other)
        return found

    def __gt__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["gt"](self, other)
        return found

    def __ge__(self, other: Any) -> Tensor:
        found: Tensor = FUNCTIONS["ge"](self, other)
        return found

    def __neg__(self) -> Tensor:
        found: Tensor = FUNCTIONS["neg"](self)
        return found

    def __abs__(self) -> Tensor:
        found: Tensor = FUNCTIONS["abs"](self)
        return found

    def __pos__(self) -> Tensor:
        found: Tensor = FUNCTIONS["pos"](self)
        return found

    def __invert__(self) -> Tensor:
        found: Tensor = FUNCTIONS["invert"](self)
        return found

    def __getitem__(self, key: Any) -> Tensor:
        found: Tensor = FUNCTIONS["getitem"](self, key)
        return found
