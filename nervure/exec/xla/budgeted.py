"""Steps that keep to a memory budget on a device.

Searches over a model of the program propose decisions: what to compute again, or to
move to the host.  XLA compiles the cheapest one that may be enough and says how many
bytes of temporary memory it takes; if those are too many, the next one is tried.  The
proposals do not depend on the budget, so a larger budget never fails where a smaller
one is kept to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from nervure.errors import BudgetError, explain
from nervure.exec.budget import size_text
from nervure.exec.xla.lowering import Lowered
from nervure.ir.build import origin_of
from nervure.ir.node import Node
from nervure.passes.memory_budget import cut, fitted
from nervure.passes.recompute import Decision, Schedule

# The shares of what the model says is alive that searches aim for.
_SHARES: Final = (0.85, 0.7, 0.55, 0.4, 0.25)
# Elementary operations for a byte that is written, up to which running again is cheap,
# and however many.
_CHEAP: Final = (1.0, float("inf"))

Measure = Callable[[Decision], int]


class Proposal(NamedTuple):
    """A decision, what the model says about its memory, and what it costs."""

    decision: Decision
    pressure: int
    cost: float


class Found(NamedTuple):
    """A decision and the bytes that XLA needs for it."""

    decision: Decision
    nbytes: int


def budgeted(lowered: Lowered, budget: int, measure: Measure) -> Found:
    """Return a decision with which XLA needs at most ``budget`` temporary bytes.

    Raises :class:`~nervure.errors.BudgetError` if none is found; it names the fewest
    bytes of any that was compiled.

    Parameters
    ----------
    lowered
        What is computed.
    budget
        In bytes.
    measure
        Compiles what a decision means and returns the bytes that XLA needs.
    """
    first = Proposal(lowered.operations.required, 1, 0.0)
    best = Found(first.decision, measure(first.decision))
    if best.nbytes <= budget:
        return best
    first = _proposal(lowered, first.decision)
    share = best.nbytes / max(first.pressure, 1)
    others = sorted(_proposals(lowered, first), key=lambda one: one.cost)
    likely = [one.pressure * share <= budget for one in others]
    start = likely.index(True) if True in likely else 0
    for one in [*others[start:], *others[:start]]:
        found = Found(one.decision, measure(one.decision))
        if found.nbytes <= budget:
            return found
        best = min(best, found, key=lambda known: known.nbytes)
    raise _unreachable(lowered, budget, best)


def _proposals(lowered: Lowered, first: Proposal) -> Iterator[Proposal]:
    """Yield different decisions that keep less than the first one."""
    # On XLA's CPU device the host's memory is the device's: moving frees nothing.
    move = lowered.may_move and lowered.context.platform != "cpu"
    drop = lowered.may_drop
    if not (drop or move):
        return
    program, required = lowered.operations.program, first.decision
    decisions: dict[Decision, None] = {}
    for share in _SHARES:
        aim = int(share * first.pressure)
        fit = fitted(program, aim, _pressure, required, move=move, drop=drop, once=True)
        decisions[fit.decision] = None
    if drop:
        decisions.update((cut(program, most, required), None) for most in _CHEAP)
    if move:
        decisions[lowered.plain] = None
    seen = {_what_moves(program.schedule(required))}
    for decision in decisions:
        what = _what_moves(program.schedule(decision))
        if what not in seen:
            seen.add(what)
            yield _proposal(lowered, decision)


def _what_moves(schedule: Schedule) -> object:
    """Return what runs again and what is fetched; decisions may mean the same."""
    return frozenset(schedule.again.items()), frozenset(schedule.fetched.items())


def _proposal(lowered: Lowered, decision: Decision) -> Proposal:
    schedule = lowered.operations.program.schedule(decision)
    return Proposal(decision, _pressure(schedule), schedule.cost)


def _pressure(schedule: Schedule) -> int:
    return int(schedule.pressure.max(initial=0))


def _unreachable(lowered: Lowered, budget: int, best: Found) -> BudgetError:
    node = _largest(lowered, best.decision)
    rows = []
    if node is not None:
        rows = [(f"{node.nbytes:,} bytes", node.type_text, origin_of(node))]
    return BudgetError(
        explain(
            f"no program was found that keeps to a memory budget of {budget:,} bytes; "
            f"the smallest one needs {best.nbytes:,} bytes ({size_text(best.nbytes)}) "
            "of temporary memory, says XLA, and in its way stands",
            operands=rows,
            fix="give a larger budget, or train with smaller batches",
        ),
        best.nbytes,
    )


def _largest(lowered: Lowered, decision: Decision) -> Node | None:
    """Return the largest value that is alive where most memory is needed."""
    operations = lowered.operations
    pressure = operations.program.schedule(decision).pressure
    if not len(pressure):
        return None
    peak = int(pressure.argmax())
    alive = [
        root
        for number, root in enumerate(operations.roots)
        if number <= peak <= operations.program.last_use(number)
    ]
    return max(alive, key=lambda node: node.nbytes, default=None)
