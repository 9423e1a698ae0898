"""What a step of a model does, and the programs made of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nervure import ops, step, tree
from nervure.array import Array
from nervure.autodiff.reverse import depends_on
from nervure.dtypes import DType
from nervure.errors import ArgumentError, GradientError, NotCompiledError, explain
from nervure.ir.sites import within
from nervure.nn import optimizers
from nervure.nn.metrics import Metric
from nervure.nn.optimizers import Optimizer
from nervure.nn.symbolic import PartialShape
from nervure.nn.tracking import held, unique
from nervure.ops.mixed import products_in
from nervure.train.arrange import arranged, entries_like
from nervure.train.compile import Compiled
from nervure.train.history import History
from nervure.train.network import Network
from nervure.train.objectives import Objectives
from nervure.train.prediction import Predictions, has_names, input_types, output_names
from nervure.train.rows import (
    Form,
    pack_x_y_sample_weight,
    unpack_x_y_sample_weight,
)
from nervure.train.run import TrainingRun
from nervure.train.steps import Steps
from nervure.transforms import gradients

if TYPE_CHECKING:
    from nervure.train.repeated import RepeatedPrediction

# The attributes that hold compiled programs, when there are none.
_NO_PROGRAMS: Final[dict[str, Any]] = {
    "_objectives": None,
    "_forward": None,
    "_repeated": None,
}
Thing = TypeVar("Thing")

# Programs for this many arrangements of data are kept.
_MOST_FORMS: Final = 8


class Trainer(Network):
    """A network with a loss, metrics and an optimizer.

    A subclass may define :meth:`train_step`, :meth:`test_step`, :meth:`predict_step`,
    :meth:`compute_loss` or :meth:`compute_metrics`: ``fit``, ``evaluate`` and
    ``predict`` use them.  They are called once, for the graph of a step.
    """

    stop_training: bool
    history: History | None
    training_run: TrainingRun | None  # while fit runs
    predictions: dict[Any, Predictions]  # by the shapes and types of a sample
    _compiled: Compiled | None
    _objectives: Objectives | None
    _steps: list[Steps]
    _forward: Callable[[Any], Any] | None
    _repeated: RepeatedPrediction | None
    _kept: dict[Any, Any]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Make a model; its state is there even before ``__init__`` runs."""
        model = super().__new__(cls, *args, **options)
        model.stop_training = False
        model.history = None
        model.training_run = None
        model._compiled = None
        model.forget_programs()
        return model

    # --- what compile decided --------------------------------------------------------

    def take_compiled(self, compiled: Compiled) -> None:
        """Learn as ``compiled`` says from now on."""
        self._compiled = compiled
        self._steps = []
        self._objectives = None
        self._forward = None
        self._repeated = None
        self._kept = {}
        self.stop_training = False

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, or None before ``compile``."""
        return None if self._compiled is None else self._compiled.optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        if self._compiled is None:
            self.take_compiled(Compiled(value))
            return
        self._compiled.optimizer = optimizers.get(value)
        self._steps = []

    @property
    def loss(self) -> Any:
        """The loss as it was given to ``compile``."""
        return None if self._compiled is None else self._compiled.given_loss

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run as plain Python."""
        return self._compiled is not None and self._compiled.run_eagerly

    @property
    def product_type(self) -> DType | None:
        """The type in which products are computed, None for that of the operands."""
        return None if self._compiled is None else self._compiled.product_type

    @property
    def settings(self) -> dict[str, Any]:
        """What ``compile`` said about executors, as arguments of config.override."""
        return {} if self._compiled is None else self._compiled.settings

    def require_compiled(self, wanted: str) -> Compiled:
        """Return what ``compile`` decided.

        Raises :class:`~nervure.errors.NotCompiledError` before ``compile``.
        """
        if self._compiled is None:
            raise NotCompiledError(
                explain(
                    f"the model {self.name!r} is not compiled, so {wanted} has no loss "
                    "to work with",
                    fix="call model.compile(optimizer='adam', loss=...) first",
                )
            )
        return self._compiled

    def has_own(self, method: str) -> bool:
        """Tell whether a subclass defines a method of this class itself."""
        return getattr(type(self), method) is not getattr(Trainer, method)

    @property
    def compares_freely(self) -> bool:
        """Whether targets need not correspond to outputs, or there are none."""
        return (
            self.has_own("train_step")
            or self.has_own("compute_loss")
            or (self._compiled is not None and not self._compiled.has_loss)
        )

    @property
    def known_output_names(self) -> tuple[str, ...]:
        """The names of the outputs as logs use them; empty while they are unknown."""
        structure = self.output_structure
        return () if structure is None else output_names(self, structure)

    # --- metrics ---------------------------------------------------------------------

    @property
    def metrics(self) -> list[Metric]:
        """The running means of the losses, and all metrics.

        First that of the whole loss, then the metrics given to ``compile`` once data
        have told what they are, then those in attributes of the model and its layers.
        """
        found: list[Metric] = []
        if self._compiled is not None:
            found.append(self._compiled.loss_tracker)
        if self._objectives is not None:
            found += self._objectives.metrics
        found += held(self, Metric)
        for layer in self.flattened():
            if not isinstance(layer, Trainer):
                found += held(layer, Metric)
        return unique(found)

    @property
    def metric_keys(self) -> dict[int, str]:
        """The names in logs of metrics, by identity, where they differ from theirs."""
        return {} if self._objectives is None else self._objectives.keys

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns, in its order.

        As in Keras the loss comes first, for several outputs then the loss of each, and
        their metrics in order of the alphabet.
        """
        keys = self.metric_keys
        names = [keys.get(id(one), one.name) for one in self.metrics] or ["loss"]
        found = self._objectives
        if found is None or not found.named or len(found.names) == 1:
            return names
        late = sorted(keys.values())
        return [*(one for one in names if one not in late), *late]

    def ordered(self, values: dict[str, float]) -> Any:
        """Return values by name as a list, a single one without a list."""
        names = self.metrics_names
        listed = [values[name] for name in names if name in values]
        listed += [values[name] for name in sorted(values) if name not in names]
        return listed[0] if len(listed) == 1 else listed

    def reset_metrics(self) -> None:
        """Let all metrics start afresh."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Array]:
        """Return the values of all metrics by name."""
        keys = self.metric_keys
        return {keys.get(id(one), one.name): one.result() for one in self.metrics}

    # --- a step ----------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one training step on a batch; a subclass may define its own.

        Parameters
        ----------
        data
            ``x``, ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``, of arrays; see
            :func:`nervure.utils.unpack_x_y_sample_weight`.

        Returns
        -------
        Numbers by name, for logs.  Those of the last step of an epoch become its logs.

        A step of one's own computes a loss, takes ``nervure.gradients(loss,
        self.trainable_variables)``, and calls ``self.optimizer.apply(gradients,
        self.trainable_variables)``.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        before = [variable.value for variable in variables]
        y_pred = self(x, training=True)
        loss = self._loss_of(x, y, y_pred, sample_weight, training=True)
        optimizer = self.require_optimizer()
        _require_slope(loss, before, self.name)
        found = gradients(optimizer.scale_loss(loss), before)
        with within(optimizer.name):
            optimizer.apply(found, variables)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute the loss and the metrics of a batch, without training."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self._loss_of(x, y, y_pred, sample_weight, training=False)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Return the output for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Array:
        """Return the whole loss of a batch: of the outputs, and what layers add.

        Raises :class:`~nervure.errors.ArgumentError` when there is no loss at all.
        """
        del x, training
        total: Array | None = None
        if self._compiled is not None and self._compiled.has_loss:
            parts = self._compared(y, y_pred, sample_weight)
            total = self._objectives_for(*parts[:2], y_pred).loss(*parts)
        for addition in self.losses:
            value = ops.sum(addition) if addition.ndim else addition
            total = value if total is None else total + value
        if total is None:
            raise self.no_loss()
        return total

    def no_loss(self) -> ArgumentError:
        """Return the error for a model that nothing tells what to learn."""
        return ArgumentError(
            explain(
                f"the model {self.name!r} has no loss: compile was given none, and no "
                "layer adds one",
                fix="for classes use loss='sparse_categorical_crossentropy', for "
                "numbers loss='mean_squared_error'",
            )
        )

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Take a batch into the metrics and return their values."""
        del x
        compiled = self._compiled
        if compiled is not None and compiled.has_metrics and y is not None:
            parts = self._compared(y, y_pred, sample_weight)
            self._objectives_for(*parts[:2], y_pred).update_metrics(*parts)
        return self.get_metrics_result()

    def require_optimizer(self) -> Optimizer:
        """Return the optimizer; raises before ``compile``."""
        return self.require_compiled("training").optimizer

    def _loss_of(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, *, training: bool
    ) -> Array:
        """Call ``compute_loss``, which need not take ``training``."""
        arguments = (x, y, y_pred, sample_weight)
        if "training" in inspect.signature(self.compute_loss).parameters:
            return self.compute_loss(*arguments, training=training)
        return self.compute_loss(*arguments)

    def _track_loss(self, loss: Array, x: Any) -> None:
        """Take a loss into the running mean; a batch counts by its rows."""
        rows = tree.flatten(x)[0][0].shape[0]
        self.require_compiled("training").loss_tracker.update_state(
            loss, sample_weight=float(rows)
        )

    # --- objectives ------------------------------------------------------------------

    def prepare_objectives(
        self, predictions: Predictions, targets: Sequence[PartialShape | None]
    ) -> Objectives:
        """Return the losses and metrics for outputs and targets of certain shapes.

        Metrics are made anew when targets of another kind make ``"accuracy"`` mean
        another metric.
        """
        names = predictions.names
        outputs = [one.shape for one in predictions.each]
        found = self._objectives
        if found is None or not found.suit(names, targets, outputs):
            compiled = self.require_compiled("fit")
            named = has_names(self, predictions.structure)
            found = Objectives(compiled, names, targets, outputs, named=named)
            self._objectives = found
            self._steps = []
        return found

    def _objectives_for(
        self, y: Sequence[Any], outputs: Sequence[Array], y_pred: Any
    ) -> Objectives:
        """Return the objectives for a batch, whose size does not count."""
        if self._objectives is not None:
            return self._objectives
        structure = tree.flatten(y_pred)[1]
        names, named = output_names(self, structure), has_names(self, structure)
        targets = [None if one is None else (None, *one.shape[1:]) for one in y]
        shapes = [(None, *one.shape[1:]) for one in outputs]
        self._objectives = Objectives(
            self.require_compiled("fit"), names, targets, shapes, named=named
        )
        return self._objectives

    def _compared(
        self, y: Any, y_pred: Any, sample_weight: Any
    ) -> tuple[list[Any], list[Array], list[Any]]:
        """Return targets, outputs and weights, one of each for each output."""
        outputs, structure = tree.flatten(y_pred)
        names = output_names(self, structure)
        true = entries_like(y, structure)
        if true is None:
            true = arranged(y, structure, names, "y")
        if sample_weight is None or isinstance(sample_weight, Array):
            return true, outputs, [sample_weight] * len(outputs)
        weights = entries_like(sample_weight, structure)
        if weights is None:
            weights = arranged(sample_weight, structure, names, "sample_weight")
        return true, outputs, weights

    # --- the programs ----------------------------------------------------------------

    @property
    def forward(self) -> Callable[[Any], Any]:
        """The compiled function from the inputs of a batch to the outputs."""
        if self._forward is None:
            if self.run_eagerly:
                self._forward = self._infer
            else:
                compiled = step.CompiledFunction(self._infer, settings=self.settings)
                compiled.recompiles.name = f"the prediction of {self.name!r}"
                self._forward = compiled
        return self._forward

    def _infer(self, x: Any) -> Any:
        leaves, structure = tree.flatten(x)
        types = input_types(self, len(leaves))
        arrays = [
            one if dtype is None else ops.astype(one, dtype)
            for one, dtype in zip(leaves, types, strict=True)
        ]
        # In a tuple of its own: a list of inputs is no pair of inputs and targets.
        data = pack_x_y_sample_weight(tree.unflatten(structure, arrays))
        with products_in(self.product_type):
            outputs = self.predict_step(data)
        self.clear_losses()
        return outputs

    def steps_for(self, form: Form) -> Steps:
        """Return the captured training and test steps for data of a form.

        They are made again when the trainable variables changed, which need no new
        ``compile``, and when the metrics did.
        """
        self.require_compiled("fit")
        types = input_types(self, form.x.leaf_count)
        for found in self._steps:
            if found.suit(form, types):
                return found
        made = Steps(self, form, types)
        self._steps = [made, *self._steps[: _MOST_FORMS - 1]]
        return made

    def forget_programs(self) -> None:
        """Drop what follows from the layers, because they have changed."""
        vars(self).update(_NO_PROGRAMS, predictions={}, _steps=[], _kept={})

    def kept(self, key: Any, make: Callable[[], Thing]) -> Thing:
        """Return what was made for a key, until the layers change or ``compile`` runs.

        For programs that others make of a model, such as attacks on it.
        """
        if key not in self._kept:
            self._kept[key] = make()
        found: Thing = self._kept[key]
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: everything but programs, which it makes itself."""
        return {
            **super().__getstate__(),
            **_NO_PROGRAMS,
            "predictions": {},
            "_steps": [],
            "_kept": {},
        }


def _require_slope(loss: Array, weights: Sequence[Array], name: str) -> None:
    """Raise for a loss that no weight can change: nothing would be learnt from it."""
    if not weights or depends_on(loss.node, [one.node for one in weights]):
        return
    raise GradientError(
        explain(
            f"the loss of the model {name!r} does not depend on its weights, so "
            "training would change nothing",
            operands=[("loss", loss.node.type_text, f"from {loss.node.op.name}")],
            made_at=str(loss.node.site),
            fix="compute the loss from y_pred with functions of nervure; comparisons, "
            "argmax and whole numbers have no slope",
        )
    )
