"""Errors of the public functions in units in the last place of the exact result.

``python -m tests.trust.units STRIDE`` measures every function on both executors: for
every STRIDE-th bit pattern of float32, for all of float16 and bfloat16, and for
float64 against mpmath.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
from scipy import special

import nervure as nv
from tests.exec.cpu.test_mathlib import all_exponents, logistic, pairs, special_values

Array = Any
EXECUTORS = ("cpu", "reference")
PIECE = 1 << 20  # elements at a time


# The exact function of float64 operands, far more exact than float32 can show.
WIDE: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": logistic,
    "erf": special.erf,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "log_sigmoid": lambda x: -np.logaddexp(-x, 0.0),
    "pow": np.power,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
}
BINARY = ("pow", "atan2", "hypot", "logaddexp")
UNARY = tuple(name for name in WIDE if name not in BINARY)


def public(name: str) -> Callable[..., Any]:
    """Return the function of Nervure."""
    found: Callable[..., Any] = getattr(nv, name, None) or getattr(nv.nn, name)
    return found


def errors(
    got: Array, truth: Array, rest: Array | float = 0.0, size: Array | float = 0.0
) -> Array:
    """Return the errors in units of the results' type; the truth is truth + rest.

    A unit is that of the truth, or of ``size`` where that is larger.

    Infinities and NaN must be where the truth, rounded, has them: otherwise the error
    is infinite.  Where the truth is beyond the largest number by less than a unit, that
    number counts as the infinity and the other way round.
    """
    limits = ml_dtypes.finfo(got.dtype)
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.maximum(np.abs(truth), size))[1].astype(np.int64) - (
            limits.nmant + 1
        )
        least = limits.minexp - limits.nmant
        unit = np.ldexp(1.0, np.clip(exponent, least, limits.maxexp - limits.nmant - 1))
        expected = truth.astype(got.dtype)
        error = np.abs((got.astype(np.float64) - truth) - rest) / unit
        same = (np.isnan(expected) & np.isnan(got)) | (
            np.isinf(expected) & (got == expected)
        )
        largest = float(limits.max)
        edge = np.abs(np.abs(truth) - largest) <= 4 * unit
        cut = np.clip(got.astype(np.float64), -largest, largest)
        error = np.where(edge, np.abs(cut - np.clip(truth, -largest, largest)) / unit,
                         error)  # fmt: skip
    error = np.where(same, 0.0, error)
    return np.where(np.isnan(error), np.inf, error)


# --- arguments ------------------------------------------------------------------------


def floats(stride: int) -> Iterator[Array]:
    """Yield every ``stride``-th bit pattern of float32, and what is special."""
    yield np.concatenate([all_exponents("float"), special_values("float")])
    for start in range(0, 1 << 32, PIECE * stride):
        end = min(start + PIECE * stride, 1 << 32)
        words = np.arange(start, end, stride, dtype=np.uint64)
        yield words.astype(np.uint32).view(np.float32)


def pairs_of_floats(name: str, count: int) -> Iterator[tuple[Array, Array]]:
    """Yield pairs of all sizes, and all pairs of what is special."""
    yield tuple(one.ravel() for one in np.meshgrid(*[special_values("float")] * 2))
    yield pairs(name if name == "pow" else "atan2", "float", count)
    random = np.random.default_rng(1)
    words = random.integers(0, 1 << 32, (2, count), np.uint64).astype(np.uint32)
    if name != "pow":  # of any two numbers, hardly a power is a number
        yield tuple(words.view(np.float32))


def narrow(dtype: Any) -> Array:
    """Return all numbers of a type of 16 bits."""
    return np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(dtype)


def doubles(name: str, count: int) -> list[Array]:
    """Return finite operands of all sizes whose result is finite, too."""
    random = np.random.default_rng(0)
    signs = random.choice([-1.0, 1.0], count)
    parts = [
        random.uniform(-1, 1, count),
        random.uniform(-3, 3, count),
        signs * np.exp(random.uniform(-8, 6.7, count)),
        signs * np.exp(random.uniform(-700, 700, count)),
        1 + signs * np.exp(random.uniform(-30, -1, count)),
        special_values("double"),
    ]
    x = np.concatenate(parts)
    operands = [x]
    if name in BINARY:
        operands = [np.concatenate([x, one]) for one in pairs(name, "double", count)]

    with np.errstate(all="ignore"):
        usable = np.isfinite(WIDE[name](*operands))
    for one in operands:
        usable &= np.isfinite(one) & (one != 0)
    return [one[usable] for one in operands]


def exact_doubles(name: str, operands: list[Array]) -> tuple[Array, Array]:
    """Return the results as sums of two numbers, computed with 320 bits."""
    import mpmath

    mp = mpmath.mp
    exact = {
        "log2": lambda x: mp.log(x) / mp.log(2),
        "rsqrt": lambda x: 1 / mp.sqrt(x),
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)) if x < 500 else x + mp.exp(-x),
        "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)) if x > -500 else x - mp.exp(x),
        "pow": mp.power,
        "logaddexp": lambda x, y: max(x, y) + mp.log1p(mp.exp(-abs(x - y))),
    }
    function = exact.get(name) or getattr(mp, name)
    count = operands[0].size
    high, low = np.empty(count), np.empty(count)
    with mpmath.workprec(320):
        for place in range(count):
            result = function(*(mp.mpf(float(one[place])) for one in operands))
            high[place] = float(result)
            low[place] = float(result - mp.mpf(high[place]))
    return high, low


# --- measuring ------------------------------------------------------------------------


class Worst:
    """The largest error met, and where."""

    def __init__(self) -> None:
        self.error = 0.0
        self.place: tuple[Any, ...] = ()

    def add(self, error: Array, operands: Any) -> None:
        """Look at more errors."""
        place = int(np.argmax(error))
        if error[place] > self.error:
            self.error = float(error[place])
            self.place = tuple(one[place].item() for one in operands)

    def __str__(self) -> str:
        return f"{self.error:.3f} at {self.place}"


def _measured(name: str, executor: str, given: Iterator[Any]) -> Worst:
    """Measure where float64 is exact enough for the truth."""
    worst, function = Worst(), nv.compile(public(name))
    with nv.config.override(executor=executor):
        for operands in given:
            with np.errstate(all="ignore"):
                truth = WIDE[name](*(one.astype(np.float64) for one in operands))
                got = np.asarray(function(*map(nv.asarray, operands)))
            worst.add(errors(got, truth, size=_size(name, operands)), operands)
    return worst


def worst_of_floats(name: str, executor: str, stride: int) -> Worst:
    """Measure a function of one operand in float32."""
    return _measured(name, executor, ((one,) for one in floats(stride)))


def worst_of_pairs(name: str, executor: str, count: int) -> Worst:
    """Measure a function of two operands in float32."""
    return _measured(name, executor, pairs_of_floats(name, count))


def worst_of_narrow(name: str, executor: str, dtype: Any) -> Worst:
    """Measure a function of one operand for every number of a type of 16 bits."""
    return _measured(name, executor, iter([(narrow(dtype),)]))


def worst_of_doubles(
    name: str, executor: str, operands: list[Array], truth: tuple[Array, Array]
) -> Worst:
    """Measure a function in float64, against results of more digits."""
    worst, function = Worst(), nv.compile(public(name))
    with nv.config.override(executor=executor), np.errstate(all="ignore"):
        got = np.asarray(function(*map(nv.asarray, operands)))
    worst.add(errors(got, *truth, size=_size(name, operands)), operands)
    return worst


def _size(name: str, operands: Any) -> Array | float:
    """Return what the error is measured by, besides the result.

    ``logaddexp`` is as exact as its larger operand: where the operands' exponentials
    add up to about 1, next to nothing is left of it.
    """
    if name != "logaddexp":
        return 0.0
    with np.errstate(all="ignore"):
        sizes = np.maximum(*np.abs(operands)).astype(np.float64)
    return np.where(np.isfinite(sizes), sizes, 0.0)


def main(stride: int, count: int = 2000) -> None:
    """Print the errors of all functions."""
    for name in WIDE:
        operands = doubles(name, count)
        truth = exact_doubles(name, operands)
        for one in EXECUTORS:
            found = [
                worst_of_pairs(name, one, (1 << 32) // stride)
                if name in BINARY
                else worst_of_floats(name, one, stride),
                worst_of_doubles(name, one, operands, truth),
            ]
            if name in UNARY:
                types = (ml_dtypes.bfloat16, np.float16)
                found += [worst_of_narrow(name, one, dtype) for dtype in types]
            print(name, one, *found, sep="; ", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
