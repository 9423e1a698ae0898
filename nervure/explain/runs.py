"""What happened in a training: bad numbers, recompilations, slow data, an early end."""

from __future__ import annotations

import math
from typing import Final

from nervure.callbacks import History
from nervure.explain.answer import Answer, Finding
from nervure.train.run_facts import RunFacts

# Waiting for data is remarked on from this share of the time on.
SLOW_DATA: Final = 0.3
# One program for full batches, one for the last batch.
USUAL_PROGRAMS: Final = 2
# So many epochs without a better val_loss are remarked on.
WORSE_FOR: Final = 3


def why_run(history: History) -> Answer:
    """Explain what a training did."""
    facts, epochs = history.facts, len(history.epoch)
    findings = [
        one
        for one in (
            _numbers(history),
            _end(facts),
            _programs(facts),
            _data(facts),
            _validation(history),
        )
        if one is not None
    ]
    seconds = facts.computing_seconds + facts.waiting_seconds
    ran = f"{epochs} epochs, {facts.steps} steps in {seconds:.2g} s"
    if not findings:
        return Answer(f"{ran}: nothing unusual happened", [])
    topics = ", ".join(one.topic for one in findings)
    return Answer(f"{ran}; there is something to say about: {topics}", findings)


def _numbers(history: History) -> Finding | None:
    report = history.facts.numerics
    if report is not None:
        body, _, fix = report.text.partition("\n  fix: ")
        return Finding("numbers", body, fix)
    bad = [
        name
        for name, values in history.history.items()
        if values and not all(map(math.isfinite, values))
    ]
    if not bad:
        return None
    return Finding(
        "numbers",
        f"{', '.join(bad)} became NaN or infinite",
        "train with model.compile(..., check_numerics=True), which names the operation",
    )


def _end(facts: RunFacts) -> Finding | None:
    if not facts.stopped:
        return None
    return Finding("the end", f"training ended early: {facts.stopped}")


def _programs(facts: RunFacts) -> Finding | None:
    if facts.compilations <= USUAL_PROGRAMS:
        return None
    causes = "\n".join(facts.recompiles)
    return Finding(
        "compilations",
        f"the training step was compiled {facts.compilations} times\n{causes}",
        "let all batches but the last have one size, and all samples one shape (pad "
        "them); nervure.explain_recompiles() lists every one",
    )


def _data(facts: RunFacts) -> Finding | None:
    total = facts.computing_seconds + facts.waiting_seconds
    share = facts.waiting_seconds / total if total else 0.0
    if share < SLOW_DATA:
        return None
    return Finding(
        "slow data",
        f"{share:.0%} of the time was spent waiting for batches "
        f"({facts.waiting_seconds:.2g} s)",
        "prepare the data once and pass arrays or numpy.memmap; make batches in a "
        "nervure.utils.PyDataset with more workers; use larger batches",
    )


def _validation(history: History) -> Finding | None:
    values = history.history.get("val_loss", [])
    finite = [one for one in values if math.isfinite(one)]
    if not finite:
        return None
    best = values.index(min(finite))
    since = len(values) - 1 - best
    if since < WORSE_FOR:
        return None
    return Finding(
        "overfitting",
        f"val_loss was best in epoch {best + 1} ({values[best]:.4g}) and has been "
        f"worse for {since} epochs ({values[-1]:.4g} at the end)",
        "callbacks=[nervure.callbacks.EarlyStopping(restore_best_weights=True)], more "
        "data, Dropout or weight decay",
    )
