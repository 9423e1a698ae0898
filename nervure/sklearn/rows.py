"""What users pass to ``fit`` and ``predict``, checked as scikit-learn does it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

from nervure.dtypes import DType
from nervure.ir.attrs import NDArray

# Whole numbers of one byte stay as they are: a network converts them batch by batch.
_BYTES: Final = (np.dtype(np.uint8), np.dtype(np.int8))


def read_features(estimator: Any, X: Any, dtype: DType, *, reset: bool) -> NDArray:
    """Return features for prediction, ``dtype[rows, *features]``.

    With ``reset`` the estimator remembers their number and their names, otherwise they
    are compared with what it remembers.  Raises :class:`ValueError`.
    """
    read = validate_data(estimator, X, reset=reset, **_options(dtype))
    return _dense(read)


def read_training_data(
    estimator: Any,
    X: Any,
    y: Any,
    dtype: DType,
    *,
    reset: bool,
    multi_output: bool = False,
    y_numeric: bool = False,
) -> tuple[NDArray, NDArray]:
    """Return features and targets of the same number of rows, as for prediction.

    ``multi_output`` allows several targets for a row, ``y_numeric`` makes them numbers.
    """
    x, targets = validate_data(
        estimator,
        X,
        y,
        reset=reset,
        multi_output=multi_output,
        y_numeric=y_numeric,
        **_options(dtype),
    )
    return _dense(x), targets


def _options(dtype: DType) -> dict[str, Any]:
    return {
        "accept_sparse": ("csr", "csc", "coo"),
        "dtype": [dtype, *_BYTES],
        "allow_nd": True,
    }


def _dense(x: Any) -> NDArray:
    dense: NDArray = x.toarray() if hasattr(x, "toarray") else x
    return dense


def read_weights(sample_weight: Any, x: NDArray) -> NDArray | None:
    """Return a weight for each row, ``float64[rows]``, or None if all are 1.

    Raises :class:`ValueError` for a wrong number, and for weights that are negative or
    all zero.
    """
    if sample_weight is None:
        return None
    weights: NDArray = _check_sample_weight(
        sample_weight,
        x,
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )
    return None if np.all(weights == 1) else weights


def counted(weights: NDArray | None, limit: int) -> NDArray | None:
    """Return the row numbers that weights count, if a batch holds them all.

    A row with the weight 3 is a row that is there three times.  Where all of them make
    one batch, they are indeed put there three times: then nothing, not even the mean
    over a batch that some layers take, tells the difference.
    """
    if weights is None or weights.sum() > limit:
        return None
    counts = weights.astype(np.int64)
    if not np.array_equal(counts, weights):
        return None
    return np.repeat(np.arange(len(counts)), counts)


def canonical_order(x: NDArray, y: NDArray) -> NDArray:
    """Return an order of rows that depends on what they hold, not on where they are.

    In a data set of one batch the order of the rows means nothing; this makes it so to
    the last bit.
    """
    columns = [part.reshape(len(x), -1) for part in (y, x)]
    return np.lexsort(np.concatenate(columns, axis=1).T)


def with_mean_one(weights: NDArray) -> NDArray:
    """Return weights scaled so that they change the loss's balance, not its size."""
    return (weights / weights.mean()).astype(np.float32)
