"""What the tables of a program are: sequences of rows, with sums beside them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

Row = TypeVar("Row")


class Rows(Sequence[Row]):
    """A sequence of what :meth:`_rows` returns."""

    @abstractmethod
    def _rows(self) -> Sequence[Row]:
        """Return the rows."""

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        return self._rows()[place]

    def __len__(self) -> int:
        return len(self._rows())

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())
