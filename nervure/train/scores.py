"""A trained classifier as a function from samples to the scores of its classes.

*Scores* are what a softmax turns into probabilities.  Attacks and maps of saliency
differentiate them instead of the probabilities, whose derivatives vanish where a
network is sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure import dtypes, ops, tree
from nervure.array import Array
from nervure.errors import ArgumentError, DataError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.losses.logits import logits_of_sigmoid, logits_of_softmax
from nervure.ops.mixed import products_in
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells
from nervure.step import CompiledFunction, compile
from nervure.train.checks import not_empty, same_length
from nervure.train.data import as_numbers
from nervure.train.inputs import read_inputs
from nervure.train.labels import check_range, whole_labels
from nervure.transforms import value_and_grad

if TYPE_CHECKING:
    from nervure.train.model import Model

# Probabilities below this count as this: their logarithm is finite in float32.
_LEAST_PROBABILITY: Final = 1e-30


def read_samples(model: Model, x: Any) -> NDArray:
    """Return samples for a model's only input, in a type that has derivatives.

    Returns
    -------
    ``float[rows, *features]``, an array of its own.

    Raises
    ------
    DataError, ShapeError
        For samples that the model does not take.
    ArgumentError
        For a model with several inputs, or one that takes whole numbers.
    """
    values, structure = read_inputs(model, x)
    if structure != tree.LEAF:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} has {len(values)} inputs, expected one",
                fix="make a model of the input of interest, in which the others are "
                "constants",
            )
        )
    dtype = model.inputs[0].dtype if model.inputs else dtypes.float32
    if not dtypes.is_float(dtype):
        raise ArgumentError(
            explain(
                f"the model {model.name!r} takes {dtype.name}, and whole numbers have "
                "no derivatives",
                fix="make a model that begins behind the layer that looks them up",
            )
        )
    return np.array(values[0], dtype)


def output_of(model: Model, x: Array) -> Array:
    """Return the model's only output as ``predict`` computes it, without training.

    Raises :class:`~nervure.errors.ArgumentError` for a model with several outputs.
    """
    with products_in(model.product_type):
        outputs = model(x, training=False)
    model.clear_losses()
    leaves = tree.flatten(outputs)[0]
    if len(leaves) != 1:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} has {len(leaves)} outputs, expected one",
                fix="make a model of the output of interest: "
                "Model(model.input, model.outputs[0])",
            )
        )
    output: Array = leaves[0]
    return output


def class_scores(model: Model, x: Array) -> Array:
    """Return a score for each class, ``float[rows, classes]``.

    A softmax is undone, and so is a sigmoid.  A sigmoid of one unit tells two classes
    apart: the scores are 0 and the logit.  Probabilities that were made otherwise (the
    loss of ``compile`` says that they are some) give their logarithm.  Everything else
    is taken as it is.

    Raises :class:`~nervure.errors.ShapeError` for an output of another rank.
    """
    return scores_of_output(model, output_of(model, x))


def scores_of_output(model: Model, output: Array) -> Array:
    """Return the scores behind an output of a model; see :func:`class_scores`."""
    if output.ndim != 2:
        raise ShapeError(
            explain(
                f"expected the model {model.name!r} to give a row of scores for each "
                f"sample, got the output {list(output.shape)}",
                fix="make a model that ends with Dense(classes)",
            )
        )
    for behind in (logits_of_softmax(output), logits_of_sigmoid(output)):
        if behind is not None:
            return _two_classes(behind) if output.shape[1] == 1 else behind
    if _gives_probabilities(model):
        logs = ops.log(ops.maximum(output, _LEAST_PROBABILITY))
        if output.shape[1] > 1:
            return logs
        others = ops.log(ops.maximum(1.0 - output, _LEAST_PROBABILITY))
        return ops.concat([others, logs], axis=1)
    is_binary = output.shape[1] == 1 and _loss_name(model) == "binary_crossentropy"
    return _two_classes(output) if is_binary else output


def _two_classes(logits: Array) -> Array:
    return ops.concat([ops.zeros_like(logits), logits], axis=1)


def _loss_name(model: Model) -> str:
    loss = model.loss
    return str(getattr(loss, "name", loss)).lower()


def _gives_probabilities(model: Model) -> bool:
    """Tell whether the loss of ``compile`` takes the output for probabilities."""
    if getattr(model.loss, "from_logits", False):
        return False
    return "crossentropy" in _loss_name(model).replace("_", "")


def class_count(model: Model, x: NDArray) -> int:
    """Return how many scores the model gives for samples like those of ``x``."""

    def count() -> int:
        leaf = input_leaf((2, *x.shape[1:]), x.dtype, "x")
        with tracing_cells():
            return int(class_scores(model, Array.of_node(leaf)).shape[1])

    return model.kept(("class_count", x.shape[1:], x.dtype), count)


def score_program(model: Model) -> CompiledFunction:
    """Return the compiled function from samples to scores."""
    return model.kept(
        "scores", lambda: compile(lambda x: class_scores(model, ops.asarray(x)))
    )


def score_gradient_program(model: Model) -> CompiledFunction:
    """Return a compiled function from samples and a class for each.

    It gives all scores ``float[rows, classes]``, and the gradient of the score of the
    class, ``float[rows, *features]``.
    """

    def scored(x: Array, labels: Array) -> tuple[Array, Array]:
        def chosen(one: Array) -> tuple[Array, Array]:
            scores = class_scores(model, one)
            return ops.sum(at_labels(scores, labels)), scores

        (_, scores), gradient = value_and_grad(chosen, has_aux=True)(x)
        return scores, gradient

    return model.kept("score_gradient", lambda: compile(scored))


# --- labels -------------------------------------------------------------------------


def read_labels(y: Any, rows: int, classes: int, what: str = "y") -> NDArray:
    """Return the class of each sample, ``int32[rows]``.

    Parameters
    ----------
    y
        Labels ``[rows]`` or ``[rows, 1]``, one-hot rows ``[rows, classes]``, or a
        single label for all.
    rows, classes
        How many there are.
    what
        How messages call them.

    Raises
    ------
    DataError
        For another shape, and for classes that do not exist.
    """
    if np.ndim(y) == 0 and isinstance(y, int | np.integer):
        y = np.full(rows, y)
    values = as_numbers(y, what).values
    if values.ndim == 2 and values.shape[1] == classes and classes > 1:
        same_length([("x", rows), (what, len(values))])
        values = values.argmax(axis=1)
    elif values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            explain(
                f"{what} must hold one class for each of {rows} rows of x, got shape "
                f"{list(values.shape)}",
                fix=f"pass labels [{rows}], or one-hot rows [{rows}, {classes}]",
            )
        )
    not_empty(values, what)
    same_length([("x", rows), (what, len(values))])
    labels = whole_labels(values, what)
    check_range(
        labels,
        classes,
        what,
        because=f"the model gives {classes} scores, which",
        fix="pass labels of the classes that the model tells apart",
    )
    return labels.astype(np.int32)


def at_labels(scores: Array, labels: Array) -> Array:
    """Return the score of each row's label, ``float[rows]``.

    >>> import nervure as nv
    >>> at_labels(nv.asarray([[1.0, 2.0]]), nv.asarray([1])).tolist()
    [2.0]
    """
    chosen = ops.one_hot(labels, scores.shape[1], dtype=scores.dtype)
    return ops.sum(ops.where(chosen > 0, scores, 0.0), axis=1)
