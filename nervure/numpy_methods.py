"""The methods that NumPy users type on arrays: each is the function of the same name.

NumPy's own functions (``np.mean(x)``) call these methods with ``dtype`` and ``out``, so
the reductions accept both; ``out`` must be None, because results are new arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from nervure.errors import DTypeError, explain

if TYPE_CHECKING:
    from nervure.array import Array

Axis = int | tuple[int, ...] | None


def _refuse_out(out: None) -> None:
    if out is not None:
        raise DTypeError(
            explain(
                "expected no argument out: arrays do not change",
                fix="write y[...] = the result instead",
            )
        )


class NumPyMethods:
    """Base of :class:`nervure.Array` with NumPy's methods."""

    __slots__ = ()

    shape: tuple[int, ...]
    ndim: int
    # The module of array functions, set by nervure.array once both are loaded.
    _functions: ClassVar[Any]

    @property
    def T(self) -> Array:  # noqa: N802 - standard name
        """The array with its axes reversed."""
        return self._functions.permute_dims(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Array:  # noqa: N802 - standard name
        """The array with its last two axes exchanged."""
        return self._functions.matrix_transpose(self)

    def astype(self, dtype: npt.DTypeLike) -> Array:
        """Return the array converted to another data type."""
        return self._functions.astype(self, dtype)

    def reshape(self, *shape: int | Sequence[int]) -> Array:
        """Return the array in another shape; one size may be -1."""
        if len(shape) == 1 and not isinstance(shape[0], int | np.integer):
            return self._functions.reshape(self, shape[0])
        return self._functions.reshape(self, shape)

    def transpose(self, *axes: int | Sequence[int]) -> Array:
        """Return the array with its axes in another order, reversed by default."""
        if not axes or axes == (None,):
            return self.T
        order = axes[0] if isinstance(axes[0], Sequence) else axes
        return self._functions.permute_dims(self, order)

    def flatten(self) -> Array:
        """Return the elements in one axis."""
        return self._functions.reshape(self, (-1,))

    ravel = flatten

    def squeeze(self, axis: Axis = None) -> Array:
        """Return the array without axes of size one."""
        if axis is None:
            axis = tuple(i for i, extent in enumerate(self.shape) if extent == 1)
        return self._functions.squeeze(self, axis)

    def clip(self, min: Any = None, max: Any = None) -> Array:
        """Return the elements limited to a range."""
        return self._functions.clip(self, min, max)

    def sum(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        *,
        keepdims: bool = False,
    ) -> Array:
        """Return the sum over axes."""
        _refuse_out(out)
        return self._functions.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def prod(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        *,
        keepdims: bool = False,
    ) -> Array:
        """Return the product over axes."""
        _refuse_out(out)
        return self._functions.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        *,
        keepdims: bool = False,
    ) -> Array:
        """Return the mean over axes."""
        _refuse_out(out)
        x = self if dtype is None else self.astype(dtype)
        return self._functions.mean(x, axis=axis, keepdims=keepdims)

    def var(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        ddof: float = 0,
        *,
        keepdims: bool = False,
        correction: float | None = None,
    ) -> Array:
        """Return the variance over axes; ``ddof`` is NumPy's word for correction."""
        _refuse_out(out)
        x = self if dtype is None else self.astype(dtype)
        correction = ddof if correction is None else correction
        return self._functions.var(
            x, axis=axis, correction=correction, keepdims=keepdims
        )

    def std(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        ddof: float = 0,
        *,
        keepdims: bool = False,
        correction: float | None = None,
    ) -> Array:
        """Return the standard deviation over axes."""
        _refuse_out(out)
        x = self if dtype is None else self.astype(dtype)
        correction = ddof if correction is None else correction
        return self._functions.std(
            x, axis=axis, correction=correction, keepdims=keepdims
        )

    def max(
        self, axis: Axis = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the largest elements over axes."""
        _refuse_out(out)
        return self._functions.max(self, axis=axis, keepdims=keepdims)

    def min(
        self, axis: Axis = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        """Return the smallest elements over axes."""
        _refuse_out(out)
        return self._functions.min(self, axis=axis, keepdims=keepdims)

    def argmax(
        self,
        axis: int | None = None,
        out: None = None,
        *,
        keepdims: bool = False,
    ) -> Array:
        """Return the positions of the largest elements."""
        _refuse_out(out)
        return self._functions.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(
        self,
        axis: int | None = None,
        out: None = None,
        *,
        keepdims: bool = False,
    ) -> Array:
        """Return the positions of the smallest elements."""
        _refuse_out(out)
        return self._functions.argmin(self, axis=axis, keepdims=keepdims)

    def any(
        self, axis: Axis = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        """Return whether any element is true over axes."""
        _refuse_out(out)
        return self._functions.any(self, axis=axis, keepdims=keepdims)

    def all(
        self, axis: Axis = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        """Return whether all elements are true over axes."""
        _refuse_out(out)
        return self._functions.all(self, axis=axis, keepdims=keepdims)
