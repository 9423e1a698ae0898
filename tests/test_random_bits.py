"""Random numbers are the same bits everywhere, and as accurate as their type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import nervure as nv
from nervure import dtypes
from nervure.ir.graph import topological
from nervure.random.repeatable import log, normal_quantile
from tests.random_values import as_float64, bits_of

KEY = nv.random.key(2024)
WIDE = ("float32", "float64")


# --- accuracy of what they are made of -----------------------------------------------


@pytest.mark.parametrize(("dtype", "ulp"), [("float32", 1.0), ("float64", 1.0)])
def test_log(dtype: str, ulp: float) -> None:
    random = np.random.default_rng(0)
    exponents = random.uniform(-120, 120, 20_000)
    values = np.concatenate([2.0**exponents, random.uniform(0.5, 2, 20_000), [1.0]])
    values = values.astype(dtype)
    got = nv.Array.of_node(log(nv.asarray(values).node)).numpy()
    want = np.log(values.astype(np.longdouble))
    spacing = np.spacing(np.abs(want).astype(dtype)).astype(np.longdouble)
    assert float(np.max(np.abs(got - want) / spacing)) < ulp


def test_log_near_one() -> None:
    lacking = np.array([0.0, 2.0**-33, 1e-8, 1e-3, 0.2])
    value, complement = (
        nv.asarray(one.astype(np.float32)).node for one in (1 - lacking, lacking)
    )
    got = nv.Array.of_node(log(value, complement)).numpy()
    np.testing.assert_allclose(got, np.log1p(-lacking), rtol=2e-7)


@pytest.mark.parametrize(
    ("dtype", "smallest", "relative"),
    [("float32", 2e-11, 4e-7), ("float64", 1e-300, 2e-15)],
)
def test_normal_quantile(dtype: str, smallest: float, relative: float) -> None:
    tails = np.concatenate(
        [np.geomspace(smallest, 0.499, 5000), 0.5 - np.geomspace(1e-10, 0.4, 5000)]
    )
    centres = np.concatenate([0.5 - tails[:5000], np.geomspace(1e-10, 0.4, 5000)])
    nodes = (nv.asarray(one.astype(dtype)).node for one in (tails, centres))
    got = as_float64(nv.Array.of_node(normal_quantile(*nodes)))
    tails, centres = (one.astype(dtype).astype(np.float64) for one in (tails, centres))
    want = np.where(
        centres < 0.3,
        np.sqrt(2) * special.erfinv(2 * centres),
        -special.ndtri(tails),
    )
    np.testing.assert_allclose(got, want, rtol=relative)


# --- the same bits everywhere --------------------------------------------------------

# Seed 2024.  These never change: a program's numbers are part of what it computes.
PINS: dict[str, tuple[str, list[int]]] = {
    "split": ("uint32", [3069939592, 3340759659, 2219247221, 2365924475]),
    "fold_in": ("uint32", [1966079028, 4168199025]),
    "bits": ("uint32", [1982900149, 3049174127, 2144031507, 871888290]),
    "uniform float16": ("float16", [14178, 14765, 14332, 12924]),
    "normal float16": ("float16", [11816, 47732, 6176, 15014]),
    "uniform bfloat16": ("bfloat16", [16108, 16181, 16126, 15948]),
    "normal bfloat16": ("bfloat16", [15813, 48974, 15108, 16213]),
    "uniform float32": ("float32", [1055678798, 1060486836, 1056937638, 1045422036]),
    "normal float32": ("float32", [1036322241, 3209592576, 990120375, 1062516945]),
    "uniform float64": (
        "float64",
        [
            4601988505981928016,
            4604569801133329729,
            4602664339807764416,
            4596481949601883468,
        ],
    ),
    "normal float64": (
        "float64",
        [
            4591596533087409987,
            13828812691885720563,
            4566792094989378895,
            4605659707953088690,
        ],
    ),
    "truncated_normal float32": (
        "float32",
        [1035733047, 3208837764, 989597556, 1061729582],
    ),
    "exponential float32": (
        "float32",
        [1061542833, 1051682240, 1060232072, 1070340561],
    ),
    "gumbel float32": ("float32", [1048831919, 1065951072, 1052407732, 3203327000]),
    "truncated_normal float64": (
        "float64",
        [
            4591280211087708750,
            13828407454967818563,
            4566511408645414600,
            4605236994854575388,
        ],
    ),
    "exponential float64": (
        "float64",
        [
            4605136734741702383,
            4599842869431748766,
            4604433025291335093,
            4609859979514495915,
        ],
    ),
    "gumbel float64": (
        "float64",
        [
            4598312615785641598,
            4607503390451354021,
            4600232366053084101,
            13825448886585925245,
        ],
    ),
    "bernoulli": ("bool", [0, 0, 0, 1, 0, 1, 0, 0]),
    "randint": ("int64", [324947, 907200, 807876, 783560, 175180, 799363]),
    "permutation": ("int64", [5, 3, 6, 0, 2, 1, 7, 4]),
    "choice": ("int64", [2, 3, 2, 1, 5, 0]),
    "choice without": ("int64", [4, 1, 2, 0]),
    "categorical": ("int64", [2, 1, 2, 2, 0, 2, 0, 2]),
    "generator": ("uint32", [2236283662, 481967387]),
}


def pinned(name: str) -> nv.Array:
    """Return the numbers that have been written down."""
    random = nv.random
    law, _, dtype = name.partition(" ")
    if law in ("uniform", "normal", "truncated_normal", "exponential", "gumbel"):
        return getattr(random, law)((4,), dtype=dtype, key=KEY)  # type: ignore[no-any-return]
    chances = [0.1, 0.2, 0.3, 0.2, 0.1, 0.1]
    makers = {
        "split": lambda: random.split(KEY),
        "fold_in": lambda: random.fold_in(KEY, 7),
        "bits": lambda: random.bits((4,), key=KEY),
        "bernoulli": lambda: random.bernoulli((8,), p=0.3, key=KEY),
        "randint": lambda: random.randint((6,), -5, 10**6, key=KEY),
        "permutation": lambda: random.permutation(8, key=KEY),
        "choice": lambda: random.choice(6, (6,), p=chances, key=KEY),
        "choice without": lambda: random.choice(
            6, (4,), p=chances, replace=False, key=KEY
        ),
        "categorical": lambda: random.categorical([0.0, 1.0, 2.0], (8,), key=KEY),
        "generator": lambda: random.Generator(2024).next_key(),
    }
    return makers[name]()


@pytest.mark.parametrize("name", PINS)
def test_pinned_bits(name: str) -> None:
    dtype, bits = PINS[name]
    x = pinned(name)
    assert x.dtype == dtype
    assert bits_of(x) == bits


def test_threefry_known_answers() -> None:
    """The first test vectors of the authors' library Random123, by way of a key."""
    zero = nv.random.bits((17,), key=nv.random.key(0)).numpy()
    assert (int(zero[0]), int(zero[16])) == (0x6B200159, 0x99BA4EFE)


def test_longer_is_a_continuation() -> None:
    """Elements depend on their place only, not on how many there are."""
    short, long = (nv.random.normal((n,), key=KEY).numpy() for n in (100, 1000))
    np.testing.assert_array_equal(short, long[:100])


def fused(graph_outputs: list[Any], exact: Any) -> list[Any]:
    """Compute a graph as a compiler would that fuses products into additions.

    The product is computed in a wider type and rounded after the addition only.
    """
    values: dict[Any, Any] = {}
    for node in topological(graph_outputs):
        operands = [values[operand] for operand in node.inputs]
        result = node.op.reference(node, *operands)
        if node.op.name in ("add", "sub") and dtypes.is_float(node.dtype):
            wide = [
                np.multiply(*(values[one].astype(exact) for one in operand.inputs))
                if operand.op.name == "mul"
                else values[operand].astype(exact)
                for operand in node.inputs
            ]
            combined = np.add(*wide) if node.op.name == "add" else np.subtract(*wide)
            result = combined.astype(node.dtype)
        values[node] = result
    return [values[node] for node in graph_outputs]


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("uniform", {}),
        ("uniform", {"low": -0.3, "high": 0.8}),
        ("normal", {}),
        ("normal", {"mean": 0.1, "std": 1.7}),
        ("truncated_normal", {}),
        ("truncated_normal", {"lower": -1.1, "upper": 2.3, "mean": 0.7, "std": 0.3}),
        ("truncated_normal", {"lower": 1.1, "upper": 2.3}),
        ("exponential", {"scale": 1.3}),
        ("gumbel", {"loc": 0.3, "scale": 1.3}),
    ],
)
def test_fusing_products_changes_no_bit(
    name: str, dtype: str, parameters: dict[str, Any]
) -> None:
    x = getattr(nv.random, name)((20_000,), dtype=dtype, key=KEY, **parameters)
    exact = np.float64 if dtype == "float32" else np.longdouble
    (value,) = fused([x.node], exact)
    np.testing.assert_array_equal(value, x.numpy())


def test_no_library_functions() -> None:
    """Only operations that IEEE 754 fixes are used: executors round them alike."""
    allowed = {
        *("buffer", "const", "iota", "random_bits", "broadcast", "reshape", "slice"),
        *("add", "sub", "mul", "div", "sqrt", "neg", "abs", "minimum", "maximum"),
        *("eq", "lt", "le", "select", "cast", "bitcast", "not", "and", "or", "xor"),
        *("shift_left", "shift_right"),
    }
    for name in PINS:
        if name.split(" ")[0] in ("uniform", "normal", "truncated_normal", "gumbel"):
            used = {node.op.name for node in topological([pinned(name).node])}
            assert used <= allowed, (name, used - allowed)
