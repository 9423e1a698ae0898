"""From the arguments of ``fit``, ``evaluate`` and ``predict`` to what will be run.

Everything that can be wrong with arguments and data is found here, before anything is
computed or changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nervure import random, tree
from nervure.ir.attrs import NDArray
from nervure.train import checks
from nervure.train.callbacks import Callback, as_callbacks
from nervure.train.examples import fitted_rows, read_raw
from nervure.train.inputs import announce_types, read_inputs
from nervure.train.rows import Rows
from nervure.train.shuffle import Order
from nervure.train.steps import Steps

if TYPE_CHECKING:
    from nervure.train.model import Model

DEFAULT_BATCH_SIZE: Final = 32


class FitOptions(NamedTuple):
    """The arguments of ``fit`` apart from the data, as given and then as checked."""

    batch_size: Any
    epochs: Any
    verbose: Any
    callbacks: Any
    validation_split: Any
    shuffle: Any
    initial_epoch: Any
    steps_per_epoch: Any
    validation_steps: Any
    validation_batch_size: Any
    validation_freq: Any


class EvaluationPlan(NamedTuple):
    """What ``evaluate`` does: which batches of which rows."""

    rows: Rows
    steps: Steps
    order: Order
    batches: int
    verbose: int | str = 0
    callbacks: tuple[Callback, ...] = ()


class FitPlan(NamedTuple):
    """What ``fit`` does."""

    rows: Rows
    steps: Steps
    order: Order
    batches: int
    options: FitOptions
    validation: EvaluationPlan | None

    def validates_after(self, epoch: int) -> bool:
        """Tell whether the model is evaluated after an epoch, counted from 0."""
        if self.validation is None:
            return False
        wanted = self.options.validation_freq
        if isinstance(wanted, int):
            return (epoch + 1) % wanted == 0
        return epoch + 1 in wanted


class PredictionPlan(NamedTuple):
    """What ``predict`` does."""

    x: tuple[NDArray, ...]
    structure: tree.Structure
    batch_size: int
    batches: int
    verbose: int | str
    callbacks: tuple[Callback, ...]

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.x[0])


# --- planning -----------------------------------------------------------------------


def plan_fit(
    model: Model,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    given: FitOptions,
    validation_data: Any,
) -> FitPlan:
    """Check the arguments of ``fit`` and prepare the data."""
    model.require_compiled("fit")
    options = _checked_options(given)
    raw = read_raw(model, x, y, sample_weight)
    held_out = None
    of = "" if validation_data is None else " of validation_data"
    if validation_data is not None:
        held_out = read_raw(model, *checks.data_tuple(validation_data), of=of)
    elif options.validation_split:
        kept = checks.split_point(raw.count, options.validation_split)
        raw, held_out = raw.between(0, kept), raw.between(kept, raw.count)

    rows = fitted_rows(model, raw, class_weight)
    if held_out is not None:
        held_out_rows = fitted_rows(model, held_out, of=of)

    announce_types(model, x, options.verbose)
    steps = model.steps_for(rows.form)
    seed = _draw_seed() if options.shuffle else None
    order = Order(rows.count, options.batch_size, seed)
    return FitPlan(
        rows,
        steps,
        order,
        options.steps_per_epoch or order.batches,
        options,
        None
        if held_out is None
        else _validation(held_out_rows, model.steps_for(held_out_rows.form), options),
    )


def plan_evaluation(
    model: Model,
    x: Any,
    y: Any,
    sample_weight: Any,
    batch_size: Any,
    verbose: Any,
    steps: Any,
    callbacks: Any,
) -> EvaluationPlan:
    """Check the arguments of ``evaluate`` and prepare the data."""
    model.require_compiled("evaluate")
    size = _batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    rows = fitted_rows(model, read_raw(model, x, y, sample_weight))
    order = Order(rows.count, size)
    batches = min(limit or order.batches, order.batches)
    announce_types(model, x, verbose)
    prepared = model.steps_for(rows.form)
    return EvaluationPlan(rows, prepared, order, batches, verbose, listed)


def plan_batch(
    model: Model, x: Any, y: Any, sample_weight: Any, class_weight: Any = None
) -> tuple[Rows, Steps]:
    """Check one batch for ``train_on_batch`` and ``test_on_batch``."""
    model.require_compiled("a step on a batch")
    rows = fitted_rows(model, read_raw(model, x, y, sample_weight), class_weight)
    return rows, model.steps_for(rows.form)


def plan_prediction(
    model: Model, x: Any, batch_size: Any, verbose: Any, steps: Any, callbacks: Any
) -> PredictionPlan:
    """Check the arguments of ``predict`` and prepare the data."""
    size = _batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    values, structure = read_inputs(model, x)
    announce_types(model, x, verbose)
    count = len(values[0])
    batches = -(-count // size)
    if limit is not None and limit < batches:
        batches = limit
        values = tuple(one[: limit * size] for one in values)
    return PredictionPlan(values, structure, size, batches, verbose, listed)


# --- the parts ----------------------------------------------------------------------


def _checked_options(given: FitOptions) -> FitOptions:
    size = _batch_size(given.batch_size)
    steps = checks.optional_whole_number
    return FitOptions(
        batch_size=size,
        epochs=checks.whole_number(given.epochs, "epochs", 1, 10),
        verbose=checks.verbosity(given.verbose),
        callbacks=tuple(as_callbacks(given.callbacks)),
        validation_split=checks.fraction(given.validation_split, "validation_split"),
        shuffle=checks.truth(given.shuffle, "shuffle"),
        initial_epoch=checks.whole_number(given.initial_epoch, "initial_epoch", 0, 5),
        steps_per_epoch=steps(given.steps_per_epoch, "steps_per_epoch", 1, 100),
        validation_steps=steps(given.validation_steps, "validation_steps", 1, 10),
        validation_batch_size=steps(
            given.validation_batch_size, "validation_batch_size", 1, 128
        )
        or size,
        validation_freq=checks.validation_epochs(given.validation_freq),
    )


def _batch_size(value: Any) -> int:
    if value is None:
        return DEFAULT_BATCH_SIZE
    return checks.whole_number(value, "batch_size", 1, DEFAULT_BATCH_SIZE)


def _validation(rows: Rows, steps: Steps, options: FitOptions) -> EvaluationPlan:
    order = Order(rows.count, options.validation_batch_size)
    batches = min(options.validation_steps or order.batches, order.batches)
    return EvaluationPlan(rows, steps, order, batches)


def _draw_seed() -> int:
    """Return a seed from the process's generator, which ``set_random_seed`` sets."""
    low, high = random.default_generator().next_key().tolist()
    return int(low) | int(high) << 32
