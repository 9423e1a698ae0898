"""Seeing what layers return while a network computes, without changing the network.

The outputs are arrays of the graph that is being built, so they can be made further
outputs of a program, or differentiated with respect to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nervure.ir.node import current_scope

if TYPE_CHECKING:
    from nervure.nn.layer import Layer


class SeenCall(NamedTuple):
    """One call of a layer: the layer, its place (``"model/dense"``), its outputs."""

    layer: Layer
    place: str
    outputs: Any


_seen: Final[ContextVar[list[SeenCall] | None]] = ContextVar(
    "nervure_seen_calls", default=None
)


@contextlib.contextmanager
def seeing_calls() -> Iterator[list[SeenCall]]:
    """Collect the calls of layers in the block, inner ones before outer ones.

    >>> import nervure as nv
    >>> from nervure.nn.observing import seeing_calls
    >>> layer = nv.layers.Activation("relu", name="rectifier")
    >>> with seeing_calls() as calls:
    ...     y = layer([[-1.0, 2.0]])
    >>> [(call.place, call.outputs.tolist()) for call in calls]
    [('rectifier', [[0.0, 2.0]])]
    """
    calls: list[SeenCall] = []
    token = _seen.set(calls)
    try:
        yield calls
    finally:
        _seen.reset(token)


def note_call(layer: Layer, outputs: Any) -> None:
    """Note a call, if somebody is looking; made in the scope of the layer."""
    calls = _seen.get()
    if calls is not None:
        calls.append(SeenCall(layer, current_scope(), outputs))
