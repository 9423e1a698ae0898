"""Shapes of which sizes may be unknown, with TensorFlow 1's methods."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from nervure.errors import ShapeError, explain


class Dimension:
    """The size of one axis, which may be unknown.

    >>> import nervure.tf1 as tf
    >>> x = tf.placeholder(tf.float32, [None, 784])
    >>> x.get_shape()[0].value, int(x.get_shape()[1]) // 2
    (None, 392)
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        if isinstance(value, Dimension):
            value = value.value
        self.value: int | None = None if value is None else operator.index(value)

    def _known(self) -> int:
        if self.value is None:
            raise ShapeError(
                explain(
                    "the size of this axis is not known before the graph runs",
                    fix="use tf.shape(x)[axis], which is a tensor",
                )
            )
        return self.value

    def __int__(self) -> int:
        return self._known()

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Dimension):
            return self.value == other.value
        return self.value == other

    def __hash__(self) -> int:
        return hash(self.value)

    def _combined(self, other: Any, function: Any) -> Dimension:
        size = Dimension(other).value
        unknown = self.value is None or size is None
        return Dimension(None if unknown else function(self.value, size))

    def __add__(self, other: Any) -> Dimension:
        return self._combined(other, operator.add)

    def __sub__(self, other: Any) -> Dimension:
        return self._combined(other, operator.sub)

    def __mul__(self, other: Any) -> Dimension:
        return self._combined(other, operator.mul)

    def __floordiv__(self, other: Any) -> Dimension:
        return self._combined(other, operator.floordiv)

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: Any) -> bool:
        return self._known() < operator.index(other)

    def __gt__(self, other: Any) -> bool:
        return self._known() > operator.index(other)

    def __le__(self, other: Any) -> bool:
        return self._known() <= operator.index(other)

    def __ge__(self, other: Any) -> bool:
        return self._known() >= operator.index(other)

    def __repr__(self) -> str:
        return f"Dimension({self.value})"

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)


class TensorShape:
    """A shape: sizes that may be unknown, or not even their number.

    Parameters
    ----------
    dims
        A sequence of whole numbers and None, one number, another shape, or None for a
        shape of which nothing is known.

    Raises
    ------
    ShapeError
        For what is no shape.

    >>> import nervure.tf1 as tf
    >>> tf.TensorShape([None, 3]).as_list(), tf.TensorShape(None).ndims
    ([None, 3], None)
    """

    __slots__ = ("sizes",)

    def __init__(self, dims: Any = None) -> None:
        self.sizes: tuple[int | None, ...] | None
        try:
            if isinstance(dims, TensorShape):
                self.sizes = dims.sizes
            elif dims is None:
                self.sizes = None
            elif hasattr(dims, "__index__"):
                self.sizes = (operator.index(dims),)
            else:
                self.sizes = tuple(Dimension(one).value for one in dims)
        except TypeError:
            raise ShapeError(
                explain(
                    f"expected a shape, got {dims!r}",
                    fix="pass a list of whole numbers, None where a size is unknown",
                )
            ) from None
        if self.sizes is not None and any(
            size is not None and size < 0 for size in self.sizes
        ):
            raise ShapeError(
                explain(
                    f"expected sizes of at least 0, got {list(self.sizes)}",
                    fix="write None for a size that is not known",
                )
            )

    @property
    def ndims(self) -> int | None:
        """The number of axes, or None."""
        return None if self.sizes is None else len(self.sizes)

    rank = ndims

    @property
    def dims(self) -> list[Dimension] | None:
        """The sizes as :class:`Dimension`, or None."""
        return None if self.sizes is None else [Dimension(one) for one in self.sizes]

    def as_list(self) -> list[int | None]:
        """Return the sizes; raises :class:`ShapeError` if their number is unknown."""
        if self.sizes is None:
            raise ShapeError(
                explain(
                    "the number of axes of this shape is not known",
                    fix="give the placeholder a shape, with None where sizes vary",
                )
            )
        return list(self.sizes)

    def is_fully_defined(self) -> bool:
        """Tell whether every size is known."""
        return self.sizes is not None and None not in self.sizes

    def num_elements(self) -> int | None:
        """Return the number of elements, or None."""
        if self.sizes is None:
            return None
        total = 1
        for size in self.sizes:
            if size is None:
                return None
            total *= size
        return total

    def is_compatible_with(self, other: Any) -> bool:
        """Tell whether a shape may be both: no two known sizes differ."""
        mine, theirs = self.sizes, TensorShape(other).sizes
        if mine is None or theirs is None:
            return True
        return len(mine) == len(theirs) and all(
            one is None or two is None or one == two
            for one, two in zip(mine, theirs, strict=True)
        )

    def merge_with(self, other: Any) -> TensorShape:
        """Return what is known from both; raises where they contradict each other."""
        given = TensorShape(other)
        if not self.is_compatible_with(given):
            raise ShapeError(
                explain(
                    f"the shapes {self} and {given} are not compatible",
                    fix="reshape one of them with tf.reshape",
                )
            )
        if self.sizes is None or given.sizes is None:
            return given if self.sizes is None else self
        pairs = zip(self.sizes, given.sizes, strict=True)
        return TensorShape([two if one is None else one for one, two in pairs])

    def concatenate(self, other: Any) -> TensorShape:
        """Return the sizes of both, one after the other."""
        given = TensorShape(other)
        if self.sizes is None or given.sizes is None:
            return TensorShape(None)
        return TensorShape([*self.sizes, *given.sizes])

    def with_rank(self, rank: int) -> TensorShape:
        """Return the shape, known to have this many axes."""
        return self.merge_with([None] * rank)

    def __len__(self) -> int:
        return len(self.as_list())

    def __iter__(self) -> Iterator[Dimension]:
        return (Dimension(one) for one in self.as_list())

    def __getitem__(self, key: Any) -> Any:
        if self.sizes is None:
            return TensorShape(None) if isinstance(key, slice) else Dimension(None)
        found = self.sizes[key]
        return TensorShape(found) if isinstance(found, tuple) else Dimension(found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorShape | Sequence) and other is not None:
            return NotImplemented
        return self.sizes == TensorShape(other).sizes

    def __hash__(self) -> int:
        return hash(self.sizes)

    def __bool__(self) -> bool:
        return self.sizes is not None

    def __repr__(self) -> str:
        return f"TensorShape({None if self.sizes is None else list(self.sizes)})"

    def __str__(self) -> str:
        if self.sizes is None:
            return "<unknown>"
        shown = ", ".join("?" if one is None else str(one) for one in self.sizes)
        return f"({shown},)" if len(self.sizes) == 1 else f"({shown})"
