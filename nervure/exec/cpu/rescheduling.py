"""A plan as a program of operations, and a schedule of those as a plan again.

What runs again is decided in :mod:`nervure.passes.recompute`, which is shown the plan
as operations: the kernels in the order of their phases.  Here a decision becomes a
plan: a kernel that runs again is the same kernel, called once more with other memory
for its results, so it computes the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nervure.exec.cpu.fusion import memory_root
from nervure.exec.cpu.kernel import Instance, KernelCall, Scratch, Slot, Spilled
from nervure.exec.cpu.layout import Layout, arena_bytes
from nervure.exec.cpu.memory import rounded
from nervure.exec.cpu.phases import Owner
from nervure.exec.cpu.spill import MOVE_COST, move
from nervure.exec.cpu.target import Target
from nervure.ir.node import Node
from nervure.passes.recompute import Decision, Operation, Program, Schedule, Value

# Fewer bytes than this are not moved: it takes a phase of its own.
LEAST_MOVED = 2**16


class Rescheduling:
    """A plan, and its schedules as plans.

    Attributes
    ----------
    plan, target
        The plan as it is without a budget, and what it is made for.
    calls
        Its kernels, in the order of their phases.  Where one thread does everything,
        each has a time of its own.
    slots
        What they touch; a value of the program is the number of a slot.
    program
        The kernels as operations.
    required
        What the user has decided.

    Parameters
    ----------
    one_by_one
        Whether what shares a phase runs one after the other, what frees memory first.
    marked
        Whether what the user has marked is to be decided; otherwise it has been.
    """

    def __init__(
        self,
        layout: Layout,
        target: Target,
        *,
        one_by_one: bool = False,
        marked: bool = True,
    ) -> None:
        self.plan = plan = layout.plan
        self.target = target
        self._base = layout
        if plan.phases.serial:
            phases = [[call] for call in plan.calls]
        elif one_by_one:
            phases = [part for number in range(len(plan.phases))
                      for part in _parts(layout, number)]  # fmt: skip
        else:
            phases = list(plan.phases)
        self.calls = [call for phase in phases for call in phase]
        times = [number for number, phase in enumerate(phases) for _ in phase]
        self.slots: list[Slot] = list(
            dict.fromkeys(
                slot for call in self.calls for slot in (*call.reads, *call.writes)
            )
        )
        self._number = {slot: number for number, slot in enumerate(self.slots)}
        writers = {
            slot: number
            for number, call in enumerate(self.calls)
            for slot in call.writes
        }
        over: dict[Slot, int] = {
            old: writers[new] for old, new in plan.in_place.items() if new in writers
        }
        self.program = Program(
            [
                self._operation(call, time)
                for call, time in zip(self.calls, times, strict=True)
            ],
            [self._value(slot, over.get(slot)) for slot in self.slots],
            MOVE_COST,
            self._late_uses(times) if marked else None,
        )
        self.required = self._required() if marked else Decision()

    def _late_uses(self, times: Sequence[int]) -> dict[int, int]:
        """Return for the inner values of regions when they are first needed outside."""
        found: dict[int, int] = {}
        for region in self.plan.regions:
            within = {*region.inner, region.result}
            for call, time in zip(self.calls, times, strict=True):
                if within.isdisjoint(self.plan.origins[call]):
                    for slot in call.reads:
                        if slot in region.inner:
                            number = self._number[slot]
                            found[number] = min(found.get(number, time), time)
        return found

    def _required(self) -> Decision:
        """Return what regions decide: inner values go, arguments stay."""
        late = self.program.late
        dropped, held = set(), set()
        for region in self.plan.regions:
            inner = {self._number[node] for node in region.inner
                     if node in self._number}  # fmt: skip
            dropped |= {value for value in inner if late[value] is not None}
            roots = map(memory_root, region.arguments)
            held |= {self._number[node] for node in roots if node in self._number}
        return Decision(frozenset(dropped), held=frozenset(held - dropped))

    def _operation(self, call: KernelCall, time: int) -> Operation:
        bands = call.bands
        rows, by_row = None, frozenset[int]()
        if self.plan.phases.owners[call] is Owner.BANDS and bands is not None:
            rows = bands.rows, bands.height
            by_row = frozenset(
                self._number[slot] for slot in bands.slots if slot in self._number
            )
        return Operation(
            tuple(self._number[slot] for slot in call.reads),
            tuple(self._number[slot] for slot in call.writes),
            call.kernel.cost,
            time,
            rows,
            by_row,
        )

    def _value(self, slot: Slot, overwritten_by: int | None) -> Value:
        nbytes = rounded(slot.nbytes)
        fixed = slot in self._base.arrays or slot.nbytes == 0
        kept = 0 if fixed or slot in self._base.private else nbytes
        return Value(nbytes, kept, fixed, overwritten_by)

    def worth_moving(self) -> Iterator[int]:
        """Yield the values that wait and are not too small to be moved."""
        for value in self.program.waiting:
            if self.program.values[value].kept >= LEAST_MOVED:
                yield value

    def layout(self, schedule: Schedule) -> Layout:
        """Return the plan of a schedule, with its memory."""
        return _Rescheduled(self, schedule).layout()

    def measure(self, schedule: Schedule) -> int:
        """Return the bytes of the arena."""
        return arena_bytes(self.layout(schedule))


class _Rescheduled:
    """Writes the calls of one schedule.

    Before a time there may be several levels of calls that run again: each level gets a
    phase of its own.
    """

    def __init__(self, base: Rescheduling, schedule: Schedule) -> None:
        self._base = base
        self._schedule = schedule
        self._second: dict[int, Slot] = {
            value: _another(base.slots[value]) for value in schedule.second
        }
        self._origins: dict[KernelCall, tuple[Node, ...]] = {}
        self._again_of: dict[tuple[int, int], tuple[Node, ...]] = {}
        self._first_phase: list[int] = []  # of the levels before each time
        self._phase: list[int] = []  # of each time
        inserted = 0
        for time in range(base.program.times + 1):
            self._first_phase.append(time + inserted)
            inserted += schedule.levels.get(time, 0)
            self._phase.append(time + inserted)

    def layout(self) -> Layout:
        """Return the plan with its memory."""
        base, program = self._base, self._base.program
        placed: list[tuple[int, bool, KernelCall]] = []
        for number, call in enumerate(base.calls):
            time = program.operations[number].time
            placed.append((self._phase[time], True, self._first(number, call)))
        for number, one in sorted(self._schedule.again.items()):
            phase = self._phase[one.time]
            if not one.joined:
                phase = self._first_phase[one.time] + one.level
            placed.append((phase, False, self._again(number, one.time)))
        placed += self._moves()
        # what runs again comes first in its phase, and otherwise the order stays
        placed.sort(key=lambda item: item[:2])
        plan = base.plan.rescheduled(
            [call for _, _, call in placed],
            {call: phase for phase, _, call in placed},
            self._origins,
        )
        return Layout(plan, tight=True)

    def _slot(self, value: int, time: int) -> Slot:
        """Return the instance of a value that is read at a time."""
        second = self._schedule.second.get(value)
        if second is None or time < second or self._base.program.values[value].fixed:
            return self._base.slots[value]
        return self._second[value]

    def _first(self, number: int, call: KernelCall) -> KernelCall:
        """Return a call as it runs anyway, with the instances that it reads."""
        operation = self._base.program.operations[number]
        reads = [self._slot(value, operation.time) for value in operation.reads]
        if all(a is b for a, b in zip(reads, call.reads, strict=True)):
            return call
        made = _with_slots(call, reads, call.writes)
        self._origins[made] = self._base.plan.origins[call]
        return made

    def _again(self, number: int, time: int) -> KernelCall:
        """Return a call that runs again."""
        operation = self._base.program.operations[number]
        reads = [self._slot(value, time) for value in operation.reads]
        writes = [
            Scratch(self._base.slots[value].nbytes)
            if value in self._schedule.fetched
            else self._second[value]
            for value in operation.writes
        ]
        first = self._base.calls[number]
        call = replace(_with_slots(first, reads, writes), recomputed=True)
        # a task of its own, to which the kernels belong that run again with this one
        nodes = self._base.plan.origins[first]
        self._origins[call] = self._again_of.setdefault((id(nodes), time), (*nodes,))
        return call

    def _moves(self) -> Iterator[tuple[int, bool, KernelCall]]:
        """Yield the copies to the outside and back."""
        base, program = self._base, self._base.program
        for value, time in sorted(self._schedule.fetched.items()):
            slot = base.slots[value]
            outside = Spilled(slot.nbytes)
            writer = program.writer[value]
            assert writer is not None
            made = program.operations[writer].time
            idle = max(made + 1, program.idle_from[value])
            out = move(slot, outside, base.target)
            back = move(outside, self._second[value], base.target)
            nodes = base.plan.origins[base.calls[writer]]
            self._origins[out], self._origins[back] = (*nodes,), (*nodes,)
            yield self._phase[idle], True, out
            yield self._first_phase[time], False, back


def _another(slot: Slot) -> Slot:
    """Return memory for a second instance of what a slot holds."""
    if isinstance(slot, Instance):
        return Instance(slot.value)
    return Instance(slot) if isinstance(slot, Node) else Scratch(slot.nbytes)


def _parts(layout: Layout, number: int) -> list[list[KernelCall]]:
    """Return the kernels of a phase in parts that need not run at the same time.

    What the first thread does, or every thread, comes with the first part; kernels that
    follow each other without a barrier stay together.
    """
    plan = layout.plan
    owners = plan.phases.owners
    before: list[KernelCall] = []
    parts: dict[object, list[KernelCall]] = {}
    for call in plan.phases[number]:
        if owners[call] is Owner.UNITS:
            parts[call] = [call]
        elif owners[call] is Owner.BANDS and call.bands is not None:
            parts.setdefault((call.bands.rows, call.bands.height), []).append(call)
        else:
            before.append(call)

    def growth(part: list[KernelCall]) -> int:
        """Return the bytes by which a part makes what is alive more."""
        touched = {slot for call in part for slot in (*call.reads, *call.writes)}
        made = {slot for call in part for slot in call.writes}
        in_arena = [slot for slot in touched if slot in layout.offsets]
        return sum(
            (slot.nbytes if slot in made else 0)
            - (slot.nbytes if layout.lifetimes[slot].death == number else 0)
            for slot in in_arena
        )

    ordered = sorted(parts.values(), key=growth)
    if not ordered:
        return [before]
    return [[*before, *ordered[0]], *ordered[1:]]


def _with_slots(
    call: KernelCall, reads: list[Slot], writes: list[Slot] | tuple[Slot, ...]
) -> KernelCall:
    """Return the same kernel called with other memory."""
    bands = call.bands
    if bands is not None:
        old, new = (*call.reads, *call.writes), (*reads, *writes)
        slots = frozenset(b for a, b in zip(old, new, strict=True) if a in bands.slots)
        bands = replace(bands, slots=slots)
    return replace(call, reads=tuple(reads), writes=tuple(writes), bands=bands)
