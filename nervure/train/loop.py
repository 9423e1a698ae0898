"""The one loop: ``fit``, ``evaluate`` and ``predict`` all run here.

A step is captured once (``train/steps.py``) and runs many times in one call, so nothing
is done in Python between the batches unless a callback looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import tree
from nervure.array import Array
from nervure.exec.base import filled_up, forget_data
from nervure.ir.attrs import NDArray
from nervure.step import Step
from nervure.train.callbacks import CallbackList, TerminateOnNaN
from nervure.train.feed import Piece, RowsFeed
from nervure.train.history import History
from nervure.train.numerics_guard import NumericsGuard
from nervure.train.pace import Pace, finishing_first
from nervure.train.plan import EvaluationPlan, FitPlan, PredictionPlan
from nervure.train.prefetch import closing
from nervure.train.progress import Display, Silent, display_for
from nervure.train.report import MetricReport
from nervure.train.rows import Rows
from nervure.train.run import TrainingRun
from nervure.train.run_facts import RunFacts
from nervure.train.steps import EagerStep

if TYPE_CHECKING:
    from nervure.train.model import Model

Logs = dict[str, float]


class _Watch:
    """Tells callbacks and the display about the batches of one pass."""

    def __init__(
        self,
        phase: str,
        callbacks: CallbackList,
        display: Display,
        report: MetricReport,
    ) -> None:
        self._phase = phase
        self._callbacks = callbacks
        self._display = display
        self._report = report
        self._wants_logs = callbacks.wants_logs(phase)
        # Whether somebody looks at every batch.
        self.single = callbacks.watches_batches(phase)

    def before(self, done: int) -> None:
        """Tell that the step after the first ``done`` begins."""
        if self.single:
            self._callbacks.call_batch(f"on_{self._phase}_batch_begin", done, {})

    def after(self, done: int) -> None:
        """Tell that ``done`` steps of the pass are finished."""
        due = self._display.due()
        if not (due or self._wants_logs):
            return
        logs = self._report.values()
        if self._wants_logs:
            self._callbacks.call_batch(f"on_{self._phase}_batch_end", done - 1, logs)
        if due:
            self._display.advance(done, logs)


def _run(
    step: Step | EagerStep,
    pace: Pace,
    pieces: Iterator[Piece],
    watch: _Watch,
    done: int = 0,
    run: TrainingRun | None = None,
    wants_end: Callable[[], bool] = lambda: False,
) -> int:
    """Run the batches of one pass, until somebody wants its end.

    ``done`` batches of the pass are finished already; returns how many are then.
    """
    # Whoever reads ahead in a thread is told to stop, whatever ends the pass.
    with closing(pieces):
        for arrays, block in pieces if run is None else run.facts.waited_for(pieces):
            start = 0
            while start < len(block) and not wants_end():
                count = 1 if watch.single else pace.next_count(len(block) - start)
                watch.before(done)
                rows = block[start : start + count]
                with pace.timed(count, block.shape[1]), finishing_first():
                    if run is None:
                        step.run(arrays, [rows])
                    else:
                        _train(step, arrays, rows, run)
                start += count
                done += count
                if run is not None:
                    run.batch = done
                    run.guard.after()
                watch.after(done)
            if wants_end():
                break
    return done


def _train(
    step: Step | EagerStep, arrays: list[NDArray], rows: NDArray, run: TrainingRun
) -> None:
    """Run some steps of training, whose state before is remembered meanwhile."""
    with run.facts.computing(len(rows)):
        run.guard.before(arrays, rows, run.epoch, run.batch)
        step.run(arrays, [rows])


# --- fit ----------------------------------------------------------------------------


def fit(model: Model, plan: FitPlan) -> History:
    """Train as planned and return what was recorded."""
    options = plan.options
    params = {
        "verbose": options.verbose,
        "epochs": options.epochs,
        "steps": plan.batches,
    }
    callbacks = CallbackList(options.callbacks, model, params, with_history=True)
    display = display_for(1 if callbacks.shows_bar else options.verbose)
    watch = _Watch("train", callbacks, display, plan.steps.train_report)
    run = TrainingRun(
        plan.feed,
        callbacks.callbacks,
        options.initial_epoch,
        RunFacts(),
        NumericsGuard(
            model,
            plan.steps,
            row_name="data" if isinstance(plan.feed, RowsFeed) else "batch",
            quiet=any(isinstance(one, TerminateOnNaN) for one in callbacks.callbacks),
        ),
    )
    compilations = _compilations(plan.steps.train)
    callbacks.history.facts = run.facts
    model.stop_training = False
    model.history = callbacks.history
    model.training_run = run
    plan.steps.build()
    plan.late.begin(model)
    forget_data()
    logs: Logs = {}
    try:
        callbacks.call("on_train_begin", {})
        while run.epoch < options.epochs and not model.stop_training:
            logs = _epoch(model, plan, run, callbacks, display, watch)
    except BaseException:
        # Callbacks may still restore or save something; then the user gets the error.
        display.close()
        plan.late.restore()
        run.interrupted = True
        callbacks.call("on_train_end", logs)
        raise
    else:
        if model.optimizer is not None and options.epochs > options.initial_epoch:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        callbacks.call("on_train_end", logs)
    finally:
        display.close()
        model.training_run = None
        _note(run, plan, compilations)
    return callbacks.history


def _compilations(step: Step | EagerStep) -> int:
    """Return how many programs a step has."""
    return step.recompiles.count if isinstance(step, Step) else 0


def _note(run: TrainingRun, plan: FitPlan, compilations: int) -> None:
    """Note what a run can be explained by."""
    facts, step = run.facts, plan.steps.train
    facts.numerics = run.guard.report
    facts.compilations = _compilations(step) - compilations
    if isinstance(step, Step) and facts.compilations:
        facts.recompiles = list(step.recompiles.causes)
    reasons = [one.stop_reason for one in run.callbacks if one.stop_reason]
    if run.interrupted:
        facts.stopped = "it was interrupted, by Ctrl-C or an error"
    elif reasons:
        facts.stopped = reasons[0]
    elif run.epoch < plan.options.epochs:
        facts.stopped = "model.stop_training was set"


def _epoch(
    model: Model,
    plan: FitPlan,
    run: TrainingRun,
    callbacks: CallbackList,
    display: Display,
    watch: _Watch,
) -> Logs:
    """Train one epoch, evaluate if wanted, and return the numbers of both."""
    report = plan.steps.train_report
    epoch = run.epoch
    if not run.batch:  # otherwise a resumed epoch goes on, with what was measured
        report.reset()
    callbacks.call("on_epoch_begin", epoch, {})
    width = len(str(plan.options.epochs))
    display.begin(f"Epoch {epoch + 1:>{width}}/{plan.options.epochs}", plan.batches)
    done = _run(
        plan.steps.train,
        plan.steps.train_pace,
        plan.epoch_pieces(epoch, run.batch),
        watch,
        run.batch,
        run,
        wants_end=lambda: model.stop_training,
    )
    plan.late.look()
    logs = report.values()
    if plan.validates_after(epoch):
        assert plan.validation is not None
        values = _evaluate(plan.validation, callbacks, Silent())
        logs |= {f"val_{name}": value for name, value in values.items()}
    # From here on a callback that stores the run stores the start of the next epoch.
    run.epoch, run.batch = epoch + 1, 0
    callbacks.call("on_epoch_end", epoch, logs)
    display.end(logs, done)
    return logs


# --- evaluate -----------------------------------------------------------------------


def evaluate(model: Model, plan: EvaluationPlan) -> Logs:
    """Return the mean loss and the metrics by name."""
    params = {"verbose": plan.verbose, "epochs": 1, "steps": plan.batches}
    callbacks = CallbackList(plan.callbacks, model, params)
    display = display_for(plan.verbose)
    forget_data()
    try:
        display.begin("Evaluation", plan.batches)
        logs = _evaluate(plan, callbacks, display)
        display.end(logs)
    finally:
        display.close()
    return logs


def _evaluate(plan: EvaluationPlan, callbacks: CallbackList, display: Display) -> Logs:
    report = plan.steps.test_report
    watch = _Watch("test", callbacks, display, report)
    report.reset()
    callbacks.call("on_test_begin", {})
    pieces = plan.feed.pieces(0, plan.batches)
    _run(plan.steps.test, plan.steps.test_pace, pieces, watch)
    logs = report.values()
    callbacks.call("on_test_end", logs)
    return logs


def one_step(
    step: Step | EagerStep,
    report: MetricReport,
    rows: Rows,
    guard: NumericsGuard | None = None,
) -> Logs:
    """Run one step on all rows together and return its numbers."""
    report.reset()
    forget_data()
    arrays, numbers = rows.constants, np.arange(rows.count)[None]
    with finishing_first():
        if guard is not None:
            guard.before(arrays, numbers, -1, 0)
        step.run(arrays, [numbers])
    if guard is not None:
        guard.after()
    return report.values()


# --- predict ------------------------------------------------------------------------


def predict(model: Model, plan: PredictionPlan) -> Any:
    """Return the outputs for all rows, arranged as the model does."""
    if plan.x is not None and plan.batches == 1 and not plan.callbacks:
        outputs = _predicted(model, plan.x, plan.structure, plan.batch_size)
        return tree.map_leaves(np.copy, outputs)
    params = {"verbose": plan.verbose, "epochs": 1, "steps": plan.batches}
    callbacks = CallbackList(plan.callbacks, model, params)
    display = display_for(plan.verbose, quiet_elsewhere=True)
    try:
        callbacks.call("on_predict_begin", {})
        display.begin("Prediction", plan.batches)
        result, done = _predict_batches(model, plan, callbacks, display)
        display.end({}, done)
        callbacks.call("on_predict_end", {})
    finally:
        display.close()
    return result


def _predict_batches(
    model: Model, plan: PredictionPlan, callbacks: CallbackList, display: Display
) -> tuple[Any, int]:
    """Return the outputs, and of how many batches they are."""
    collected = _Outputs(None if plan.x is None else len(plan.x[0]))
    with closing(_feature_batches(plan)) as batches:
        for batch, (rows, structure) in enumerate(batches):
            callbacks.call_batch("on_predict_batch_begin", batch, {})
            size = max(plan.batch_size, len(rows[0]))
            outputs = _predicted(model, rows, structure, size)
            collected.take(outputs)
            logs: dict[str, Any] = {"outputs": outputs}
            callbacks.call_batch("on_predict_batch_end", batch, logs)
            if display.due():
                display.advance(batch + 1, {})
    return collected.whole(), batch + 1


class _Outputs:
    """The outputs of one batch after another, put together."""

    def __init__(self, rows: int | None) -> None:
        self._rows = rows  # of all batches, if known: then there is one place for them
        self._structure = tree.LEAF
        self._parts: list[list[NDArray]] = []
        self._places: list[NDArray] = []
        self._done = 0

    def take(self, outputs: Any) -> None:
        """Take in a batch."""
        leaves, self._structure = tree.flatten(outputs)
        if self._rows is None:
            self._parts.append(leaves)
            return
        if not self._places:
            rows = self._rows
            self._places = [np.empty((rows, *o.shape[1:]), o.dtype) for o in leaves]
        for place, leaf in zip(self._places, leaves, strict=True):
            place[self._done : self._done + len(leaf)] = leaf
        self._done += len(leaves[0])

    def whole(self) -> Any:
        """Return what was taken in, arranged as the model does."""
        if self._rows is None:
            self._places = list(map(np.concatenate, zip(*self._parts, strict=True)))
        return tree.unflatten(self._structure, self._places)


def _feature_batches(
    plan: PredictionPlan,
) -> Iterator[tuple[Sequence[NDArray], tree.Structure]]:
    """Yield the features of each batch, and how they are arranged."""
    if plan.x is not None:
        for start in range(0, len(plan.x[0]), plan.batch_size):
            stop = start + plan.batch_size
            yield [one[start:stop] for one in plan.x], plan.structure
        return
    assert plan.feed is not None
    pieces = plan.feed.pieces(0, plan.batches)
    with closing(pieces):
        for arrays, block in pieces:
            for rows in block:
                # The rows of a step follow one another in what was read.
                part = [one[rows[0] : rows[-1] + 1] for one in arrays]
                yield part, plan.feed.structure


def _predicted(
    model: Model, rows: Sequence[NDArray], structure: tree.Structure, batch_size: int
) -> Any:
    """Return the outputs for the rows of one batch, which may not be full."""
    count = len(rows[0])
    size = min(1 << (count - 1).bit_length(), batch_size)
    arrays = [Array.of_value(filled_up(one, size)) for one in rows]
    outputs = model.forward(tree.unflatten(structure, arrays))
    return tree.map_leaves(lambda one: one.numpy()[:count], outputs)
