"""What depends on settled inputs alone: computed once, not in every call.

A network that predicts is called again and again with the same weights.  Kernels that
read nothing but weights and constants (which bring the weights of a convolution into
panels, or make a scale of a batch normalization's moments) form a program of their own.
It runs when one of the *settled* inputs is another array than in the call before; what
it writes, the *kept* values, lies outside of the arena.

Whether a kernel runs there or here changes nothing about what it computes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

import numpy as np

from nervure.config import config
from nervure.exec.cpu.kernel import Block, KernelCall, Slot
from nervure.exec.cpu.memory import ALIGNMENT, address, handle, rounded
from nervure.exec.cpu.plan import Plan
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node

Run = Callable[[Sequence[NDArray], Sequence[NDArray]], None]

# Kept values may need so many times the memory of the settled inputs, no more.
_MOST_MEMORY: Final = 8


class Preparation(NamedTuple):
    """A plan cut in two.

    Attributes
    ----------
    before
        The kernels that depend on settled inputs alone; its outputs are ``kept``.
    plan
        The others, which read the kept values.
    kept
        What the first writes and the second reads.
    """

    before: Plan
    plan: Plan
    kept: tuple[Slot, ...]


def prepared_apart(plan: Plan, settled: Collection[Node]) -> Preparation | None:
    """Cut what depends on settled inputs alone from a plan; None if nothing does."""
    # a checked run needs the arrays themselves, which a keeper does not hand on
    if not settled or plan.regions or plan.checked:
        return None
    if "schedule" in config.skip_passes:
        return None
    early = _early(plan, settled)
    rest = [call for call in plan.calls if call not in early]
    needed = {slot for call in rest for slot in call.reads}
    before = [call for call in plan.calls if call in early]
    written = dict.fromkeys(slot for call in before for slot in call.writes)
    kept = tuple(slot for slot in written if slot in needed)
    held = sum(node.nbytes for node in settled)
    if not kept or sum(slot.nbytes for slot in kept) > _MOST_MEMORY * held:
        return None
    return Preparation(plan.part(before, kept), plan.part(rest), kept)


def _early(plan: Plan, settled: Collection[Node]) -> set[KernelCall]:
    """Return the kernels that need nothing but settled inputs and constants."""
    late: set[Slot] = {*plan.graph.inputs, *plan.outputs} - set(settled)
    chosen = dict.fromkeys(plan.calls)
    count = -1
    while count != len(chosen):  # a second writer of a value may follow its readers
        count = len(chosen)
        for call in list(chosen):
            touched = (*call.reads, *call.writes)
            if isinstance(call.kernel, Block) or not late.isdisjoint(touched):
                late.update(call.writes)
                del chosen[call]
    return set(chosen)


class Known(NamedTuple):
    """The settled inputs of a call, and what was computed of them.

    Attributes
    ----------
    settled
        The arrays as they were given; they are not kept alive.
    handles
        What native code is given for them.
    copies
        Contiguous copies of those that are not.
    values
        The kept values, ``uint8[...]`` each.
    """

    settled: tuple[weakref.ref[NDArray], ...]
    handles: tuple[int, ...]
    copies: list[NDArray]
    values: list[NDArray]

    def is_for(self, settled: Sequence[NDArray]) -> bool:
        """Tell whether these are the very same arrays.

        Arrays are never changed while somebody may compute with them, so the same array
        is the same value.
        """
        return all(
            known() is one for known, one in zip(self.settled, settled, strict=True)
        )


class Keeper:
    """Computes the kept values of a program, and remembers those of the last call.

    They are let go with the first of the settled inputs that nobody holds any longer: a
    program may outlive the weights that it was last called with.

    Parameters
    ----------
    slots
        What is kept.
    run
        Computes it, given arrays for all inputs and for what is kept.
    places
        Where the settled inputs are among the inputs.
    """

    def __init__(self, slots: Sequence[Slot], run: Run, places: range) -> None:
        self._sizes = [slot.nbytes for slot in slots]
        self._run = run
        self.places = slice(places.start, places.stop)
        self._last: Known | None = None

    def known(self, inputs: Sequence[NDArray]) -> Known | None:
        """Return what is known of the inputs of a call, None if it has to be made."""
        last = self._last  # another thread may replace it meanwhile
        if last is not None and last.is_for(inputs[self.places]):
            return last
        return None

    def made(self, inputs: Sequence[NDArray], given: Sequence[NDArray]) -> Known:
        """Compute what is kept; ``given`` are the inputs, checked and contiguous."""
        values = self._empty()
        self._run(given, values)
        settled, arrays = inputs[self.places], given[self.places]
        plain = all(isinstance(one, np.ndarray) for one in settled)
        me = weakref.ref(self)

        def forget(_: object) -> None:
            keeper = me()
            if keeper is not None:
                keeper._last = None

        known = Known(
            tuple(weakref.ref(one, forget) for one in (settled if plain else arrays)),
            tuple(map(handle, arrays)),
            [one for one, old in zip(arrays, settled, strict=True) if one is not old],
            values,
        )
        self._last = known if plain else None
        return known

    def _empty(self) -> list[NDArray]:
        """Return memory for the values, on cache lines."""
        memory = np.empty(sum(map(rounded, self._sizes)) + ALIGNMENT, np.uint8)
        begin = -address(memory) % ALIGNMENT
        found = []
        for size in self._sizes:
            found.append(memory[begin : begin + size])
            begin += rounded(size)
        return found
