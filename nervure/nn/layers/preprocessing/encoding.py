"""Whole numbers as vectors: ones at their places, or counts."""

from __future__ import annotations

import itertools
from typing import Any, Final, Unpack

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.nn.layers.preprocessing.batches import batches_of

MODES: Final = ("int", "one_hot", "multi_hot", "count")


def known_mode(given: Any, modes: tuple[str, ...] = MODES) -> str:
    """Return the name of a way to encode; raises for an unknown one."""
    if given not in modes:
        raise unknown_name("output_mode", given, modes)
    return str(given)


def encoded(
    indices: Array, mode: str, depth: int, dtype: DType, weights: Array | None = None
) -> Array:
    """Return indices as they are, or as vectors of a length.

    ``int[..., n]`` becomes ``[..., n, depth]`` in the mode "one_hot" (``[..., depth]``
    where n is 1), and ``[..., depth]`` in the modes "multi_hot" (ones for all that
    occur) and "count" (how often each occurs, or the sum of its weights).  An index
    that is out of range counts for nothing.
    """
    if mode == "int":
        return indices.astype(dtype)
    if indices.ndim == 0:
        indices = ops.reshape(indices, (1,))
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = ops.squeeze(indices, -1)
        return ops.one_hot(indices, depth, dtype=dtype)
    ones = ops.one_hot(indices, depth, dtype=dtype)
    if mode == "multi_hot":
        return ops.max(ones, axis=-2)
    if weights is not None:
        ones = ones * weights.astype(dtype)[..., None]
    return ops.sum(ones, axis=-2)


class CategoryEncoding(Layer):
    """Categories, numbered from 0, as vectors of zeros and ones.

    ``int[batch, n]`` becomes ``float32[batch, num_tokens]``.

    Parameters
    ----------
    num_tokens
        The number of categories.
    output_mode
        "multi_hot" has ones for all categories of a sample, "count" says how often each
        occurs, "one_hot" makes a vector for each number.
    sparse
        Only False: vectors are dense.

    Other arguments: see :class:`~nervure.layers.Layer`.

    ``call`` takes ``count_weights``, which are added up instead of ones in the mode
    "count".

    >>> import nervure as nv
    >>> nv.layers.CategoryEncoding(4, output_mode="count")([[0, 2, 2]]).tolist()
    [[1.0, 0.0, 2.0, 0.0]]
    """

    def __init__(
        self,
        num_tokens: int,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.num_tokens = positive_count("num_tokens", num_tokens)
        self.output_mode = _mode(output_mode)
        self.sparse = dense_only(type(self).__name__, sparse)

    def call(self, inputs: Array, count_weights: Array | None = None) -> Array:
        """Compute the output.

        Raises
        ------
        ArgumentError
            For weights where nothing is counted.
        """
        if count_weights is not None and self.output_mode != "count":
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} uses count_weights only in the "
                    "output_mode "
                    f"'count', not in {self.output_mode!r}",
                    fix="write output_mode='count', or leave count_weights out",
                )
            )
        if dtypes.is_float(inputs.dtype):
            inputs = inputs.astype(dtypes.int64)
        return encoded(
            inputs, self.output_mode, self.num_tokens, self.dtype, count_weights
        )


def _mode(given: Any) -> str:
    # The name "binary" is that of Keras 2.
    wanted = "multi_hot" if given == "binary" else given
    return known_mode(wanted, ("one_hot", "multi_hot", "count"))


def dense_only(name: str, sparse: Any) -> bool:
    """Return False; raises :class:`~nervure.errors.ArgumentError` for ``sparse``."""
    if sparse:
        raise ArgumentError(
            explain(
                f"{name} makes dense arrays only, got sparse={sparse!r}",
                fix="leave sparse out",
            )
        )
    return False


class Discretization(Layer):
    """Numbers as the bins they fall into.

    Bin 0 is below the first boundary, bin 1 from the first to below the second, and so
    on.  ``float[...]`` becomes ``int32[...]``, or vectors.

    Parameters
    ----------
    bin_boundaries
        The boundaries, in rising order.
    num_bins
        Instead: how many bins :meth:`adapt` makes, with about as many numbers each.
    epsilon
        How exact the boundaries are that are found, from above 0 to 1: the share of
        the numbers by which a boundary may be off.
    output_mode
        "int" for the bins' numbers; "one_hot", "multi_hot" and "count" as for
        :class:`CategoryEncoding`.
    sparse
        Only False: vectors are dense.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For boundaries that do not rise, and for both or neither of them and num_bins.

    >>> import nervure as nv
    >>> layer = nv.layers.Discretization([0.0, 1.0])
    >>> layer([[-1.5, 0.0, 3.0]]).tolist()
    [[0, 1, 2]]
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if (num_bins is None) == (bin_boundaries is None):
            both = "none" if num_bins is None else "both"
            raise ArgumentError(
                explain(
                    "give Discretization one of bin_boundaries and num_bins, got "
                    f"{both}",
                    fix="write Discretization([0.0, 1.0]), or "
                    "Discretization(num_bins=4) and adapt",
                )
            )
        if not 0 < epsilon <= 1:
            raise ArgumentError(
                explain(
                    f"expected epsilon above 0 and to 1, got {epsilon!r}",
                    fix="leave it out: 0.01 does for most data",
                )
            )
        self.num_bins = num_bins
        if num_bins is not None:
            positive_count("num_bins", num_bins)
        self.bin_boundaries = (
            None if bin_boundaries is None else _rising(bin_boundaries)
        )
        self.epsilon = epsilon
        self.output_mode = known_mode(output_mode)
        self.sparse = dense_only(type(self).__name__, sparse)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find boundaries that cut data into bins of about equal numbers.

        Parameters
        ----------
        data
            An array or nested lists, or an iterable of batches of it.
        steps
            Use this many batches only.

        Raises
        ------
        ArgumentError
            For a layer with given boundaries, or no data.
        """
        if self.num_bins is None:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} was made with boundaries, so there is "
                    "nothing to adapt; give num_bins instead",
                    fix="make it with num_bins=10 to learn the boundaries from data",
                )
            )
        summary = np.zeros((2, 0), np.float32)
        for place, batch in enumerate(batches_of(data, self.name)):
            if steps is not None and place >= steps:
                break
            summary = _merged(_summary(batch, self.epsilon), summary, self.epsilon)
        found = _compressed(summary, 1.0 / self.num_bins)[0, :-1]
        self.bin_boundaries = [float(value) for value in found]

    def call(self, inputs: Array) -> Array:
        """Compute the output.

        Raises
        ------
        ArgumentError
            Before the boundaries are known.
        """
        if self.bin_boundaries is None:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} has no boundaries yet; call "
                    "adapt(data) first",
                    fix="adapt it to the training data before the model is trained",
                )
            )
        edges = np.asarray(self.bin_boundaries, self.dtype)
        bins = ops.searchsorted(edges, inputs.astype(self.dtype), side="right")
        dtype = dtypes.int32 if self.output_mode == "int" else self.dtype
        return encoded(bins, self.output_mode, len(edges) + 1, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this, as plain data.

        After :meth:`adapt` these are the boundaries that were found.
        """
        config = super().get_config()
        if self.bin_boundaries is not None:
            config["num_bins"] = None
        return config


def _rising(given: Any) -> list[float]:
    values = [float(value) for value in given]
    if any(not low < high for low, high in itertools.pairwise(values)):
        raise ArgumentError(
            explain(
                f"expected rising bin_boundaries, got {values}",
                fix="sort them, and name each once",
            )
        )
    return values


# A summary of numbers, ``float32[2, n]``: some of them in order, and how many each
# stands for.  It is made as Keras makes it, so that the same boundaries are found.


def _summary(batch: Any, epsilon: float) -> np.ndarray[Any, Any]:
    """Return the summary of a batch: every so manieth of its numbers."""
    values = np.sort(np.asarray(batch, np.float32).reshape(-1))
    step = max(values.size * epsilon, 1)
    chosen = values[int(step - 1) :: int(step)]
    return np.stack([chosen, np.full_like(chosen, step)])


def _merged(
    one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], epsilon: float
) -> np.ndarray[Any, Any]:
    """Return the summary of the numbers of two."""
    both = np.concatenate((one, other), axis=1)
    return _compressed(both[:, np.argsort(both[0])], epsilon)


def _compressed(summary: np.ndarray[Any, Any], epsilon: float) -> np.ndarray[Any, Any]:
    """Return a summary with at most about 1 / epsilon numbers."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    totals = summary[1].cumsum()
    values = np.interp(shares, totals / totals[-1], summary[0])
    kept = np.interp(shares, totals / totals[-1], totals)
    counts = kept - np.concatenate(([0.0], kept[:-1]))
    return np.stack((values, counts)).astype(np.float32)
