"""What a plan will do, as the read-only report that tools look at."""

from __future__ import annotations

from collections.abc import Mapping

from nervure.exec.cpu.kernel import Instance, KernelCall, Scratch, Slot, Spilled
from nervure.exec.cpu.layout import HEAD, Layout
from nervure.exec.cpu.memory import rounded
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
    numbers = {slot: one.number for one, slot in buffers if slot is not None}
    tasks = tuple(
        _task(number, calls, plan, layout.moment_of[calls[-1]], numbers)
        for number, calls in enumerate(grouped(layout))
    )
    return Report(
        "cpu",
        plan.graph,
        tasks,
        tuple(one for one, _ in buffers),
        moments,
        threads,
        layout.total_nbytes(threads) if plan.calls else 0,
    )


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


# Buffers, each with the slot that it is, if it is one.
_Listed = list[tuple[Buffer, Slot | None]]


def _buffers(
    layout: Layout, threads: int, leaves: Mapping[Node, Kind], moments: int
) -> _Listed:
    """Return all buffers; the numbers are their places."""
    found: _Listed = []
    always = (0, moments - 1)

    def add(
        kind: Kind, slot: Slot | None, nbytes: int, offset: int | None,
        lifetime: tuple[int, int] = always, node: Node | None = None,
    ) -> None:  # fmt: skip
        space = nbytes if offset is None else rounded(nbytes)
        shown = _node(slot) if node is None else node
        made = Buffer(len(found), kind, shown, nbytes, space, offset, *lifetime)
        found.append((made, slot))

    def life(slot: Slot) -> tuple[int, int]:
        return layout.lifetimes[slot][:2]

    if layout.plan.calls:
        add(Kind.POINTERS, None, 8 * (HEAD + len(layout.arrays)), 0)
    for slot in layout.arrays:
        if slot is not layout.spill:
            kind = leaves.get(slot, Kind.RESULT) if isinstance(slot, Node) else None
            add(kind or Kind.RESULT, slot, slot.nbytes, None)
    for slot in layout.spilled:
        add(Kind.OUTSIDE, slot, slot.nbytes, None, life(slot))
    for slot, offset in layout.offsets.items():
        kind = Kind.SCRATCH if isinstance(slot, Scratch) else Kind.VALUE
        add(kind, slot, slot.nbytes, offset, life(slot))
    for slot, offset in layout.turns.items():
        add(Kind.SPARE, None, slot.nbytes, offset, always, _node(slot))
    for slot, offset in layout.private.items():
        # A row of places, one for each thread: as if values lay side by side.
        nbytes = threads * rounded(layout.private_nbytes[slot])
        where = layout.nbytes + threads * offset
        add(Kind.PRIVATE, slot, nbytes, where, life(slot))
    return found


def _node(slot: Slot | None) -> Node | None:
    """Return the node whose value a slot holds."""
    if isinstance(slot, Instance):
        return slot.value
    return slot if isinstance(slot, Node) else None


def _task(
    number: int,
    calls: list[KernelCall],
    plan: Plan,
    moment: int,
    numbers: Mapping[Slot, int],
) -> Task:
    owners = plan.phases.owners
    uses = tuple(
        KernelUse(call.kernel.name, owners[call].value, call.kernel.units)
        for call in calls
    )
    reads = dict.fromkeys(numbers[slot] for call in calls for slot in call.reads)
    writes = dict.fromkeys(numbers[slot] for call in calls for slot in call.writes)
    last = calls[-1]
    moves = any(isinstance(slot, Spilled) for slot in (*last.reads, *last.writes))
    nodes = () if moves else plan.origins[last]
    return Task(
        number, nodes, uses, moment, tuple(reads), tuple(writes), last.recomputed
    )
