"""What running a graph may take: a few bytes can ask for any amount of work.

A loop without an end, a function that calls itself twice, a constant of gigabytes: all
fit into files of a hundred bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nervure.array import Array
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.ir.node import TRACED

# Beside what grows with the file.
_FREE_NODES: Final = 5_000
_FREE_BYTES: Final = 24 << 20
_RUNS_A_NODE: Final = 20


class Budget:
    """The nodes that may still be run, and the bytes that constants may still take.

    Parameters
    ----------
    nodes
        How many a graph has; loops and functions run some of them many times.
    most_bytes
        The most that constants may take which the graph computes; None for any amount,
        as when a graph runs on values and nothing tells them from constants.

    >>> budget = Budget(3)
    >>> budget.nodes
    5060
    """

    def __init__(self, nodes: int, most_bytes: int | None = None) -> None:
        self.nodes = _FREE_NODES + _RUNS_A_NODE * nodes
        self.most_bytes = most_bytes

    def spend(self, operator: str, label: str, results: Iterable[Any]) -> None:
        """Take one node and its results.

        Raises :class:`UnsupportedError` when that is too much.
        """
        self.nodes -= 1
        if self.nodes < 0:
            raise UnsupportedError(
                operator, "its graph does not end, or repeats too much", label
            )
        if self.most_bytes is None:
            return
        for one in results:
            if isinstance(one, Array) and one.tracking != TRACED:
                self.most_bytes -= one.nbytes
        if self.most_bytes < 0:
            raise too_large(operator, label)


def too_large(operator: str, label: str) -> UnsupportedError:
    """Return the error for constants that a small file makes large."""
    return UnsupportedError(
        operator,
        "it computes constants much larger than the file",
        label,
        "if you trust the file: load_model(path, max_bytes=1 << 32)",
    )


def bytes_for(size: int) -> int:
    """Return what constants may take by default, for a file of so many bytes."""
    return _FREE_BYTES + 2 * size
