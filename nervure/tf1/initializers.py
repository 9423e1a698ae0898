"""How variables begin, under TensorFlow 1's names.

An initializer is called as ``initializer(shape, dtype)`` and returns a tensor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nervure.errors import ArgumentError, explain
from nervure.tf1 import creation, data_types, placeholders
from nervure.tf1.tensor import Tensor


class Initializer:
    """Base class of initializers.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.zeros_initializer, tf.initializers.Initializer)
    True
    """

    def __init__(self, dtype: Any = data_types.float32) -> None:
        self.dtype = data_types.as_dtype(dtype)

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: None = None
    ) -> Tensor:
        """Return the tensor of the first value."""
        sizes = [int(one) for one in shape]
        wanted = self.dtype if dtype is None else data_types.as_dtype(dtype)
        return self.make(sizes, wanted)

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return the tensor for a shape and type that are known."""
        raise NotImplementedError(f"{type(self).__name__} has no make")


class zeros_initializer(Initializer):  # noqa: N801 - TensorFlow's name
    """Zeros.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.zeros_initializer()([2])))
    [0. 0.]
    """

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return zeros."""
        return creation.zeros(shape, dtype)


class ones_initializer(Initializer):  # noqa: N801
    """Ones.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.ones_initializer()([2])))
    [1. 1.]
    """

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return ones."""
        return creation.ones(shape, dtype)


class constant_initializer(Initializer):  # noqa: N801
    """A number, or numbers that fill the shape.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.constant_initializer(0.1)([2])))
    [0.1 0.1]
    """

    def __init__(
        self,
        value: Any = 0,
        dtype: Any = data_types.float32,
        verify_shape: bool = False,
    ) -> None:
        super().__init__(dtype)
        self.value = value
        self.verify_shape = verify_shape

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return the value."""
        return placeholders.constant(
            np.asarray(self.value), dtype, shape, verify_shape=self.verify_shape
        )


class random_uniform_initializer(Initializer):  # noqa: N801
    """Uniform numbers between two limits.

    >>> import nervure.tf1 as tf
    >>> tf.random_uniform_initializer(-0.1, 0.1)([2]).shape
    TensorShape([2])
    """

    def __init__(
        self,
        minval: Any = 0,
        maxval: Any = None,
        seed: int | None = None,
        dtype: Any = data_types.float32,
    ) -> None:
        super().__init__(dtype)
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return random numbers."""
        return creation.random_uniform(
            shape, self.minval, self.maxval, dtype, self.seed
        )


class random_normal_initializer(Initializer):  # noqa: N801
    """Normal numbers.

    >>> import nervure.tf1 as tf
    >>> tf.random_normal_initializer(stddev=0.1)([2]).shape
    TensorShape([2])
    """

    draw = staticmethod(creation.random_normal)

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 1.0,
        seed: int | None = None,
        dtype: Any = data_types.float32,
    ) -> None:
        super().__init__(dtype)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return random numbers."""
        return self.draw(shape, self.mean, self.stddev, dtype, self.seed)


class truncated_normal_initializer(random_normal_initializer):  # noqa: N801
    """Normal numbers no further than two standard deviations from the mean.

    >>> import nervure.tf1 as tf
    >>> tf.truncated_normal_initializer(stddev=0.1)([2]).shape
    TensorShape([2])
    """

    draw = staticmethod(creation.truncated_normal)


class variance_scaling_initializer(Initializer):  # noqa: N801
    """Random numbers whose variance follows from the number of connections.

    Parameters
    ----------
    scale
        The variance is ``scale / n``.
    mode
        What n is: "fan_in", "fan_out" or "fan_avg".
    distribution
        "normal" (truncated, as TensorFlow's: its standard deviation is that of the
        normal distribution before it is cut, divided by 0.8796) or "uniform".

    He et al., "Delving deep into rectifiers" (2015).

    Raises
    ------
    ArgumentError
        For a scale not above 0, and for a mode or distribution that does not exist.

    >>> import nervure.tf1 as tf
    >>> tf.variance_scaling_initializer(2.0)([4, 3]).shape
    TensorShape([4, 3])
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "normal",
        seed: int | None = None,
        dtype: Any = data_types.float32,
    ) -> None:
        super().__init__(dtype)
        if scale <= 0 or mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ArgumentError(
                explain(
                    "variance_scaling_initializer: expected scale > 0 and mode fan_in, "
                    f"fan_out or fan_avg, got {scale} and {mode!r}",
                    fix="scale=2.0, mode='fan_in' suits rectifiers",
                )
            )
        if distribution not in ("normal", "truncated_normal", "uniform"):
            raise ArgumentError(
                explain(
                    f"unknown distribution {distribution!r}",
                    fix="use 'truncated_normal', 'normal' or 'uniform'",
                )
            )
        self.scale, self.mode = scale, mode
        self.distribution, self.seed = distribution, seed

    def make(self, shape: list[int], dtype: data_types.DType) -> Tensor:
        """Return random numbers."""
        before, after = _fans(shape)
        count = {"fan_in": before, "fan_out": after, "fan_avg": (before + after) / 2}
        variance = self.scale / max(1.0, count[self.mode])
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return creation.random_uniform(shape, -limit, limit, dtype, self.seed)
        # The standard deviation of a unit normal cut at -2 and 2.
        width = math.sqrt(variance) / 0.87962566103423978
        return creation.truncated_normal(shape, 0.0, width, dtype, self.seed)


def _fans(shape: list[int]) -> tuple[float, float]:
    """Return the number of connections to and from a unit."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    field = math.prod(shape[:-2])
    return float(field * shape[-2]), float(field * shape[-1])


class glorot_uniform_initializer(variance_scaling_initializer):  # noqa: N801
    """Uniform numbers of variance 2 / (fan_in + fan_out).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010).

    >>> import nervure.tf1 as tf
    >>> tf.glorot_uniform_initializer()([4, 3]).shape
    TensorShape([4, 3])
    """

    def __init__(
        self, seed: int | None = None, dtype: Any = data_types.float32
    ) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class glorot_normal_initializer(variance_scaling_initializer):  # noqa: N801
    """Truncated normal numbers of variance 2 / (fan_in + fan_out).

    >>> import nervure.tf1 as tf
    >>> tf.glorot_normal_initializer()([4, 3]).shape
    TensorShape([4, 3])
    """

    def __init__(
        self, seed: int | None = None, dtype: Any = data_types.float32
    ) -> None:
        super().__init__(1.0, "fan_avg", "normal", seed, dtype)


zeros = zeros_initializer
ones = ones_initializer
constant = constant_initializer
random_uniform = random_uniform_initializer
random_normal = random_normal_initializer
truncated_normal = truncated_normal_initializer
variance_scaling = variance_scaling_initializer
