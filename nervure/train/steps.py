"""What happens in one step of training and of testing, captured once each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import ops
from nervure.array import Array, parameter
from nervure.config import config
from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.ops.mixed import products_in
from nervure.step import Step
from nervure.train.late_checks import Suspicion
from nervure.train.pace import Pace
from nervure.train.report import LogReport, MetricReport
from nervure.train.rows import Form, pack_x_y_sample_weight

if TYPE_CHECKING:
    from nervure.train.model import Model


class Steps:
    """The training step and the test step of a compiled model, for data of one form.

    Each takes the whole data as constants (inputs, targets and perhaps weights), and
    the numbers of the batch's rows, ``int64[batch]``, as what varies.

    Parameters
    ----------
    model
        A compiled model.  What a step does is defined by its ``train_step`` and
        ``test_step``.
    form
        How the data are arranged.
    dtypes
        The type of each input, None for those that are taken as they are.
    """

    def __init__(
        self, model: Model, form: Form, dtypes: Sequence[DType | None]
    ) -> None:
        self._model = model
        self._form = form
        self._dtypes = list(dtypes)
        self._trained = _trained(model)
        self.train: Step | EagerStep
        self.test: Step | EagerStep
        if model.run_eagerly:
            self.train = EagerStep(
                self._train, lambda: model.trainable_variables, model.settings
            )
            self.test = EagerStep(self._test, settings=model.settings)
        else:
            compiled = model.require_compiled("a training step")
            self.train = Step(
                self._train,
                f"the training step of {model.name!r}",
                memory_budget=compiled.memory_budget,
                offload=compiled.offload,
                settings=model.settings,
            )
            self.test = Step(
                self._test,
                f"the test step of {model.name!r}",
                settings=model.settings,
            )
        self.suspicion = Suspicion()
        self.train_pace = Pace()
        self.test_pace = Pace()
        self.train_report = _report(model, "train_step")
        self.test_report = _report(model, "test_step")

    @property
    def form(self) -> Form:
        """How the data are arranged."""
        return self._form

    def suit(self, form: Form, dtypes: Sequence[DType | None]) -> bool:
        """Tell whether these steps serve for other data, and for the model now."""
        return (
            self._form == form
            and self._dtypes == list(dtypes)
            and self._trained == _trained(self._model)
        )

    def build(self) -> None:
        """Create the optimizer's slots, unless they exist."""
        if not self._model.has_own("train_step"):
            self._model.require_optimizer().build(self._model.trainable_variables)

    def batch(self, arrays: list[Array]) -> Any:
        """Return the arrays of a batch as ``train_step`` is given them."""
        return self._batch(list(arrays))

    def _train(self, data: list[Array], batch: list[Array]) -> None:
        """Trace a training step."""
        arrays = self._arrays(data, batch)
        if not self._model.run_eagerly:
            self.suspicion.watch(data, arrays)
        with products_in(self._model.product_type):
            logs = self._model.train_step(self._batch(arrays))
        if isinstance(self.train_report, LogReport):
            self.train_report.keep(logs)
        self._model.clear_losses()

    def _test(self, data: list[Array], batch: list[Array]) -> None:
        """Trace a test step."""
        with products_in(self._model.product_type):
            logs = self._model.test_step(self._batch(self._arrays(data, batch)))
        if isinstance(self.test_report, LogReport):
            self.test_report.keep(logs)
        self._model.clear_losses()

    def _arrays(self, data: list[Array], batch: list[Array]) -> list[Array]:
        """Return the rows of a batch."""
        (rows,) = batch
        return [ops.take(one, rows, axis=0) for one in data]

    def _batch(self, arrays: list[Array]) -> Any:
        """Return the rows of a batch as ``train_step`` is given them."""
        for place, dtype in enumerate(self._dtypes):
            if dtype is not None:
                arrays[place] = arrays[place].astype(dtype)
        return pack_x_y_sample_weight(*self._form.arranged(arrays))


def _report(model: Model, step: str) -> MetricReport:
    has_own_logs = model.has_own(step) or model.has_own("compute_metrics")
    return LogReport(model) if has_own_logs else MetricReport(model)


def _trained(model: Model) -> tuple[Any, ...]:
    """Return what decides which variables change, and how layers behave meanwhile."""
    return (
        tuple(map(id, model.trainable_variables)),
        tuple(layer.trainable for layer in model.flattened()),
    )


class EagerStep:
    """A step that runs as plain Python, batch by batch: for looking into it.

    It takes what :class:`~nervure.step.Step` takes.  Values can be printed inside of
    it, and Python's ``if`` may depend on them.
    """

    def __init__(
        self,
        function: Callable[[list[Array], list[Array]], None],
        variables: Callable[[], Sequence[Any]] = tuple,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._settings = dict(settings or {})
        self._variables = variables

    def run(self, constants: Sequence[NDArray], varying: Sequence[NDArray]) -> None:
        """Run one step for each entry along the first axis of ``varying``."""
        with config.override(**self._settings):
            self._run(constants, varying)

    def _run(self, constants: Sequence[NDArray], varying: Sequence[NDArray]) -> None:
        fixed = [ops.asarray(one) for one in constants]
        for rows in zip(*varying, strict=True):
            for variable in self._variables():
                # So that gradients can be taken after somebody looked at a value.
                variable.store(parameter(np.array(variable.stored.numpy())))
            self._function(fixed, [ops.asarray(one) for one in rows])
