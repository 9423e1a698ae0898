"""The base class of models: a layer that can be compiled, trained and asked."""

from __future__ import annotations

from typing import Any

from nervure.config import config
from nervure.errors import ArgumentError, explain
from nervure.exec.base import make_ready
from nervure.exec.budget import byte_count
from nervure.train import checks, loop, plan
from nervure.train.compile import Compiled, checked_executor, checked_precision
from nervure.train.history import History
from nervure.train.numerics_guard import NumericsGuard
from nervure.train.programs import Programs
from nervure.train.repeated import RepeatedPrediction
from nervure.train.saving.methods import Saving
from nervure.train.trainer import Trainer


class Model(Saving, Programs, Trainer):
    """A layer that learns: with ``compile``, ``fit``, ``evaluate`` and ``predict``.

    ``Model(inputs, outputs)`` consists of the calls of layers that lead from symbolic
    inputs to outputs.  :class:`~nervure.models.Sequential` stacks layers.  A subclass
    may define ``call`` itself, with layers in its attributes.

    Parameters
    ----------
    inputs, outputs
        Symbolic tensors: one, or several in lists, tuples and dicts.  An input is
        ``nervure.layers.Input(shape)``, or any tensor where another model shall begin.
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
    >>> x = nv.layers.Input((4,))
    >>> h = nv.layers.Dense(4, activation="relu")(x)
    >>> model = nv.models.Model(x, nv.layers.Dense(1)(x + h))
    >>> model.output_shape
    (None, 1)

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

    # --- compile ---------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        precision: str = "float32",
        executor: str | None = None,
        memory_budget: int | float | str | None = None,
        offload: bool = False,
        check_numerics: bool | None = None,
    ) -> None:
        """Choose how the model learns; required before ``fit`` and ``evaluate``.

        Parameters
        ----------
        optimizer
            A name (``"adam"``) or an optimizer.
        loss
            A name (``"categorical_crossentropy"``), a loss, or a function
            ``loss(y_true, y_pred)`` that returns one number for each sample.  For
            several outputs one for all of them, a list in their order, or a dict by
            their names; an output without one is not trained.  None when the model
            adds its loss with ``add_loss`` or has a ``train_step`` of its own.
        loss_weights
            Factors of the losses, in a list or a dict.
        metrics
            A list of names (``"accuracy"``), metrics, or functions like the loss; for
            several outputs a list or a dict of such.  They do not regard sample
            weights.
        weighted_metrics
            Metrics that do.
        run_eagerly
            Run each step as plain Python, slowly: for looking into it.
        steps_per_execution, jit_compile
            Accepted for scripts written for Keras; they change nothing.  Every step is
            compiled, and as many run in one call as nobody needs to look between.
        precision
            ``"mixed_bfloat16"`` rounds the operands of matrix products and convolutions
            to bfloat16, which is faster where the CPU has AVX512-BF16, and on GPUs.
            Sums, weights and everything else stay float32; results have two to three
            digits.  ``"mixed_float16"`` rounds them to float16, for GPUs that are
            faster with it.  ``"tf32"`` lets a GPU read the operands of products with
            10 bits after the point; elsewhere it changes nothing.
        auto_scale_loss
            With ``"mixed_float16"``, where small gradients would vanish, put the
            optimizer into a :class:`~nervure.optimizers.LossScaleOptimizer`.
        executor
            What runs this model: ``"cpu"``, ``"xla"`` or ``"reference"``.  None leaves
            it to ``nervure.config.executor``.  It is not saved with the model.
        memory_budget
            The bytes that the values between the operations of a training step may take
            up, as a number or as text (``"200 MB"``).  What does not fit is computed
            again when the backward pass needs it: training takes longer, its results
            stay the same, on the cpu executor to the last bit.  Weights, the
            optimizer's slots and the data are not counted.
        offload
            Let values that wait for the backward pass leave the memory: from a GPU to
            the host, here to a temporary file.  With a budget, as far as that is
            cheaper than computing them again.
        check_numerics
            What happens when the loss is no finite number any more.  By default the
            step is found, computed again by the reference executor, and a
            :class:`~nervure.errors.NumericsWarning` names the operation, the layer,
            your line, the rows of the batch, and the file that keeps the batch;
            training goes on.  True: the weights are looked at as well, the step is
            undone, and :class:`~nervure.errors.NumericsError` says so.  False: nothing.
            As long as all is well this costs nothing.

        Layers that become (un)trainable later are regarded from the next ``fit`` on,
        without another ``compile``; in Keras some backends need one.

        Raises
        ------
        UnknownNameError
            For an unknown name, with the nearest ones.  Nothing is changed then.
        ArgumentError
            For losses, weights and metrics that do not correspond to the outputs, for
            another precision, and for a budget that is no size, or together with
            ``run_eagerly``.
        MachineError
            For an executor that cannot work here.

        A budget that is too small is a :class:`~nervure.errors.BudgetError` of ``fit``,
        which names the smallest one.
        """
        precision = checked_precision(precision)
        chosen = checked_executor(executor)
        budget = byte_count(memory_budget)
        compiled = Compiled(
            optimizer,
            loss,
            metrics,
            weighted_metrics,
            loss_weights,
            self.known_output_names,
        )
        checks.optional_whole_number(steps_per_execution, "steps_per_execution", 1, 32)
        if jit_compile != "auto":
            checks.truth(jit_compile, "jit_compile")
        compiled.run_eagerly = checks.truth(run_eagerly, "run_eagerly")
        compiled.precision = precision
        compiled.executor = chosen
        if checks.truth(auto_scale_loss, "auto_scale_loss"):
            compiled.scale_loss_if_needed()
        compiled.memory_budget = budget
        compiled.offload = checks.truth(offload, "offload")
        if check_numerics is not None:
            compiled.check_numerics = checks.truth(check_numerics, "check_numerics")
        if compiled.run_eagerly and (budget is not None or compiled.offload):
            raise ArgumentError(
                explain(
                    "run_eagerly keeps to no memory budget: nothing is planned ahead",
                    fix="leave out run_eagerly, or memory_budget and offload",
                )
            )
        self.take_compiled(compiled)
        with config.override(**compiled.settings):
            make_ready()

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
        shuffle: bool | str = True,
        class_weight: dict[Any, Any] | None = None,
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
            lists, a DataFrame or a sparse matrix.  Computed in float32.  For several
            inputs a list in their order, or a dict by their names.

            Memory-mapped files (``numpy.memmap``), h5py data sets and large sparse
            matrices are read batch by batch, so they may be larger than the memory;
            their rows are checked when they are read.

            Or batches ``(x, y)`` or ``(x, y, sample_weight)``, made in threads: a
            :class:`~nervure.utils.PyDataset`, anything that can be iterated (a torch
            DataLoader), or a generator.  A generator gives each batch once, so it needs
            ``steps_per_epoch`` to train for several epochs.
        y
            The targets, with as many rows; for several outputs a list or a dict.
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
            ``(x, y)`` or ``(x, y, sample_weight)`` for that, or batches; takes
            precedence.
        shuffle
            Whether each pass has another order.  The same seed
            (``nervure.utils.set_random_seed``) gives the same orders.  ``"batch"``
            keeps the rows of a batch together: only batches change places, which files
            read faster.
        class_weight
            A dict from label to the weight of its rows; 1 for those left out.  For
            several outputs a dict of such dicts by the outputs' names.
        sample_weight
            A weight for each row, ``[rows]``, or for each step of a sequence.  For
            several outputs one array for all, a list, or a dict.  With
            ``class_weight`` both are multiplied.
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
        return values if return_dict else self.ordered(values)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the model's output for data, as a NumPy array.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As for :meth:`fit`.  Without a terminal or a notebook, "auto" is silent.
        steps
            Use this many batches only.

        Returns
        -------
        ``float32[rows, *output]``; for several outputs arrays in the structure of the
        outputs.  The last batch is filled up to a power of two with
        copies of its last row, so that few programs are made; the copies are dropped.

        Raises
        ------
        DataError, ShapeError, ArgumentError
            For data and arguments that cannot be used, before anything is computed.
        """
        if self._repeated is not None and steps is None and callbacks is None:
            outputs = self._repeated.outputs(x, batch_size, verbose)
            if outputs is not None:
                return outputs
        prepared = plan.plan_prediction(self, x, batch_size, verbose, steps, callbacks)
        outputs = loop.predict(self, prepared)
        self._repeated = RepeatedPrediction.after(self, x, prepared)
        return outputs

    # --- one batch -------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[Any, Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Take one training step on a batch and return the loss and the metrics.

        Arguments, results and errors are those of :meth:`fit` and :meth:`evaluate`.
        The numbers are those of this batch alone.
        """
        rows, steps = plan.plan_batch(self, x, y, sample_weight, class_weight)
        steps.build()
        guard = NumericsGuard(self, steps, row_name="batch")
        values = loop.one_step(steps.train, steps.train_report, rows, guard)
        return values if return_dict else self.ordered(values)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics on a batch alone, without training."""
        rows, steps = plan.plan_batch(self, x, y, sample_weight)
        values = loop.one_step(steps.test, steps.test_report, rows)
        return values if return_dict else self.ordered(values)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the model's outputs for a batch, as :meth:`predict` does."""
        rows = len(plan.read_inputs(self, x)[0][0])
        return self.predict(x, batch_size=rows, verbose=0)
