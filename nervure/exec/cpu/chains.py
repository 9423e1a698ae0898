"""Chains: kernels of the same bands, which are run a few bands at a time.

What a kernel of a chain writes for some bands is still in the core's cache when the
next one reads it.  A value that only the chain itself needs never has to exist as a
whole: every thread has room for the bands it is working on (it is *private*).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nervure.exec.cpu.kernel import Instance, KernelCall, Slot
from nervure.exec.cpu.phases import Owner
from nervure.ir.node import Node

# Bytes that stay in a core's second-level cache while kernels follow each other.
CACHE: Final = 2**19


class Chain(NamedTuple):
    """Kernels of the same bands in order, and how many bands are worked on at a time.

    ``together`` is 0 if all that they touch stays in the cache anyway: then each kernel
    does all bands of its thread before the next one begins.
    """

    calls: tuple[KernelCall, ...]
    height: int
    together: int

    @property
    def units(self) -> int:
        """The number of bands."""
        return self.calls[0].kernel.units


def chains_of(
    calls: Iterable[KernelCall], owners: Mapping[KernelCall, Owner]
) -> list[Chain]:
    """Return the chains among the calls of a phase."""
    alike: dict[tuple[int, int], list[KernelCall]] = {}
    for call in calls:
        if owners[call] is Owner.BANDS and call.bands is not None:
            key = call.bands.rows, call.bands.height
            alike.setdefault(key, []).append(call)
    return [
        Chain(tuple(found), height, _together(found))
        for (_, height), found in alike.items()
    ]


def _together(calls: Sequence[KernelCall]) -> int:
    """Return how many bands at a time let what they touch stay in the cache."""
    units = calls[0].kernel.units
    slots = {slot for call in calls for slot in _by_row(call)}
    a_band = sum(slot.nbytes for slot in slots) // units
    together = max(1, CACHE // max(a_band, 1))
    return together if len(calls) > 1 and together < units else 0


def _by_row(call: KernelCall) -> list[Slot]:
    """Return the operands of which a unit touches its own rows only."""
    assert call.bands is not None
    touched = (*call.reads, *call.writes)
    return [slot for slot in touched if slot in call.bands.slots]


def private_values(
    chain: Chain, calls: Iterable[KernelCall], visible: Container[Slot]
) -> dict[Node | Instance, int]:
    """Return the values that only a chain needs, and the bytes of the bands at work.

    ``calls`` are all of the program's; ``visible`` are inputs, results and the like.
    """
    if not chain.together:
        return {}
    made = [slot for call in chain.calls for slot in call.writes]
    found = {
        slot for slot in made
        if isinstance(slot, Node | Instance) and slot not in visible
        and all(slot in _by_row(call) for call in chain.calls if _touches(call, slot))
    }  # fmt: skip
    inside = set(chain.calls)
    for call in calls:
        if call not in inside:
            found -= {slot for slot in found if _touches(call, slot)}
    rows = chain.height * chain.together
    return {slot: slot.nbytes // slot.shape[0] * rows for slot in made
            if isinstance(slot, Node | Instance) and slot in found}  # fmt: skip


def _touches(call: KernelCall, slot: Slot) -> bool:
    return slot in call.reads or slot in call.writes
