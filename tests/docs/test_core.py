"""The core in one file: short, right, and able to train a network."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FILE = Path(__file__).resolve().parents[2] / "docs" / "core_in_one_file.py"
MOST_LINES = 399
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler of C")


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("core_in_one_file", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


core = _load()
SHAPES = [(3, 4), (3, 1), (1, 4), (4, 2)]


def expression(x: Any, row: Any, column: Any, w: Any) -> Any:
    """Use every operation, with rows and columns repeated."""
    hidden = core.tanh(x * row - column) @ w
    bent = core.log(core.exp(hidden / 2.0) + 1.5) / (2.0 + hidden * hidden)
    both = core.apply("sum", bent.T @ (x @ w), attribute=1)
    return core.apply("sum", both, attribute=0)


def inputs_and_values(seed: int = 0) -> tuple[list[Any], list[Any]]:
    random = np.random.default_rng(seed)
    nodes = [core.placeholder(*shape) for shape in SHAPES]
    return nodes, [random.normal(size=shape) for shape in SHAPES]


def by_reference(result: Any, nodes: Sequence[Any], values: Sequence[Any]) -> Any:
    return core.evaluate([result], dict(zip(nodes, values, strict=True)))[0]


def central_differences(result: Any, nodes: Any, values: Any, which: int) -> Any:
    slope = np.zeros(SHAPES[which])
    for place in np.ndindex(slope.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [one.copy() for one in values]
            moved[which][place] += step
            ends.append(by_reference(result, nodes, moved).item())
        slope[place] = (ends[0] - ends[1]) / 2e-6
    return slope


def test_it_is_short_and_stands_alone() -> None:
    text = FILE.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert "import nervure" not in text and "from nervure" not in text


@pytest.mark.parametrize("which", range(len(SHAPES)))
def test_gradients_are_those_of_differences(which: int) -> None:
    nodes, values = inputs_and_values()
    result = expression(*nodes)
    (slope,) = core.gradients(result, [nodes[which]])
    found = by_reference(slope, nodes, values)
    expected = central_differences(result, nodes, values, which)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_gradients_have_gradients() -> None:
    x = core.placeholder(1, 1)
    (first,) = core.gradients(core.tanh(x), [x])
    (second,) = core.gradients(first, [x])
    t = np.tanh(0.3)
    found = core.evaluate([second], {x: np.full((1, 1), 0.3)})[0]
    np.testing.assert_allclose(found, -2 * t * (1 - t * t))


def test_what_has_no_influence_has_slope_zero() -> None:
    x, other = core.placeholder(1, 1), core.placeholder(2, 3)
    (slope,) = core.gradients(x * x, [other])
    assert slope.shape == (2, 3)
    assert not core.evaluate([slope], {}).pop().any()


def test_equal_nodes_are_one_until_nobody_holds_them() -> None:
    x, y = core.placeholder(2, 2), core.placeholder(2, 2)
    assert x is not y
    assert core.tanh(x + y) is core.tanh(x + y)
    assert x * 0.0 is not x * -0.0
    before = len(core._nodes)
    kept = core.exp(x)
    assert len(core._nodes) == before + 1
    del kept
    assert len(core._nodes) == before


def test_shapes_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"mismatch|match"):
        core.placeholder(2, 3) @ core.placeholder(2, 3)
    with pytest.raises(ValueError, match="broadcast"):
        core.placeholder(2, 3) + core.placeholder(3, 2)


def test_simplify_leaves_less_that_means_the_same() -> None:
    nodes, values = inputs_and_values()
    slopes = core.gradients(expression(*nodes), nodes)
    fewer = core.simplify(slopes)
    assert len(core.ordered(fewer)) < len(core.ordered(slopes))
    for one, other in zip(slopes, fewer, strict=True):
        np.testing.assert_array_equal(
            by_reference(one, nodes, values), by_reference(other, nodes, values)
        )
    x = nodes[0]
    assert core.simplify([x.T.T * 1.0]) == [x]
    (number,) = core.simplify([core.constant(2.0) * 3.0 + 1.0])
    assert number is core.constant(7.0)


def test_text_names_operands_and_attributes() -> None:
    x = core.placeholder(2, 3)
    lines = core.text([core.apply("sum", x * x, attribute=0)]).splitlines()
    assert lines[1:] == ["%1 = mul(%0, %0) : (2, 3)", "%2 = sum(%1, 0) : (1, 3)"]


@needs_cc
def test_machine_code_computes_what_the_reference_does() -> None:
    nodes, values = inputs_and_values()
    result = expression(*nodes)
    results = [result, *core.gradients(result, nodes), nodes[0], nodes[0].T]
    program = core.Program(nodes, results)
    for found, one in zip(program(*values), results, strict=True):
        np.testing.assert_allclose(found, by_reference(one, nodes, values), rtol=1e-9)


@needs_cc
@settings(deadline=None, max_examples=8, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99))))
def test_random_graphs(choices: list[tuple[int, int, int]]) -> None:
    nodes = [core.placeholder(3, 3), core.placeholder(3, 3)]
    values = [np.random.default_rng(seed).normal(size=(3, 3)) for seed in (0, 1)]
    known: list[Any] = list(nodes)
    for kind, first, second in choices:
        x, y = known[first % len(known)], known[second % len(known)]
        made = (
            lambda x, y: x + y,
            lambda x, y: x - y,
            lambda x, y: core.tanh(x) * y,
            lambda x, y: core.tanh(x @ y),
            lambda x, y: x.T * 0.5,
            lambda x, y: core.apply("sum", x, attribute=0) * 0.3 + y,
            lambda x, y: core.apply("sum", core.exp(core.tanh(x)), attribute=1) - y,
            lambda x, y: x / (1.5 + core.tanh(y)),
            lambda x, y: core.log(2.0 + core.tanh(x)),
        )[kind](x, y)
        known.append(made)
    results = known[-3:]
    program = core.Program(nodes, results)
    for found, one in zip(program(*values), results, strict=True):
        expected = by_reference(one, nodes, values)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@needs_cc
def test_elementwise_operations_are_one_loop_and_memory_is_shared() -> None:
    x = core.placeholder(8, 8)
    program = core.Program([x], [core.exp(core.tanh(x * 2.0) + x)])
    assert len(program.kernels) == 1
    long = x
    for _ in range(6):
        long = core.tanh(long @ x)
    program = core.Program([x], [long])
    assert len(program.arena) == 2 * 64 < len(program.kernels) * 64
    values = np.random.default_rng(0).normal(size=(8, 8))
    (found,) = program(values)
    np.testing.assert_allclose(found, by_reference(long, [x], [values]), rtol=1e-9)


@needs_cc
def test_wrong_arrays_are_refused() -> None:
    x = core.placeholder(2, 3)
    with pytest.raises(ValueError, match=r"expected shape \(2, 3\), got \(3, 2\)"):
        core.Program([x], [x + 1.0])(np.ones((3, 2)))


@needs_cc
def test_it_trains_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    losses = core.main()
    assert losses[-1] < 0.05 < 0.5 < losses[0]
    shown = capsys.readouterr().out
    assert "%0 = input" in shown and "double t1 = tanh(t0);" in shown
