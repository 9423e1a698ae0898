"""Products and convolutions of bfloat16: summed in float32, rounded once, on any level.

The bound is strict: half a unit in the last place of the exact result for the rounding
at the end, and what a float32 sum of that many terms may be off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims.binary import add, maximum
from nervure.prims.contract import dot
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import full_like
from nervure.prims.movement import broadcast, reverse, transpose
from nervure.prims.slicing import slice_
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import leaves
from tests.exec.cpu.test_primitives_cpu import levels

B16 = dtypes.bfloat16
PAIRS = "dpbf16ps"
UNIT, FLOAT_UNIT = 2.0**-7, 2.0**-24

needs_pairs = pytest.mark.skipif(
    not target().bfloat16, reason="needs AVX512-BF16 instructions"
)


def values(shape: Sequence[int], seed: int = 0) -> NDArray:
    random = np.random.default_rng([seed, *shape])
    return random.standard_normal(shape).astype(B16)


def wide(x: NDArray) -> NDArray:
    return x.astype(np.float64)


def instructions(graph: Graph) -> str:
    return "\n".join(call.kernel.text for call in Plan(graph, target()).calls)


def run(graph: Graph, arrays: Sequence[NDArray]) -> list[NDArray]:
    """Run with several numbers of threads, which must agree in every bit."""
    program = CpuProgram(graph, target())
    first = program(arrays)
    for threads in (1, 3):
        with config.override(num_threads=threads):
            for mine, theirs in zip(program(arrays), first, strict=True):
                assert mine.tobytes() == theirs.tobytes()
    return first


def assert_rounded_once(
    result: NDArray, exact: NDArray, size: NDArray, terms: int
) -> None:
    """Compare with the exact sums; ``size`` is that of the terms' magnitudes."""
    assert result.dtype == B16
    allowed = 0.5 * UNIT * np.abs(exact) + 2 * FLOAT_UNIT * math.sqrt(terms) * size
    # where the sum is off a little, another neighbour may be the nearest
    assert np.all(np.abs(wide(result) - exact) <= allowed * (1 + UNIT) + 1e-36)


KINDS = ("NN", "NT", "TN", "TT")
SIZES = [
    (8, 64, 4), (37, 50, 41), (128, 784, 96), (64, 4096, 33), (9, 2, 5), (8, 30_000, 8),
    (33, 51, 40), (2, 64, 70), (70, 64, 2), (1, 1000, 1), (40, 1, 40), (130, 600, 260),
]  # fmt: skip


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("kind", KINDS)
def test_products(kind: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    arrays, outputs = [], []
    for m, k, n in SIZES:
        x = values((k, m) if kind[0] == "T" else (m, k))
        y = values((n, k) if kind[1] == "T" else (k, n), 1)
        arrays += [x, y]
    inputs = leaves(arrays)
    contract = ((int(kind[0] == "N"),), (int(kind[1] == "T"),))
    for place in range(len(SIZES)):
        outputs.append(dot(*inputs[2 * place : 2 * place + 2], contract=contract))
    results = run(Graph(outputs, inputs), arrays)
    for place, result in enumerate(results):
        x, y = (wide(one) for one in arrays[2 * place : 2 * place + 2])
        x, y = (x.T if kind[0] == "T" else x), (y.T if kind[1] == "T" else y)
        size = np.abs(x) @ np.abs(y)
        assert_rounded_once(result, x @ y, size, SIZES[place][1])


def product(m: int, k: int, n: int) -> Graph:
    inputs = leaves([values((m, k)), values((k, n))])
    return Graph([dot(*inputs, contract=((1,), (0,)))], inputs)


@needs_pairs
def test_pairs_are_used_where_the_machine_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NERVURE_CPU_LEVEL", raising=False)
    for size in ((128, 784, 1024), (1024, 128, 1024), (64, 50, 40)):
        assert PAIRS in instructions(product(*size))
    for size in ((64, 51, 40), (2, 64, 40)):  # an odd sum, few rows
        assert PAIRS not in instructions(product(*size))


@pytest.mark.parametrize("level", [level for level in levels() if level != "avx512"])
def test_lesser_machines_sum_in_float32(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    text = instructions(product(64, 50, 40))
    assert PAIRS not in text
    assert "x float>" in text


@pytest.mark.parametrize("level", levels())
def test_a_sum_that_bfloat16_would_lose(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adding one to 256 changes nothing in bfloat16; 4096 ones are 4096 here."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    x, y = np.ones((16, 4096), B16), np.ones((4096, 16), B16)
    inputs = leaves([x, y])
    graph = Graph([dot(*inputs, contract=((1,), (0,)))], inputs)
    assert np.all(wide(run(graph, [x, y])[0]) == 4096)


@pytest.mark.parametrize("level", levels())
def test_results_are_not_rounded_before_what_follows(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bias and relu are computed on the float32 sums."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    arrays = [values((40, 64)), values((64, 48), 1), values((48,), 2)]
    x, w, bias = inputs = leaves(arrays)
    total = add(dot(x, w, contract=((1,), (0,))), broadcast(bias, (40, 48), (1,)))
    (result,) = run(Graph([maximum(total, full_like(total, 0))], inputs), arrays)
    a, b, c = map(wide, arrays)
    exact = np.maximum(a @ b + c, 0)
    assert_rounded_once(result, exact, np.abs(a) @ np.abs(b) + np.abs(c), 65)


@pytest.mark.parametrize("level", levels())
def test_special_values(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    x, y = values((24, 64)), values((64, 24), 1)
    x[3, 7], x[5, 0], y[9, 20] = np.inf, -np.inf, np.nan
    inputs = leaves([x, y])
    (result,) = run(Graph([dot(*inputs, contract=((1,), (0,)))], inputs), [x, y])
    with np.errstate(all="ignore"):
        exact = wide(x) @ wide(y)
    np.testing.assert_array_equal(np.isnan(wide(result)), np.isnan(exact))
    infinite = np.isinf(exact)
    np.testing.assert_array_equal(wide(result)[infinite], exact[infinite])


@st.composite
def views(draw: st.DrawFn, shape: tuple[int, ...], seed: int) -> tuple[Any, ...]:
    """Draw an input, a view of it of the shape, its values, and the view's values."""
    kind = draw(st.sampled_from(["plain", "turned", "cut", "backwards"]))
    rank = len(shape)
    if kind == "turned":
        array = values(shape[::-1], seed)
        (leaf,) = leaves([array])
        return leaf, transpose(leaf, range(rank)[::-1]), array, wide(array).T
    if kind == "cut":
        starts = [draw(st.integers(0, 2)) for _ in shape]
        step = draw(st.integers(1, 2))
        stops = [a + (n - 1) * step + 1 for a, n in zip(starts, shape, strict=True)]
        array = values([stop + 1 for stop in stops], seed)
        (leaf,) = leaves([array])
        where = tuple(slice(a, z, step) for a, z in zip(starts, stops, strict=True))
        return leaf, slice_(leaf, starts, stops, [step] * rank), array, \
            wide(array)[where]  # fmt: skip
    array = values(shape, seed)
    (leaf,) = leaves([array])
    if kind == "backwards":
        axis = draw(st.integers(0, rank - 1))
        return leaf, reverse(leaf, (axis,)), array, np.flip(wide(array), axis)
    return leaf, leaf, array, wide(array)


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 3), *[st.integers(1, 70)] * 3),
    level=st.sampled_from(levels()),
)
@examples(30, 400)
def test_operands_read_through_views(
    data: st.DataObject, size: tuple[int, int, int, int], level: str
) -> None:
    """Pairs must lie side by side at even places; else they are brought together."""
    batch, m, k, n = size
    k += k % 2 * data.draw(st.integers(0, 1))
    x, x_view, x_array, x_wide = data.draw(views((batch, m, k), 0))
    y, y_view, y_array, y_wide = data.draw(views((batch, k, n), 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NERVURE_CPU_LEVEL", level)
        node = dot(x_view, y_view, ((0,), (0,)), ((2,), (1,)))
        (result,) = run(Graph([node], [x, y]), [x_array, y_array])
    size_ = np.abs(x_wide) @ np.abs(y_wide)
    assert_rounded_once(result, x_wide @ y_wide, size_, k)


OPTIONS = [
    ((1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 2), ((0, 1), (1, 0)), (1, 1), 1),
    ((1, 1), ((0, 0), (2, 2)), (2, 1), 2),
    ((1, 1), ((1, 1), (1, 1)), (1, 1), 16),
]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("options", OPTIONS)
def test_convolutions(
    options: Any, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in float64, by the reference, gives the exact sums."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    groups = options[3]
    x, kernel = values((4, 9, 8, 16)), values((3, 3, 16 // groups, 32), 1)
    g = values(conv(*leaves([x, kernel]), *options).shape, 2)
    arrays = [x, kernel, g]

    def outputs(inputs: Sequence[Node]) -> list[Node]:
        x, kernel, g = inputs
        return [
            conv(x, kernel, *options),
            conv_input_grad(g, kernel, (9, 8), *options),
            conv_kernel_grad(x, g, (3, 3), *options),
        ]

    inputs = leaves(arrays)
    results = run(Graph(outputs(inputs), inputs), arrays)
    exact, sizes = (
        _in_float64(outputs, [change(wide(one)) for one in arrays])
        for change in (np.asarray, np.abs)
    )
    for result, want, size in zip(results, exact, sizes, strict=True):
        assert_rounded_once(result, want, size, 400)


def _in_float64(
    outputs: Callable[[Sequence[Node]], list[Node]], arrays: Sequence[NDArray]
) -> list[NDArray]:
    inputs = leaves(arrays)
    return CpuProgram(Graph(outputs(inputs), inputs), target())(arrays)


@pytest.mark.parametrize(
    "batch, rows, steps, columns",
    [((), 100, 64, 40), ((), 9, 2, 5), ((3,), 40, 18, 33), ((), 8, 30_002, 4)],
)
def test_pairs_along_the_rows_of_the_left_operand(
    batch: tuple[int, ...], rows: int, steps: int, columns: int
) -> None:
    # the gradient of a weight: x is read across its rows
    x, y = values((*batch, steps, rows)), values((*batch, steps, columns), 1)
    inputs = leaves([x, y])
    axes = tuple(range(len(batch)))
    rank = len(batch)
    node = dot(*inputs, (axes, axes), ((rank,), (rank,)))
    graph = Graph([node], inputs)
    (result,) = run(graph, [x, y])
    exact = np.swapaxes(wide(x), -1, -2) @ wide(y)
    bound = UNIT / 2 * np.abs(exact) + steps * FLOAT_UNIT * (
        np.abs(np.swapaxes(wide(x), -1, -2)) @ np.abs(wide(y))
    )
    assert np.all(np.abs(wide(result) - exact) <= bound)
    if target().bfloat16:
        assert any(
            call.kernel.name.startswith("dot_pairs")
            for call in Plan(graph, target()).calls
        )
