"""Do targets, loss and output fit each other?  Decided before anything is computed.

The loss says what targets mean, the model's graph what the output is.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, DataError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.nn import losses
from nervure.nn.losses import Loss
from nervure.nn.losses.base import LossFunctionWrapper
from nervure.train.data import position
from nervure.train.labels import balance, check_range, whole_labels
from nervure.train.prediction import Prediction
from nervure.train.target_values import check_values


class Kind(Enum):
    """What a loss takes as targets."""

    LABELS = "labels"  # whole numbers, one for each row of the output
    ONE_HOT = "one-hot rows"
    BINARY = "zeros and ones"
    NUMBERS = "numbers"
    ANYTHING = "anything"  # a loss of the user's own


_KINDS: Final[dict[Any, Kind]] = {
    losses.SparseCategoricalCrossentropy: Kind.LABELS,
    losses.sparse_categorical_crossentropy: Kind.LABELS,
    losses.CategoricalCrossentropy: Kind.ONE_HOT,
    losses.categorical_crossentropy: Kind.ONE_HOT,
    losses.BinaryCrossentropy: Kind.BINARY,
    losses.binary_crossentropy: Kind.BINARY,
    losses.BinaryFocalCrossentropy: Kind.BINARY,
    losses.binary_focal_crossentropy: Kind.BINARY,
    losses.CategoricalFocalCrossentropy: Kind.ONE_HOT,
    losses.categorical_focal_crossentropy: Kind.ONE_HOT,
    losses.MeanSquaredError: Kind.NUMBERS,
    losses.mean_squared_error: Kind.NUMBERS,
    losses.MeanAbsoluteError: Kind.NUMBERS,
    losses.mean_absolute_error: Kind.NUMBERS,
}
_OF_PROBABILITIES: Final = (Kind.LABELS, Kind.ONE_HOT, Kind.BINARY)


def kind_of(loss: Loss) -> Kind:
    """Return what a loss takes as targets."""
    key = loss.fn if isinstance(loss, LossFunctionWrapper) else type(loss)
    return _KINDS.get(key, Kind.ANYTHING)


def fitted(loss: Loss, y: NDArray, output: Prediction, what: str = "y") -> NDArray:
    """Return targets in the form in which the loss takes them.

    Parameters
    ----------
    loss, output
        What ``compile`` was given, and what the model returns.
    y
        Targets that are checked by themselves already.
    what
        How messages call them: ``y of validation_data``.

    Raises
    ------
    DataError, ShapeError
        When they do not fit each other.
    """
    kind = kind_of(loss)
    _check_output(loss, kind, output)
    fit = {
        Kind.LABELS: _labels,
        Kind.ONE_HOT: _one_hot,
        Kind.BINARY: _zeros_and_ones,
        Kind.NUMBERS: _numbers,
    }.get(kind)
    check_values(loss, y, what)
    return y if fit is None else fit(y, output, what, loss)


def _check_output(loss: Loss, kind: Kind, output: Prediction) -> None:
    """Raise for an output that cannot mean what the loss takes it for."""
    if output.is_softmax and output.classes == 1:
        raise DataError(
            explain(
                f"the output of {output.layer!r} is a softmax over one unit, which is "
                "always 1",
                fix="for two classes use Dense(1, activation='sigmoid') with "
                "'binary_crossentropy'; for numbers use no activation",
            )
        )
    if kind in (Kind.LABELS, Kind.ONE_HOT) and output.classes == 1:
        raise DataError(
            explain(
                f"the loss {loss.name!r} tells classes apart, but the output "
                f"{output.text} has one unit",
                fix="use a unit for each class; for two classes with one unit use "
                "activation='sigmoid' with 'binary_crossentropy'",
            )
        )
    if kind not in _OF_PROBABILITIES or getattr(loss, "from_logits", False):
        return
    wanted = "sigmoid" if kind is Kind.BINARY else "softmax"
    expected = f"the loss {loss.name!r} expects probabilities, but the output of "
    if output.is_sum_of_products:
        raise DataError(
            explain(
                f"{expected}{output.layer!r} is a sum of products without an "
                "activation, which has no limits",
                fix=f"add activation={wanted!r} to the last layer, or use a loss "
                "with from_logits=True",
            )
        )
    if output.activation is not None:
        raise DataError(
            explain(
                f"{expected}{output.layer!r} is {output.activation}",
                fix=f"write activation={wanted!r} in the last layer",
            )
        )


# --- one function for each kind -----------------------------------------------------


def _labels(y: NDArray, output: Prediction, what: str, loss: Loss) -> NDArray:
    """Return labels ``int32[rows, ...]``, without a last axis of size 1."""
    wanted = (len(y), *output.shape[1:-1])
    if y.shape == (*wanted, 1):
        y = y[..., 0]
    if y.shape == (*wanted, output.classes):
        raise DataError(
            explain(
                f"{what} of shape {list(y.shape)} holds a number for each class, but "
                f"the loss {loss.name!r} expects one label for each row",
                fix="use the loss 'categorical_crossentropy', or pass "
                f"{_name(what)}.argmax(axis=-1)",
            )
        )
    if y.shape != wanted:
        raise _shape_error(y, wanted, what, output, loss)
    labels = whole_labels(y, what)
    ignored = getattr(loss, "ignore_class", None)
    counted = labels if ignored is None else np.where(labels == ignored, 0, labels)
    check_range(
        counted,
        output.classes,
        what,
        because=f"an output of {output.classes} units",
        fix=f"use {int(counted.max()) + 1} units in the last layer, or drop these rows",
    )
    return labels.astype(np.int32)


def _one_hot(y: NDArray, output: Prediction, what: str, loss: Loss) -> NDArray:
    """Return rows of ``classes`` numbers from 0 to 1."""
    wanted = (len(y), *output.shape[1:])
    if y.shape in (wanted[:-1], (*wanted[:-1], 1)):
        raise DataError(
            explain(
                f"{what} of shape {list(y.shape)} holds one label for each row, but "
                f"the loss {loss.name!r} expects a number for each of the "
                f"{output.classes} classes",
                fix="use the loss 'sparse_categorical_crossentropy', or pass "
                f"nervure.utils.to_categorical({_name(what)}, {output.classes})",
            )
        )
    if y.shape != wanted:
        raise _shape_error(y, wanted, what, output, loss)
    return _within_unit(y, what, loss)


def _zeros_and_ones(y: NDArray, output: Prediction, what: str, loss: Loss) -> NDArray:
    """Return numbers from 0 to 1, in the shape of the output."""
    wanted = (len(y), *output.shape[1:])
    matched = _matched(y, wanted)
    if matched is None and output.classes > 1 and y.size == len(y):
        raise DataError(
            explain(
                f"{what} of shape {list(y.shape)} holds one label for each row, but "
                f"the output {output.text} has {output.classes} units",
                fix="for classes that exclude each other use activation='softmax' "
                "with 'sparse_categorical_crossentropy'; for two classes use one unit",
            )
        )
    if matched is None:
        raise _shape_error(y, wanted, what, output, loss)
    _within_unit(y, what, loss)
    return matched


def _numbers(y: NDArray, output: Prediction, what: str, loss: Loss) -> NDArray:
    """Return numbers in the shape of the output."""
    wanted = (len(y), *output.shape[1:])
    matched = _matched(y, wanted)
    if matched is None:
        raise _shape_error(y, wanted, what, output, loss)
    return matched


def _matched(y: NDArray, wanted: tuple[int | None, ...]) -> NDArray | None:
    """Return ``y`` in a shape, if at most a last axis of size 1 differs."""
    if y.shape == wanted:
        return y
    if (*y.shape, 1) == wanted or y.shape == (*wanted, 1):
        return y.reshape(wanted)  # type: ignore[arg-type]
    return None


def _within_unit(y: NDArray, what: str, loss: Loss) -> NDArray:
    """Raise unless all targets lie between 0 and 1."""
    wrong = (y < 0) | (y > 1)
    if not wrong.any():
        return y
    place = tuple(int(one) for one in np.argwhere(wrong)[0])
    values = np.unique(y)
    fix = "targets are 0 and 1, or probabilities between them"
    if len(values) == 2:
        low, high = values.tolist()
        fix = f"make {low} a 0 and {high} a 1: ({_name(what)} == {high})"
    raise DataError(
        explain(
            f"{what} holds {y[place]} at {position(place)}, but the loss "
            f"{loss.name!r} expects 0 to 1 ({int(wrong.sum())} out of range)",
            fix=fix,
        )
    )


def _shape_error(
    y: NDArray,
    wanted: tuple[int | None, ...],
    what: str,
    output: Prediction,
    loss: Loss,
) -> ShapeError:
    return ShapeError(
        explain(
            f"{what} has shape {list(y.shape)}, but with the output {output.text} the "
            f"loss {loss.name!r} expects {list(wanted)}",
            fix=_units_fix(y, wanted),
        )
    )


def _units_fix(y: NDArray, wanted: tuple[int | None, ...]) -> str:
    if y.ndim == len(wanted) and y.shape[:-1] == wanted[:-1]:
        return f"use {y.shape[-1]} units in the last layer"
    if y.ndim + 1 == len(wanted) and y.shape == wanted[:-1]:
        return "use 1 unit in the last layer"
    return "change the last layer, or the shape of y"


def _name(what: str) -> str:
    return what.split()[0]


# --- class weights ------------------------------------------------------------------


def class_weights(y: NDArray, output: Prediction, class_weight: Any) -> NDArray:
    """Return the weight of each row: that of its class, ``float32[rows]``.

    Raises :class:`~nervure.errors.ArgumentError` for weights that do not fit, or
    when the targets are no classes.
    """
    labels, classes = _row_labels(y, output)
    return balance(class_weight, labels, classes)


def _row_labels(y: NDArray, output: Prediction) -> tuple[NDArray, int]:
    """Return each row's label, and the number of classes."""
    single = y.reshape(len(y)) if y.size == len(y) else None
    if single is not None and np.array_equal(single, np.rint(single)):
        labels = single.astype(np.int64)
        classes = (
            output.classes if output.classes > 1 else max(2, int(labels.max()) + 1)
        )
        check_range(
            labels,
            classes,
            "y",
            because=f"an output of {classes} classes",
            fix="pass sample_weight, a weight for each row, instead of class_weight",
        )
        return labels, classes
    if y.ndim == 2 and y.shape[1] > 1 and np.all(y.sum(axis=1) == 1):
        return y.argmax(axis=1), y.shape[1]
    raise ArgumentError(
        explain(
            "class_weight needs one class for each row, but y of shape "
            f"{list(y.shape)} holds something else",
            fix="pass sample_weight, a weight for each row",
        )
    )
