"""Schedules against a plain walk through them, and the search for a budget."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.passes.memory_budget import fitted
from nervure.passes.recompute import (
    Decision,
    Operation,
    Program,
    Schedule,
    Value,
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Operations that read what earlier ones have written, and arguments."""
    count = draw(st.integers(1, 12))
    values = [Value(draw(st.integers(0, 4)), 0, fixed=True) for _ in range(2)]
    over: dict[int, int] = {}
    operations = []
    time = 0
    for number in range(count):
        time += draw(st.integers(0, 1))
        # within a time nobody reads what is written there
        ready = [0, 1]
        for one in operations:
            if one.time < time:
                ready += one.writes
        alive = [one for one in ready if one not in over]
        reads = draw(st.lists(st.sampled_from(alive), max_size=3)) if alive else []
        writes = []
        for _ in range(draw(st.integers(1, 2))):
            size = draw(st.integers(0, 5))
            writes.append(len(values))
            values.append(Value(size, size))
        overwrites = draw(st.integers(0, 9)) == 0 and 0 not in over
        if overwrites:
            over[0] = number
        cost = draw(st.integers(1, 5))
        operations.append(Operation(tuple(reads), tuple(writes), cost, time))
    values = [
        one._replace(overwritten_by=over.get(place)) for place, one in enumerate(values)
    ]
    return Program(operations, values, move_cost=0.5)


@st.composite
def decisions(draw: st.DrawFn, program: Program) -> Decision:
    def some(values: list[int]) -> frozenset[int]:
        if not values:
            return frozenset()
        return frozenset(draw(st.lists(st.sampled_from(values), max_size=4)))

    everything = [
        one for one, writer in enumerate(program.writer) if writer is not None
    ]
    dropped = some(program.waiting)
    moved = some(program.waiting) - dropped
    return Decision(dropped, moved, some(everything) - dropped)


def runs(program: Program, schedule: Schedule) -> Iterator[tuple[int, int, bool]]:
    """Yield what runs in order: its time, level (or a large one), number."""
    for time in range(program.times):
        for number, one in sorted(
            schedule.again.items(), key=lambda item: (item[1].level, item[0])
        ):
            if one.time == time:
                yield time, number, True
        for number, operation in enumerate(program.operations):
            if operation.time == time:
                yield time, number, False


@given(st.data())
def test_everything_is_there_when_it_is_read(data: st.DataObject) -> None:
    program = data.draw(programs())
    decision = data.draw(decisions(program))
    schedule = program.schedule(decision)
    written: set[tuple[int, bool]] = set()
    finished: set[int] = set()
    for time, number, again in runs(program, schedule):
        for value, second in schedule.second.items():
            if value in schedule.fetched and second == time:
                assert (value, False) in written
                written.add((value, True))
        for value in program.operations[number].reads:
            if program.values[value].fixed:
                end = program.values[value].overwritten_by
                if again and end is not None:
                    assert end not in finished or program.operations[end].time == time
                continue
            late = value in schedule.second and time >= schedule.second[value]
            assert (value, late) in written
        for value in program.operations[number].writes:
            if again and value in schedule.fetched:
                continue
            written.add((value, again))
        if not again:
            finished.add(number)
    assert all(
        program.operations[number].time < one.time
        for number, one in schedule.again.items()
    )
    costs = [program.operations[number].cost for number in schedule.again]
    moved = [program.values[value].nbytes for value in schedule.fetched]
    assert schedule.cost == sum(costs) + 0.5 * sum(moved)


@given(st.data())
def test_pressure_is_that_of_a_plain_walk(data: st.DataObject) -> None:
    program = data.draw(programs())
    decision = data.draw(decisions(program))._replace(moved=frozenset())
    schedule = program.schedule(decision)
    # every level, and every time, is a moment
    moments: list[tuple[int, list[tuple[int, bool]]]] = []
    for time in range(program.times):
        for level in range(schedule.levels.get(time, 0)):
            found = [
                (number, True) for number, one in schedule.again.items()
                if one.time == time and one.level == level
            ]  # fmt: skip
            moments.append((time, found))
        at_once = [(number, False) for number, one in enumerate(program.operations)
                   if one.time == time]  # fmt: skip
        moments.append((time, at_once))
    lives: dict[tuple[int, bool], list[int]] = {}
    for place, (time, found) in enumerate(moments):
        for number, again in found:
            operation = program.operations[number]
            for value in operation.writes:
                lives.setdefault((value, again), []).append(place)
            for value in operation.reads:
                if not program.values[value].fixed:
                    late = value in schedule.second and time >= schedule.second[value]
                    lives[value, late].append(place)
    expected = [0] * program.times
    for place, (time, _) in enumerate(moments):
        alive = sum(
            program.values[value].nbytes
            for (value, _), places in lives.items()
            if places[0] <= place <= places[-1]
        )
        expected[time] = max(expected[time], alive)
    assert schedule.pressure.tolist() == expected


def needed(schedule: Schedule) -> int:
    return int(schedule.pressure.max(initial=0))


@given(programs(), st.floats(0.3, 1.0), st.booleans())
def test_a_plan_fits_or_none_was_found(
    program: Program, share: float, move: bool
) -> None:
    full = needed(program.schedule())
    budget = int(share * full)
    found = fitted(program, budget, needed, move=move)
    assert found.nbytes == needed(program.schedule(found.decision))
    assert found.nbytes <= full
    if budget == full:
        assert found.schedule.cost == 0


def chain(length: int) -> Program:
    """A stack of layers: forwards, then backwards with what each layer has made."""
    operations = [
        Operation((number,), (number + 1,), 1.0, number) for number in range(length)
    ]
    gradient = length
    for number in reversed(range(length)):
        reads = (number, gradient)
        gradient += 1
        time = 2 * length - 1 - number
        operations.append(Operation(reads, (gradient,), 2.0, time))
    values = [Value(10, 0, fixed=True)] + [Value(10, 10)] * (2 * length)
    return Program(operations, values)


@pytest.mark.parametrize(("share", "most"), [(0.75, 7), (0.5, 13), (0.34, 20)])
def test_a_deep_stack_is_computed_again_at_most_once(share: float, most: int) -> None:
    program = chain(24)
    full = needed(program.schedule())
    found = fitted(program, int(share * full), needed)
    assert found.nbytes <= share * full
    assert found.schedule.cost <= most  # of 72


def test_moving_away_is_chosen_where_it_is_cheaper() -> None:
    chain_ = chain(12)
    cheap = Program(chain_.operations, chain_.values, move_cost=0.01)
    full = needed(cheap.schedule())
    found = fitted(cheap, full // 2, needed, move=True)
    assert found.nbytes <= full // 2
    assert found.decision.moved and not found.decision.dropped
    dear = Program(chain_.operations, chain_.values, move_cost=10.0)
    found = fitted(dear, full // 2, needed, move=True)
    assert found.decision.dropped and not found.decision.moved
