"""Which executor runs what: the setting, the work, and machines without compilers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes, evaluation, step
from nervure.config import EXECUTOR_NAMES, config
from nervure.errors import MachineError, SettingError, UnknownNameError
from nervure.exec import base, choose_executor, executor_named, executors
from nervure.exec.work import operations, total_operations
from nervure.ir import Graph, Node
from nervure.prims import contract, convolution, leaf, movement, reduce, unary, window
from nervure.prims.leaf import const, input_leaf

ROOT = Path(__file__).resolve().parents[2]
F32 = dtypes.float32


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the choice of an executor to the tests, not to the environment."""
    monkeypatch.delenv("NERVURE_EXECUTOR", raising=False)


def tall(size: int) -> Graph:
    """Return a graph of as many elementary operations as elements."""
    x = input_leaf((size,), F32, "x")
    return Graph([unary.exp(x)], [x])


# --- the setting ---------------------------------------------------------------------


def test_executors_are_made_once() -> None:
    assert executors() == ["reference", "cpu", "xla"]
    for name in executors():
        assert executor_named(name).name == name
        assert executor_named(name) is executor_named(name)


@pytest.mark.parametrize("name", ["reference", "cpu"])
@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("size", [1, 10 * base.LITTLE_WORK])
def test_the_setting_decides(
    name: str, implicit: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with config.override(executor=name):
        assert choose_executor(tall(size), implicit=implicit).name == name
    monkeypatch.setenv("NERVURE_EXECUTOR", name)
    assert choose_executor(tall(size), implicit=implicit).name == name


def test_unknown_executors_get_the_nearest_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = Graph([const(1.0)])
    with pytest.raises(UnknownNameError) as caught:
        executor_named("refrence")
    assert f"{caught.value}".splitlines() == [
        "unknown executor: 'refrence'",
        "  fix: did you mean 'reference'?",
    ]
    with pytest.raises(SettingError, match="did you mean 'reference'"):
        config.executor = "referenz"
    monkeypatch.setenv("NERVURE_EXECUTOR", "gpu")
    with pytest.raises(SettingError) as refused:
        choose_executor(graph)
    assert "NERVURE_EXECUTOR" in str(refused.value)
    assert "'cpu'" in str(refused.value)


def test_an_executor_that_this_version_lacks_is_not_replaced_silently() -> None:
    graph = Graph([const(1.0)])
    for name in set(EXECUTOR_NAMES) - {"auto", *executors()}:
        with (
            config.override(executor=name),
            pytest.raises(UnknownNameError, match=f"unknown executor: '{name}'"),
        ):
            choose_executor(graph)


# --- the work ------------------------------------------------------------------------


def test_what_is_compiled_is_compiled_whatever_its_work() -> None:
    for size in (1, 10 * base.LITTLE_WORK):
        assert choose_executor(tall(size)).name == "cpu"


def test_little_that_is_only_looked_at_is_not_compiled() -> None:
    assert choose_executor(tall(1), implicit=True).name == "reference"
    most = base.LITTLE_WORK - 1
    assert choose_executor(tall(most), implicit=True).name == "reference"
    assert choose_executor(tall(most + 1), implicit=True).name == "cpu"


def dot(m: int, k: int, n: int) -> Node:
    x, y = input_leaf((m, k), F32, "x"), input_leaf((k, n), F32, "y")
    return contract.dot(x, y, ((), ()), ((1,), (0,)))


def convolutions() -> list[Node]:
    """Return a convolution of 2 rows by 5 places, and its gradients."""
    options: Any = ((1,), ((0, 0),), (1,), 1)
    x, kernel = input_leaf((2, 7, 4), F32, "x"), input_leaf((3, 4, 6), F32, "k")
    g = input_leaf((2, 5, 6), F32, "g")
    return [
        convolution.conv(x, kernel, *options),
        convolution.conv_input_grad(g, kernel, (7,), *options),
        convolution.conv_kernel_grad(x, g, (3,), *options),
    ]


def test_the_work_of_nodes() -> None:
    x = input_leaf((30, 40), F32, "x")
    assert operations(x) == 0
    assert operations(movement.transpose(x, (1, 0))) == 0
    assert operations(unary.neg(x)) == 1200
    assert operations(reduce.reduce_sum(x, (0, 1))) == 1200
    assert operations(dot(3, 50, 7)) == 2 * 3 * 50 * 7
    assert operations(window.window_max(x, (2, 2), (2, 2))) == 1200
    key = input_leaf((2,), dtypes.uint32, "key")
    assert operations(leaf.random_bits(key, (50,))) == 1000
    for node in convolutions():
        assert operations(node) == 2 * (2 * 5 * 6) * (3 * 4)
    graph = Graph([unary.exp(unary.neg(x)), unary.tanh(x)])
    assert total_operations(graph) == 3600


class Chosen:
    """The names of the executors that one module chose."""

    def __init__(self, module: Any, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        patch.setattr(module, "choose_executor", self._choose)

    def _choose(self, nodes: Any, *, implicit: bool = False) -> Any:
        executor = choose_executor(nodes, implicit=implicit)
        self.names.append(executor.name)
        return executor


def test_only_the_work_that_is_left_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LITTLE_WORK", 1000)
    chosen = Chosen(evaluation, monkeypatch)
    w = nv.parameter(np.ones(600, np.float32), name="w")
    y = nv.exp(w)
    y.numpy()
    z = nv.tanh(y)  # keeps the graph of y, and its value
    z.numpy()
    nv.tanh(nv.exp(w) + 1).numpy()
    assert chosen.names == ["reference", "reference", "cpu"]


def test_the_same_program_takes_the_same_way_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a compiled program lies ready that could be used."""
    monkeypatch.setattr(base, "LITTLE_WORK", 1000)
    chosen = Chosen(evaluation, monkeypatch)

    def run(size: int) -> bytes:
        x = nv.asarray(np.linspace(0, 1, size, dtype=np.float32))
        return nv.sum(nv.exp(x) * nv.tanh(x)).numpy().tobytes()

    first = [run(size) for size in (100, 5000, 100)]
    with config.override(executor="cpu"):
        run(100)
    assert [run(size) for size in (100, 5000, 100)] == first
    small, large = "reference", "cpu"
    assert chosen.names == [small, large, small, large, small, large, small]


def test_compiled_functions_and_training_use_the_cpu_executor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = Chosen(step, monkeypatch)
    assert nv.compile(lambda x: x + 1)(nv.asarray(1.0)).item() == 2
    assert chosen.names == ["cpu"]
    chosen.names.clear()
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert len(chosen.names) >= 3
    assert set(chosen.names) == {"cpu"}


# --- machines without a compiler -----------------------------------------------------


def run_python(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# llvmlite cannot be imported; LLVM knows no code generator for the machine.
BROKEN = {
    "no llvmlite": "import sys; sys.modules['llvmlite'] = None\n",
    "no generator": (
        "import llvmlite.binding as b\n"
        "def fail(): raise RuntimeError('No available targets')\n"
        "b.initialize_native_target = fail\n"
    ),
}
WORK = """
import nervure as nv
f = nv.compile(lambda x: x * 2)
print(f(nv.asarray([3.0])).tolist(), f(nv.asarray(4.0)).tolist())
"""


@pytest.mark.parametrize("way", BROKEN)
def test_without_a_compiler_the_reference_runs_and_says_so(way: str) -> None:
    done = run_python(BROKEN[way] + WORK)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[6.0] 8.0\n"
    assert done.stderr.count("RuntimeWarning") == 1
    assert "many times slower" in done.stderr
    assert "NERVURE_EXECUTOR=reference" in done.stderr


@pytest.mark.parametrize("way", BROKEN)
def test_without_a_compiler_asking_for_it_is_an_error(way: str) -> None:
    done = run_python(BROKEN[way] + WORK, NERVURE_EXECUTOR="cpu")
    assert done.returncode == 1
    last = done.stderr[done.stderr.index("nervure.errors.MachineError") :]
    assert "NERVURE_EXECUTOR=reference" in last


@pytest.mark.parametrize("way", BROKEN)
def test_without_a_compiler_the_reference_may_be_chosen(way: str) -> None:
    done = run_python(BROKEN[way] + WORK, NERVURE_EXECUTOR="reference")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cpu_that_llvm_does_not_know_gets_plain_code() -> None:
    script = """
import llvmlite.binding as b
def fail(): raise RuntimeError('failed to get host cpu features')
b.get_host_cpu_features = fail
from nervure.exec.cpu.target import target
assert target().level == 'baseline', target()
"""
    done = run_python(script + WORK)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[6.0] 8.0\n"


def test_the_warning_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    named = base.executor_named

    def refuse(name: str) -> Any:
        if name == "cpu":
            raise MachineError("no compiler here")
        return named(name)

    monkeypatch.setattr(base, "executor_named", refuse)
    monkeypatch.setattr(base, "_warned_about_machine", False)
    graphs: Sequence[Graph] = [tall(1), tall(2)]
    with pytest.warns(RuntimeWarning, match="no compiler here") as caught:
        names = [choose_executor(graph).name for graph in graphs]
    assert names == ["reference", "reference"]
    assert len(caught) == 1
