"""Data that are made batch by batch, by a class of the user's own."""

from __future__ import annotations

from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.train.checks import whole_number


class PyDataset:
    """Base class of data that are made batch by batch, in threads.

    A subclass defines ``__len__``, the number of batches, and ``__getitem__(index)``,
    which returns the batch ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.  Batches are
    made ahead while the network learns.  With ``shuffle=True`` they come in another
    order in each pass.

    Parameters
    ----------
    workers
        How many threads call ``__getitem__`` at the same time.  NumPy, h5py and image
        libraries let other threads run while they work.
    use_multiprocessing
        Must be False: batches are made in threads of this process.
    max_queue_size
        How many batches are made ahead at most.

    Raises
    ------
    ArgumentError
        For numbers out of range, and for ``use_multiprocessing=True``.

    >>> import numpy as np
    >>> import nervure as nv
    >>> class Squares(nv.utils.PyDataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         x = np.arange(8.0).reshape(8, 1) + index
    ...         return x, x**2
    >>> len(Squares(workers=2))
    4
    """

    def __init__(
        self,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        if use_multiprocessing:
            raise ArgumentError(
                explain(
                    "use_multiprocessing must be False: batches are made in threads, "
                    "because processes would copy each batch",
                    fix="pass workers=4, for example",
                )
            )
        self.workers = whole_number(workers, "workers", 1, 4)
        self.use_multiprocessing = False
        self.max_queue_size = whole_number(max_queue_size, "max_queue_size", 1, 10)

    def __len__(self) -> int:
        """Return the number of batches; defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} does not define __len__()")

    def __getitem__(self, index: int) -> Any:
        """Return a batch; defined by the subclass."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define __getitem__()"
        )

    @property
    def num_batches(self) -> int | None:
        """The number of batches of a pass."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each pass."""

    def on_epoch_end(self) -> None:
        """Called after each pass."""
