"""Every elementary function, on every machine whose code runs here, against the truth.

Errors are measured in units in the last place (ulp) of the exact result: the distance
of two neighbours in the format there, which below the normal numbers is that of the
denormal ones.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from nervure.exec.cpu import mathlib
from tests.exec.cpu.jit import ELEMENTS, MACHINES, compiled

ROOT = Path(__file__).resolve().parents[3]
LANES = {"float": 16, "double": 8}
WORDS = {"float": np.uint32, "double": np.uint64}

# The largest errors allowed; for one operand and `float`, over all 2^32 arguments.
FLOAT_BOUNDS = {
    "exp": 1.3,
    "expm1": 1.3,
    "log": 1.1,
    "log1p": 1.3,
    "sin": 1.6,
    "cos": 1.6,
    "tanh": 2.7,
    "sigmoid": 2.5,
    "erf": 1.4,
    "pow": 0.53,
    "atan2": 1.8,
}
DOUBLE_BOUNDS = {
    "exp": 1.2,
    "expm1": 1.4,
    "log": 1.1,
    "log1p": 1.1,
    "sin": 1.7,
    "cos": 1.7,
    "tanh": 1.5,
    "sigmoid": 1.5,
    "erf": 1.4,
    "pow": 1.6,
    "atan2": 1.7,
}
UNARY = [name for name in FLOAT_BOUNDS if name not in ("pow", "atan2")]
BINARY = ["pow", "atan2"]

Array = Any


# --- measuring -----------------------------------------------------------------------


def spacing(truth: Array, element: str) -> Array:
    """Return the size of one ulp at each truth."""
    digits, least, most = (24, -149, 104) if element == "float" else (53, -1074, 971)
    exponent = np.frexp(truth)[1].astype(np.int64) - digits
    return np.ldexp(1.0, np.clip(exponent, least, most))


def errors(got: Array, truth: Array, element: str, rest: Array | float = 0.0) -> Array:
    """Return the errors in ulp; the truth is ``truth + rest``.

    Infinities must be where the truth, rounded, has them, NaN where it has them, and
    zeros must have its sign: otherwise the error is infinite.
    """
    with np.errstate(all="ignore"):
        expected = truth.astype(ELEMENTS[element])
        distance = (got.astype(np.float64) - truth) - rest
        error = np.abs(distance) / spacing(truth, element)
        agree = (np.isinf(expected) & (got == expected)) | (
            np.isnan(expected) & np.isnan(got)
        )
        wrong_zero = (expected == 0) & (np.signbit(got) != np.signbit(truth))
    error = np.where(agree, 0.0, error)
    return np.where(np.isnan(error) | wrong_zero, np.inf, error)


def assert_within(error: Array, bound: float, *operands: Array) -> None:
    """Assert that no error exceeds the bound, and name the worst place."""
    worst = int(np.argmax(error))
    place = ", ".join(repr(operand[worst]) for operand in operands)
    assert error[worst] <= bound, f"{error[worst]:.3f} ulp at {place}"


def logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


WIDE: dict[str, Callable[..., Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": logistic,
    "erf": special.erf,
    "pow": np.power,
    "atan2": np.arctan2,
}


def truth_of_floats(name: str, *operands: Array) -> Array:
    """Return the results for ``float`` arguments in double precision."""
    with np.errstate(all="ignore"):
        return WIDE[name](*(x.astype(np.float64) for x in operands))


def _exact_functions() -> dict[str, Callable[..., Any]]:
    mp = pytest.importorskip("mpmath")
    return {
        "exp": mp.exp,
        "expm1": mp.expm1,
        "log": mp.log,
        "log1p": mp.log1p,
        "sin": mp.sin,
        "cos": mp.cos,
        "tanh": mp.tanh,
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "erf": mp.erf,
        "pow": mp.power,
        "atan2": mp.atan2,
    }


def truth_of_doubles(name: str, *operands: Array) -> tuple[Array, Array]:
    """Return the results as sums of two numbers; only for ordinary arguments."""
    mp = pytest.importorskip("mpmath")
    function = _exact_functions()[name]
    high, low = np.empty(operands[0].size), np.empty(operands[0].size)
    with mp.workprec(160):
        for place, numbers in enumerate(zip(*operands)):
            exact = function(*(mp.mpf(float(one)) for one in numbers))
            high[place] = _rounded(exact)
            finite = math.isfinite(high[place])
            low[place] = float(exact - high[place]) if finite else 0.0
    return high, low


def _rounded(exact: Any) -> float:
    if abs(exact) >= 2**1024:
        return math.inf if exact > 0 else -math.inf
    return float(exact)


# --- arguments -----------------------------------------------------------------------


def special_values(element: str) -> Array:
    """Return zeros, infinities, NaN, the ends of the format and what is near 1."""
    dtype = ELEMENTS[element]
    info = np.finfo(dtype)
    sizes = [0, 1, 0.5, 2, 3, 1.5, 0.75, np.inf, np.pi, 1e3, 1e5, 1e10, 1e30, 65536]
    sizes += [info.max, info.tiny, info.smallest_subnormal, info.eps, 89, 104, 710, 746]
    sizes = np.array(sizes, np.float64).astype(dtype)
    with np.errstate(all="ignore"):
        near = [np.nextafter(sizes, dtype(0)), np.nextafter(sizes, dtype(np.inf))]
    sizes = np.concatenate([sizes, *near])
    return np.concatenate([sizes, -sizes, [dtype(np.nan)]]).astype(dtype)


def all_exponents(element: str) -> Array:
    """Return numbers with every sign and exponent and a few mantissas."""
    bits, digits = (32, 23) if element == "float" else (64, 52)
    word = WORDS[element]
    fractions = [0, 1, 2, 1 << (digits - 1), (1 << digits) - 2, (1 << digits) - 1]
    exponents = np.arange(1 << (bits - digits), dtype=word) << word(digits)
    found = np.concatenate([exponents | word(fraction) for fraction in fractions])
    return found.view(ELEMENTS[element])


@functools.cache
def float_arguments() -> Array:
    """Return about a million of all numbers, and what is special."""
    words = np.arange(0, 1 << 32, 4093, dtype=np.uint64).astype(np.uint32)
    parts = [words.view(np.float32), all_exponents("float"), special_values("float")]
    return np.concatenate(parts)


def double_arguments(name: str, count: int) -> Array:
    """Return finite arguments within the function's domain, of all sizes."""
    random = np.random.default_rng(0)
    signs = random.choice([-1.0, 1.0], count)
    parts = [
        random.uniform(-3, 3, count),
        signs * np.exp(random.uniform(-8, 6.7, count)),
        signs * np.exp(random.uniform(-700, 700, count)),
        special_values("double"),
    ]
    x = np.concatenate(parts)
    x = x[np.isfinite(x) & (x != 0)]
    if name == "log":
        return np.abs(x)
    return x[x > -1] if name == "log1p" else x


def pairs(name: str, element: str, count: int) -> tuple[Array, Array]:
    """Return two operands whose results are mostly ordinary numbers."""
    random = np.random.default_rng(0)
    reach = 80 if element == "float" else 700
    x = np.exp(random.uniform(-8, 8, count))
    signs = random.choice([-1.0, 1.0], (2, count))
    if name == "atan2":
        y = np.exp(random.uniform(-8, 8, count))
        first, second = signs[0] * x, signs[1] * y
    else:
        near_one = 1 + random.uniform(-0.3, 0.3, count) * np.exp(-x)
        second = random.uniform(-1, 1, count)
        first = np.concatenate([x, near_one, -1 - np.round(x)])
        exponents = second * reach / np.maximum(np.abs(np.log(x)), 0.02)
        steep = second * reach / np.maximum(np.abs(np.log(near_one)), 1e-9)
        second = np.concatenate([exponents, steep, np.round(second * 30)])
    return first.astype(ELEMENTS[element]), second.astype(ELEMENTS[element])


def same_bits(x: Array, y: Array, element: str) -> bool:
    """Tell whether two arrays have the same bits; any NaN is like any other."""
    both = (x.view(WORDS[element]) == y.view(WORDS[element])) | (
        np.isnan(x) & np.isnan(y)
    )
    return bool(both.all())


# --- accuracy ------------------------------------------------------------------------


@functools.cache
def _known_floats(name: str) -> Array:
    return truth_of_floats(name, float_arguments())


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", UNARY)
def test_floats(name: str, machine: str) -> None:
    x = float_arguments()
    got = compiled(name, "float", LANES["float"], machine)(x)
    assert_within(errors(got, _known_floats(name), "float"), FLOAT_BOUNDS[name], x)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["host", "host-no-fma"])
@pytest.mark.parametrize("name", UNARY)
def test_all_floats(name: str, machine: str) -> None:
    kernel = compiled(name, "float", LANES["float"], machine)
    step = 1 << 17  # fits the cache
    words = np.arange(step, dtype=np.uint32)
    for start in range(0, 1 << 32, step):
        x = (words + np.uint32(start)).view(np.float32)
        got, truth = kernel(x), truth_of_floats(name, x)
        with np.errstate(all="ignore"):
            # less than 0.8 ulp: only the others are looked at closely
            surely = np.abs(got - truth) <= 0.8 * 2.0**-24 * np.abs(truth)
        rest = np.flatnonzero(~surely)
        if rest.size:
            error = errors(got[rest], truth[rest], "float")
            assert_within(error, FLOAT_BOUNDS[name], x[rest])


@functools.cache
def _known_doubles(name: str, count: int) -> tuple[Array, Array, Array]:
    x = double_arguments(name, count)
    return x, *truth_of_doubles(name, x)


def _check_doubles(name: str, machine: str, count: int) -> None:
    x, high, low = _known_doubles(name, count)
    got = compiled(name, "double", LANES["double"], machine)(x)
    assert_within(errors(got, high, "double", low), DOUBLE_BOUNDS[name], x)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", UNARY)
def test_doubles(name: str, machine: str) -> None:
    _check_doubles(name, machine, 500)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["host", "host-no-fma"])
@pytest.mark.parametrize("name", UNARY)
def test_many_doubles(name: str, machine: str) -> None:
    _check_doubles(name, machine, 100_000)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_floats(name: str, machine: str) -> None:
    x, y = pairs(name, "float", 200_000)
    got = compiled(name, "float", LANES["float"], machine)(x, y)
    error = errors(got, truth_of_floats(name, x, y), "float")
    assert_within(error, FLOAT_BOUNDS[name], x, y)


@functools.cache
def _known_pairs(name: str, count: int) -> tuple[Array, Array, Array, Array]:
    x, y = pairs(name, "double", count)
    return x, y, *truth_of_doubles(name, x, y)


def _check_pairs(name: str, machine: str, count: int) -> None:
    x, y, high, low = _known_pairs(name, count)
    got = compiled(name, "double", LANES["double"], machine)(x, y)
    assert_within(errors(got, high, "double", low), DOUBLE_BOUNDS[name], x, y)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_doubles(name: str, machine: str) -> None:
    _check_pairs(name, machine, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["host", "host-no-fma"])
@pytest.mark.parametrize("name", BINARY)
def test_many_pairs_of_doubles(name: str, machine: str) -> None:
    _check_pairs(name, machine, 100_000)


# Angles nearest to multiples of pi/2, for which digits cancel most.
HARD_ANGLES = [
    6381956970095103 * 2.0**797,  # the worst of all doubles (Muller, 2016, table 11.1)
    math.pi,
    math.pi / 2,
    355.0,
    710.0,
    5.0e5 * math.pi,
    1048575.9,
    1048576.1,
    2.0**60,
    1.0e22,
    1.7976931348623157e308,
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_near_multiples_of_half_pi(name: str, machine: str) -> None:
    turns = np.arange(1, 700_000, 997) * (math.pi / 2)
    near = [turns, np.nextafter(turns, 0), np.nextafter(turns, np.inf)]
    x = np.concatenate([HARD_ANGLES, *near])
    high, low = truth_of_doubles(name, x)
    got = compiled(name, "double", LANES["double"], machine)(x)
    assert_within(errors(got, high, "double", low), DOUBLE_BOUNDS[name], x)


# --- special cases -------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, element: str, machine: str) -> None:
    """What is not an ordinary number is exactly NumPy's."""
    x = special_values(element)
    got = compiled(name, element, LANES[element], machine)(x)
    with np.errstate(all="ignore"):
        expected = WIDE[name](x.astype(np.float64)).astype(ELEMENTS[element])
    ordinary = np.isfinite(expected) & (expected != 0)
    assert same_bits(got[~ordinary], expected[~ordinary], element)
    assert np.isfinite(got[ordinary]).all()


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs(name: str, element: str, machine: str) -> None:
    """All pairs of special values, among them IEEE's table for pow."""
    x, y = (one.ravel() for one in np.meshgrid(*[special_values(element)] * 2))
    got = compiled(name, element, LANES[element], machine)(x, y)
    with np.errstate(all="ignore"):
        expected = WIDE[name](x.astype(np.float64), y.astype(np.float64))
    # NumPy's own double results may be in error by an ulp or so
    bound = FLOAT_BOUNDS[name] if element == "float" else 3.0
    assert_within(errors(got, expected, element), bound, x, y)


INF, NAN = math.inf, math.nan
POWERS = [
    *[(x, 0.0, 1.0) for x in (0.0, -0.0, 2.0, -2.0, INF, -INF, NAN)],
    *[(x, -0.0, 1.0) for x in (0.0, -0.0, 2.0, -2.0, INF, -INF, NAN)],
    *[(1.0, y, 1.0) for y in (2.0, -0.5, INF, -INF, NAN)],
    *[(-1.0, y, 1.0) for y in (2.0, INF, -INF)],
    *[(0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0)],
    *[(0.0, -3.0, INF), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (-0.0, -0.5, INF)],
    *[(0.5, INF, 0.0), (0.5, -INF, INF), (2.0, INF, INF), (2.0, -INF, 0.0)],
    *[(-0.5, INF, 0.0), (-0.5, -INF, INF), (-2.0, INF, INF), (-2.0, -INF, 0.0)],
    *[(INF, 2.0, INF), (INF, -2.0, 0.0), (INF, 0.5, INF), (0.0, INF, 0.0)],
    *[(-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, -3.0, -0.0), (-INF, -2.0, 0.0)],
    *[(-INF, 0.5, INF), (-INF, -0.5, 0.0), (0.0, -INF, INF), (-0.0, -INF, INF)],
    *[(-2.0, 0.5, NAN), (-2.0, -1.5, NAN), (NAN, 2.0, NAN), (2.0, NAN, NAN)],
    *[(3.0, 2.0, 9.0), (-3.0, 3.0, -27.0), (10.0, 10.0, 1e10), (-2.0, -3.0, -0.125)],
    *[(4.0, 1.5, 8.0), (9.0, 0.5, 3.0), (2.0, 127.0, 2.0**127)],
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_table_of_pow(element: str, machine: str) -> None:
    x, y, expected = np.array(POWERS).T.astype(ELEMENTS[element])
    got = compiled("pow", element, LANES[element], machine)(x, y)
    wrong = [
        f"{a}^{b} is {c}, not {d}"
        for a, b, c, d in zip(x, y, expected, got)
        if not same_bits(np.array([c]), np.array([d]), element)
    ]
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_representable_powers_are_exact(element: str, machine: str) -> None:
    base, exponent = (one.ravel() for one in np.mgrid[1:40, 1:12].astype(np.float64))
    exact = np.array([int(x) ** int(y) for x, y in zip(base, exponent)], object)
    fits = exact < 2 ** (24 if element == "float" else 53)
    got = compiled("pow", element, LANES[element], machine)(base[fits], exponent[fits])
    assert (got == exact[fits].astype(np.float64)).all()


# --- exact functions -----------------------------------------------------------------


def _any_pairs(element: str) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    word, count = WORDS[element], 20_000
    info = np.iinfo(word)
    x, y = random.integers(0, info.max, (2, count), word).view(ELEMENTS[element])
    near = np.exp(random.uniform(-20, 20, (2, count))).astype(ELEMENTS[element])
    whole = random.integers(-1000, 1000, (2, count)).astype(ELEMENTS[element])
    edge = np.meshgrid(*[special_values(element)] * 2)
    return (
        np.concatenate([x, near[0], whole[0], edge[0].ravel()]),
        np.concatenate([y, near[1], whole[1], edge[1].ravel()]),
    )


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_rem_is_exact(element: str, machine: str) -> None:
    x, y = _any_pairs(element)
    with np.errstate(all="ignore"):
        expected = np.fmod(x, y)
    got = compiled("rem", element, LANES[element], machine)(x, y)
    assert same_bits(got, expected, element)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", ["floor", "round", "sqrt"])
def test_exact_functions(name: str, element: str, machine: str) -> None:
    halves = np.arange(-20, 20, 0.25).astype(ELEMENTS[element])
    parts = [_any_pairs(element)[0], all_exponents(element), halves]
    x = np.concatenate(parts)
    function = {"floor": np.floor, "round": np.rint, "sqrt": np.sqrt}[name]
    with np.errstate(all="ignore"):
        expected = function(x)
    got = compiled(name, element, LANES[element], machine)(x)
    assert same_bits(got, expected, element)


# --- bits and code -------------------------------------------------------------------

GROUPS = [("host", "host-generic", "avx2"), ("host-no-fma", "baseline")]


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", mathlib.__all__)
def test_bits_depend_on_fma_only(name: str, element: str) -> None:
    """Neither the number of lanes nor other features of the CPU change a bit."""
    x, y = _any_pairs(element)
    operands = (x, y) if name in ("pow", "atan2", "rem") else (x,)
    for group in GROUPS:
        machines = [one for one in group if one in MACHINES]
        # every number of lanes on the first, the usual one on the others
        variants = [(one, lanes) for one in machines[:1] for lanes in (1, 4, 8, 16)]
        variants += [(one, LANES[element]) for one in machines[1:]]
        results = [
            compiled(name, element, lanes, one)(*operands) for one, lanes in variants
        ]
        for variant, result in zip(variants, results):
            assert same_bits(result, results[0], element), variant


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("name", mathlib.__all__)
def test_no_library_is_called(name: str, element: str, machine: str) -> None:
    assembly = compiled(name, element, LANES[element], machine).assembly
    pattern = r"^\s+(?:call|jmp|movabs|bl)\w*\s+[*$]?([A-Za-z_]\w*)"
    called = re.findall(pattern, assembly, re.MULTILINE)
    foreign = [symbol for symbol in called if not symbol.startswith("nervure_")]
    assert foreign == []


@pytest.mark.skipif(
    importlib.util.find_spec("mpmath") is None, reason="the fits need mpmath"
)
@pytest.mark.slow
def test_coefficients_are_those_of_the_fits() -> None:
    script = ROOT / "tools/fit_polynomials.py"
    command = [sys.executable, str(script), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
