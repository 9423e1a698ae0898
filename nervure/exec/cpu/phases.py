"""Who runs each kernel, and when: phases, between which the threads meet.

Within a phase nothing waits, so a kernel may only need what its own thread has made in
that phase.  That is so where

- the first thread does both (:attr:`Owner.FIRST`),
- every thread does its bands of both (:attr:`Owner.BANDS`, see ``bands.py``), or
- every thread has done the first of them, all of it (:attr:`Owner.EVERY`): they write
  the same few bytes to the same place.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from nervure.config import config
from nervure.exec.cpu.kernel import KernelCall, Slot

# Elementary operations that the threads must share for every barrier.
WORTH_A_BARRIER: Final = 60_000
# Elementary operations that may as well be done by every thread.
TINY_COST: Final = 500


class Owner(enum.Enum):
    """Which threads run a kernel."""

    FIRST = "first"  # the first one all of it
    EVERY = "every"  # each all of it
    BANDS = "bands"  # each its bands
    UNITS = "units"  # each some units


class Phases(list[list[KernelCall]]):
    """The kernels of a plan in phases, and the owner of each.

    ``over`` names for values the older value over which they are written.  If there is
    too little to share, or the pass ``schedule`` is skipped, the first thread does
    everything (``serial``).

    A schedule made for a memory budget says before which phase a kernel must not run
    (``not_before``), and keeps to the ``serial`` of the plan as it was.
    """

    def __init__(
        self,
        calls: Sequence[KernelCall],
        over: Mapping[Slot, Slot],
        not_before: Mapping[KernelCall, int] | None = None,
        serial: bool | None = None,
    ) -> None:
        super().__init__()
        self._over = over
        self._not_before = {} if not_before is None else not_before
        self._uses = _Uses(over)
        self.owners: dict[KernelCall, Owner] = {}
        for call in calls:
            self._place(call)
        for phase in self:
            self._share(phase)
        shared = sum(
            call.kernel.cost for call in calls
            if self.owners[call] in (Owner.UNITS, Owner.BANDS)
        )  # fmt: skip
        little = shared < WORTH_A_BARRIER * len(self)
        self.serial = little if serial is None else serial
        if "schedule" in config.skip_passes:
            self.serial = True
        if self.serial:
            self.owners = dict.fromkeys(calls, Owner.FIRST)
            self[:] = [list(calls)] if calls else []

    def _place(self, call: KernelCall) -> None:
        """Put a kernel into the first phase in which it can run."""
        owners = self._possible_owners(call)
        earliest = self._not_before.get(call, 0)
        number, choice = min(
            (max(self._uses.phase_of(call, owner), earliest), choice)
            for choice, owner in enumerate(owners)
        )
        self.owners[call] = owners[choice]
        self._uses.add(call, owners[choice], number)
        while len(self) <= number:
            self.append([])
        self[number].append(call)

    def _possible_owners(self, call: KernelCall) -> list[Owner]:
        """Return who may run a kernel, the best first."""
        kernel = call.kernel
        if kernel.units == 1:
            again = any(slot in self._over for slot in call.writes)
            tiny = kernel.cost <= TINY_COST and not again
            return [Owner.EVERY, Owner.FIRST] if tiny else [Owner.FIRST]
        if call.bands is not None:
            return [Owner.BANDS, Owner.FIRST] if kernel.serial else [Owner.BANDS]
        return [Owner.FIRST] if kernel.serial else [Owner.UNITS]

    def _share(self, phase: Sequence[KernelCall]) -> None:
        """Share what the first thread was to do, where nothing of its own needs it."""
        alone = [call for call in phase if self.owners[call] is Owner.FIRST]
        if len(alone) == len(phase):
            return
        for call in alone:
            others = [one for one in alone if one is not call]
            apart = not any(self._meet(call, one) or self._meet(one, call)
                            for one in others)  # fmt: skip
            if apart and call.kernel.units > 1 and call.kernel.cost > TINY_COST:
                self.owners[call] = Owner.UNITS

    def _meet(self, writer: KernelCall, other: KernelCall) -> bool:
        """Tell whether a kernel touches memory that another one writes."""
        written = set(map(self._uses.name, writer.writes))
        touched = (*other.reads, *other.writes)
        return any(self._uses.name(slot) in written for slot in touched)


class _Use(NamedTuple):
    """A phase in which a value is touched, and by whom.

    ``bands`` are the rows and the height where every thread touches its bands only.
    """

    phase: int
    owner: Owner
    bands: tuple[int, int] | None


class _Uses:
    """Who has touched every value so far."""

    def __init__(self, over: Mapping[Slot, Slot]) -> None:
        self._over = over
        self._writer: dict[Slot, _Use] = {}
        self._readers: dict[Slot, list[_Use]] = {}

    def _use(self, call: KernelCall, slot: Slot, owner: Owner, phase: int) -> _Use:
        found = None
        bands = call.bands
        if owner is Owner.BANDS and bands is not None and slot in bands.slots:
            found = bands.rows, bands.height
        return _Use(phase, owner, found)

    def name(self, slot: Slot) -> Slot:
        """Return one name for a value and what is written over it."""
        return self._over.get(slot, slot)

    def phase_of(self, call: KernelCall, owner: Owner) -> int:
        """Return the first phase in which a kernel can run."""
        number = 0
        for slot in (*call.reads, *call.writes):
            before = self._writer.get(self.name(slot))
            if before is not None:
                mine = self._use(call, slot, owner, 0)
                near = before.owner is Owner.EVERY or _same_thread(before, mine)
                number = max(number, before.phase + (not near))
        for slot in call.writes:
            mine = self._use(call, slot, owner, 0)
            for before in self._readers.get(self.name(slot), ()):
                number = max(number, before.phase + (not _same_thread(before, mine)))
        return number

    def add(self, call: KernelCall, owner: Owner, phase: int) -> None:
        """Remember what a kernel touches."""
        for slot in call.reads:
            use = self._use(call, slot, owner, phase)
            self._readers.setdefault(self.name(slot), []).append(use)
        for slot in call.writes:
            self._writer[self.name(slot)] = self._use(call, slot, owner, phase)
            self._readers.pop(self.name(slot), None)


def _same_thread(x: _Use, y: _Use) -> bool:
    """Tell whether the thread that touches an element is the same both times."""
    if x.owner is Owner.BANDS and y.owner is Owner.BANDS:
        return x.bands is not None and x.bands == y.bands
    return x.owner is Owner.FIRST and y.owner is Owner.FIRST
