"""What a plan will do, as the read-only report that tools look at."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from nervure.exec.cpu.kernel import Instance, KernelCall, Slot
from nervure.exec.cpu.layout import HEAD, Layout
from nervure.exec.cpu.memory import rounded
from nervure.exec.cpu.phases import Owner
from nervure.exec.cpu.plan import Plan
from nervure.exec.report import (
    Buffer,
    KernelUse,
    Kind,
    Report,
    Task,
    kinds_of_leaves,
)
from nervure.ir.node import Node


def report_of(
    layout: Layout, threads: int, state_count: int | None, constant_count: int
) -> Report:
    """Return the report of a plan that is laid out in memory.

    ``threads`` is how many there are; a plan with little to share uses one of them.
    """
    plan = layout.plan
    if plan.phases.serial:
        threads = 1
    moments = max(layout.moments, 1)
    leaves = kinds_of_leaves(plan.graph, state_count, constant_count)
    buffers = _buffers(layout, threads, leaves, moments)
    numbers = _numbers(buffers)
    tasks = _tasks(layout, numbers)
    return Report(
        "cpu",
        plan.graph,
        tasks,
        tuple(one for one, _ in buffers),
        moments,
        threads,
        layout.total_nbytes(threads) if plan.calls else 0,
    )


# A buffer, and the slots that it stands for.
_Listed = list[tuple[Buffer, tuple[Slot, ...]]]


def _buffers(
    layout: Layout, threads: int, leaves: Mapping[Node, Kind], moments: int
) -> _Listed:
    """Return all buffers; the numbers are their places."""
    found: _Listed = []

    def add(
        kind: Kind,
        node: Node | None,
        nbytes: int,
        offset: int | None,
        lifetime: tuple[int, int],
        slots: Sequence[Slot],
    ) -> None:
        space = nbytes if offset is None else rounded(nbytes)
        made = Buffer(len(found), kind, node, nbytes, space, offset, *lifetime)
        found.append((made, tuple(slots)))

    always = (0, moments - 1)
    if layout.plan.calls:
        add(Kind.POINTERS, None, 8 * (HEAD + len(layout.arrays)), 0, always, [])
    for slot in layout.arrays:
        node = _node(slot)
        kind = Kind.RESULT if node is None else leaves.get(node, Kind.RESULT)
        add(kind, node, slot.nbytes, None, always, [slot])
    for slot, offset in layout.offsets.items():
        node = _node(slot)
        kind = Kind.SCRATCH if node is None else Kind.VALUE
        life = layout.lifetimes[slot]
        add(kind, node, slot.nbytes, offset, (life.birth, life.death), [slot])
    for slot in layout.spilled:
        life = layout.lifetimes[slot]
        add(Kind.SCRATCH, None, slot.nbytes, None, (life.birth, life.death), [slot])
    for slot, offset in layout.turns.items():
        add(Kind.SPARE, _node(slot), slot.nbytes, offset, always, [])
    for slot, offset in layout.private.items():
        # A row of places, one for each thread: as if values lay side by side.
        life = layout.lifetimes[slot]
        nbytes = threads * rounded(layout.private_nbytes[slot])
        where = layout.nbytes + threads * offset
        add(Kind.PRIVATE, _node(slot), nbytes, where, (life.birth, life.death), [slot])
    return found


def _node(slot: Slot) -> Node | None:
    if isinstance(slot, Instance):
        return slot.value
    return slot if isinstance(slot, Node) else None


def _numbers(buffers: _Listed) -> dict[Slot, int]:
    """Return the number of the buffer that holds each slot."""
    return {slot: one.number for one, slots in buffers for slot in slots}


def grouped(layout: Layout) -> list[list[KernelCall]]:
    """Return the kernels of each task, in the order of the report.

    It is that of the phases, in which kernels of different tasks may alternate; a task
    stands where its last kernel runs.
    """
    plan, moment = layout.plan, layout.moment_of
    place = {call: number for number, call in enumerate(plan.calls)}
    groups: dict[int, list[KernelCall]] = {}
    for call in plan.calls:
        groups.setdefault(id(plan.origins[call]), []).append(call)
    return sorted(
        groups.values(), key=lambda calls: (moment[calls[-1]], place[calls[-1]])
    )


def _tasks(layout: Layout, numbers: Mapping[Slot, int]) -> tuple[Task, ...]:
    return tuple(
        _task(number, calls, layout.plan, layout.moment_of[calls[-1]], numbers)
        for number, calls in enumerate(grouped(layout))
    )


def _task(
    number: int,
    calls: list[KernelCall],
    plan: Plan,
    moment: int,
    numbers: Mapping[Slot, int],
) -> Task:
    uses = tuple(
        KernelUse(call.kernel.name, _owner(plan, call), call.kernel.units)
        for call in calls
    )
    writes = dict.fromkeys(numbers[slot] for call in calls for slot in call.writes)
    reads = dict.fromkeys(
        itertools.chain.from_iterable(
            (numbers[slot] for slot in call.reads) for call in calls
        )
    )
    return Task(
        number,
        plan.origins[calls[-1]],
        uses,
        moment,
        tuple(reads),
        tuple(writes),
        calls[-1].recomputed,
    )


def _owner(plan: Plan, call: KernelCall) -> str:
    return plan.phases.owners.get(call, Owner.FIRST).value
