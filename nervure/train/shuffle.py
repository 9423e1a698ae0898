"""In which order the rows of a data set are seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nervure.ir.attrs import NDArray


class Order:
    """The batches of each pass over the data, as matrices of row numbers.

    Parameters
    ----------
    rows, batch_size
        How many rows there are, and how many a batch has.
    seed
        What decides the order, or None to take the rows as they come.
    whole_batches
        Keep rows that follow one another together: only the batches change places.

    The order of a pass depends on the seed and the number of the pass alone, so a run
    can be continued at any pass.
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        seed: int | None = None,
        whole_batches: bool = False,
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.whole_batches = whole_batches

    @property
    def batches(self) -> int:
        """The number of batches of a pass; the last one may be smaller."""
        return -(-self.rows // self.batch_size)

    def permutation(self, pass_number: int) -> NDArray:
        """Return the rows in the order of a pass, ``int64[rows]``."""
        rows = np.arange(self.rows)
        if self.seed is None:
            return rows
        bits = np.random.Philox(key=self.seed, counter=[0, 0, 0, pass_number])
        generator = np.random.Generator(bits)
        if not self.whole_batches:
            return generator.permutation(self.rows)
        whole = self.rows // self.batch_size
        parts = rows[: whole * self.batch_size].reshape(whole, self.batch_size)
        # The rows that fill no batch stay at the end.
        rest = rows[whole * self.batch_size :]
        return np.concatenate([parts[generator.permutation(whole)].reshape(-1), rest])

    def blocks(self, pass_number: int) -> Iterator[NDArray]:
        """Yield batches of one size each as ``int64[batches, size]``."""
        order = self.permutation(pass_number)
        whole = self.rows // self.batch_size * self.batch_size
        if whole:
            yield order[:whole].reshape(-1, self.batch_size)
        if whole < self.rows:
            yield order[whole:].reshape(1, -1)

    def steps(self, first: int, count: int) -> Iterator[NDArray]:
        """Yield the blocks of ``count`` batches from batch ``first`` on.

        Batches are counted through all passes, so an epoch may be shorter or longer
        than a pass.
        """
        while count:
            pass_number, skipped = divmod(first, self.batches)
            for block in self.blocks(pass_number):
                part = block[skipped : skipped + count]
                skipped = max(0, skipped - len(block))
                if len(part):
                    yield part
                    first += len(part)
                    count -= len(part)
