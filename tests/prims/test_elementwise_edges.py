"""Where elementwise definitions are easily got wrong: the ends of the number ranges.

Special values, overflow, division by zero, saturation, halves, and what the derivative
is taken to be at a kink.  Other executors are compared with the reference, so what is
pinned here holds for them too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.autodiff import reverse
from nervure.dtypes import DType
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node, apply, primitive_named
from nervure.prims.binary import div, maximum, minimum, pow_, rem
from nervure.prims.leaf import full_like, input_leaf, random_bits
from nervure.prims.reduce import reduce_max, reduce_min
from nervure.prims.select import bitcast, cast
from nervure.prims.threefry import threefry2x32, threefry_bits
from nervure.prims.unary import abs_, floor, round_, sqrt
from tests.prims.oracles import ORACLES, threefry_words
from tests.prims.running import run
from tests.prims.truth import FORMATS, OVERFLOW, NDArray, assert_matches, nearest, wrap

INF, NAN = math.inf, math.nan
FLOATS = pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
INTEGERS = pytest.mark.parametrize("dtype", dtypes.INTEGERS, ids=str)


def run_named(name: str, *arrays: NDArray, **attrs: Any) -> NDArray:
    primitive = primitive_named(name)
    return run(lambda *nodes: apply(primitive, *nodes, **attrs), *arrays)


def slopes(build: Callable[..., Node], *numbers: Any) -> list[Any]:
    """Return the derivative of the sum of what is built, in each operand."""
    arrays = [np.asarray(number, np.float64) for number in numbers]
    leaves = [input_leaf(array.shape, array.dtype) for array in arrays]
    node = build(*leaves)
    found = reverse([node], [full_like(node, 1)], leaves)
    known = [gradient for gradient in found if gradient is not None]
    values = iter(ReferenceExecutor().compile(Graph(known, leaves))(arrays))
    return [None if one is None else next(values).tolist() for one in found]


def assert_same(result: NDArray, expected: Sequence[Any]) -> None:
    """Compare with Python numbers, NaN with NaN, and zeros with their signs."""
    wide = result.astype(np.float64) if dtypes.is_float(result.dtype) else result
    # repr() writes -0.0 and nan, and tells True from 1
    assert list(map(repr, wide.ravel().tolist())) == list(map(repr, expected))


def smallest(dtype: DType) -> float:
    """Return the smallest positive number, a denormal one."""
    bits, exponent = FORMATS[dtype]
    return 2.0 ** (exponent - bits + 1)


def largest(dtype: DType) -> float:
    """Return the largest finite number."""
    return 2.0 ** (OVERFLOW[dtype] - 1) * (2 - 2.0 ** (1 - FORMATS[dtype][0]))


# --- floating point: special values --------------------------------------------------

UNARY: dict[str, list[tuple[float, Any]]] = {
    "neg": [(0.0, -0.0), (-INF, INF), (NAN, NAN)],
    "abs": [(-0.0, 0.0), (-INF, INF), (NAN, NAN)],
    "floor": [(-0.0, -0.0), (-0.5, -1.0), (INF, INF), (-INF, -INF), (NAN, NAN)],
    "round": [(-0.0, -0.0), (-INF, -INF), (NAN, NAN)],
    "exp": [
        (-INF, 0.0),
        (0.0, 1.0),
        (INF, INF),
        (NAN, NAN),
        (1000.0, INF),
        (-1000.0, 0.0),
    ],
    "expm1": [(-INF, -1.0), (-0.0, -0.0), (INF, INF), (NAN, NAN)],
    "log": [
        (0.0, -INF),
        (-0.0, -INF),
        (1.0, 0.0),
        (-1.0, NAN),
        (INF, INF),
        (NAN, NAN),
    ],
    "log1p": [(-1.0, -INF), (-0.0, -0.0), (-2.0, NAN), (INF, INF), (NAN, NAN)],
    "sqrt": [(-0.0, -0.0), (4.0, 2.0), (-1.0, NAN), (INF, INF), (NAN, NAN)],
    "sin": [(-0.0, -0.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "cos": [(0.0, 1.0), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "tanh": [(-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1000.0, 1.0), (NAN, NAN)],
    "sigmoid": [
        (0.0, 0.5),
        (INF, 1.0),
        (-INF, 0.0),
        (1000.0, 1.0),
        (-1000.0, 0.0),
        (NAN, NAN),
    ],
    "erf": [(-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1000.0, 1.0), (NAN, NAN)],
    "is_finite": [(0.0, True), (INF, False), (-INF, False), (NAN, False)],
}


@FLOATS
@pytest.mark.parametrize("name", UNARY)
def test_special_values_of_one_operand(name: str, dtype: DType) -> None:
    x, expected = zip(*UNARY[name], strict=True)
    assert_same(run_named(name, np.array(x).astype(dtype)), expected)


BINARY: dict[str, list[tuple[Any, ...]]] = {
    "add": [(INF, -INF, NAN), (-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (NAN, 1.0, NAN)],
    "sub": [(INF, INF, NAN), (1.0, 1.0, 0.0), (-0.0, 0.0, -0.0)],
    "mul": [(0.0, INF, NAN), (-0.0, 2.0, -0.0), (-INF, 2.0, -INF)],
    "div": [
        (1.0, 0.0, INF), (1.0, -0.0, -INF), (0.0, 0.0, NAN), (INF, INF, NAN),
        (-1.0, INF, -0.0),
    ],
    "rem": [
        (-5.0, 3.0, -2.0), (5.0, -3.0, 2.0), (-3.0, 3.0, -0.0), (5.0, INF, 5.0),
        (INF, 3.0, NAN), (5.0, 0.0, NAN), (NAN, 1.0, NAN),
    ],
    "pow": [
        (0.0, 0.0, 1.0), (NAN, 0.0, 1.0), (1.0, NAN, 1.0), (-2.0, 3.0, -8.0),
        (-2.0, -2.0, 0.25), (-8.0, 0.5, NAN), (0.0, -1.0, INF), (-0.0, -1.0, -INF),
        (-0.0, 3.0, -0.0), (INF, -1.0, 0.0), (0.5, INF, 0.0), (-1.0, INF, 1.0),
        (2.0, NAN, NAN),
    ],
    "maximum": [
        (NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, 1.0, 1.0), (INF, NAN, NAN),
        (0.0, -0.0, -0.0), (-0.0, 0.0, 0.0),
    ],
    "minimum": [
        (NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, 1.0, 1.0), (-INF, NAN, NAN),
        (0.0, -0.0, -0.0), (-0.0, 0.0, 0.0),
    ],
    "eq": [(NAN, NAN, False), (0.0, -0.0, True), (INF, INF, True)],
    "lt": [(NAN, 1.0, False), (1.0, NAN, False), (-0.0, 0.0, False), (1.0, INF, True)],
    "le": [(NAN, NAN, False), (0.0, -0.0, True), (-INF, INF, True)],
}  # fmt: skip


@FLOATS
@pytest.mark.parametrize("name", BINARY)
def test_special_values_of_two_operands(name: str, dtype: DType) -> None:
    x, y, expected = zip(*BINARY[name], strict=True)
    assert_same(
        run_named(name, np.array(x).astype(dtype), np.array(y).astype(dtype)), expected
    )


def test_atan2_knows_the_quadrant_even_of_zeros() -> None:
    points = [
        (0.0, 0.0),
        (-0.0, 0.0),
        (0.0, -0.0),
        (-0.0, -0.0),
        (INF, -INF),
        (1.0, 0.0),
    ]
    y, x = np.array(points).T
    angles = [0.0, -0.0, math.pi, -math.pi, 3 * math.pi / 4, math.pi / 2]
    assert_same(run_named("atan2", y, x), angles)


@FLOATS
def test_denormal_numbers_are_numbers(dtype: DType) -> None:
    tiny = smallest(dtype)
    x = np.array([tiny, -tiny, 3 * tiny]).astype(dtype)
    zero, one, two = (np.full(3, value).astype(dtype) for value in (0, 1, 2))
    assert_same(run_named("add", x, zero), [tiny, -tiny, 3 * tiny])
    assert_same(run_named("mul", x, one), [tiny, -tiny, 3 * tiny])
    assert_same(run_named("div", x, two), [0.0, -0.0, 2 * tiny])  # halves to even
    assert_same(run_named("eq", x, zero), [False, False, False])
    assert_same(run_named("cast", x, dtype=dtypes.float64), [tiny, -tiny, 3 * tiny])
    assert_same(run_named("cast", x, dtype=dtypes.bool_), [True, True, True])


@FLOATS
def test_numbers_that_are_too_large_become_infinite(dtype: DType) -> None:
    most = np.array([largest(dtype)]).astype(dtype)
    assert_same(run_named("add", most, most), [INF])
    assert_same(run_named("mul", most, -most), [-INF])
    assert_same(run_named("add", most, np.ones_like(most)), [largest(dtype)])


@FLOATS
def test_round_takes_halves_to_the_even_number(dtype: DType) -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49]).astype(dtype)
    assert_same(run_named("round", x), [-2.0, -2.0, -0.0, 0.0, 2.0, 2.0, 0.0])


def random_numbers(dtype: DType, count: int, seed: int) -> NDArray:
    """Return finite numbers, not 0, with all bit patterns equally likely."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 256, count * dtype.itemsize, np.uint8)
    with np.errstate(invalid="ignore"):
        wide = words.view(dtype).astype(np.float64)
    return np.where(np.isfinite(wide) & (wide != 0), wide, 1.5).astype(dtype)


@FLOATS
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_arithmetic_rounds_once(name: str, dtype: DType) -> None:
    """In bfloat16 and float16 too, although they are computed in float32."""
    x, y = random_numbers(dtype, 300, 1), random_numbers(dtype, 300, 2)
    near = (x.astype(np.float64) * 1.01).astype(dtype)  # of similar size: digits cancel
    for pair in ((x, y), (x, near)):
        assert_matches(run_named(name, *pair), ORACLES[name]({}, *pair))


@FLOATS
def test_square_root_rounds_once(dtype: DType) -> None:
    x = np.abs(random_numbers(dtype, 300, 3))
    roots = run_named("sqrt", x).astype(np.float64)
    if dtype != dtypes.float64:
        wide = np.sqrt(x.astype(np.float64))  # 53 bits are enough to round again
        assert roots.tolist() == [nearest(root, dtype) for root in wide.tolist()]
        return
    for root, square in zip(roots.tolist(), x.tolist(), strict=True):
        # the exact root lies within half a unit of the result
        half = Fraction(math.ulp(root)) / 2
        exact = Fraction(root)
        assert (exact - half) ** 2 <= Fraction(square) <= (exact + half) ** 2


# --- integers ------------------------------------------------------------------------


def edges(dtype: DType) -> list[int]:
    """Return the ends of an integer type's range, and the widths of all types."""
    limits = np.iinfo(dtype)
    near = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)
    values = {*near, *(-value for value in near)}
    values |= {int(limits.min), int(limits.min) + 1, int(limits.max) - 1}
    values |= {int(limits.max), int(limits.max) // 2 + 1}
    return sorted(value for value in values if limits.min <= value <= limits.max)


@INTEGERS
@pytest.mark.parametrize(
    "name",
    [
        "add", "sub", "mul", "div", "rem", "pow", "maximum", "minimum", "and", "or",
        "xor", "shift_left", "shift_right", "eq", "lt", "le",
    ],
)  # fmt: skip
def test_integers_at_the_ends_of_their_range(name: str, dtype: DType) -> None:
    """Overflow wraps around, x / 0 and x % 0 are 0, shifts run out of bits."""
    x, y = np.array(list(itertools.product(edges(dtype), repeat=2)), dtype).T.copy()
    assert_matches(run_named(name, x, y), ORACLES[name]({}, x, y))


@INTEGERS
@pytest.mark.parametrize("name", ["neg", "abs", "not"])
def test_one_integer_at_the_ends_of_its_range(name: str, dtype: DType) -> None:
    x = np.array(edges(dtype), dtype)
    assert_matches(run_named(name, x), ORACLES[name]({}, x))


@pytest.mark.parametrize("dtype", dtypes.SIGNED, ids=str)
def test_the_lowest_integer_has_no_opposite(dtype: DType) -> None:
    low = int(np.iinfo(dtype).min)
    x, y = np.array([low], dtype), np.array([-1], dtype)
    assert_same(run(div, x, y), [low])
    assert_same(run(rem, x, y), [0])
    assert_same(run(abs_, x), [low])
    assert_same(run_named("mul", x, y), [low])


@pytest.mark.parametrize("dtype", dtypes.SIGNED, ids=str)
def test_shifts_beyond_the_width(dtype: DType) -> None:
    width = 8 * dtype.itemsize
    counts = np.array([width - 1, width, width + 1, -1, -width], dtype)
    minus, plus = np.full(5, -3, dtype), np.full(5, 3, dtype)
    high = wrap(3 << (width - 1), dtype)
    assert_same(run_named("shift_left", plus, counts), [high, 0, 0, 0, 0])
    assert_same(run_named("shift_right", plus, counts), [0, 0, 0, 0, 0])
    assert_same(run_named("shift_right", minus, counts), [-1, -1, -1, -1, -1])


def test_integer_powers() -> None:
    table = [
        (0, 0, 1), (0, -1, 0), (1, -7, 1), (-1, -7, -1), (-1, -8, 1), (2, -1, 0),
        (-2, -2, 0), (-2, 3, -8), (2, 31, -(2**31)), (2, 32, 0), (3, 21, 1870418611),
    ]  # fmt: skip
    x, y, expected = zip(*table, strict=True)
    assert_same(run(pow_, np.array(x, np.int32), np.array(y, np.int32)), expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_integer_arithmetic_is_python_arithmetic_wrapped(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(dtypes.INTEGERS))
    limits = np.iinfo(dtype)
    numbers = st.integers(int(limits.min), int(limits.max))
    pairs = data.draw(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
    x, y = np.array(pairs, dtype).T.copy()
    for name in ("add", "sub", "mul", "div", "rem", "pow", "shift_left", "shift_right"):
        assert_matches(run_named(name, x, y), ORACLES[name]({}, x, y))


# --- casts ---------------------------------------------------------------------------


def neighbours(value: float, dtype: DType) -> list[float]:
    """Return the number of this type nearest to a value, with one on either side."""
    middle = np.array([value]).astype(dtype)
    bits = middle.view(f"i{dtype.itemsize}")
    found = [float(middle[0])]
    for step in (-1, 1):
        found.append(float((bits + step).view(dtype)[0]))
    return [value for value in found if math.isfinite(value)]


@FLOATS
@pytest.mark.parametrize("target", dtypes.INTEGERS, ids=str)
def test_floats_beyond_an_integer_type_saturate(dtype: DType, target: DType) -> None:
    limits = np.iinfo(target)
    values = [NAN, INF, -INF, 0.0, -0.0, 0.9, -0.9, 1.5, -1.5, -1.0, smallest(dtype)]
    values += [largest(dtype), -largest(dtype)]
    with np.errstate(over="ignore"):
        for bound in (int(limits.min), int(limits.max)):
            for off in (-1, 0, 1):
                values += neighbours(float(bound + off), dtype)
    x = np.array(values).astype(dtype)
    truth = ORACLES["cast"]({"dtype": target}, x)
    assert_matches(run_named("cast", x, dtype=target), truth)
    top, bottom = run_named("cast", x[1:3], dtype=target).tolist()
    assert (top, bottom) == (limits.max, limits.min)


@FLOATS
@pytest.mark.parametrize("source", dtypes.INTEGERS, ids=str)
def test_integers_round_once_to_floats(source: DType, dtype: DType) -> None:
    """Halfway between two numbers, and just off it by less than a wider type tells."""
    limits, values = np.iinfo(source), set(edges(source))
    bits = FORMATS[dtype][0]
    for length in range(bits + 1, 8 * source.itemsize + 1):
        half = 1 << (length - bits - 1)
        for tie in ((1 << (length - 1)) + half, (1 << (length - 1)) + 3 * half):
            values |= {tie - 1, tie, tie + 1, -tie - 1, -tie, -tie + 1}
    values |= {65519, 65520, 65521}  # where float16 ends
    inside = [value for value in values if limits.min <= value <= limits.max]
    x = np.array(inside, source)
    truth = ORACLES["cast"]({"dtype": dtype}, x)
    assert_matches(run_named("cast", x, dtype=dtype), truth)


@pytest.mark.parametrize("target", dtypes.FLOATS[:-1], ids=str)
def test_float64_rounds_once_to_narrower_types(target: DType) -> None:
    bits = FORMATS[target][0]
    values = []
    for base in (1.0, 1.0 + 2.0 ** (1 - bits), smallest(target), largest(target)):
        unit = 2.0 ** (1 - bits) if base < 2 else largest(target) * 2.0**-bits
        half = smallest(target) / 2 if base == smallest(target) else unit / 2
        tie = base + half
        values += [
            tie,
            tie * (1 + 2.0**-40),
            tie * (1 - 2.0**-40),
            tie * (1 + 2.0**-52),
        ]
    values += [smallest(target) / 2, smallest(target) / 2 * (1 + 2.0**-52), 1e300]
    x = np.array([*values, *(-value for value in values)])
    truth = ORACLES["cast"]({"dtype": target}, x)
    assert_matches(run_named("cast", x, dtype=target), truth)


def test_bfloat16_is_not_rounded_twice() -> None:
    """By way of float32 this would become a tie, and 1."""
    x = np.array([1 + 2.0**-8 + 2.0**-40])
    assert_same(run(lambda node: cast(node, dtypes.bfloat16), x), [1 + 2.0**-7])
    whole = np.array([(257 << 16) + 1, (1 << 62) + (1 << 54) + 1])
    expected = [float(258 << 16), float((1 << 62) + (1 << 55))]
    assert_same(run(lambda node: cast(node, dtypes.bfloat16), whole), expected)


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(width=64), min_size=1, max_size=8),
    target=st.sampled_from(dtypes.ALL),
)
def test_casts_of_any_float64(values: list[float], target: DType) -> None:
    x = np.array(values)
    truth = ORACLES["cast"]({"dtype": target}, x)
    assert_matches(run(lambda node: cast(node, target), x), truth)


@pytest.mark.parametrize("source", [dtypes.bool_, *dtypes.INTEGERS], ids=str)
def test_integers_wrap_around_when_cast_to_integers(source: DType) -> None:
    values = [0, 1] if dtypes.is_bool(source) else edges(source)
    x = np.array(values, source)
    for target in (dtypes.bool_, *dtypes.INTEGERS):
        truth = ORACLES["cast"]({"dtype": target}, x)
        assert_matches(run(lambda node, to=target: cast(node, to), x), truth)


@pytest.mark.parametrize("source", dtypes.FLOATS, ids=str)
def test_everything_but_zero_is_true(source: DType) -> None:
    x = np.array([0.0, -0.0, 1.0, -0.5, INF, NAN]).astype(source)
    found = run(lambda node: cast(node, dtypes.bool_), x)
    assert_same(found, [False, False, True, True, True, True])


@FLOATS
def test_bitcast_keeps_every_bit(dtype: DType) -> None:
    """The payload and the sign of a NaN among them."""
    whole = np.dtype(f"uint{8 * dtype.itemsize}")
    random = np.random.default_rng(0)
    bits = random.integers(0, np.iinfo(whole).max, 200, whole, endpoint=True)
    exponent = np.array([INF]).astype(dtype).view(whole)
    bits[:50] |= exponent  # NaN with random payloads
    there_and_back = run(lambda node: bitcast(bitcast(node, dtype), whole), bits)
    np.testing.assert_array_equal(there_and_back, bits)


# --- derivatives at kinks ------------------------------------------------------------


def test_derivative_of_abs_at_zero_is_zero() -> None:
    assert slopes(abs_, [-2.0, -0.0, 0.0, 3.0]) == [[-1.0, 0.0, 0.0, 1.0]]


def test_equal_operands_share_the_cotangent_of_an_extremum() -> None:
    x, y = [1.0, 2.0, 3.0, 0.0], [2.0, 2.0, 1.0, -0.0]
    assert slopes(maximum, x, y) == [[0.0, 0.5, 1.0, 0.5], [1.0, 0.5, 0.0, 0.5]]
    assert slopes(minimum, x, y) == [[1.0, 0.5, 0.0, 0.5], [0.0, 0.5, 1.0, 0.5]]


def test_equal_elements_share_the_cotangent_of_an_extremum() -> None:
    rows = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    third = 1 / 3
    assert slopes(lambda x: reduce_max(x, (1,)), rows) == [
        [[0.0, 0.5, 0.5], [third, third, third]]
    ]
    assert slopes(lambda x: reduce_min(x, (0, 1)), rows) == [
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    ]


def test_steps_have_no_derivative() -> None:
    assert slopes(floor, [0.5, 1.0]) == [None]
    assert slopes(round_, [0.5, 1.0]) == [None]
    assert slopes(lambda x: cast(cast(x, dtypes.int32), dtypes.float64), [0.5]) == [
        None
    ]


def test_derivatives_of_a_power_at_zero() -> None:
    """y x^(y-1) where y is 0 is 0, and 0^y log(0) is 0."""
    bases, exponents = [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]
    assert slopes(pow_, bases, exponents) == [
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ]


def test_derivative_of_a_power_of_a_negative_base() -> None:
    def cube(x: Node) -> Node:
        return pow_(x, full_like(x, 3))

    assert slopes(cube, [-2.0, 2.0]) == [[12.0, 12.0]]


def test_derivatives_of_a_remainder() -> None:
    """x - y trunc(x / y): one in x, minus the whole quotient in y."""
    assert slopes(rem, [7.5, -7.5, 7.5], [2.0, 2.0, -2.0]) == [
        [1.0, 1.0, 1.0],
        [-3.0, 3.0, 3.0],
    ]


def test_derivative_of_a_square_root_at_zero_is_infinite() -> None:
    assert slopes(sqrt, [0.0, 4.0]) == [[INF, 0.25]]


# --- random bits ---------------------------------------------------------------------

# kat_vectors of the Random123 library, "threefry2x32 20": counter, key, result.
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_threefry_gives_the_published_answers(
    counter: tuple[int, int], key: tuple[int, int], words: tuple[int, int]
) -> None:
    high, low = (np.array([word], np.uint32) for word in counter)
    first, second = threefry2x32(np.array(key, np.uint32), high, low)
    assert (int(first[0]), int(second[0])) == words
    assert threefry_words(key, *counter) == words  # the oracle is held to them too


def test_random_bits_lie_in_blocks_of_32() -> None:
    key = np.array([7, 11], np.uint32)
    found = threefry_bits(key, 100).tolist()
    for block in range(3):
        for lane in range(16):
            words = threefry_words(key.tolist(), 0, 16 * block + lane)
            place = 32 * block + lane
            assert (found[place], found[place + 16]) == words
    # a shorter draw is the beginning of a longer one, whatever the block it ends in
    for count in (0, 1, 15, 16, 31, 32, 33, 99):
        assert threefry_bits(key, count).tolist() == found[:count]


def test_random_bits_depend_on_both_words_of_the_key_and_on_no_shape() -> None:
    def draw(key: tuple[int, int], *shape: int) -> list[int]:
        words = run(lambda node: random_bits(node, shape), np.array(key, np.uint32))
        return words.ravel().tolist()

    assert draw((1, 2), 6, 10) == draw((1, 2), 60) == draw((1, 2), 3, 4, 5)
    draws = [draw(key, 64) for key in ((1, 2), (2, 1), (1, 3), (0, 2))]
    for one, other in itertools.combinations(draws, 2):
        assert not set(one) & set(other)


def test_random_bits_look_uniform() -> None:
    """Chi-square over bytes, over pairs of them, and the bits of a million bits."""
    words = threefry_bits(np.array([2024, 10], np.uint32), 31_250)
    octets = words.view(np.uint8)

    def deviation(counts: NDArray) -> float:
        """Return how many standard deviations chi-square is off its mean."""
        expected = counts.sum() / counts.size
        chi_square = float(np.sum((counts - expected) ** 2 / expected))
        freedom = counts.size - 1
        return (chi_square - freedom) / math.sqrt(2 * freedom)

    assert abs(deviation(np.bincount(octets, minlength=256))) < 4
    pairs = (octets[:-1] & 0xF0) + (octets[1:] >> 4)
    assert abs(deviation(np.bincount(pairs, minlength=256))) < 4
    for bit in range(32):
        ones = int(np.sum(words >> np.uint32(bit) & np.uint32(1)))
        assert abs(ones - words.size / 2) < 4 * math.sqrt(words.size) / 2
