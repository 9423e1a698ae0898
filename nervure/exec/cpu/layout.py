"""Where every value of a program lies: in an array of its own, or in the arena.

A program is given one pointer, the *context*: the number of steps, the number of
pointers, the pointers to inputs, constants and results, and behind them the arena.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from nervure.config import config
from nervure.exec.cpu.chains import chains_of, private_values
from nervure.exec.cpu.fusion import LEAVES
from nervure.exec.cpu.kernel import Slot
from nervure.exec.cpu.memory import Lifetime, place, rounded
from nervure.ir.attrs import Constant, NDArray
from nervure.ir.node import Node

if TYPE_CHECKING:
    from nervure.exec.cpu.plan import Plan

# Words of the context before the pointers: the number of steps, and that of pointers.
HEAD: Final = 2


class Layout:
    """Where every slot of a plan lies: in an array of its own, or in the arena.

    Attributes
    ----------
    arrays
        For each slot with an array of its own (inputs, constants, results), the number
        of its pointer.
    constants
        The values of those that are constants.
    results
        The slots that become new arrays.
    nbytes
        The size of the context without what every thread has for itself.
    private
        The values of which every thread has only the bands at work, and where; none if
        ``threads_apart`` is not set.
    thread_nbytes
        The bytes that every thread has for them.
    """

    def __init__(self, plan: Plan, *, threads_apart: bool = True) -> None:
        self.plan = plan
        births, deaths = _lives(plan)
        inputs = plan.graph.inputs
        written = {slot for call in plan.calls for slot in call.writes}
        self.results = list(dict.fromkeys(
            slot for slot in plan.outputs
            if slot in written or (slot.nbytes == 0 and not is_leaf(slot))
        ))  # fmt: skip
        self.constants = {
            slot: contiguous(leaf_value(slot))
            for slot in births
            if isinstance(slot, Node) and is_leaf(slot) and slot not in inputs
        }
        listed = dict.fromkeys([*inputs, *self.constants, *self.results])
        self.arrays: dict[Slot, int] = {
            slot: place for place, slot in enumerate(listed)
        }
        self.private: dict[Slot, int] = {}
        self.thread_nbytes = 0
        if threads_apart:
            self._find_private_values()
        self._place_in_arena(births, deaths)

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
                    end += rounded(nbytes)
                self.thread_nbytes = max(self.thread_nbytes, end)

    def _place_in_arena(self, births: dict[Slot, int], deaths: dict[Slot, int]) -> None:
        lifetimes = {
            slot: Lifetime(births[slot], deaths[slot], slot.nbytes)
            for slot in births
            if slot not in self.arrays and slot not in self.private
        }
        placement = place(dict(lifetimes.items()), tight=False)
        begin = rounded(8 * (HEAD + len(self.arrays)))
        self.offsets = {slot: begin + at for slot, at in placement.offsets.items()}
        end = begin + rounded(placement.nbytes)
        # state that takes turns with its update needs a second place across steps
        self.turns: dict[Slot, int] = {}
        for old, new in self.plan.state.items():
            if old not in self.plan.in_place:
                self.turns[new] = end
                end += rounded(new.nbytes)
        self.nbytes = end


def is_leaf(slot: Slot) -> bool:
    """Tell whether a slot holds an input or a constant."""
    return isinstance(slot, Node) and slot.op.name in LEAVES


def _lives(plan: Plan) -> tuple[dict[Slot, int], dict[Slot, int]]:
    """Return the first and last phase in which each slot is used.

    Where one thread does everything, every call counts as a phase.
    """
    births: dict[Slot, int] = {}
    deaths: dict[Slot, int] = {}
    if "memory" in config.skip_passes:  # everything lives all the time
        slots = [slot for call in plan.calls for slot in (*call.reads, *call.writes)]
        return dict.fromkeys(slots, 0), dict.fromkeys(slots, len(plan.calls))
    phases = [[call] for call in plan.calls] if plan.phases.serial else plan.phases
    for number, phase in enumerate(phases):
        for call in phase:
            for slot in (*call.reads, *call.writes):
                births.setdefault(slot, number)
                deaths[slot] = number
    return births, deaths


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
