"""MNIST as TensorFlow 1's tutorials read it, from the data inside the package.

Nothing is downloaded: the folder that a script names is neither read nor written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nervure.datasets import mnist
from nervure.errors import ArgumentError, DataError, explain
from nervure.tf1 import data_types

NDArray = npt.NDArray[Any]


class DataSet:
    """Images and labels that are read in batches, epoch after epoch.

    Parameters
    ----------
    images
        ``uint8[n, height, width, 1]`` or ``uint8[n, height, width]``.
    labels
        ``int[n]``, or rows with a one.
    dtype
        ``tf.float32`` divides the images by 255, ``tf.uint8`` leaves them.
    reshape
        Whether an image becomes one row of pixels.
    seed
        Of the orders of the batches; None takes one from the operating system.

    Raises
    ------
    DataError
        When there are not as many labels as images.

    >>> import numpy as np
    >>> from nervure.tf1.examples.tutorials.mnist.input_data import DataSet
    >>> data = DataSet(np.zeros((5, 2, 2), np.uint8), np.arange(5))
    >>> images, labels = data.next_batch(3, shuffle=False)
    >>> images.shape, labels.tolist()
    ((3, 4), [0, 1, 2])
    """

    def __init__(
        self,
        images: NDArray,
        labels: NDArray,
        dtype: Any = data_types.float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise DataError(
                explain(
                    f"{len(images)} images have {len(labels)} labels",
                    fix="pass one label for each image",
                )
            )
        kind = data_types.as_dtype(dtype)
        if kind not in (data_types.uint8, data_types.float32):
            raise ArgumentError(
                explain(
                    f"expected tf.uint8 or tf.float32, got {dtype!r}",
                    fix="tf.float32 gives numbers from 0 to 1, tf.uint8 the bytes",
                )
            )
        if reshape:
            images = images.reshape(len(images), -1)
        if kind == data_types.float32:
            images = np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        self._images = images
        self._labels = labels
        self._random = np.random.default_rng(seed)
        self._order: npt.NDArray[np.intp] | None = None
        self._begin = 0
        self._epochs = 0

    @property
    def images(self) -> NDArray:
        """All images, in their first order."""
        return self._images

    @property
    def labels(self) -> NDArray:
        """All labels, in their first order."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """How many there are."""
        return len(self._images)

    @property
    def epochs_completed(self) -> int:
        """How often all of them have been read."""
        return self._epochs

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[NDArray, NDArray]:
        """Return the images and labels of the next batch.

        At the end of an epoch the batch goes on into the next, in a new order.

        Raises
        ------
        ArgumentError
            For a batch that is larger than the data, or not positive.
        """
        count = self.num_examples
        if not 0 < batch_size <= count:
            raise ArgumentError(
                explain(
                    f"expected a batch of 1 to {count} images, got {batch_size}",
                    fix=f"ask for {count} images or fewer",
                )
            )
        if self._order is None:
            self._order = self._new_order(shuffle)
        end = self._begin + batch_size
        chosen = self._order[self._begin : end]
        if end > count:
            self._epochs += 1
            self._order = self._new_order(shuffle)
            end -= count
            chosen = np.concatenate([chosen, self._order[:end]])
        self._begin = end
        return self._images[chosen], self._labels[chosen]

    def _new_order(self, shuffle: bool) -> npt.NDArray[np.intp]:
        if shuffle:
            return self._random.permutation(self.num_examples)
        return np.arange(self.num_examples)


class Datasets(NamedTuple):
    """The three parts of MNIST."""

    train: DataSet
    validation: DataSet
    test: DataSet


def dense_to_one_hot(labels_dense: NDArray, num_classes: int) -> NDArray:
    """Return rows of zeros with a one at the label, ``float64[n, num_classes]``.

    >>> from nervure.tf1.examples.tutorials.mnist.input_data import dense_to_one_hot
    >>> dense_to_one_hot(np.array([1]), 3).tolist()
    [[0.0, 1.0, 0.0]]
    """
    rows: NDArray = np.eye(num_classes)[labels_dense]
    return rows


def read_data_sets(
    train_dir: Any = None,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = data_types.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str | None = None,
) -> Datasets:
    """Return MNIST: 55,000 images to train with, 5,000 to validate, 10,000 to test.

    Parameters
    ----------
    train_dir, fake_data, source_url
        Taken and not used: the data are inside the package.
    one_hot
        Whether labels are rows with a one (float64, as in TensorFlow) or digits.
    dtype, reshape, seed
        See :class:`DataSet`.
    validation_size
        How many of the 60,000 are put aside, from the beginning.

    Raises
    ------
    ArgumentError
        For a ``validation_size`` that is negative or too large.

    >>> from nervure.tf1.examples.tutorials.mnist import input_data
    >>> data = input_data.read_data_sets("MNIST_data/", one_hot=True)
    >>> data.train.images.shape, data.test.labels.shape
    ((55000, 784), (10000, 10))
    """
    (images, labels), (test_images, test_labels) = mnist.load_data()
    if not 0 <= validation_size < len(images):
        raise ArgumentError(
            explain(
                f"expected validation_size from 0 to {len(images) - 1}, got "
                f"{validation_size}",
                fix="validation_size=5000 is the usual value",
            )
        )

    def data_set(pixels: NDArray, digits: NDArray) -> DataSet:
        given = dense_to_one_hot(digits, 10) if one_hot else digits
        return DataSet(pixels[..., None], given, dtype, reshape, seed)

    return Datasets(
        data_set(images[validation_size:], labels[validation_size:]),
        data_set(images[:validation_size], labels[:validation_size]),
        data_set(test_images, test_labels),
    )
