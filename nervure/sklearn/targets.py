"""Targets as users have them, and as networks are trained on them."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.train.targets import Kind

Form = Literal["labels", "one-hot", "multilabel"]


class ClassTargets:
    """Classes: one label for each row, one-hot rows, or a set of labels for each row.

    Parameters
    ----------
    y
        ``[rows]`` labels of any type, or ``[rows, classes]`` zeros and ones.
    classes
        All labels, if ``y`` may lack some.

    Raises :class:`ValueError` for what tells no two classes apart.
    """

    form: Form

    def __init__(self, y: NDArray, *, classes: Any = None) -> None:
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] > 1:
            if not np.isin(y, (0, 1)).all():
                raise DataError(
                    explain(
                        f"y has {y.shape[1]} columns of more than two classes",
                        fix="train one classifier for each column, for example with "
                        "sklearn.multioutput.MultiOutputClassifier",
                    )
                )
            self.classes = np.arange(y.shape[1])
            exclusive = bool(np.all(y.sum(axis=1) == 1))
            self.form = "one-hot" if exclusive else "multilabel"
            self.dtype = y.dtype
            return
        self.form = "labels"
        self.classes = np.unique(y) if classes is None else np.unique(classes)
        self.dtype = self.classes.dtype
        if len(self.classes) < 2:
            raise DataError(
                explain(
                    "a classifier needs rows of at least two classes, y holds 1 "
                    f"class: {self.classes.tolist()[0]!r}",
                    fix="check y: does it hold the labels?",
                )
            )

    @property
    def count(self) -> int:
        """The number of classes."""
        return len(self.classes)

    def settle(self, kind: Kind) -> None:
        """Decide by the loss whether columns of zeros and ones exclude each other.

        Raises :class:`~nervure.errors.DataError` when they do not, but have to.
        """
        if self.form == "labels":
            return
        if kind is Kind.BINARY:
            self.form = "multilabel"
        elif self.form == "multilabel":
            raise DataError(
                explain(
                    "y has rows with no class or with several classes, but the loss "
                    "expects one",
                    fix="use the loss 'binary_crossentropy' and the activation "
                    "'sigmoid', which decide about each class by itself",
                )
            )

    def codes(self, y: NDArray) -> NDArray:
        """Return the place of each row's class, ``int64[rows]``.

        Raises :class:`~nervure.errors.DataError` for a class that was not there before.
        """
        if y.ndim == 2 and y.shape[1] > 1:
            self._check_columns(y)
            return y.argmax(axis=1)
        labels = y.reshape(-1)
        places = np.searchsorted(self.classes, labels).clip(max=self.count - 1)
        unknown = self.classes[places] != labels
        if np.any(unknown):
            raise DataError(
                explain(
                    f"y holds the class {labels[unknown].tolist()[0]!r}, which was not "
                    "among those of the first training",
                    fix="pass all classes to the first call: partial_fit(X, y, "
                    "classes=...)",
                )
            )
        return places

    def encoded(self, y: NDArray, kind: Kind, units: int) -> NDArray:
        """Return targets in the form in which a loss takes them.

        Parameters
        ----------
        kind, units
            What the loss takes, and how many units the network's output has.
        """
        if self.form == "multilabel":
            self._check_columns(y)
            return y.astype(np.float32)
        codes = self.codes(y)
        if kind is Kind.LABELS or (units == 1 and self.count == 2):
            return codes.astype(np.int32)
        return np.eye(self.count, dtype=np.float32)[codes]

    def row_weights(self, class_weight: Any, y: NDArray) -> NDArray | None:
        """Return a weight for each row by its class, ``float64[rows]``."""
        if class_weight is None:
            return None
        labels = y if self.form == "multilabel" else self.classes[self.codes(y)]
        weights: NDArray = compute_sample_weight(class_weight, labels)
        return weights

    def probabilities(self, output: NDArray) -> NDArray:
        """Return the probability of each class, ``[rows, classes]``.

        ``output`` is that of the network: a probability for each class, or the one of
        the second class.
        """
        if self.form != "multilabel" and output.ndim == 1:
            output = output[:, None]
        if self.form != "multilabel" and output.shape[1] == 1:
            return np.concatenate([1 - output, output], axis=1)
        if self.form == "multilabel":
            # Rounded to 1, a probability would say more than a network knows.
            return output.clip(max=np.nextafter(output.dtype.type(1), 0))
        return output

    def decoded(self, probabilities: NDArray) -> NDArray:
        """Return predictions in the form that the targets of the training had."""
        if self.form == "multilabel":
            return (probabilities > 0.5).astype(self.dtype)
        codes = probabilities.argmax(axis=1)
        if self.form == "one-hot":
            return np.eye(self.count, dtype=self.dtype)[codes]
        return self.classes[codes]

    def _check_columns(self, y: NDArray) -> None:
        if y.ndim != 2 or y.shape[1] != self.count:
            raise DataError(
                explain(
                    f"y has shape {list(y.shape)}, expected a column for each of "
                    f"{self.count} classes",
                    fix="pass targets with as many columns as in the first training",
                )
            )


class NumberTargets:
    """Numbers: one for each row, or several."""

    def __init__(self, y: NDArray) -> None:
        self.shape = y.shape[1:]

    @property
    def count(self) -> int:
        """How many numbers a row has."""
        return self.shape[0] if self.shape else 1

    def encoded(self, y: NDArray) -> NDArray:
        """Return the targets; raises :class:`~nervure.errors.DataError`."""
        if y.shape[1:] != self.shape:
            raise DataError(
                explain(
                    f"y has shape {list(y.shape)}, expected [rows, "
                    f"{', '.join(map(str, self.shape))}] as in the first training",
                    fix="call fit for targets of another shape; partial_fit goes on "
                    "with the same",
                )
            )
        return y

    def decoded(self, output: NDArray) -> NDArray:
        """Return predictions in the form that the targets of the training had.

        They are float64, as those of scikit-learn's regressors.
        """
        return output.reshape(len(output), *self.shape).astype(np.float64)


_ONE_COLUMN: Final = 1


def as_targets(y: NDArray) -> NDArray:
    """Return targets; a single column becomes a row of numbers, with a warning."""
    if y.ndim == 2 and y.shape[1] == _ONE_COLUMN:
        flat: NDArray = column_or_1d(y, warn=True)
        return flat
    return y
