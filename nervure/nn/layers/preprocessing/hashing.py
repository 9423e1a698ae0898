"""Categories numbered by a hash, without a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.nn.layers.preprocessing.encoding import dense_only, encoded, known_mode
from nervure.nn.layers.preprocessing.host import HostLayer, as_texts, each
from nervure.nn.layers.preprocessing.lookup import bucket, salt_pair


class Hashing(HostLayer):
    """Texts or whole numbers as bins, which a hash chooses.

    The layer works on data, before they are given to a model; different texts may have
    the same bin.  The hash is that of Keras: FarmHash of the text (a number's decimal
    digits), or SipHash with a ``salt``.

    Parameters
    ----------
    num_bins
        The number of bins.
    mask_value
        A text or number that stands for filling; it alone has the bin 0.
    salt
        A whole number or two, for another hash.
    output_mode
        "int" for the bins' numbers, int64; "one_hot", "multi_hot" and "count" as for
        :class:`CategoryEncoding`.
    sparse
        Only False: vectors are dense.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]]).tolist()
    [[1], [0], [1], [1], [2]]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.num_bins = positive_count("num_bins", num_bins)
        self.mask_value = mask_value
        self.salt = salt_pair(salt)
        self.output_mode = known_mode(output_mode)
        self.sparse = dense_only(type(self).__name__, sparse)

    def call(self, inputs: Any) -> Array:
        """Compute the output."""
        bins = ops.asarray(self._bins(np.asarray(inputs)))
        dtype = dtypes.int64 if self.output_mode == "int" else dtypes.DEFAULT_FLOAT
        return encoded(bins, self.output_mode, self.num_bins, dtype)

    def _bins(self, values: NDArray) -> NDArray:
        reserved = self.mask_value is not None and self.num_bins > 1
        count = self.num_bins - int(reserved)
        if values.dtype.kind in "fiub":
            filling = values == self.mask_value if reserved else None
            texts = each(values.astype(np.int64), str)
        else:
            texts = as_texts(values, self.name)
            filling = texts == self.mask_value if reserved else None
        bins = each(texts, lambda text: bucket(text, count, self.salt), np.int64)
        return bins if filling is None else np.where(filling, 0, bins + 1)
