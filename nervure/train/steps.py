"""What happens in one step of training and of testing, captured once each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nervure import ops
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.nn.metrics import Mean, Metric
from nervure.step import Step
from nervure.step import compile as compile_function
from nervure.train.compile import Compiled
from nervure.train.pace import Pace
from nervure.train.prediction import Prediction
from nervure.transforms import gradients

if TYPE_CHECKING:
    from nervure.train.model import Model


class Measures:
    """The running mean of the loss, and the metrics, over one pass."""

    def __init__(self, named: list[tuple[str, Metric, bool]]) -> None:
        self._loss = Mean(name="loss")
        self._named = named
        self._results = compile_function(
            lambda: [metric.result() for metric in self.metrics]
        )

    @property
    def names(self) -> list[str]:
        """The names: the loss first, then the metrics as they were given."""
        return ["loss", *(name for name, _, _ in self._named)]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, in the order of :attr:`names`."""
        return [self._loss, *(metric for _, metric, _ in self._named)]

    def update(self, loss: Array, y: Array, output: Array, weights: Any) -> None:
        """Take in a batch; a batch counts by its rows in the mean of the loss."""
        self._loss.update_state(loss, sample_weight=float(y.shape[0]))
        for _, metric, weighted in self._named:
            metric.update_state(y, output, sample_weight=weights if weighted else None)

    def reset(self) -> None:
        """Start a new pass."""
        for metric in self.metrics:
            metric.reset_state()

    def values(self) -> dict[str, float]:
        """Return the values so far by name, in Keras' order: that of the alphabet."""
        results = [float(one) for one in self._results()]
        return dict(sorted(zip(self.names, results, strict=True)))


class Steps:
    """The training step and the test step of a compiled model.

    Each takes the whole data as constants (``x``, ``y`` and perhaps weights), and the
    numbers of the batch's rows, ``int64[batch]``, as what varies.

    Parameters
    ----------
    model, compiled
        The model, and what its ``compile`` was given.
    y, output
        Targets, and what is known about the model's output.
    """

    def __init__(
        self, model: Model, compiled: Compiled, y: NDArray, output: Prediction
    ) -> None:
        self._model = model
        self._compiled = compiled
        self._variables = model.trainable_variables
        self._shapes = (y.shape[1:], output.shape)
        self.measures = Measures(
            compiled.resolved_metrics((None, *y.shape[1:]), output.shape)
        )
        self.train = Step(self._train, f"the training step of {model.name!r}")
        self.test = Step(self._test, f"the test step of {model.name!r}")
        self.train_pace = Pace()
        self.test_pace = Pace()

    def suit(self, y: NDArray, output: Prediction) -> bool:
        """Tell whether these steps serve for other targets, and for the model now."""
        current = self._model.trainable_variables
        return (
            self._shapes == (y.shape[1:], output.shape)
            and len(current) == len(self._variables)
            and all(map(lambda one, other: one is other, current, self._variables))
        )

    def build(self) -> None:
        """Create the optimizer's slots, unless they exist."""
        self._compiled.optimizer.build(self._variables)

    def _train(self, data: list[Array], batch: list[Array]) -> None:
        """Trace a training step: output, loss, gradients, update, metrics."""
        before = [variable.value for variable in self._variables]
        y, output, weights, loss = self._forward(data, batch, training=True)
        optimizer = self._compiled.optimizer
        optimizer.apply(gradients(optimizer.scale_loss(loss), before), self._variables)
        self.measures.update(loss, y, output, weights)

    def _test(self, data: list[Array], batch: list[Array]) -> None:
        """Trace a test step: output, loss, metrics."""
        y, output, weights, loss = self._forward(data, batch, training=False)
        self.measures.update(loss, y, output, weights)

    def _forward(
        self, data: list[Array], batch: list[Array], *, training: bool
    ) -> tuple[Array, Array, Array | None, Array]:
        """Return targets, output, weights and the whole loss of a batch."""
        (rows,) = batch
        x, y, *weights = (ops.take(one, rows, axis=0) for one in data)
        output = self._model(x.astype(self._model.input_dtype), training=training)
        weight = weights[0] if weights else None
        loss = self._compiled.loss(y, output, sample_weight=weight)
        for addition in self._model.losses:
            loss = loss + addition
        return y, output, weight, loss
