"""Which values to drop so that a program fits into a budget of bytes.

The search starts with everything kept, and with a minimum cut in which only what is
cheap runs again.  From there it goes on greedily: where most memory is needed, it drops
the value (or moves it away, or keeps one on which too much depends) that takes most out
of what is above the budget, for what it costs in time.  What turns out not to be
needed at the end is kept after all.  The cheapest result is taken.

After each round the executor says how many bytes the plan needs in truth, where values
must not overlap in memory; the search goes on until that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.passes.min_cut import Recipe, smallest_kept
from nervure.passes.recompute import Decision, Program, Schedule

# Candidates that are looked at together; the best of them is taken.
_AT_ONCE: Final = 12
# So many candidates are looked at for one that makes nothing worse.
_HARMLESS_WITHIN: Final = 2 * _AT_ONCE
# The share of the best gain from which on others are taken together with the best.
_NEARLY: Final = 0.7
# Values of fewer bytes than this share of the budget are not worth a decision.
_SMALL: Final = 2000
# Elementary operations for a byte that is written, up to which running again is cheap:
# copies, and what is done element by element.
_CHEAP: Final = 1.0
# What is cheaper than this costs nothing.
_FREE: Final = 1e-9
# How often the true size corrects the aim.
_ROUNDS: Final = 24

Measure = Callable[[Schedule], int]


class Fit(NamedTuple):
    """A decision, what it means, and the bytes that it needs in truth."""

    decision: Decision
    schedule: Schedule
    nbytes: int


def fitted(
    program: Program,
    budget: int,
    measure: Measure,
    required: Decision = Decision(),  # noqa: B008 - immutable
    *,
    move: bool = False,
    drop: bool = True,
    once: bool = False,
) -> Fit:
    """Return the cheapest plan found that fits, or the smallest one if none does.

    Parameters
    ----------
    program
        What runs, as it is without a budget.
    budget
        The bytes that ``measure`` must not exceed.
    measure
        Returns the bytes that a schedule needs.
    required
        What is decided already, by whoever wrote the program.
    move, drop
        Whether values may be moved elsewhere, and whether they may be dropped.
    once
        Whether to search from one start only, which takes less time.
    """
    start = program.schedule(required)
    plain = Fit(required, start, measure(start))
    if plain.nbytes <= budget:
        return plain
    starts = [required] if once or not drop else _starts(program, required)
    found: list[Fit] = []
    most = float("inf")
    for one in dict.fromkeys(starts):
        search = _Search(program, budget, measure, required, (move, drop))
        fit = search.run(one, most)
        found.append(fit)
        if fit.nbytes <= budget:
            most = min(most, fit.schedule.cost)
    fitting = [one for one in found if one.nbytes <= budget]
    if fitting:
        return min(fitting, key=lambda one: one.schedule.cost)
    return min([plain, *found], key=lambda one: one.nbytes)


def _starts(program: Program, required: Decision) -> Iterator[Decision]:
    """Yield decisions from which the search may start."""
    yield required
    yield cut(program, _CHEAP, required)


def cut(program: Program, most: float, required: Decision) -> Decision:
    """Return the decision to keep as few bytes as possible.

    Only operations that cost at most ``most`` for a byte that they write run again.
    """
    waiting = set(program.waiting)
    recipes: dict[int, Recipe] = {}
    for value, writer in enumerate(program.writer):
        if writer is None or program.values[value].fixed:
            continue
        operation = program.operations[writer]
        again = _cost_of_a_byte(program, value) <= most and program.can_repeat(
            writer, program.times
        )
        recipes[value] = Recipe(operation.reads, again)
    wanted = {value for value, late in enumerate(program.late) if late is not None}
    nbytes = [one.nbytes for one in program.values]
    kept = smallest_kept(nbytes, recipes, wanted)
    return Decision(
        required.dropped | (waiting & wanted - kept),
        required.moved,
        required.held | kept,
    )


def _cost_of_a_byte(program: Program, value: int) -> float:
    writer = program.writer[value]
    if writer is None:
        return 0.0
    return program.operations[writer].cost / max(program.values[value].nbytes, 1)


class _Step(NamedTuple):
    """What a decision may become next, and how good that is."""

    decision: Decision
    schedule: Schedule
    harmless: bool
    gain: float
    change: _Change


class _Change(NamedTuple):
    """What is decided differently about one value."""

    value: int
    kind: str

    def of(self, decision: Decision) -> Decision:
        """Return the decision with the change."""
        dropped, moved, held = decision
        one = {self.value}
        if self.kind == "drop":
            return Decision(dropped | one, moved - one, held - one)
        if self.kind == "move":
            return Decision(dropped - one, moved | one, held)
        if self.kind == "release":
            return Decision(dropped, moved, held - one)
        return Decision(dropped - one, moved, held | one)  # keep


class _Search:
    """The greedy search from one start."""

    def __init__(
        self,
        program: Program,
        budget: int,
        measure: Measure,
        required: Decision,
        allowed: tuple[bool, bool],
    ) -> None:
        self._program = program
        self._budget = budget
        self._measure = measure
        self._required = required
        self._move, self._drop = allowed
        self._waiting = program.waiting
        self._worth = budget // _SMALL

    def run(self, decision: Decision, most: float) -> Fit:
        """Return the first plan that fits, or the smallest on the way.

        The search ends where it costs more than ``most`` before it fits.
        """
        schedule = self._program.schedule(decision)
        best = Fit(decision, schedule, self._measure(schedule))
        for _ in range(_ROUNDS):
            if best.nbytes <= self._budget:
                return self._pruned(best)
            peak = int(schedule.pressure.max(initial=0))
            # what the plan needs besides what is alive
            extra = self._measure(schedule) - peak
            aim = min(self._budget - extra, peak - 1)
            decision, schedule = self._improved(decision, schedule, aim, most)
            found = Fit(decision, schedule, self._measure(schedule))
            best = min(best, found, key=lambda one: one.nbytes)
            if schedule.pressure.max(initial=0) > aim or schedule.cost > most:
                break
        return self._pruned(best) if best.nbytes <= self._budget else best

    def _improved(
        self, decision: Decision, schedule: Schedule, aim: int, most: float
    ) -> tuple[Decision, Schedule]:
        """Decide one thing after the other until no more than ``aim`` is alive."""
        while schedule.pressure.max(initial=0) > aim and schedule.cost <= most:
            step = self._next(decision, schedule, aim)
            if step is None:
                break
            decision, schedule = step.decision, step.schedule
        return decision, schedule

    def _next(self, decision: Decision, schedule: Schedule, aim: int) -> _Step | None:
        """Return the best next decision; one that makes nothing worse, if there is."""
        harmful: list[_Step] = []
        candidates = self._candidates(decision, schedule, aim)
        for begin in range(0, len(candidates), _AT_ONCE):
            steps = [
                step
                for one in candidates[begin : begin + _AT_ONCE]
                if (step := self._judged(decision, one, schedule, aim)) is not None
            ]
            harmless = [step for step in steps if step.harmless]
            if harmless:
                return self._several(harmless, aim)
            harmful += steps
            if harmful and begin >= _HARMLESS_WITHIN:
                break
        return max(harmful, key=lambda step: step.gain, default=None)

    def _several(self, steps: list[_Step], aim: int) -> _Step:
        """Return the best step, and with it those that are nearly as good after it."""
        steps.sort(key=lambda step: -step.gain)
        found = steps[0]
        for one in steps[1:]:
            if one.gain < _NEARLY * steps[0].gain:
                break
            if found.schedule.pressure.max(initial=0) <= aim:
                break
            more = self._judged(found.decision, one.change, found.schedule, aim)
            if more is not None and more.harmless and more.gain >= _NEARLY * one.gain:
                found = more
        return found

    def _judged(
        self, decision: Decision, change: _Change, before: Schedule, aim: int
    ) -> _Step | None:
        """Try a change; None if it does not help."""
        changed = change.of(decision)
        schedule = self._program.schedule(changed)
        excess = _excess(before.pressure, aim), _excess(schedule.pressure, aim)
        gain = float(excess[0].sum() - excess[1].sum())
        if gain <= 0:
            return None
        harmless = not (excess[1] > excess[0]).any()
        cost = schedule.cost - before.cost
        return _Step(changed, schedule, harmless, gain / max(cost, _FREE), change)

    def _candidates(
        self, decision: Decision, schedule: Schedule, aim: int
    ) -> list[_Change]:
        """Return changes that may help where most is alive, the likeliest first."""
        program = self._program
        above = np.concatenate([[0], np.cumsum(schedule.pressure > aim)])
        peak = int(schedule.pressure.argmax())
        ranked: list[tuple[float, _Change]] = []

        def rank(relief: float, cost: float, change: _Change) -> None:
            ranked.append((-relief / max(cost, _FREE), change))

        for value in self._waiting:
            nbytes = program.values[value].nbytes
            late, idle = program.late[value], program.idle_from[value]
            if late is None or not idle < peak <= late or nbytes < self._worth:
                continue
            if value in decision.dropped or value in decision.moved:
                continue
            relief = nbytes * float(above[late + 1] - above[idle + 1])
            if self._drop:
                rank(relief, self._cost(value), _Change(value, "drop"))
            if self._move and late > peak:
                rank(relief, program.move_cost * nbytes, _Change(value, "move"))
        for value in decision.held - self._required.held:
            if program.writer[value] is None or program.last_use(value) >= peak:
                continue
            busy = above[-1] - above[program.last_use(value) + 1]
            relief = program.values[value].nbytes * float(busy)
            rank(relief, self._cost(value), _Change(value, "release"))
        ranked.sort()
        return [one for _, one in ranked] + self._returns(schedule, peak)

    def _returns(self, schedule: Schedule, peak: int) -> list[_Change]:
        """Return the changes that keep what is computed again, where too much is."""
        program = self._program
        return [
            _Change(value, "keep")
            for number, one in sorted(schedule.again.items())
            for value in program.operations[number].writes
            if one.time <= peak
            and (one.time == peak or program.last_use(value) >= peak)
            and value not in self._required.dropped
            and not program.values[value].fixed
            and program.values[value].nbytes >= self._worth
        ]

    def _pruned(self, fit: Fit) -> Fit:
        """Keep after all what fits anyway, the most expensive first."""
        program = self._program
        aim = int(fit.schedule.pressure.max(initial=0))
        decision, schedule = fit.decision, fit.schedule
        chosen = [*fit.decision.dropped - self._required.dropped, *fit.decision.moved]
        for value in sorted(chosen, key=lambda one: (-self._cost(one), one)):
            less = decision._replace(
                dropped=decision.dropped - {value}, moved=decision.moved - {value}
            )
            tried = program.schedule(less)
            if tried.cost < schedule.cost and tried.pressure.max(initial=0) <= aim:
                decision, schedule = less, tried
        pruned = Fit(decision, schedule, self._measure(schedule))
        return pruned if pruned.nbytes <= self._budget else fit

    def _cost(self, value: int) -> float:
        writer = self._program.writer[value]
        return 0.0 if writer is None else self._program.operations[writer].cost


def _excess(pressure: NDArray, aim: int) -> NDArray:
    """Return how many bytes are alive above the aim at each time."""
    above: NDArray = np.maximum(pressure - aim, 0)
    return above
