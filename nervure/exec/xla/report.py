"""What the xla executor will do with a graph, for people and tools.

XLA decides by itself what it fuses, in what order it runs and where values lie, and
says only in sum how much memory that takes.  So tasks and lifetimes are those of the
model by which memory is planned (``operations.py``), and the peak is XLA's own word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from nervure.exec.report import Buffer, KernelUse, Kind, Report, Task, kinds_of_leaves
from nervure.exec.xla.operations import Operations
from nervure.ir.node import Node
from nervure.passes.recompute import Schedule

# A value, and whether it is the one that is computed again.
_Instance = tuple[int, bool]


class _Run(NamedTuple):
    """An operation at its place in the whole order."""

    number: int
    time: int
    again: bool


def xla_report(
    operations: Operations,
    schedule: Schedule,
    counts: tuple[int | None, int],
    temporary_nbytes: int,
) -> Report:
    """Return the report of a program that XLA has compiled.

    Parameters
    ----------
    operations, schedule
        What is computed, and what of it again.
    counts
        How many inputs are state (None: it is no step), and how many are constants.
    temporary_nbytes
        What XLA says that it needs.
    """
    runs = list(_runs(operations, schedule))
    leaves = kinds_of_leaves(operations.graph, *counts)
    results = set(operations.graph.outputs)
    births, deaths = _lives(operations, schedule, runs)
    moments = max(len(runs), 1)
    buffers: list[Buffer] = []
    place: dict[_Instance, int] = {}

    def add(key: _Instance, node: Node, kind: Kind, life: tuple[int, int]) -> None:
        place[key] = len(buffers)
        nbytes = node.nbytes
        buffers.append(Buffer(len(buffers), kind, node, nbytes, nbytes, None, *life))

    for value in range(len(operations.roots), len(operations.values)):
        node = operations.values[value]
        kind = leaves.get(node, Kind.CONSTANT)
        add((value, False), node, kind, (0, moments - 1))
    for key, birth in sorted(births.items(), key=lambda item: item[1]):
        node = operations.values[key[0]]
        lasts = node in results and not key[1]
        kind = Kind.RESULT if lasts else Kind.VALUE
        death = moments - 1 if lasts else max(birth, deaths.get(key, birth))
        add(key, node, kind, (birth, death))
    return Report(
        "xla",
        operations.graph,
        tuple(_tasks(operations, schedule, runs, place)),
        tuple(buffers),
        moments,
        1,
        None,
        temporary_nbytes,
    )


def _lives(
    operations: Operations, schedule: Schedule, runs: Sequence[_Run]
) -> tuple[dict[_Instance, int], dict[_Instance, int]]:
    """Return when each instance is made, and when it is last read."""
    births: dict[_Instance, int] = {}
    deaths: dict[_Instance, int] = {}
    for moment, run in enumerate(runs):
        births[run.number, run.again] = moment
        for value in operations.reads[run.number]:
            deaths[_instance(schedule, value, run.time)] = moment
    for value, time in schedule.fetched.items():
        births[value, True] = min(at for at, run in enumerate(runs) if run.time == time)
    return births, deaths


def _tasks(
    operations: Operations,
    schedule: Schedule,
    runs: Sequence[_Run],
    place: Mapping[_Instance, int],
) -> Iterator[Task]:
    """Yield a task for each run; ``place`` says which buffer an instance has."""
    for moment, run in enumerate(runs):
        reads = (
            place[_instance(schedule, value, run.time)]
            for value in operations.reads[run.number]
        )
        yield Task(
            moment,
            operations.bodies[run.number],
            (KernelUse(operations.roots[run.number].op.name, "units", 2),),
            moment,
            tuple(dict.fromkeys(reads)),
            (place[run.number, run.again],),
            run.again,
        )


def _runs(operations: Operations, schedule: Schedule) -> Iterator[_Run]:
    """Yield what runs, in order."""
    again: dict[int, list[tuple[int, int]]] = {}
    for number, one in schedule.again.items():
        again.setdefault(one.time, []).append((one.level, number))
    for time in range(len(operations.roots)):
        for _, number in sorted(again.get(time, ())):
            yield _Run(number, time, True)
        yield _Run(time, time, False)


def _instance(schedule: Schedule, value: int, time: int) -> _Instance:
    second = schedule.second.get(value)
    return value, second is not None and time >= second
