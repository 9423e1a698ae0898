"""From the arguments of ``fit``, ``evaluate`` and ``predict`` to what will be run.

Everything that can be wrong with arguments and data is found here, before anything is
computed or changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from nervure import random, tree
from nervure.ir.attrs import NDArray
from nervure.train import checks
from nervure.train.batch_sources import is_batches
from nervure.train.callbacks import Callback, as_callbacks
from nervure.train.examples import fitted_rows, read_raw
from nervure.train.feed import Feed, Piece
from nervure.train.inputs import announce_types, read_inputs
from nervure.train.late_checks import Check, LateChecks, collecting
from nervure.train.lazy_data import has_lazy
from nervure.train.material import (
    Batching,
    Given,
    Loader,
    Material,
    feature_batches,
)
from nervure.train.rows import Rows
from nervure.train.steps import Steps
from nervure.train.streams import BatchFeed, LazyFeed

if TYPE_CHECKING:
    from nervure.train.model import Model


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
    late: LateChecks

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
    """What ``predict`` does: with features in memory, or with those of a feed."""

    x: tuple[NDArray, ...] | None
    structure: tree.Structure
    feed: BatchFeed | LazyFeed | None
    batch_size: int
    batches: int | None
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
    model.require_compiled("fit")
    options = _checked_options(given)
    data = Given(x, y, sample_weight)
    batching = Batching(
        options.batch_size, options.shuffle == "batch", options.steps_per_epoch
    )
    later = Batching(options.validation_batch_size, steps=options.validation_steps)
    loader = Loader(model, class_weight, options.verbose)
    held_out = None
    late: list[Check] = []
    if validation_data is not None:
        training, late = _checked_later(model, loader, data, batching)
        other = Given.validation(validation_data)
        held_out = Loader(model).material(other, later)
    elif options.validation_split:
        share = options.validation_split
        training, held_out = loader.split(data, share, batching, later)
    else:
        training, late = _checked_later(model, loader, data, batching)
    announce_types(model, x, options.verbose)
    steps = model.steps_for(training.form)
    if options.shuffle:
        training.feed.seed = _draw_seed()
    return FitPlan(
        training.feed,
        steps,
        options.steps_per_epoch or training.feed.batches,
        options,
        None
        if held_out is None
        else EvaluationPlan(
            held_out.feed,
            model.steps_for(held_out.form),
            _limited(held_out.feed, later.steps),
        ),
        LateChecks(steps.suspicion, late),
    )


def _checked_later(
    model: Model, loader: Loader, data: Given, batching: Batching
) -> tuple[Material, list[Check]]:
    """Return material, and the checks of its large arrays that were put off."""
    if model.run_eagerly:
        return loader.material(data, batching), []
    with collecting() as checks_:
        return loader.material(data, batching), checks_


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
    size = checks.batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    batching = Batching(size, steps=limit)
    ready = Loader(model, verbose=verbose).material(
        Given(x, y, sample_weight), batching
    )
    announce_types(model, x, verbose)
    prepared = model.steps_for(ready.form)
    batches = _limited(ready.feed, limit)
    return EvaluationPlan(ready.feed, prepared, batches, verbose, listed)


def _limited(feed: Feed, limit: int | None) -> int | None:
    """Return how many batches of a pass are wanted; None for all, if nobody knows."""
    if limit is None or feed.batches is None:
        return limit or feed.batches
    return min(limit, feed.batches)


def plan_prediction(
    model: Model, x: Any, batch_size: Any, verbose: Any, steps: Any, callbacks: Any
) -> PredictionPlan:
    """Check the arguments of ``predict`` and prepare the data."""
    size = checks.batch_size(batch_size)
    verbose = checks.verbosity(verbose)
    limit = checks.optional_whole_number(steps, "steps", 1, 10)
    listed = tuple(as_callbacks(callbacks))
    if is_batches(x) or has_lazy(x):
        announce_types(model, x, verbose)
        feed, wanted = feature_batches(model, x, size, limit)
        return PredictionPlan(None, tree.LEAF, feed, size, wanted, verbose, listed)
    values, structure = read_inputs(model, x)
    announce_types(model, x, verbose)
    batches = -(-len(values[0]) // size)
    if limit is not None and limit < batches:
        batches = limit
        values = tuple(one[: limit * size] for one in values)
    return PredictionPlan(values, structure, None, size, batches, verbose, listed)


def plan_batch(
    model: Model, x: Any, y: Any, sample_weight: Any, class_weight: Any = None
) -> tuple[Rows, Steps]:
    """Check one batch for ``train_on_batch`` and ``test_on_batch``."""
    model.require_compiled("a step on a batch")
    rows = fitted_rows(model, read_raw(model, x, y, sample_weight), class_weight)
    return rows, model.steps_for(rows.form)


# --- the parts ----------------------------------------------------------------------


def _checked_options(given: FitOptions) -> FitOptions:
    size = checks.batch_size(given.batch_size)
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


def _draw_seed() -> int:
    """Return a seed from the process's generator, which ``set_random_seed`` sets."""
    low, high = random.default_generator().next_key().tolist()
    return int(low) | int(high) << 32
