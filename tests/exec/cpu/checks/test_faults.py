"""Damaged kernels and plans: every access outside its buffer ends in an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.config import config
from nervure.errors import NativeCodeError
from nervure.exec.cpu import kernel as kernel_module
from nervure.exec.cpu.checks.functions import checked
from nervure.exec.cpu.kernel import Scratch
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import Compiled, CpuProgram
from nervure.exec.cpu.target import target
from nervure.exec.cpu.views import ANNOTATIONS
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.ir.primitive import primitive_named, primitives
from nervure.prims import binary, contract, indexed, order, reduce, unary
from nervure.prims.leaf import const, full, input_leaf
from tests.exec.cpu.checks.checked import memory_alone
from tests.exec.cpu.test_primitives_cpu import applied

F32 = dtypes.float32
CHECKED = replace(target(), check=True)


def damage(
    patch: pytest.MonkeyPatch, change: Callable[[str], str], label: str = ""
) -> None:
    """Change the text of kernels whose names begin so, behind their emitter's back."""

    def damaged(name: str, text: str, declarations: Sequence[str] = ()) -> Any:
        found = change(text) if name.startswith(label) else text
        return checked(name, found, declarations)

    patch.setattr(kernel_module, "checked", damaged)


def moved_pointer(text: str, number: int, nbytes: int) -> str:
    """Let an argument point some bytes beside what it should."""
    head, entry, *body = text.splitlines()
    body = [re.sub(rf"%p{number}\b", "%beside", line) for line in body]
    beside = f"  %beside = getelementptr i8, ptr %p{number}, i64 {nbytes}"
    return "\n".join([head, entry, beside, *body])


def graph_of(*outputs: Node) -> tuple[Graph, list[NDArray]]:
    """Return a graph with values for its inputs."""
    graph = Graph(outputs)
    random = np.random.default_rng(0)
    values = [
        random.integers(0, 3, node.shape).astype(node.dtype) for node in graph.inputs
    ]
    return graph, values


def leaf(*shape: int, dtype: Any = F32, name: str = "x") -> Node:
    return input_leaf(shape, dtype, name)


def sample_graph(name: str) -> tuple[Graph, list[NDArray]] | None:
    """Return the first sample of a primitive that has a result in memory."""
    primitive = primitive_named(name)
    dtype = next(
        (one for one in (F32, *primitive.dtypes) if one in primitive.dtypes), None
    )
    if dtype is None:
        return None
    for sample in primitive.samples(dtype, np.random.default_rng(0)):
        graph = applied(primitive, sample)
        if all(one.size for one in (*graph.outputs, *graph.inputs)) and graph.inputs:
            return graph, [np.asarray(one) for one in sample.inputs]
    return None


KINDS = [
    one.name for one in primitives()
    if one.control is None and one.name not in ANNOTATIONS
    and sample_graph(one.name) is not None
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_kernel_that_writes_beside_its_result_is_caught(name: str) -> None:
    """Every element of a result is written: so one before or behind it as well."""
    found = sample_graph(name)
    assert found is not None
    graph, values = found
    (result,) = graph.outputs
    size = result.dtype.itemsize
    writers = [call for call in Plan(graph, CHECKED).calls if result in call.writes]
    assert writers
    for call in writers:
        number = len(call.reads) + call.writes.index(result)
        for nbytes in (size, -size):
            with pytest.MonkeyPatch.context() as patch:
                change = partial(moved_pointer, number=number, nbytes=nbytes)
                damage(patch, change, call.kernel.name)
                program = CpuProgram(graph, CHECKED)
            with memory_alone(), pytest.raises(NativeCodeError) as caught:
                program(values)
            text = str(caught.value)
            where = rf"bytes at offset -?\d+ of operand {number}, which has \d+ bytes"
            assert re.match(rf"kernel {call.kernel.name} \w+ \d+ {where}", text), text


def test_the_error_says_what_where_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, values = graph_of(binary.add(leaf(5), leaf(5, name="y")))
    damage(monkeypatch, lambda text: moved_pointer(text, 1, 4))
    program = CpuProgram(graph, CHECKED)
    with pytest.raises(NativeCodeError) as caught:
        program(values)
    pattern = (
        r"kernel map_\w+ reads (\d+) bytes at offset (\d+) of operand 1, which has 20 "
        r"bytes\n"
        r"  operand 1 +float32\[5\] +input 'y', test_faults.py:\d+\n"
        r"  computes +float32\[5\] +from add, test_faults.py:\d+\n"
        r"  line +%\w+ = .*load.*\n"
        r"  made at test_faults.py:\d+\n"
        r"  fix: report it with this text .*NERVURE_EXECUTOR=reference.*"
    )
    found = re.fullmatch(pattern, f"{caught.value}")
    assert found, str(caught.value)
    size, offset = map(int, found.groups())
    assert size + offset == 24


def test_each_access_far_outside_is_caught_and_the_process_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line after the other goes astray; what is not caught was not executed."""
    x, y = leaf(7, 40), leaf(40, 9, name="y")
    outputs = [
        contract.dot(x, y, contract=((1,), (0,))),
        reduce.reduce_sum(binary.mul(x, x), axes=(0,)),
        order.sort(x, leaf(7, 40, dtype=dtypes.int32, name="z"), axis=1),
        order.cumsum(x, axis=1),
    ]
    graph, values = graph_of(*outputs)
    wanted = CpuProgram(graph, target())(values)
    caught = harmless = 0
    access = re.compile(r"( = load |^  store |llvm\.masked)")
    count = max(
        sum(bool(access.search(line)) for line in plain.splitlines())
        for plain in (call.kernel.text for call in Plan(graph, target()).calls)
    )
    for number in range(count):
        with monkeypatch.context() as patch:
            damage(patch, partial(_astray, access=access, number=number))
            program = CpuProgram(graph, CHECKED)
        try:
            results = program(values)
        except NativeCodeError:
            caught += 1
            continue
        harmless += 1
        for mine, theirs in zip(results, wanted, strict=True):
            assert mine.tobytes() == theirs.tobytes()
    assert caught > 2 * harmless


def _astray(text: str, access: re.Pattern[str], number: int) -> str:
    """Send one access of a text far away."""
    lines = text.splitlines()
    places = [place for place, line in enumerate(lines) if access.search(line)]
    if number < len(places):
        line = lines[places[number]]
        before, pointer, after = re.match(  # type: ignore[union-attr]
            r"(.*ptr (?:align \d+ )?)(%[\w.]+)(.*)", line
        ).groups()
        away = f"  %away = getelementptr i8, ptr {pointer}, i64 {1 << 44}\n"
        lines[places[number]] = f"{away}{before}%away{after}"
    return "\n".join(lines)


SMALL = {
    "sort": lambda: order.sort(leaf(3, 50), leaf(3, 50, name="y"), axis=1),
    "scatter": lambda: indexed.scatter(
        leaf(9, dtype=dtypes.float16), const([0, 8]), leaf(2, dtype=dtypes.float16),
        0, "add",
    ),
    "reduce_sum": lambda: reduce.reduce_sum(leaf(300_000), axes=(0,)),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_scratch_memory_that_is_too_small_is_caught(name: str) -> None:
    graph, values = graph_of(SMALL[name]())
    plan = Plan(graph, CHECKED)
    slots = {
        one for call in plan.calls for one in (*call.reads, *call.writes)
        if isinstance(one, Scratch)
    }  # fmt: skip
    assert slots
    whole = Compiled(Layout(plan), CHECKED)
    results = [np.empty(node.shape, node.dtype) for node in graph.outputs]
    whole.run(values, results)
    for slot in slots:
        object.__setattr__(slot, "nbytes", slot.nbytes // 2)
    damaged = Compiled(Layout(plan), CHECKED)
    with pytest.raises(NativeCodeError, match=r"of operand \d, which has \d+ bytes"):
        damaged.run(values, results)


def test_an_array_that_is_too_small_is_caught() -> None:
    graph, (x,) = graph_of(binary.add(leaf(100), full((100,), 1, F32)))
    code = Compiled(Layout(Plan(graph, CHECKED)), CHECKED)
    with pytest.raises(NativeCodeError, match="writes .* has 396 bytes"):
        code.run([x], [np.empty(99, np.float32)])
    with pytest.raises(NativeCodeError, match="reads .* has 392 bytes"):
        code.run([x[:98].copy()], [np.empty(100, np.float32)])


def test_a_value_placed_outside_the_arena_is_caught() -> None:
    x = leaf(40, 40)
    between = order.cumsum(x, axis=0)
    graph, values = graph_of(order.cumsum(between, axis=1))
    layout = Layout(Plan(graph, CHECKED))
    assert between in layout.offsets
    layout.offsets[between] = layout.nbytes - 64
    with pytest.raises(NativeCodeError, match="which has 64 bytes"):
        Compiled(layout, CHECKED).run(values, [np.empty((40, 40), np.float32)])
    layout.offsets[between] = 1 << 40
    with pytest.raises(NativeCodeError, match="which has 0 bytes"):
        Compiled(layout, CHECKED).run(values, [np.empty((40, 40), np.float32)])


def test_one_step_too_many_is_caught() -> None:
    state, data = leaf(64, 64), leaf(64, 64, name="y")
    graph = Graph([binary.add(state, data)], [state, data])
    layout = Layout(Plan(graph, CHECKED, 1, 0))
    given = [np.zeros((64, 64), np.float32), np.ones((3, 64, 64), np.float32)]
    results = [np.empty((64, 64), np.float32)]
    code = Compiled(layout, CHECKED)
    code.run(given, results, 3)
    assert results[0][0, 0] == 3
    with pytest.raises(NativeCodeError, match="operand 1, which has 0 bytes"):
        code.run(given, results, 4)


def test_a_kernel_in_a_loop_is_named_with_what_it_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damage(monkeypatch, lambda text: moved_pointer(text, 1, 1 << 40), "cumsum")

    def summed(x: Any) -> Any:
        return nv.fori_loop(0, 3, lambda _, y: nv.cumulative_sum(y), x)

    setting = config.override(executor="cpu", check=True)
    with setting, pytest.raises(NativeCodeError) as caught:
        nv.compile(summed)(nv.ones(5))
    text = str(caught.value)
    assert text.startswith("kernel cumsum_")
    assert re.search(r"computes +float32\[5\] +from cumsum, test_faults.py", text)
    assert "(the first of 15 such accesses of this run)" in text


def test_a_table_of_constants_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digits of 2/pi lie beside the code; the sine of a large number reads them."""
    table = "ptr @nervure_two_over_pi, i64 "

    def damaged(name: str, text: str, declarations: Sequence[str] = ()) -> Any:
        far = [re.sub(rf"{table}%\w+", f"{table}1000000", one) for one in declarations]
        assert far != list(declarations)
        return checked(name, text, far)

    graph = Graph([unary.sin(leaf(20))])
    values = [np.full(20, 1e30, np.float32)]
    (sine,) = CpuProgram(graph, CHECKED)(values)
    np.testing.assert_allclose(sine, np.sin(values[0].astype(np.float64)), rtol=1e-6)
    monkeypatch.setattr(kernel_module, "checked", damaged)
    with pytest.raises(NativeCodeError, match=r"at offset 1000000 of its own memory"):
        CpuProgram(graph, CHECKED)(values)
