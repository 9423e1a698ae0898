"""Distributions: their laws, their types and shapes, and what bad input is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError
from tests.random_values import as_float64, bits_of

KEY = nv.random.key(2024)
COUNT = 100_000
FLOATS = ("float16", "bfloat16", "float32", "float64")
WIDE = ("float32", "float64")

# A test statistic this unlikely means an error: every seed here is fixed.
UNLIKELY = 1e-4


# --- distributions -------------------------------------------------------------------


def drawn(name: str, dtype: str, **parameters: Any) -> Any:
    return as_float64(
        getattr(nv.random, name)((COUNT,), dtype=dtype, key=KEY, **parameters)
    )


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize(
    ("name", "parameters", "law"),
    [
        ("uniform", {}, stats.uniform()),
        ("uniform", {"low": -3.0, "high": 5.0}, stats.uniform(-3, 8)),
        ("normal", {}, stats.norm()),
        ("normal", {"mean": 2.0, "std": 0.5}, stats.norm(2, 0.5)),
        ("truncated_normal", {}, stats.truncnorm(-2, 2)),
        ("truncated_normal", {"lower": -1, "upper": 3}, stats.truncnorm(-1, 3)),
        ("truncated_normal", {"lower": -3, "upper": 1}, stats.truncnorm(-3, 1)),
        ("truncated_normal", {"lower": 3, "upper": 5}, stats.truncnorm(3, 5)),
        ("truncated_normal", {"lower": -9, "upper": -8}, stats.truncnorm(-9, -8)),
        ("truncated_normal", {"lower": 30, "upper": 31}, stats.truncnorm(30, 31)),
        ("truncated_normal", {"upper": np.inf}, stats.truncnorm(-2, np.inf)),
        (
            "truncated_normal",
            {"lower": -np.inf, "upper": np.inf},
            stats.truncnorm(-np.inf, np.inf),
        ),
        ("exponential", {}, stats.expon()),
        ("exponential", {"scale": 4.0}, stats.expon(scale=4)),
        ("gumbel", {}, stats.gumbel_r()),
        ("gumbel", {"loc": 1.0, "scale": 2.0}, stats.gumbel_r(1, 2)),
    ],
)
def test_law(name: str, dtype: str, parameters: dict[str, Any], law: Any) -> None:
    values = drawn(name, dtype, **parameters)
    assert np.isfinite(values).all()
    assert stats.kstest(values, law.cdf).pvalue > UNLIKELY
    mean, variance = law.stats("mv")
    error = float(np.sqrt(variance / COUNT))
    assert abs(values.mean() - mean) < 5 * error
    assert abs(values.var() / variance - 1) < 0.05


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["normal", "truncated_normal", "exponential"])
def test_narrow_types_are_float32_rounded_once(name: str, dtype: str) -> None:
    narrow = getattr(nv.random, name)((1000,), dtype=dtype, key=KEY)
    wide = getattr(nv.random, name)((1000,), key=KEY)
    assert narrow.dtype == dtype
    assert bits_of(narrow) == bits_of(wide.astype(dtype))


@pytest.mark.parametrize("name", ["uniform", "normal", "exponential", "gumbel"])
def test_float64_refines_float32(name: str) -> None:
    """The first word is the same, so a model does not change with its precision."""
    difference = np.abs(drawn(name, "float64") - drawn(name, "float32"))
    assert difference.max() < 1e-4


def test_p_values_are_uniform() -> None:
    """Many short streams, so that a flaw that shows rarely would show."""
    p_values = [
        stats.kstest(
            as_float64(nv.random.uniform((2000,), key=nv.random.key(seed))), "uniform"
        ).pvalue
        for seed in range(200)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > UNLIKELY


def test_bits_are_balanced() -> None:
    value = nv.random.bits((COUNT,), key=KEY).numpy()
    ones = np.unpackbits(value.view(np.uint8).reshape(COUNT, 4), axis=1).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(COUNT)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_grid(dtype: str) -> None:
    """Multiples of the grid's step, below 1, with every point in reach."""
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype]
    values = drawn("uniform", dtype)
    steps = values * 2.0**digits
    assert (steps == np.floor(steps)).all()
    assert values.min() >= 0
    assert values.max() < 1
    if digits <= 11:
        assert len(np.unique(values)) == 2**digits
    assert (steps % 2 == 1).any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("low", "high"), [(1, 2), (-1, 0), (0.5, 0.50390625), (-3, 65504), (7, 7)]
)
def test_uniform_never_gives_high(dtype: str, low: float, high: float) -> None:
    values = drawn("uniform", dtype, low=low, high=high)
    ends = [
        float(np.asarray(one).astype(nv.asarray(0.0).astype(dtype).dtype))
        for one in (low, high)
    ]
    assert values.min() >= ends[0]
    assert (values.max() < ends[1]) == (ends[0] < ends[1])


def test_uniform_of_arrays() -> None:
    low = nv.asarray([0.0, 10.0, 1.0])
    values = nv.random.uniform((2000, 3), low, low + 1, key=KEY).numpy()
    assert (values >= low.numpy()).all()
    assert (values < low.numpy() + 1).all()
    np.testing.assert_allclose(values.mean(axis=0), low.numpy() + 0.5, atol=0.05)


def test_normal_of_arrays_has_gradients() -> None:
    def total(mean: nv.Array, std: nv.Array) -> nv.Array:
        return nv.sum(nv.random.normal((5, 3), mean=mean, std=std, key=KEY))

    mean, std = nv.asarray([1.0, 2.0, 3.0]), nv.asarray(0.5)
    to_mean, to_std = nv.grad(total, (0, 1))(mean, std)
    assert to_mean.tolist() == [5.0, 5.0, 5.0]
    standard = nv.random.normal((5, 3), key=KEY).numpy()
    np.testing.assert_allclose(float(to_std), standard.sum(), rtol=1e-5)


# --- shapes and errors ---------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), 0, 3, (2, 0), (2, 3), [4, 1, 2]])
def test_shapes(shape: Any) -> None:
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    random = nv.random
    for x in (
        random.uniform(shape),
        random.normal(shape, dtype="float64", mean=1),
        random.truncated_normal(shape),
        random.exponential(shape),
        random.gumbel(shape),
        random.bits(shape, dtype="uint64"),
        random.bernoulli(shape),
        random.randint(shape, 0, 10),
        random.choice(10, shape),
        random.choice(10, shape, p=np.full(10, 0.1)),
        random.categorical([0.0, 1.0], shape),
    ):
        assert x.shape == wanted
        assert x.numpy().shape == wanted


R = nv.random


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: R.key(1.5), DTypeError, "key: expected the seed to be a whole number, "
         "got 1.5"),
        (lambda: R.normal((2,), key=5), ShapeError, "normal: expected a key of type "
         "uint32[2], got int64[]\n  fix: make a key with nervure.random.key(seed)"),
        (lambda: R.normal((2,), key=R.split(KEY, 3)), ShapeError, "normal: expected a "
         "key of type uint32[2], got uint32[3, 2]\n  fix: these are several keys: use "
         "one of them, for example keys[0]"),
        (lambda: R.split(KEY, -1), ArgumentError, "split: expected at least 0 "
         "keys, got n=-1"),
        (lambda: R.fold_in(KEY, nv.zeros(2)), DTypeError, "fold_in: expected one whole "
         "number, got float32[2]"),
        (lambda: R.uniform(-1), ArgumentError, "uniform: sizes must not be "
         "negative, got (-1,)"),
        (lambda: R.uniform(2, 3, 1), ArgumentError, "uniform: expected low up to "
         "high, got low=3 and high=1"),
        (lambda: R.uniform(2, 0, np.inf), ArgumentError, "uniform: expected high "
         "to be a finite number, got inf"),
        (lambda: R.uniform(2, -3e38, 3e38), ArgumentError, "uniform: float32 "
         "does not hold the width of the range from -3e+38 to 3e+38"),
        (lambda: R.uniform(2, dtype="int32"), DTypeError, "uniform: expected a "
         "floating-point type, got int32\n  fix: use nervure.random.randint"),
        (lambda: R.normal(2, mean=nv.zeros(3)), ShapeError, "normal: mean of shape [3] "
         "does not broadcast to the shape [2] that was asked for"),
        (lambda: R.normal(2, std=-1), ArgumentError, "normal: expected std to be "
         "a finite number of at least 0, got -1"),
        (lambda: R.truncated_normal(2, lower=2, upper=2), ArgumentError,
         "truncated_normal: expected lower below upper, got lower=2 and upper=2"),
        (lambda: R.truncated_normal(2, lower=40, upper=41), ArgumentError,
         "truncated_normal: the limits -41.0 and -40.0 are too far out"),
        (lambda: R.bernoulli(2, p=1.5), ArgumentError, "bernoulli: expected p to "
         "be a probability from 0 to 1, got 1.5"),
        (lambda: R.bits(2, dtype="int32"), DTypeError, "bits: expected an unsigned "
         "integer type, got int32"),
        (lambda: R.randint(2, 3, 3), ArgumentError, "randint: expected low below "
         "high, got low=3 and high=3"),
        (lambda: R.randint(2, 0, 300, dtype="int8"), ArgumentError, "randint: "
         "int8 does not hold the numbers from 0 up to 300"),
        (lambda: R.randint(2, 0, 2.5), DTypeError, "randint: expected low and high to "
         "be whole numbers, got 0 and 2.5"),
        (lambda: R.randint(2, 0, 3, dtype="float32"), DTypeError, "randint: expected "
         "an integer type, got float32"),
        (lambda: R.shuffle(3.0), ArgumentError, "shuffle: axis 0 is out of range "
         "for an array of 0 axes"),
        (lambda: R.choice(0, 2), ArgumentError, "choice: there is nothing to "
         "choose from"),
        (lambda: R.choice(3, 4, replace=False), ArgumentError, "choice: expected "
         "at most 3 choices without replacement, got 4"),
        (lambda: R.choice(3, 2, p=[0.5, 0.5]), ShapeError, "choice: expected one "
         "probability for each of 3 elements, got shape [2]"),
        (lambda: R.choice(2, 2, p=[0.5, 0.6]), ArgumentError, "choice: "
         "probabilities must add up to 1, they add up to 1.1"),
        (lambda: R.choice(2, 2, p=[1.5, -0.5]), ArgumentError, "choice: "
         "probabilities must be finite numbers of at least 0"),
        (lambda: R.choice(3, 2, p=[1.0, 0.0, 0.0], replace=False), ArgumentError,
         "choice: only 1 elements have a probability above 0, too few for 2 choices"),
        (lambda: R.categorical(nv.zeros((2, 3)), (5,)), ShapeError, "categorical: "
         "logits of [2] distributions do not broadcast to the shape [5]"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
