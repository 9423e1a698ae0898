"""Class labels as numbers and as rows with a single one."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure.errors import ArgumentError, DataError, explain
from nervure.ir.attrs import NDArray
from nervure.train.checks import finite, not_empty, whole_number
from nervure.train.data import as_numbers, position


def to_categorical(x: Any, num_classes: int | None = None) -> NDArray:
    """Return class labels as one-hot rows.

    Parameters
    ----------
    x
        Whole numbers from 0 to ``num_classes - 1``, of any shape ``[*S]``; a last axis
        of size 1 is dropped.
    num_classes
        The number of classes, by default the largest label plus one.

    Returns
    -------
    ``float32[*S, num_classes]``, a NumPy array.

    Raises
    ------
    DataError
        For no labels at all, a label that is no whole number, negative, or not less
        than ``num_classes``.

    >>> import nervure as nv
    >>> nv.utils.to_categorical([0, 2], 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = whole_labels(x, "x")
    not_empty(labels, "x")
    largest = int(labels.max())
    if num_classes is None:
        classes = max(1, largest + 1)
    else:
        classes = whole_number(num_classes, "num_classes", 1, 10)
    check_range(
        labels,
        classes,
        "x",
        because=f"num_classes={classes}",
        fix=f"pass num_classes={largest + 1}, or drop these labels",
    )
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    result = np.zeros((labels.size, classes), np.float32)
    result[np.arange(labels.size), labels.reshape(-1)] = 1
    return result.reshape(*labels.shape, classes)


def whole_labels(data: Any, what: str) -> NDArray:
    """Return labels as int64; raises :class:`DataError` for a fraction."""
    given = as_numbers(data, what)
    values = given.values
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    finite(values, given, what)
    rounded = np.rint(values)
    if not np.array_equal(rounded, values):
        place = tuple(int(one) for one in np.argwhere(rounded != values)[0])
        raise DataError(
            explain(
                f"{what} holds {values[place]} at {position(place, given.columns)}, "
                "expected the whole number of a class",
                fix="pass labels as 0, 1, 2, ...",
            )
        )
    return rounded.astype(np.int64)


def check_range(
    labels: NDArray, classes: int, what: str, *, because: str, fix: str
) -> None:
    """Raise unless all labels lie between 0 and ``classes - 1``.

    ``because`` says where the number of classes comes from, ``fix`` what helps against
    labels that are too large.
    """
    wrong = (labels < 0) | (labels >= classes)
    if not wrong.any():
        return
    place = tuple(int(one) for one in np.argwhere(wrong)[0])
    label = int(labels[place])
    count = int(wrong.sum())
    many = f"{count} labels are out of range" if count > 1 else "the only such label"
    rule = "labels start at 0" if label < 0 else f"{because} allows 0 to {classes - 1}"
    if label < 0:
        fix = "number the classes from 0: 0, 1, 2, ..."
    elif int(labels.min()) == 1 and int(labels.max()) == classes:
        fix = f"number the classes from 0, for example {what.split()[0]} - 1"
    raise DataError(
        explain(
            f"{what} holds the label {label} at {position(place)}, but {rule} ({many})",
            fix=fix,
        )
    )


def balance(class_weight: Any, labels: NDArray, classes: int) -> NDArray:
    """Return the weight of each row: that of its class, ``float32[rows]``.

    Parameters
    ----------
    class_weight
        A dict from label to weight; a class that is left out has the weight 1.
    labels
        ``int64[rows]``, checked.
    classes
        How many classes the model tells apart.

    Raises
    ------
    ArgumentError
        For what is no dict, for a class that does not exist and for a weight that is
        negative, infinite or no number.
    """
    if not isinstance(class_weight, dict):
        raise ArgumentError(
            explain(
                "class_weight must be a dict from label to weight, got "
                f"{class_weight!r}",
                fix="pass class_weight={0: 1.0, 1: 5.0}, for example",
            )
        )
    table = np.ones(classes, np.float32)
    for label, weight in class_weight.items():
        table[_known_class(label, classes)] = _class_weight(label, weight)
    return table[labels]


def _known_class(label: Any, classes: int) -> int:
    is_whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
    if is_whole and 0 <= label < classes:
        return int(label)
    raise ArgumentError(
        explain(
            f"class_weight has the class {label!r}, but the model tells {classes} "
            f"classes apart: 0 to {classes - 1}",
            fix="use the numbers that y holds as keys",
        )
    )


def _class_weight(label: Any, weight: Any) -> float:
    is_number = isinstance(weight, int | float | np.number)
    if is_number and np.isfinite(weight) and weight >= 0:
        return float(weight)
    raise ArgumentError(
        explain(
            f"class_weight gives the class {label!r} the weight {weight!r}",
            fix="a weight is a number of 0 or more",
        )
    )
