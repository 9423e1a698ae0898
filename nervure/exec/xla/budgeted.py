"""Steps that keep to a memory budget on a device.

A search over a model of the program proposes what to compute again or to move to the
host; XLA compiles that and says how many bytes of temporary memory it takes.  If those
are too many, the next search aims lower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from nervure.errors import BudgetError, explain
from nervure.exec.budget import size_text
from nervure.exec.xla.lowering import Lowered
from nervure.ir.build import origin_of
from nervure.ir.node import Node
from nervure.passes.memory_budget import fitted
from nervure.passes.recompute import Decision, Schedule

# Programs that are compiled at most until one fits.
_TRIES: Final = 8
# By how much less a search aims for than what the last one suggests.
_MARGIN: Final = 0.98

Measure = Callable[[Decision], int]


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
    # On XLA's CPU device the host's memory is the device's: moving frees nothing.
    move = lowered.may_move and lowered.context.platform != "cpu"
    start = lowered.operations.required
    best = Found(start, measure(start))
    program = lowered.operations.program
    schedule = program.schedule(start)
    peak = _pressure(schedule)
    aim, tried = peak, {start}
    last = best.nbytes
    for _ in range(_TRIES):
        if best.nbytes <= budget:
            return best
        if not (lowered.may_drop or move):
            break
        # what XLA needs is about what the model says, times a factor
        aim = max(1, int(_MARGIN * min(aim, peak) * min(1.0, budget / max(last, 1))))
        fit = fitted(
            program, aim, _pressure, start, move=move, drop=lowered.may_drop, once=False
        )
        if fit.decision in tried:
            if fit.nbytes > aim:
                break
            continue
        tried.add(fit.decision)
        peak = fit.nbytes
        last = measure(fit.decision)
        best = min(best, Found(fit.decision, last), key=lambda one: one.nbytes)
    if best.nbytes <= budget:
        return best
    raise _unreachable(lowered, budget, best)


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
