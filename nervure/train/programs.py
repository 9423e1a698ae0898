"""The programs of a model, to look into: of training, testing and predicting.

A step is captured for data of the right shapes.  Where none are given they are made up:
inputs of the shapes that the model knows, and the targets that its losses want.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import tree
from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.losses import Loss
from nervure.program.program import Options, Program
from nervure.step import CompiledFunction, Step
from nervure.train import checks
from nervure.train.inputs import expected_shapes, read_inputs
from nervure.train.plan import plan_batch
from nervure.train.prediction import Prediction, predictions_of
from nervure.train.rows import Rows
from nervure.train.steps import EagerStep
from nervure.train.tables import has_tables
from nervure.train.targets import Kind, kind_of

if TYPE_CHECKING:
    from nervure.train.model import Model


def step_program(
    model: Model,
    which: str,
    batch_size: Any,
    data: tuple[Any, Any, Any],
    options: Options,
) -> Program:
    """Return the program of a step on a batch; ``which`` is ``train`` or ``test``."""
    model.require_compiled(f"{which}_program")
    size = checks.batch_size(batch_size)
    x, y, sample_weight = data
    if x is None:
        x = made_up_inputs(model, size)
        y = made_up_targets(model, x) if y is None else y
    rows, steps = plan_batch(model, x, y, sample_weight)
    steps.build()
    step = steps.train if which == "train" else steps.test
    if isinstance(step, EagerStep):
        raise ArgumentError(
            explain(
                f"the model {model.name!r} was compiled with run_eagerly, so its steps "
                "are plain Python, not programs",
                fix="leave out run_eagerly",
            )
        )
    return _program_of(step, rows, size, options)


def _program_of(step: Step, rows: Rows, size: int, options: Options) -> Program:
    constants = rows.constants

    def numbers(count: int) -> list[NDArray]:
        """Return which rows of the data a batch takes: any will do."""
        return [np.arange(count)[None] % rows.count]

    def of_rows(count: int) -> tuple[Sequence[NDArray], Sequence[NDArray]]:
        if rows.count >= count:
            return constants, numbers(count)
        # A view of the first row will do: nobody looks at the values.
        more = [np.broadcast_to(one[:1], (count, *one.shape[1:])) for one in constants]
        return more, [np.arange(count)[None]]

    return step.program(constants, numbers(size), options, of_rows)


def prediction_program(
    model: Model, batch_size: Any, x: Any, options: Options
) -> Program:
    """Return the program from the inputs of a batch to the outputs."""
    size = checks.batch_size(batch_size)
    given = made_up_inputs(model, size) if x is None else x
    values, structure = read_inputs(model, given)
    taken = [np.resize(one, (size, *one.shape[1:])) for one in values]
    forward: Callable[..., Any] = model.forward
    if not isinstance(forward, CompiledFunction):
        raise ArgumentError(
            explain(
                f"the model {model.name!r} was compiled with run_eagerly, so its "
                "predictions are plain Python, not a program",
                fix="leave out run_eagerly",
            )
        )
    return forward.program(
        tree.unflatten(structure, taken),
        batched=0,
        memory_budget=options.memory_budget,
        offload=options.offload,
        skip=options.skip,
    )


# --- data that are made up -----------------------------------------------------------


def made_up_inputs(model: Model, rows: int) -> Any:
    """Return inputs of the shapes that a model knows, of so many rows.

    Raises
    ------
    ArgumentError
        When the model does not know them: it has no ``Input``, and was not called yet.
    """
    structure = model.input_structure or tree.LEAF
    shapes = expected_shapes(model, structure.leaf_count)
    random = np.random.default_rng(0)
    arrays = []
    for shape in shapes:
        if shape is None or None in shape[1:]:
            raise ArgumentError(
                explain(
                    f"the model {model.name!r} does not know the shape of its input "
                    f"({shape}), so no program can be made",
                    fix="pass data: model.train_program(x=x, y=y)",
                )
            )
        values = random.standard_normal((rows, *shape[1:]), np.float32)
        if has_tables(model):  # which have a row for 0
            values = np.zeros_like(values)
        arrays.append(values)
    return tree.unflatten(structure, arrays)


def made_up_targets(model: Model, x: Any) -> Any:
    """Return targets that the losses of a model accept.

    Raises
    ------
    ArgumentError
        When nobody knows what they are: for a training step of one's own.
    """
    if model.compares_freely:
        raise ArgumentError(
            explain(
                f"nothing says what the targets of {model.name!r} look like: it has a "
                "training step or loss of its own",
                fix="pass data: model.train_program(x=x, y=y)",
            )
        )
    arrays, structure = read_inputs(model, x)
    predictions = predictions_of(model, arrays, structure)
    losses = model.require_compiled("train_program").losses(predictions.names)
    rows = len(arrays[0])
    values = [
        None if loss is None else _targets(loss, output, rows)
        for loss, output in zip(losses, predictions.each, strict=True)
    ]
    if len(values) == 1:
        return values[0]
    return tree.unflatten(predictions.structure, values)


def _targets(loss: Loss, output: Prediction, rows: int) -> NDArray:
    kind = kind_of(loss)
    shape = tuple(1 if size is None else size for size in output.shape[1:])
    if kind is Kind.LABELS:
        return np.zeros((rows, *shape[:-1]), np.uint8)
    values = np.zeros((rows, *shape), np.float32)
    if kind is Kind.ONE_HOT:
        values[..., 0] = 1
    return values


class Programs:
    """The methods of a model that return its programs."""

    def train_program(
        self,
        batch_size: int | None = None,
        *,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        memory_budget: int | float | str | None = None,
        offload: bool | None = None,
        skip: str | Collection[str] = (),
    ) -> Program:
        """Return the whole training step as a program to look into; nothing is run.

        Parameters
        ----------
        batch_size
            The rows of a batch; 32 by default.
        x, y, sample_weight
            Data as for :meth:`fit`, whose shapes and types count.  Without them the
            model's input shapes and losses say what they look like.
        memory_budget, offload
            What the arena may take up, and whether values may leave it; by default
            what ``compile`` was told.
        skip
            Names of passes to leave out.

        Returns
        -------
        A :class:`nervure.Program`: its ``graph`` is what was captured, ``optimized``
        what runs, and ``memory()``, ``cost()``, ``profile()``, ``diff()``,
        ``largest_batch(budget)``, ``to_html()`` tell the rest.

        Raises
        ------
        NotCompiledError
            Before ``compile``.
        ArgumentError
            For a model that does not know its inputs or targets, without data.
        BudgetError
            For a budget that is too small; it names the smallest one.

        >>> import nervure as nv
        >>> layers = [nv.layers.Input((4,)), nv.layers.Dense(3, activation="softmax")]
        >>> model = nv.models.Sequential(layers)
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> program = model.train_program(batch_size=16)
        >>> len(program.optimized) < len(program.graph)
        True
        """
        model: Any = self
        compiled = model.require_compiled("train_program")
        options = Options.checked(
            compiled.memory_budget if memory_budget is None else memory_budget,
            compiled.offload if offload is None else offload,
            skip,
        )
        return step_program(model, "train", batch_size, (x, y, sample_weight), options)

    def test_program(
        self,
        batch_size: int | None = None,
        *,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        skip: str | Collection[str] = (),
    ) -> Program:
        """Return the step of ``evaluate`` as a program, as :meth:`train_program` does.

        >>> import nervure as nv
        >>> model = nv.models.Sequential([nv.layers.Input((4,)), nv.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> {one.role for one in model.test_program().optimized}
        {'forward'}
        """
        model: Any = self
        options = Options.checked(None, False, skip)
        return step_program(model, "test", batch_size, (x, y, sample_weight), options)

    def predict_program(
        self,
        batch_size: int | None = None,
        *,
        x: Any = None,
        memory_budget: int | float | str | None = None,
        skip: str | Collection[str] = (),
    ) -> Program:
        """Return the program of ``predict``; the model need not be compiled.

        >>> import nervure as nv
        >>> model = nv.models.Sequential([nv.layers.Input((4,)), nv.layers.Dense(2)])
        >>> model.predict_program(batch_size=8).optimized[0].op
        'dot'
        """
        model: Any = self
        options = Options.checked(memory_budget, False, skip)
        return prediction_program(model, batch_size, x, options)
