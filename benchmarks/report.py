"""The report: what was measured, against the goals, with the machine named."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks import machine
from benchmarks.outcome import Measurement, Outcome, duration, three_digits
from benchmarks.workloads import Goal

# From this many busy cores on, what others do spoils the measurements.
QUIET = 0.1


def report(
    threads: int,
    versions: Mapping[str, Mapping[str, str]],
    outcomes: Sequence[Outcome],
) -> str:
    """Return the whole report as Markdown."""
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [
        "# Results",
        f"Written by `python -m benchmarks.run` on {today}; "
        "[README.md](README.md) says how and what is equal.",
        "## The machine",
        machine_table(threads),
        *_warning(outcomes),
        "## The goals",
        table(
            ("workload", "goal", "Nervure", "measured", "reached"),
            (row for outcome in outcomes for row in _goal_rows(outcome, outcomes)),
        ),
        "## The measurements",
        *(part for outcome in outcomes for part in _section(outcome)),
        "## Versions",
        table(
            ("peer", "versions"),
            (
                (name, ", ".join(f"{one} {what}" for one, what in found.items()))
                for name, found in versions.items()
            ),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def machine_table(threads: int) -> str:
    """Return what the machine is, as a table."""
    about = machine.description() | {"threads for everybody": str(threads)}
    return table(("", ""), about.items())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _warning(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a warning if others used the machine as well."""
    samples = [one for outcome in outcomes for one in outcome.busy] or [0.0]
    busy = statistics.median(samples)
    if busy < QUIET:
        return []
    return [
        f"**The machine was not quiet:** others kept {busy:.2f} cores busy in the "
        "median, so neither times nor ratios mean much (OpenMP suffers most)."
    ]


# --- goals --------------------------------------------------------------------------


def _goal_rows(outcome: Outcome, outcomes: Sequence[Outcome]) -> list[Sequence[str]]:
    return [
        (outcome.workload.key, *_judged(goal, outcome, outcomes))
        for goal in outcome.workload.goals
    ]


def _judged(goal: Goal, outcome: Outcome, outcomes: Sequence[Outcome]) -> list[str]:
    """Return the goal, Nervure's time, what it comes to, and whether that is enough."""
    ours = outcome.peers.get("nervure", Measurement())
    if goal.seconds:
        text = f"at most {duration(goal.seconds)} per {outcome.workload.unit}"
    else:
        where = f" at {goal.workload}" if goal.workload else ""
        text = f"{goal.factor:g} x {' or '.join(goal.peers)}{where}"
    if goal.feature and goal.feature not in machine.features():
        return [text, "", f"the CPU has no {goal.feature}", "does not apply"]
    if ours.median is None:
        return [text, "", _why(ours.failed), "not yet"]
    time = duration(ours.median)
    if goal.seconds:
        return [text, time, "", _yes_or_no(ours.median <= goal.seconds)]
    key = goal.workload or outcome.workload.key
    peers = next((one.peers for one in outcomes if one.workload.key == key), {})
    factors = {
        name: factor
        for name in goal.peers
        if name in peers and (factor := peers[name].times(ours))
    }
    if not factors:
        return [text, time, "no peer to compare with", "unknown"]
    fastest = min(factors, key=factors.__getitem__)
    factor = factors[fastest]
    measured = f"{three_digits(factor)} x {fastest}"
    return [text, time, measured, _yes_or_no(factor >= goal.factor)]


def _yes_or_no(reached: bool) -> str:
    return "yes" if reached else "**no**"


def _why(failed: str) -> str:
    return f"`{failed.replace('`', '').replace('|', '/')}`" if failed else "not run"


# --- measurements -------------------------------------------------------------------


def _section(outcome: Outcome) -> list[str]:
    """Return the heading, the table and a note about others' load."""
    workload = outcome.workload
    ours = outcome.peers.get("nervure", Measurement())
    expected = _expected_loss(outcome)
    rows = [
        _row(name, one, ours, expected, workload.tolerance)
        for name, one in outcome.peers.items()
    ]
    head = (
        "peer",
        f"per {workload.unit}",
        "fastest to slowest round",
        "times Nervure's",
        "loss",
        "accuracy",
    )
    busy = outcome.busy or [0.0]
    note = (
        f"{workload.rows:,} rows. Before a run, others kept "
        f"{statistics.median(busy):.2f} cores busy in the median, "
        f"{max(busy):.2f} at most."
    )
    return [f"### {workload.key}: {workload.title}", table(head, rows), note]


def _expected_loss(outcome: Outcome) -> float | None:
    """Return the loss of Nervure, or else of the first peer that has one."""
    measured = [outcome.peers.get("nervure"), *outcome.peers.values()]
    return next((one.loss for one in measured if one and one.loss is not None), None)


def _row(
    name: str,
    one: Measurement,
    ours: Measurement,
    expected: float | None,
    tolerance: float,
) -> Sequence[str]:
    if one.median is None:
        word = "not yet" if name == "nervure" else "failed"
        return (name, word, _why(one.failed), "", "", "")
    return (
        name,
        duration(one.median),
        f"{duration(min(one.seconds))} to {duration(max(one.seconds))} "
        f"of {len(one.seconds)}" + (f", then {_why(one.failed)}" if one.failed else ""),
        "" if (factor := one.times(ours)) is None else three_digits(factor),
        _compared(one.loss, expected, tolerance),
        "" if one.accuracy is None else f"{one.accuracy:.4f}",
    )


def _compared(loss: float | None, expected: float | None, tolerance: float) -> str:
    """Return a loss, and whether it is too far from the one expected."""
    if loss is None or expected is None:
        return ""
    # Small losses are compared as if they were 0.2.
    agrees = abs(loss - expected) <= tolerance * max(expected, 0.2)
    return f"{loss:.4f}" if agrees else f"{loss:.4f} **differs**"
