"""Where every value of a program lies: in an array of its own, or in the arena.

A program is given one pointer, the *context*: the number of steps, the number of
pointers, the pointers to inputs, constants and results, and behind them the arena.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from nervure.config import config, thread_count
from nervure.exec.cpu.chains import chains_of, private_values
from nervure.exec.cpu.fusion import LEAVES
from nervure.exec.cpu.kernel import KernelCall, Scratch, Slot, Spilled
from nervure.exec.cpu.memory import Lifetime, place, rounded
from nervure.ir.attrs import Constant, NDArray
from nervure.ir.node import Node

if TYPE_CHECKING:
    from nervure.exec.cpu.plan import Plan

# Words of the context before the pointers: the number of steps, and that of pointers.
HEAD: Final = 2


class Layout:
    """Where every slot of a plan lies: in an array of its own, or in the arena.

    ``tight`` asks for the smallest arena that is known, as a memory budget does;
    ``kept`` are values that were computed before, of which each has an array.

    Attributes
    ----------
    arrays
        For each slot with an array of its own (inputs, constants, kept values,
        results), the number of its pointer.
    constants
        The values of those that are constants.
    results
        The slots that become new arrays.
    nbytes
        The size of the context without what every thread has for itself.
    private, private_nbytes
        The values of which every thread has only the bands at work, where, and of which
        size; none if ``threads_apart`` is not set.
    thread_nbytes
        The bytes that every thread has for them.
    spill
        The array to which values are moved that wait outside of the arena; None if no
        value is.  ``spilled`` says where they lie in it.
    moment_of, moments
        For each kernel the number of its phase, or where one thread does everything,
        its own number; and how many there are.
    lifetimes
        For each slot, the first and last moment at which it is used.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        threads_apart: bool = True,
        tight: bool = False,
        kept: Sequence[Slot] = (),
    ) -> None:
        self.plan = plan
        phases = [[call] for call in plan.calls] if plan.phases.serial else plan.phases
        self.moment_of = {
            call: number for number, phase in enumerate(phases) for call in phase
        }
        self.moments = len(phases)
        self.lifetimes = _lifetimes(phases)
        inputs = plan.graph.inputs
        written = {slot for call in plan.calls for slot in call.writes}
        self.results = list(dict.fromkeys(
            slot for slot in plan.outputs
            if slot in written or (slot.nbytes == 0 and not is_leaf(slot))
        ))  # fmt: skip
        self.constants = {
            slot: contiguous(leaf_value(slot))
            for slot in self.lifetimes
            if isinstance(slot, Node) and is_leaf(slot) and slot not in inputs
        }
        spilled: dict[Slot, Lifetime] = {
            slot: lifetime for slot, lifetime in self.lifetimes.items()
            if isinstance(slot, Spilled)
        }  # fmt: skip
        spill = place(dict(spilled.items()))
        self.spilled: dict[Slot, int] = {slot: spill.offsets[slot] for slot in spilled}
        self.spill = Scratch(spill.nbytes) if spilled else None
        listed: dict[Slot, None] = dict.fromkeys(
            [*inputs, *self.constants, *kept, *self.results]
        )
        if self.spill is not None:
            listed[self.spill] = None
        self.arrays: dict[Slot, int] = {
            slot: place for place, slot in enumerate(listed)
        }
        self.private: dict[Slot, int] = {}
        self.private_nbytes: dict[Slot, int] = {}
        self.thread_nbytes = 0
        if threads_apart:
            self._find_private_values()
        self._place_in_arena(tight)

    def total_nbytes(self, threads: int) -> int:
        """Return the size of the whole context for a number of threads."""
        return self.nbytes + threads * self.thread_nbytes

    def _find_private_values(self) -> None:
        plan = self.plan
        visible: set[Slot] = {*self.arrays, *plan.state, *plan.state.values()}
        for phase in plan.phases:
            for chain in chains_of(phase, plan.phases.owners):
                end = 0
                values = private_values(chain, plan.calls, visible)
                for slot, nbytes in values.items():
                    self.private[slot] = end
                    self.private_nbytes[slot] = nbytes
                    end += rounded(nbytes)
                self.thread_nbytes = max(self.thread_nbytes, end)

    def _place_in_arena(self, tight: bool) -> None:
        lifetimes = {
            slot: lifetime
            for slot, lifetime in self.lifetimes.items()
            if slot not in self.arrays
            and slot not in self.private
            and slot not in self.spilled
        }
        placement = place(dict(lifetimes.items()), tight=tight)
        # behind the pointers, checked code finds what it needs
        begin = rounded(8 * (HEAD + len(self.arrays) + self.plan.checked))
        self.offsets: dict[Slot, int] = {
            slot: begin + placement.offsets[slot] for slot in lifetimes
        }
        end = begin + rounded(placement.nbytes)
        # state that takes turns with its update needs a second place across steps
        self.turns: dict[Slot, int] = {}
        for old, new in self.plan.state.items():
            if old not in self.plan.in_place:
                self.turns[new] = end
                end += rounded(new.nbytes)
        self.nbytes = end


def arena_bytes(layout: Layout) -> int:
    """Return the bytes that a program allocates for its values when it runs.

    That is without its arguments and results, which are arrays of their own, and with
    as many threads as there are now.
    """
    return layout.total_nbytes(1 if layout.plan.phases.serial else thread_count())


def is_leaf(slot: Slot) -> bool:
    """Tell whether a slot holds an input or a constant."""
    return isinstance(slot, Node) and slot.op.name in LEAVES


def _lifetimes(phases: Iterable[Iterable[KernelCall]]) -> dict[Slot, Lifetime]:
    """Return the first and last phase in which each slot is used."""
    births: dict[Slot, int] = {}
    deaths: dict[Slot, int] = {}
    for number, phase in enumerate(phases):
        for call in phase:
            for slot in (*call.reads, *call.writes):
                births.setdefault(slot, number)
                deaths[slot] = number
    if "memory" in config.skip_passes:  # everything lives all the time
        last = max(deaths.values(), default=0)
        return {slot: Lifetime(0, last, slot.nbytes) for slot in births}
    return {slot: Lifetime(births[slot], deaths[slot], slot.nbytes) for slot in births}


def contiguous(value: NDArray) -> NDArray:
    """Return the value in row-major order at an address that suits its type."""
    if value.flags.num & _PLAIN == _PLAIN:
        return value
    return np.array(value, order="C", copy=True)


# NumPy's flags C_CONTIGUOUS and ALIGNED.
_PLAIN: Final = 0x101


def leaf_value(node: Node) -> NDArray:
    """Return the value of a ``const`` or ``buffer`` leaf."""
    payload = node.attrs.get("value")
    if isinstance(payload, Constant):
        return payload.value
    return node.op.reference(node)  # type: ignore[no-any-return]
