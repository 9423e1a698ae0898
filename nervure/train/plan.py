"""From the arguments of ``fit``, ``evaluate`` and ``predict`` to what will be run.

Everything that can be wrong with arguments and data is found here, before anything is
computed or changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from nervure import random
from nervure.ir.attrs import NDArray
from nervure.train import checks, targets
from nervure.train.callbacks import Callback, as_callbacks
from nervure.train.data import Numbers, Rows, announce, as_numbers, features
from nervure.train.data import targets as as_targets
from nervure.train.feed import Feed, Piece, RowsFeed
from nervure.train.prediction import check_features, prediction_of
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

    feed: Feed
    steps: Steps
    batches: int | None
    verbose: int | str = 0
    callbacks: tuple[Callback, ...] = ()


class FitPlan(NamedTuple):
    """What ``fit`` does."""

    feed: Feed
    steps: Steps
    batches: int | None  # of an epoch; None: those of a pass, which nobody knows yet
    options: FitOptions
    validation: EvaluationPlan | None

    def epoch_pieces(self, epoch: int, done: int) -> Iterator[Piece]:
        """Yield the batches of an epoch, of which some are done already."""
        if self.batches is None:
            pieces = self.feed.pieces(done, None)
        else:
            first = (epoch - self.options.initial_epoch) * self.batches + done
            pieces = self.feed.pieces(first, self.batches - done)
        return pieces

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

    x: NDArray
    batch_size: int
    batches: int
    verbose: int | str
    callbacks: tuple[Callback, ...]


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
    compiled = model.require_compiled("fit")
    options = _checked_options(given)
    raw = read_rows(model, x, y, sample_weight)
    held_out = None
    of = "" if validation_data is None else " of validation_data"
    if validation_data is not None:
        held_out = read_rows(model, *checks.data_tuple(validation_data), of=of)
    elif options.validation_split:
        kept = checks.split_point(raw.count, options.validation_split)
        raw, held_out = raw.between(0, kept), raw.between(kept, raw.count)

    output = prediction_of(model, raw.x)
    rows = targets.fitted(compiled.loss, raw, output)
    if class_weight is not None:
        rows = targets.weighted_by_class(rows, output, class_weight)
    if held_out is not None:
        held_out = targets.fitted(compiled.loss, held_out, output, of=of)

    announce("x", x, model.input_dtype, options.verbose)
    steps = model.steps_for(rows.y, output)
    seed = _draw_seed() if options.shuffle else None
    order = Order(rows.count, options.batch_size, seed, options.shuffle == "batch")
    return FitPlan(
        RowsFeed(rows, order),
        steps,
        options.steps_per_epoch or order.batches,
        options,
        None if held_out is None else _validation(held_out, steps, options),
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
    compiled = model.require_compiled("evaluate")
    size = _batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    raw = read_rows(model, x, y, sample_weight)
    output = prediction_of(model, raw.x)
    rows = targets.fitted(compiled.loss, raw, output)
    order = Order(rows.count, size)
    batches = min(limit or order.batches, order.batches)
    announce("x", x, model.input_dtype, verbose)
    prepared = model.steps_for(rows.y, output)
    return EvaluationPlan(RowsFeed(rows, order), prepared, batches, verbose, listed)


def plan_prediction(
    model: Model, x: Any, batch_size: Any, verbose: Any, steps: Any, callbacks: Any
) -> PredictionPlan:
    """Check the arguments of ``predict`` and prepare the data."""
    size = _batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    values = read_features(model, x, "x")
    announce("x", x, model.input_dtype, verbose)
    batches = -(-len(values) // size)
    if limit is not None and limit < batches:
        batches = limit
        values = values[: limit * size]
    return PredictionPlan(values, size, batches, verbose, listed)


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
        shuffle=checks.shuffling(given.shuffle),
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
    return EvaluationPlan(RowsFeed(rows, order), steps, batches)


def _draw_seed() -> int:
    """Return a seed from the process's generator, which ``set_random_seed`` sets."""
    low, high = random.default_generator().next_key().tolist()
    return int(low) | int(high) << 32


def read_features(model: Model, x: Any, what: str) -> NDArray:
    """Return checked features in the type in which a step takes them."""
    given = as_numbers(x, what)
    values = features(given, model.input_dtype)
    _check_values(values, given, what)
    return check_features(model, values, what)


def read_rows(model: Model, x: Any, y: Any, sample_weight: Any, of: str = "") -> Rows:
    """Return checked features, targets and weights; ``of`` says of which data set."""
    given_y = as_numbers(y, f"y{of}")
    y_values = as_targets(given_y)
    x_values = read_features(model, x, f"x{of}")
    checks.same_length([(f"x{of}", len(x_values)), (f"y{of}", len(y_values))])
    _check_values(y_values, given_y, f"y{of}")
    if sample_weight is None:
        return Rows(x_values, y_values)
    given = as_numbers(sample_weight, f"sample_weight{of}")
    weights = np.asarray(given.values, np.float32)
    checks.sample_weights(weights, given, len(x_values), f"sample_weight{of}")
    return Rows(x_values, y_values, np.ascontiguousarray(weights))


def _check_values(values: NDArray, given: Numbers, what: str) -> None:
    checks.not_empty(values, what)
    checks.finite(values, given, what)
