"""The one loop: ``fit``, ``evaluate`` and ``predict`` all run here.

A step is captured once (``train/steps.py``) and runs many times in one call, so nothing
is done in Python between the batches unless a callback looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.step import Step
from nervure.train.callbacks import CallbackList
from nervure.train.data import Rows
from nervure.train.history import History
from nervure.train.pace import Pace, finishing_first
from nervure.train.plan import EvaluationPlan, FitPlan, PredictionPlan
from nervure.train.progress import Display, Silent, display_for
from nervure.train.steps import Measures

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
        measures: Measures,
    ) -> None:
        self._phase = phase
        self._callbacks = callbacks
        self._display = display
        self._measures = measures
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
        logs = self._measures.values()
        if self._wants_logs:
            self._callbacks.call_batch(f"on_{self._phase}_batch_end", done - 1, logs)
        if due:
            self._display.advance(done, logs)


def _run(
    step: Step,
    pace: Pace,
    rows: Rows,
    blocks: Iterable[NDArray],
    watch: _Watch,
    wants_end: Callable[[], bool] = lambda: False,
) -> None:
    """Run the batches of one pass, until somebody wants its end."""
    done = 0
    for block in blocks:
        start = 0
        while start < len(block) and not wants_end():
            count = 1 if watch.single else pace.next_count(len(block) - start)
            watch.before(done)
            with pace.timed(count, block.shape[1]), finishing_first():
                step.run(rows.constants, [block[start : start + count]])
            start += count
            done += count
            watch.after(done)


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
    display = display_for(options.verbose)
    watch = _Watch("train", callbacks, display, plan.steps.measures)
    model.stop_training = False
    model.history = callbacks.history
    plan.steps.build()
    logs: Logs = {}
    try:
        callbacks.call("on_train_begin", {})
        for epoch in range(options.initial_epoch, options.epochs):
            logs = _epoch(model, plan, epoch, callbacks, display, watch)
            if model.stop_training:
                break
    except KeyboardInterrupt:
        # Callbacks may still restore or save something; then the user gets the Ctrl-C.
        display.close()
        callbacks.call("on_train_end", logs)
        raise
    finally:
        display.close()
    if model.optimizer is not None and options.epochs > options.initial_epoch:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    callbacks.call("on_train_end", logs)
    return callbacks.history


def _epoch(
    model: Model,
    plan: FitPlan,
    epoch: int,
    callbacks: CallbackList,
    display: Display,
    watch: _Watch,
) -> Logs:
    """Train one epoch, evaluate if wanted, and return the numbers of both."""
    measures = plan.steps.measures
    measures.reset()
    callbacks.call("on_epoch_begin", epoch, {})
    width = len(str(plan.options.epochs))
    display.begin(f"Epoch {epoch + 1:>{width}}/{plan.options.epochs}", plan.batches)
    first = (epoch - plan.options.initial_epoch) * plan.batches
    blocks = plan.order.steps(first, plan.batches)
    _run(
        plan.steps.train,
        plan.steps.train_pace,
        plan.rows,
        blocks,
        watch,
        wants_end=lambda: model.stop_training,
    )
    logs = measures.values()
    if plan.validates_after(epoch):
        assert plan.validation is not None
        values = _evaluate(plan.validation, callbacks, Silent())
        logs |= {f"val_{name}": value for name, value in values.items()}
    callbacks.call("on_epoch_end", epoch, logs)
    display.end(logs)
    return logs


# --- evaluate -----------------------------------------------------------------------


def evaluate(model: Model, plan: EvaluationPlan) -> Logs:
    """Return the mean loss and the metrics by name."""
    params = {"verbose": plan.verbose, "epochs": 1, "steps": plan.batches}
    callbacks = CallbackList(plan.callbacks, model, params)
    display = display_for(plan.verbose)
    try:
        display.begin("Evaluation", plan.batches)
        logs = _evaluate(plan, callbacks, display)
        display.end(logs)
    finally:
        display.close()
    return logs


def _evaluate(plan: EvaluationPlan, callbacks: CallbackList, display: Display) -> Logs:
    measures = plan.steps.measures
    watch = _Watch("test", callbacks, display, measures)
    measures.reset()
    callbacks.call("on_test_begin", {})
    blocks = plan.order.steps(0, plan.batches)
    _run(plan.steps.test, plan.steps.test_pace, plan.rows, blocks, watch)
    logs = measures.values()
    callbacks.call("on_test_end", logs)
    return logs


# --- predict ------------------------------------------------------------------------


def predict(model: Model, plan: PredictionPlan) -> NDArray:
    """Return the outputs for all rows."""
    if plan.batches == 1 and not plan.callbacks:
        return _predicted(model, plan.x, plan.batch_size).copy()
    params = {"verbose": plan.verbose, "epochs": 1, "steps": plan.batches}
    callbacks = CallbackList(plan.callbacks, model, params)
    display = display_for(plan.verbose, quiet_elsewhere=True)
    try:
        callbacks.call("on_predict_begin", {})
        display.begin("Prediction", plan.batches)
        result = _predict_batches(model, plan, callbacks, display)
        display.end({})
        callbacks.call("on_predict_end", {})
    finally:
        display.close()
    return result


def _predict_batches(
    model: Model, plan: PredictionPlan, callbacks: CallbackList, display: Display
) -> NDArray:
    size = plan.batch_size
    result: NDArray | None = None
    for batch in range(plan.batches):
        callbacks.call_batch("on_predict_batch_begin", batch, {})
        rows = plan.x[batch * size : (batch + 1) * size]
        outputs = _predicted(model, rows, size)
        if result is None:
            result = np.empty((len(plan.x), *outputs.shape[1:]), outputs.dtype)
        result[batch * size : batch * size + len(rows)] = outputs
        logs: dict[str, Any] = {"outputs": outputs}
        callbacks.call_batch("on_predict_batch_end", batch, logs)
        if display.due():
            display.advance(batch + 1, {})
    assert result is not None
    return result


def _predicted(model: Model, rows: NDArray, batch_size: int) -> NDArray:
    """Return the outputs for the rows of one batch, which may not be full."""
    count = len(rows)
    size = min(1 << (count - 1).bit_length(), batch_size)
    if size != count:
        filling = np.broadcast_to(rows[-1:], (size - count, *rows.shape[1:]))
        rows = np.concatenate([rows, filling])
    return model.forward(Array.of_value(rows)).numpy()[:count]
