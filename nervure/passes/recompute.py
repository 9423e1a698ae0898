"""Recomputation: values of the forward pass that the backward pass computes again.

A training step keeps what the forward pass has computed until the backward pass needs
it, and that is most of its memory.  A value may instead be dropped after its last early
use, and be computed again (or be fetched from elsewhere) just before the next one::

    a = tanh x        a = tanh x
    b = tanh a        b = tanh a        # the memory of a is free from here ...
    ...               ...
                      a' = tanh x       # ... to here: the same operation runs again
    g = mul b' a      g = mul b' a'

This is a decision about the *schedule*: the graph, in which equal means identical, does
not change, and since the very same operation runs again, no bit of a result does.

Here a program is what an executor will run: operations in order, with the values they
read and write, and the *time* at which each runs (operations of one time run together).
Nothing is known about memory but the sizes of values.  :class:`Decision` says what to
drop; :meth:`Program.schedule` what that means: which operations run again and when,
and how many bytes are alive at every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from nervure.ir.attrs import NDArray

NOTHING: Final[frozenset[int]] = frozenset()


class Operation(NamedTuple):
    """What runs as a whole.

    ``rows`` names the way in which the work is cut, None if it is of no concern.  Two
    operations cut alike that touch a value by rows (``by_row``) can run at one time,
    and the value between them never exists as a whole.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    cost: float
    time: int
    rows: object = None
    by_row: frozenset[int] = NOTHING


class Value(NamedTuple):
    """The bytes of a value.

    ``kept`` are the bytes that it takes up as the program is (less than ``nbytes`` if
    it never exists as a whole).  A *fixed* value, such as an argument, is always there,
    until the operation ``overwritten_by`` writes over it.
    """

    nbytes: int
    kept: int
    fixed: bool = False
    overwritten_by: int | None = None


class Decision(NamedTuple):
    """What happens to values between early and late uses.

    ``dropped`` ones are computed again, ``moved`` ones lie elsewhere meanwhile, and
    ``held`` ones stay, because something that is computed again reads them.
    """

    dropped: frozenset[int] = NOTHING
    moved: frozenset[int] = NOTHING
    held: frozenset[int] = NOTHING


class Rerun(NamedTuple):
    """When an operation runs again.

    Before everything of ``time``, in a row of levels one after the other; or if it is
    ``joined``, at that time, together with those that read its rows.
    """

    time: int
    level: int
    joined: bool


@dataclass
class Schedule:
    """A program after a decision.

    Attributes
    ----------
    again
        The operations that run again.
    fetched
        The values that come back from elsewhere, and before what time.
    second
        The values of which there is a second instance, and the time from which on it is
        used: before, operations read the first one.
    levels
        For times before which operations run again, in how many levels.
    pressure
        ``int64[times]``: the largest number of bytes alive at each time and while
        operations run again before it.
    cost
        What running again and fetching costs.
    """

    again: dict[int, Rerun] = field(default_factory=dict)
    fetched: dict[int, int] = field(default_factory=dict)
    second: dict[int, int] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    pressure: NDArray = field(default_factory=lambda: np.zeros(0, np.int64))
    cost: float = 0.0


class Program:
    """Operations in the order in which they run, and the values between them.

    Parameters
    ----------
    operations
        In order of their time.
    values
        Those that the operations name by their place.
    move_cost
        What it costs to move a byte away and back.
    late
        For values whose late uses are known, the time of the first; for others the
        longest time without a use divides early from late ones.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        values: Sequence[Value],
        move_cost: float = 0.0,
        late: Mapping[int, int] | None = None,
    ) -> None:
        self.operations = operations
        self.values = values
        self.move_cost = move_cost
        self.times = operations[-1].time + 1 if operations else 0
        self.writer: list[int | None] = [None] * len(values)
        self.users: list[list[int]] = [[] for _ in values]
        for number, one in enumerate(operations):
            for value in dict.fromkeys(one.reads):
                self.users[value].append(number)
            for value in one.writes:
                self.writer[value] = number
        self.late: list[int | None] = [
            None if late is None else late.get(value) for value in range(len(values))
        ]
        self.idle_from: list[int] = [0] * len(values)
        for value in range(len(values)):
            self._divide(value)
        self.lives = self._lives()

    def _divide(self, value: int) -> None:
        """Find the longest time in which a value waits for its next use."""
        writer = self.writer[value]
        if writer is None or self.values[value].fixed:
            self.late[value] = None
            return
        times = [self.operations[one].time for one in (writer, *self.users[value])]
        wanted = self.late[value]
        gaps = [
            (last - first, first, last) for first, last in pairwise(times)
            if (last > first + 1 if wanted is None else last == wanted)
        ]  # fmt: skip
        self.late[value] = None
        if gaps:
            _, self.idle_from[value], self.late[value] = max(gaps)

    def _lives(self) -> tuple[NDArray, NDArray, NDArray]:
        """Return when each value is made and used last, and its bytes."""
        rows = [
            (self.operations[writer].time, self.last_use(value), one.kept)
            for value, (writer, one) in enumerate(
                zip(self.writer, self.values, strict=True)
            )
            if writer is not None and one.kept and not one.fixed
        ]
        begins, ends, sizes = np.array(rows, np.int64).reshape(-1, 3).T
        return begins, ends, sizes

    @property
    def waiting(self) -> list[int]:
        """The values that wait for a late use, and could be dropped meanwhile."""
        return [
            value
            for value, late in enumerate(self.late)
            if late is not None and self.can_repeat(self._writer(value), late)
        ]

    def _writer(self, value: int) -> int:
        number = self.writer[value]
        assert number is not None
        return number

    def last_use(self, value: int) -> int:
        """Return the time of the last use, or of the making."""
        users = self.users[value]
        return self.operations[users[-1] if users else self._writer(value)].time

    def can_repeat(self, number: int, time: int) -> bool:
        """Tell whether nothing that an operation reads is overwritten by then."""
        for value in self.operations[number].reads:
            end = self.values[value].overwritten_by
            if end is not None and self.operations[end].time < time:
                return False
        return True

    def near(self, first: int, second: int, value: int) -> bool:
        """Tell whether two operations can share a value row by row."""
        x, y = self.operations[first], self.operations[second]
        return (
            x.rows is not None
            and x.rows == y.rows
            and value in x.by_row
            and value in y.by_row
        )

    def schedule(self, decision: Decision = Decision()) -> Schedule:  # noqa: B008
        """Return what a decision means; it is immutable, as decisions are."""
        return _Scheduler(self, decision).schedule


class _Scheduler:
    """Finds out what runs again: from the last operation to the first one."""

    def __init__(self, program: Program, decision: Decision) -> None:
        self._program = program
        self._decision = decision
        self._readers: dict[int, list[int]] = {}  # operations that read it again
        self._extended: set[int] = set()  # whose first instance is read again
        self._times: dict[int, int] = {}
        self._place: list[int] = []  # of each time among all that runs
        self._first_place: list[int] = []  # of the levels before it
        self.schedule = Schedule()
        self._choose()
        self._arrange()
        self._measure()

    # --- what runs again, and when ----------------------------------------------------

    def _choose(self) -> None:
        program, decision = self._program, self._decision
        wanted: dict[int, list[int]] = {}
        for value in (*decision.dropped, *decision.moved):
            writer = program.writer[value]
            if writer is not None and program.late[value] is not None:
                wanted.setdefault(writer, []).append(value)
        pending = set(wanted)
        for number in range(len(program.operations) - 1, -1, -1):
            if number not in pending:
                continue
            time = self._time_of(number, wanted.get(number, ()))
            if time is None:
                continue
            self._times[number] = time
            for value in program.operations[number].reads:
                if program.values[value].fixed:
                    continue
                writer = program.writer[value]
                if writer is not None:
                    self._readers.setdefault(value, []).append(number)
                    pending.add(writer)

    def _time_of(self, number: int, wanted: Iterable[int]) -> int | None:
        """Return when an operation runs again; None if it does not.

        What reads its results before that gets the first instance.
        """
        program, decision = self._program, self._decision
        time: int | None = None
        needs: list[tuple[int, int]] = []  # time, value
        for value in wanted:
            late = program.late[value]
            dropped = late is not None and value in decision.dropped
            if late is not None and dropped and program.can_repeat(number, late):
                needs.append((late, value))
        written = program.operations[number].writes
        for value in written:
            if value in decision.moved:
                self._fetch(value)
                continue
            last = program.last_use(value)
            for reader in self._readers.get(value, ()):
                at = self._times[reader]
                there = at <= last and value not in decision.dropped
                there |= value in decision.dropped and at <= program.idle_from[value]
                if there or value in decision.held:
                    continue
                if program.can_repeat(number, at):
                    needs.append((at, value))
        if needs:
            time = min(needs)[0]
        for value in written:
            for reader in self._readers.get(value, ()):
                at = self._times[reader]
                second = self.schedule.second.get(value, time)
                if second is None or at < second:
                    self._extended.add(value)
            if time is not None and value not in decision.moved:
                self.schedule.second[value] = time
        return time

    def _fetch(self, value: int) -> None:
        """Let a value come back when it is first needed late."""
        idle = self._program.idle_from[value]
        late = self._program.late[value]
        assert late is not None
        readers = [self._times[one] for one in self._readers.get(value, ())]
        time = min([late, *(one for one in readers if one > idle)])
        self.schedule.fetched[value] = self.schedule.second[value] = time

    # --- in what order ----------------------------------------------------------------

    def _arrange(self) -> None:
        """Give every operation that runs again its level, or join it to its readers."""
        program, schedule = self._program, self.schedule
        joined: dict[int, bool] = {}
        for number in sorted(self._times, reverse=True):
            joined[number] = self._is_joined(number, joined)
        level_of: dict[int, int] = {}  # of values
        level_of.update(dict.fromkeys(schedule.fetched, 0))
        for number in sorted(self._times):
            time = self._times[number]
            level = 0
            for value in program.operations[number].reads:
                if schedule.second.get(value) != time or value not in level_of:
                    continue
                writer = program.writer[value]
                near = (
                    value not in schedule.fetched
                    and writer is not None
                    and program.near(writer, number, value)
                )
                level = max(level, level_of[value] + (not near))
            schedule.again[number] = Rerun(time, level, joined[number])
            if not joined[number]:
                for value in program.operations[number].writes:
                    level_of[value] = level
        for one in schedule.again.values():
            if not one.joined:
                deep = max(schedule.levels.get(one.time, 0), one.level + 1)
                schedule.levels[one.time] = deep
        for time in schedule.fetched.values():
            schedule.levels.setdefault(time, 1)
        schedule.cost = sum(
            program.operations[number].cost for number in schedule.again
        ) + sum(
            program.move_cost * program.values[value].nbytes
            for value in schedule.fetched
        )

    def _is_joined(self, number: int, joined: Mapping[int, bool]) -> bool:
        """Tell whether all that read the second instances at once do so by rows."""
        program = self._program
        if program.operations[number].rows is None:
            return False
        time = self._times[number]
        found = False
        for value in program.operations[number].writes:
            for user in program.users[value]:
                if program.operations[user].time == time:
                    found = True
                    if not program.near(number, user, value):
                        return False
            for reader in self._readers.get(value, ()):
                if self._times[reader] == time:
                    found = True
                    if not joined[reader] or not program.near(number, reader, value):
                        return False
        return found

    # --- how many bytes are alive -----------------------------------------------------

    def _measure(self) -> None:
        """Sum up the bytes of all instances over the time with what runs again."""
        program, schedule = self._program, self.schedule
        if not program.times:
            return
        levels = np.zeros(program.times + 1, np.int64)
        for time, count in schedule.levels.items():
            levels[time] = count
        place = np.arange(program.times + 1) + np.cumsum(levels)  # of each time
        self._place, self._first_place = place.tolist(), (place - levels).tolist()
        change = np.zeros(int(place[-1]) + 2, np.int64)
        begins, ends, sizes = program.lives
        np.add.at(change, place[begins], sizes)
        np.subtract.at(change, place[ends] + 1, sizes)
        for value in {*schedule.second, *self._extended}:
            if not program.values[value].fixed:
                self._change_first(value, change)
            if value in schedule.second:
                self._add_second(value, change)
        live = np.cumsum(change)[:-1]
        schedule.pressure = np.maximum.reduceat(live, self._first_place[:-1])

    def _place_of(self, number: int) -> int:
        """Return where an operation runs again."""
        one = self.schedule.again[number]
        if one.joined:
            return self._place[one.time]
        return self._first_place[one.time] + one.level

    def _change_first(self, value: int, change: NDArray) -> None:
        """Correct the end, and the size, of the first instance."""
        program = self._program
        writer = program.writer[value]
        assert writer is not None
        nbytes, kept, _, _ = program.values[value]
        begin = self._place[program.operations[writer].time]
        change[begin] -= kept
        change[self._place[program.last_use(value)] + 1] += kept
        first = nbytes if value in self._extended else kept
        change[begin] += first
        change[self._end_of_first(value, writer) + 1] -= first

    def _add_second(self, value: int, change: NDArray) -> None:
        """Add the second instance, unless it never exists as a whole."""
        program, schedule = self._program, self.schedule
        nbytes, _, fixed, _ = program.values[value]
        writer, second = program.writer[value], schedule.second[value]
        assert writer is not None
        uses: list[int] = []
        if not fixed:  # there is no need to read it from anywhere else
            uses = [self._place[program.operations[one].time]
                    for one in program.users[value]
                    if program.operations[one].time >= second]  # fmt: skip
            uses += [self._place_of(one) for one in self._readers.get(value, ())
                     if self._times[one] >= second]  # fmt: skip
        if value in schedule.fetched:
            begin = self._first_place[second]
        else:
            begin = self._place_of(writer)
            if uses and self._is_private(value, writer, uses, begin):
                return
        change[begin] += nbytes
        change[max([begin, *uses]) + 1] -= nbytes

    def _end_of_first(self, value: int, writer: int) -> int:
        """Return until when the first instance is there."""
        program, place = self._program, self._place
        second = self.schedule.second.get(value)
        times = [program.operations[writer].time]
        times += [
            program.operations[one].time for one in program.users[value]
            if second is None or program.operations[one].time < second
        ]  # fmt: skip
        last = place[max(times)]
        if value in self.schedule.fetched and max(times) + 1 < program.times:
            last = place[max(times)] + 1  # it is moved after its last early use
        for reader in self._readers.get(value, ()):
            if second is None or self._times[reader] < second:
                last = max(last, self._place_of(reader))
        return last

    def _is_private(
        self, value: int, writer: int, uses: Sequence[int], begin: int
    ) -> bool:
        """Tell whether a second instance never exists as a whole."""
        if any(use != begin for use in uses):
            return False
        second = self.schedule.second[value]
        program = self._program
        users = [one for one in program.users[value]
                 if program.operations[one].time >= second]  # fmt: skip
        readers = self._readers.get(value, ())
        return all(program.near(writer, one, value) for one in (*users, *readers))
