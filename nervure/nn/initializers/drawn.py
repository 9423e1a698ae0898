"""First values that are drawn at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes, ops, random
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.arguments import finite_number, non_negative_number
from nervure.nn.initializers.base import Initializer, as_type
from nervure.nn.seed import SeedGenerator, first_key

Seed = int | SeedGenerator | None


class RandomInitializer(Initializer):
    """The base class of those that draw random numbers.

    Parameters
    ----------
    seed
        A whole number: every call returns the same values.  A ``SeedGenerator``: every
        call draws new ones from it.  None: from the process's generator.

    >>> import nervure as nv
    >>> class Coins(nv.initializers.RandomInitializer):
    ...     def __init__(self, seed=None):
    ...         self.seed = seed
    ...     def __call__(self, shape, dtype=None):
    ...         return nv.random.bernoulli(shape, key=self.key()).astype(dtype)
    >>> Coins(seed=0)((3,), "float32").shape
    (3,)
    """

    seed: Seed

    def key(self) -> Array:
        """Return the key for one call."""
        if isinstance(self.seed, SeedGenerator):
            return self.seed.next()
        return first_key(self.seed)


class RandomUniform(RandomInitializer):
    """Numbers uniform between ``minval`` and ``maxval``.

    Raises
    ------
    ArgumentError
        For a smallest value above the largest.

    >>> import nervure as nv
    >>> nv.initializers.RandomUniform(seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None
    ) -> None:
        low, high = finite_number("minval", minval), finite_number("maxval", maxval)
        if low > high:
            raise ArgumentError(
                explain(
                    f"expected minval to be at most maxval, got {minval!r} and "
                    f"{maxval!r}",
                    fix=f"write RandomUniform({maxval!r}, {minval!r})",
                )
            )
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return new numbers."""
        return random.uniform(
            tuple(shape), self.minval, self.maxval, dtype=as_type(dtype), key=self.key()
        )


class RandomNormal(RandomInitializer):
    """Normal numbers.

    >>> import nervure as nv
    >>> nv.initializers.RandomNormal(stddev=1.0, seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None
    ) -> None:
        finite_number("mean", mean)
        non_negative_number("stddev", stddev)
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return new numbers."""
        standard = random.normal(tuple(shape), dtype=as_type(dtype), key=self.key())
        return standard * self.stddev + self.mean


class TruncatedNormal(RandomInitializer):
    """Normal numbers, drawn again where farther than two deviations from the mean.

    >>> import nervure as nv
    >>> bool(abs(nv.initializers.TruncatedNormal(seed=1)((100,))).max() <= 0.1)
    True
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None
    ) -> None:
        finite_number("mean", mean)
        non_negative_number("stddev", stddev)
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return new numbers."""
        standard = random.truncated_normal(
            tuple(shape), dtype=as_type(dtype), key=self.key()
        )
        return standard * self.stddev + self.mean


# The standard deviation of a standard normal variable cut at -2 and 2:
# sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
_TRUNCATED_DEVIATION: Final = 0.87962566103423978

_MODES: Final[dict[str, Callable[[float, float], float]]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}
_DISTRIBUTIONS: Final = ("truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Random numbers whose variance suits the number of connections.

    The variance is ``scale / n``, where n is the number of inputs of a unit
    (``mode="fan_in"``), of its outputs (``"fan_out"``), or the mean of both
    (``"fan_avg"``).  See Glorot and Bengio 2010, He et al. 2015.

    Parameters
    ----------
    scale
        A positive number.
    mode
        "fan_in", "fan_out" or "fan_avg".
    distribution
        "truncated_normal" (also written "normal"), "untruncated_normal" or "uniform".
    seed
        See :class:`RandomInitializer`.
    input_axes, output_axes
        The axes of the weight whose sizes, multiplied, are the numbers of inputs and of
        outputs; both or none.  See :func:`fans` for what is assumed without them.

    Raises
    ------
    ArgumentError, UnknownNameError
        For a scale not above 0, and for a mode or a distribution that is not known.

    >>> import nervure as nv
    >>> nv.initializers.VarianceScaling(2.0, "fan_avg", "uniform")((5, 3)).shape
    (5, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if not scale > 0:
            raise ArgumentError(
                explain(
                    f"expected a positive scale, got {scale}",
                    fix="pass scale=1.0, for example",
                )
            )
        if mode not in _MODES:
            raise unknown_name("mode of VarianceScaling", mode, list(_MODES))
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in _DISTRIBUTIONS:
            raise unknown_name(
                "distribution of VarianceScaling", distribution, _DISTRIBUTIONS
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return new numbers."""
        sizes_of = fans(shape, self.input_axes, self.output_axes)
        fan = max(1.0, _MODES[self.mode](*sizes_of))
        deviation = math.sqrt(self.scale / fan)
        sizes, type_, key = tuple(shape), as_type(dtype), self.key()
        if self.distribution == "uniform":
            limit = math.sqrt(3) * deviation
            return random.uniform(sizes, -limit, limit, dtype=type_, key=key)
        if self.distribution == "untruncated_normal":
            return random.normal(sizes, dtype=type_, key=key) * deviation
        standard = random.truncated_normal(sizes, dtype=type_, key=key)
        return standard * (deviation / _TRUNCATED_DEVIATION)


class _NamedScaling(VarianceScaling):
    """A variance scaling with settled arguments and a name of its own."""

    _settled: tuple[float, str, str]

    def __init__(
        self,
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self._settled, seed, input_axes, output_axes)


class GlorotUniform(_NamedScaling):
    """Uniform within +-sqrt(6 / (fan_in + fan_out)), the default for kernels.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.

    >>> import nervure as nv
    >>> nv.initializers.GlorotUniform(seed=3)((4, 8)).dtype.name
    'float32'
    """

    _settled = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010).

    >>> import nervure as nv
    >>> nv.initializers.GlorotNormal(seed=3)((4, 8)).shape
    (4, 8)
    """

    _settled = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform within +-sqrt(6 / fan_in), for layers before a ReLU.

    He et al., "Delving deep into rectifiers", 2015.

    >>> import nervure as nv
    >>> nv.initializers.HeUniform(seed=3)((4, 8)).shape
    (4, 8)
    """

    _settled = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal with variance 2 / fan_in, for layers before a ReLU.

    He et al., "Delving deep into rectifiers", 2015.

    >>> import nervure as nv
    >>> nv.initializers.HeNormal(seed=3)((4, 8)).shape
    (4, 8)
    """

    _settled = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform within +-sqrt(3 / fan_in) (LeCun et al., "Efficient BackProp", 1998).

    >>> import nervure as nv
    >>> nv.initializers.LecunUniform(seed=3)((4, 8)).shape
    (4, 8)
    """

    _settled = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal with variance 1 / fan_in (LeCun et al. 1998).

    >>> import nervure as nv
    >>> nv.initializers.LecunNormal(seed=3)((4, 8)).shape
    (4, 8)
    """

    _settled = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns (Saxe et al. 2013).

    Weights with more than two axes are made as a matrix whose columns are the last
    axis.

    >>> import nervure as nv
    >>> q = nv.initializers.Orthogonal(seed=1)((3, 3))
    >>> bool(abs(q.T @ q - nv.eye(3)).max() < 1e-6)
    True
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        finite_number("gain", gain)
        self.gain = gain
        self.seed = seed

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return a new matrix; raises :class:`ShapeError` below two axes."""
        if len(shape) < 2:
            raise ShapeError(
                explain(
                    f"orthogonal initializes weights with at least 2 axes, got shape "
                    f"{list(shape)}",
                    fix="use another initializer for vectors, such as 'zeros'",
                )
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        # In float64, so that the result does not depend on the rounding of LAPACK's
        # blocked algorithms; it is done once, outside of every graph.
        drawn = random.normal(tall, dtype=dtypes.float64, key=self.key()).numpy()
        q, r = np.linalg.qr(drawn)
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the result uniform
        matrix = q if rows >= columns else q.T
        values = (self.gain * matrix).reshape(tuple(shape)).astype(as_type(dtype))
        return ops.asarray(values)


def fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[float, float]:
    """Return how many inputs and outputs each unit of a weight is connected to.

    A kernel of a convolution, ``[*window, inputs, outputs]``, counts every place of the
    window.  ``input_axes`` and ``output_axes`` say which sizes to multiply instead.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    if input_axes is not None and output_axes is not None:
        inputs, outputs = (
            math.prod(shape[axis] for axis in axes)
            for axes in (input_axes, output_axes)
        )
        return inputs, outputs
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window
