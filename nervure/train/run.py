"""Where a training stands, for callbacks that store it and go on from there."""

from __future__ import annotations

from dataclasses import dataclass

from nervure.train.callbacks.base import Callback
from nervure.train.feed import Feed
from nervure.train.numerics_guard import NumericsGuard
from nervure.train.run_facts import RunFacts


@dataclass
class TrainingRun:
    """A call of ``fit`` while it runs: ``model.training_run`` inside of callbacks.

    A callback may move it to another place in ``on_train_begin``; everything that
    depends on the place, such as the order of the rows, follows from it.

    Attributes
    ----------
    feed
        What gives the batches; its ``seed`` decides their order.
    callbacks
        Those of this run, in their order.
    epoch
        The epoch that is going on or comes next, counted from 0.
    batch
        How many batches of this epoch are finished.
    facts
        What is remembered for ``nervure.why``.
    guard
        What looks at the loss after each call of the executor.
    interrupted
        Whether Ctrl-C or an error ended the run; known in ``on_train_end``.
    """

    feed: Feed
    callbacks: list[Callback]
    epoch: int
    facts: RunFacts
    guard: NumericsGuard
    batch: int = 0
    interrupted: bool = False
