"""Operations, bytes, the roofline, measured times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import ArgumentError
from nervure.exec import peaks
from nervure.exec.base import executor_named
from nervure.exec.peaks import Peaks, peaks_of
from nervure.program import program as module
from nervure.program.amounts import byte_text, count_text, time_text
from nervure.program.cost import roofline
from nervure.program.tables import shortened, table_text
from tests.program import models


def cost_of(function, *args):
    return nv.compile(function).program(*args).cost()


def test_product_by_hand() -> None:
    x, w = nv.ones((30, 70)), nv.ones((70, 50))
    (row,) = cost_of(lambda x, w: x @ w, x, w)
    assert row.operations == 2 * 30 * 70 * 50
    assert row.bytes_read == 4 * (30 * 70 + 70 * 50)
    assert row.bytes_written == 4 * 30 * 50
    assert row.intensity == row.operations / (row.bytes_read + row.bytes_written)


def test_convolution_by_hand() -> None:
    x, k = nv.ones((2, 9, 8, 3)), nv.ones((3, 2, 3, 5))
    cost = cost_of(lambda x, k: nv.nn.conv(x, k, padding="valid"), x, k)
    by_op = {row.op: row for row in cost}
    assert by_op["conv"].operations == 2 * (2 * 7 * 7 * 5) * (3 * 2 * 3)
    nodes = [row for row in cost.by_node() if row.op == "conv"]
    assert nodes[0].bytes_read == 4 * (2 * 9 * 8 * 3 + 3 * 2 * 3 * 5)
    assert nodes[0].bytes_written == 4 * 2 * 7 * 7 * 5


def test_elementwise_chain_reads_its_operands_once() -> None:
    x = nv.ones(1000)
    cost = cost_of(lambda x: nv.exp(x) * x + x, x)
    assert len(cost) == 1
    assert (cost[0].bytes_read, cost[0].bytes_written) == (4000, 4000)
    assert cost[0].operations == 3000
    by_node = cost.by_node()
    assert [row.op for row in by_node] == ["exp", "mul", "add"]
    assert sum(row.bytes_read for row in by_node) == 4000 + 8000 + 8000


def test_gathered_rows_and_slices_count_what_is_read() -> None:
    table, rows = nv.ones((1000, 8)), nv.asarray(np.arange(4))
    cost = cost_of(lambda table, rows: nv.take(table, rows, axis=0), table, rows)
    assert max(row.bytes_read for row in cost) < 4 * 8 * 4 + 200
    cost = cost_of(lambda x: x[:10] + 1, nv.ones(1000))
    assert cost[0].bytes_read <= 44


def test_sums_and_layers() -> None:
    cost = models.program("cnn").cost()
    assert cost.operations == sum(row.operations for row in cost)
    assert cost.nbytes == sum(row.nbytes for row in cost)
    assert cost.seconds == pytest.approx(sum(row.seconds for row in cost))
    layers = cost.by_layer()
    assert sum(row.operations for row in layers) == cost.operations
    assert any(row.layer.endswith("conv2d_1") for row in layers)
    text = str(cost)
    assert len(text.splitlines()) == len(cost) + 2
    assert "GB/s" in text
    assert "MFLOP" in repr(cost)


def test_roofline_takes_the_slower_of_both(machine: Peaks) -> None:
    x, w = nv.ones((512, 512)), nv.ones((512, 512))
    kernel = nv.compile(lambda x, w: x @ w).program(x, w).optimized[-1]
    seconds, bound = roofline(kernel, machine)
    assert bound == "compute"
    rate = machine.float32[0 if kernel.parallel else 1]
    assert seconds == 2 * 512**3 / rate
    kernel = nv.compile(lambda x: x + 1).program(nv.ones(2**22)).optimized[0]
    seconds, bound = roofline(kernel, machine)
    assert bound == "memory"
    assert seconds == pytest.approx(
        8 * 2**22 / machine.memory[not kernel.parallel], rel=1e-3
    )


@pytest.mark.parametrize("name", ["mlp", "recurrent"])
def test_profile_has_a_row_for_each_kernel(name: str) -> None:
    program = models.program(name)
    profile = program.profile()
    assert len(profile) == len(program.optimized)
    assert [row.kernel for row in profile] == list(program.optimized)
    assert profile.steps >= 1
    assert profile.seconds > 0
    for row in profile:
        assert row.seconds == max(row.thread_seconds) > 0
        assert row.at_least > 0
        assert row.share_of_roofline == row.at_least / row.seconds
    threads = len(profile[0].thread_seconds)
    busy = sum(sum(row.thread_seconds) for row in profile)
    # Each thread is in one kernel at a time, within the step.
    assert busy <= 1.05 * threads * profile.seconds
    slowest = profile.slowest(3)
    assert slowest[0].seconds == max(row.seconds for row in profile)
    assert "waiting" in str(profile)
    assert repr(profile).startswith("<Profile: ")


def test_profile_of_threads_and_of_functions() -> None:
    x, w = nv.ones((512, 256)), nv.ones((256, 256))
    with config.override(num_threads=2):
        profile = nv.compile(lambda x, w: nv.tanh(x @ w) @ w).program(x, w).profile()
    assert {len(row.thread_seconds) for row in profile} == {2}
    assert sum(row.kernel.parallel for row in profile) >= 2
    for row in profile:
        if row.kernel.uses[-1].owner == "first":
            assert row.thread_seconds[1] == 0
    with config.override(executor="reference"):
        slow = nv.compile(lambda x, w: nv.tanh(x @ w) @ w).program(x, w)
    assert [row.kernel.op for row in slow.profile()] == ["dot", "tanh", "dot"]


def test_an_executor_that_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    program = models.program("mlp")
    monkeypatch.setattr(program, "executor", "blind")

    class Blind:
        name = "blind"

    monkeypatch.setattr(module, "executor_named", lambda _: Blind())
    with pytest.raises(ArgumentError, match="does not tell"):
        program.profile()


# --- peaks ---------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure little things, and know nothing yet."""
    monkeypatch.setattr(peaks, "_EXTENT", 16)
    monkeypatch.setattr(peaks, "_LONG", 256)
    monkeypatch.setattr(peaks, "_SHORT", 64)
    monkeypatch.setattr(peaks, "_REPEATS", 1)
    monkeypatch.setattr(peaks, "_known", {})


@pytest.mark.usefixtures("small")
def test_peaks_are_measured_once(tmp_path: Path, monkeypatch) -> None:
    executor = executor_named("reference")
    with config.override(cache_dir=tmp_path):
        first = peaks_of(executor)
        for rates in (first.float32, first.float64, first.memory, first.cache):
            assert all(0 < rate < 1e18 for rate in rates)
        form = json.loads((tmp_path / "peaks.json").read_text())
        assert len(form["machines"]) == 1
        monkeypatch.setattr(peaks, "_known", {})
        monkeypatch.setattr(peaks, "_measured", lambda _: pytest.fail("measured again"))
        assert peaks_of(executor) == first
        assert "GFLOP/s" in str(first)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 0}', '{"version": 1, "machines": {"x": {}}}',
     '{"version": 1, "machines": []}',
     '{"version": 1, "machines": {"x": {"threads": 1, "float32": [1, -1], '
     '"float64": [1, 1], "memory": [1, 1], "cache": [1, 1]}}}'],
)  # fmt: skip
def test_a_damaged_file_of_peaks_is_made_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(text)
    with config.override(cache_dir=tmp_path):
        found = peaks_of(executor_named("reference"))
        assert found.threads >= 1
        assert list(json.loads(path.read_text())["machines"]) != ["x"]


# --- words ---------------------------------------------------------------------------


def test_amounts() -> None:
    assert [byte_text(one) for one in (0, 1023, 1024, 5 * 2**30)] == [
        "0 B", "1023 B", "1.00 KB", "5.00 GB",
    ]  # fmt: skip
    assert [count_text(one, "FLOP") for one in (0, 999, 1000, 2.5e12)] == [
        "0 FLOP", "999 FLOP", "1 kFLOP", "2.5 TFLOP",
    ]  # fmt: skip
    assert [time_text(one) for one in (0, 1e-9, 1.5e-5, 0.2, 3)] == [
        "0 s", "1 ns", "15 us", "200 ms", "3 s",
    ]  # fmt: skip


def test_tables_line_up() -> None:
    text = table_text(["a", "bb", "c"], [["x", "1", "end"], ["yyy", "1000", ""]])
    assert text.splitlines() == ["a      bb  c", "x       1  end", "yyy  1000"]
    assert shortened("abc", 3) == "abc"
    assert len(shortened("a" * 50, 20)) == 20
