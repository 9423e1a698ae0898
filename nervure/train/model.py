"""The base class of models: a layer that can be compiled, trained and asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nervure import step
from nervure.array import Array
from nervure.errors import NotCompiledError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.metrics import Metric
from nervure.nn.optimizers import Optimizer
from nervure.train import loop, plan
from nervure.train.compile import Compiled
from nervure.train.history import History
from nervure.train.network import Network
from nervure.train.prediction import Prediction
from nervure.train.steps import Steps

# The attributes that hold compiled programs, when there are none.
_NO_PROGRAMS: Final = {"_steps": None, "_forward": None}


class Model(Network):
    """A layer that learns: with ``compile``, ``fit``, ``evaluate`` and ``predict``.

    :class:`~nervure.models.Sequential` stacks layers.  A subclass may define ``call``
    itself, with layers in its attributes.

    Parameters
    ----------
    name
        Shown by ``summary`` and in messages; ``sequential``, ``model_1``, ... by
        default.
    trainable
        Whether training changes the weights.
    dtype
        The type of weights and of the computation; float32 by default.

    Attributes
    ----------
    stop_training
        A callback sets it to True to end ``fit`` after the current batch or epoch.
    history
        The :class:`~nervure.train.history.History` of the last ``fit``.

    >>> import numpy as np
    >>> import nervure as nv
    >>> class Line(nv.models.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = nv.layers.Dense(1, kernel_initializer="ones")
    ...     def call(self, inputs):
    ...         return self.dense(inputs)
    >>> model = Line()
    >>> model.compile("sgd", "mse")
    >>> x = np.arange(4.0).reshape(4, 1)
    >>> history = model.fit(x, 2 * x, epochs=50, verbose=0)
    >>> model.evaluate(x, 2 * x, verbose=0) < 0.1
    True
    """

    stop_training: bool
    history: History | None
    predictions: dict[tuple[int, ...], Prediction]  # by the shape of a sample
    _compiled: Compiled | None
    _steps: Steps | None
    _forward: Callable[[Array], Array] | None

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Make a model; its state is there even before ``__init__`` runs."""
        model = super().__new__(cls, *args, **options)
        model.stop_training = False
        model.history = None
        model._compiled = None
        model.forget_programs()
        return model

    # --- compile ---------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        *,
        metrics: Any = None,
        weighted_metrics: Any = None,
    ) -> None:
        """Choose how the model learns; required before ``fit`` and ``evaluate``.

        Parameters
        ----------
        optimizer
            A name (``"adam"``) or an optimizer.
        loss
            A name (``"categorical_crossentropy"``), a loss, or a function
            ``loss(y_true, y_pred)`` that returns one number for each sample.
        metrics
            A list of names (``"accuracy"``), metrics, or functions like the loss.  They
            do not regard sample weights.
        weighted_metrics
            Metrics that do.

        Raises
        ------
        UnknownNameError
            For an unknown name, with the nearest ones.  Nothing is changed then.
        """
        self._compiled = Compiled(optimizer, loss, metrics, weighted_metrics)
        self._steps = None
        self.stop_training = False

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, or None before ``compile``."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as it was given to ``compile``."""
        return None if self._compiled is None else self._compiled.given_loss

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, and the metrics once data have told what they are."""
        return [] if self._steps is None else self._steps.measures.metrics

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns, in its order."""
        return ["loss"] if self._steps is None else self._steps.measures.names

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

    # --- training --------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Train the model.

        Parameters
        ----------
        x
            The samples, ``[rows, *features]``: an array of any numeric type, nested
            lists, a DataFrame or a sparse matrix.  Computed in float32.
        y
            The targets, with as many rows.
        batch_size
            The rows of a training step; 32 by default.  The last batch of a pass has
            the rows that remain.
        epochs
            Train until this epoch, counted from 1.
        verbose
            0 nothing, 1 a bar, 2 one line an epoch; "auto" is 1.  Without a terminal or
            a notebook a bar becomes one line an epoch.
        callbacks
            A list of :class:`~nervure.callbacks.Callback`.
        validation_split
            The share of the rows, the last ones before shuffling, on which the model is
            not trained but evaluated after each epoch.
        validation_data
            ``(x, y)`` or ``(x, y, sample_weight)`` for that; takes precedence.
        shuffle
            Whether each pass has another order.  The same seed
            (``nervure.utils.set_random_seed``) gives the same orders.
        class_weight
            A dict from label to the weight of its rows; 1 for those left out.
        sample_weight
            A weight for each row, ``[rows]``.  With ``class_weight`` both are
            multiplied.
        initial_epoch
            The epochs already trained, for continuing a run.
        steps_per_epoch
            The batches of an epoch, the rows by default.  The next epoch continues
            where this one ended.
        validation_steps, validation_batch_size
            Evaluate on this many batches of this size; all, and ``batch_size``.
        validation_freq
            Evaluate every so many epochs, or after the epochs of a list (from 1).

        Returns
        -------
        A :class:`~nervure.train.history.History`; its ``history`` has a list for
        ``loss``, each metric, ``val_loss`` and so on.  Each number is the mean over the
        rows of the epoch, taken while the weights changed.

        Raises
        ------
        NotCompiledError
            Before ``compile``.
        DataError, ShapeError, ArgumentError
            For data and arguments that cannot be trained on, before anything is
            computed or changed.
        KeyboardInterrupt
            For Ctrl-C; the model has the weights of the last finished step, and
            ``model.history`` what was recorded.
        """
        prepared = plan.plan_fit(
            self,
            x,
            y,
            sample_weight,
            class_weight,
            plan.FitOptions(
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_split=validation_split,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                validation_freq=validation_freq,
            ),
            validation_data,
        )
        return loop.fit(self, prepared)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics on data, without training.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks
            As for :meth:`fit`.
        steps
            Use this many batches only.
        return_dict
            Return a dict by name instead of a list.

        Returns
        -------
        ``[loss, *metrics]``, Python numbers in the order of :attr:`metrics_names`; only
        the loss, not in a list, when there are no metrics.

        Raises
        ------
        NotCompiledError, DataError, ShapeError, ArgumentError
            As :meth:`fit` does.
        """
        prepared = plan.plan_evaluation(
            self, x, y, sample_weight, batch_size, verbose, steps, callbacks
        )
        values = loop.evaluate(self, prepared)
        if return_dict:
            return values
        ordered = [values[name] for name in self.metrics_names]
        return ordered[0] if len(ordered) == 1 else ordered

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> NDArray:
        """Return the model's output for data, as a NumPy array.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As for :meth:`fit`.  Without a terminal or a notebook, "auto" is silent.
        steps
            Use this many batches only.

        Returns
        -------
        ``float32[rows, *output]``.  The last batch is filled up to a power of two with
        copies of its last row, so that few programs are made; the copies are dropped.

        Raises
        ------
        DataError, ShapeError, ArgumentError
            For data and arguments that cannot be used, before anything is computed.
        """
        prepared = plan.plan_prediction(self, x, batch_size, verbose, steps, callbacks)
        return loop.predict(self, prepared)

    # --- the programs ----------------------------------------------------------------

    @property
    def forward(self) -> Callable[[Array], Array]:
        """The compiled function from a batch to the output, as in inference."""
        if self._forward is None:
            self._forward = step.compile(self._infer)
        assert self._forward is not None
        return self._forward

    def _infer(self, x: Array) -> Array:
        output: Array = self(x.astype(self.input_dtype), training=False)
        return output

    def steps_for(self, y: NDArray, output: Any) -> Steps:
        """Return the captured training and test steps for targets and an output.

        They are made again when the trainable variables changed, which need no new
        ``compile``, and when targets of another kind make ``"accuracy"`` mean another
        metric.
        """
        compiled = self.require_compiled("fit")
        if self._steps is None or not self._steps.suit(y, output):
            self._steps = Steps(self, compiled, y, output)
        return self._steps

    def forget_programs(self) -> None:
        """Drop what follows from the layers, because they have changed."""
        vars(self).update(_NO_PROGRAMS, predictions={})

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: everything but programs, which it makes itself."""
        return {**vars(self), **_NO_PROGRAMS, "predictions": {}}
