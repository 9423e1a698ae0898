"""What ``adapt`` of a preprocessing layer goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nervure.errors import ArgumentError, explain


def batches_of(data: Any, name: str) -> Iterator[Any]:
    """Yield the batches of data: one for an array or lists, else what is iterated.

    Raises :class:`~nervure.errors.ArgumentError` when there is none; ``name`` is that
    of the layer.
    """
    whole = isinstance(data, list | tuple | str) or hasattr(data, "__array__")
    if not whole and not hasattr(data, "__iter__"):
        raise ArgumentError(
            explain(
                f"the layer {name!r} adapts to an array, a list or an iterable of "
                "batches, "
                f"got {type(data).__name__}",
                fix="pass the data themselves, for example layer.adapt(x_train)",
            )
        )
    empty = True
    for batch in [data] if whole else data:
        batch = batch[0] if isinstance(batch, tuple) and not whole else batch
        if hasattr(batch, "__len__") and len(batch) == 0:
            continue
        empty = False
        yield batch
    if empty:
        raise ArgumentError(
            explain(
                f"the layer {name!r} cannot adapt to no data",
                fix="pass at least one row; is the array empty by mistake?",
            )
        )
