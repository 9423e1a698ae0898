"""When lazy arrays are computed and what they remember."""

import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import evaluation
from nervure.exec import Executor
from nervure.ir.node import interned_count


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of nodes asked for in each implicit evaluation."""
    calls: list[int] = []
    choose = evaluation.choose_executor

    class Counting:
        def __init__(self, executor: Executor) -> None:
            self.name = executor.name
            self.on_device = executor.on_device
            self.executor = executor

        def evaluate(self, outputs: Any, known: Any) -> Any:
            calls.append(len(outputs))
            return self.executor.evaluate(outputs, known)

    def counting(nodes: Any, *, implicit: bool) -> Counting:
        return Counting(choose(nodes, implicit=implicit))

    monkeypatch.setattr(evaluation, "choose_executor", counting)
    return calls


def test_nothing_is_computed_before_somebody_looks(evaluations: list[int]) -> None:
    y = nv.exp(nv.asarray([1.0, 2.0])) + 1
    assert y.shape == (2,) and y.dtype == nv.float32 and y.value_or_none is None
    assert evaluations == []
    np.testing.assert_allclose(y, np.exp([1.0, 2.0]) + 1, rtol=1e-6)
    assert evaluations == [1]
    y.numpy()
    assert evaluations == [1]  # a value is computed once


def test_an_array_somebody_holds_is_computed_along_the_way(
    evaluations: list[int],
) -> None:
    x = nv.asarray([1.0, 2.0])
    middle = nv.tanh(x)
    end = middle * 2
    end.numpy()
    assert middle.value_or_none is not None
    middle.numpy()
    assert len(evaluations) == 1


def test_an_evaluated_array_without_parameters_forgets_its_graph() -> None:
    x = nv.asarray([1.0, 2.0])
    y = nv.tanh(x * 3)
    node = weakref.ref(y.node)
    assert len(nv.graph(y)) > 2
    y.numpy()
    gc.collect()
    assert node() is None
    assert [one.op.name for one in nv.graph(y)] == ["buffer"]


def test_a_hand_written_loop_does_not_grow() -> None:
    w = nv.asarray(np.ones(3))
    for _ in range(5):
        w = w - 0.1 * nv.grad(lambda v: nv.sum(v * v))(w)
        w.numpy()
    before = interned_count()
    for _ in range(50):
        w = w - 0.1 * nv.grad(lambda v: nv.sum(v * v))(w)
        w.numpy()
    assert interned_count() <= before + 2
    np.testing.assert_allclose(w, 0.8**55 * np.ones(3))


def test_an_array_of_a_parameter_keeps_its_graph_and_its_value() -> None:
    a = nv.parameter([2.0, 3.0], name="a")
    y = nv.sum(a * a)
    assert float(y) == 13
    (da,) = nv.gradients(y, [a])
    assert da.tolist() == [4, 6]


def test_a_loop_steered_by_values_gives_the_right_gradient() -> None:
    a = nv.parameter(np.array([1.0, 2.0]), name="a")
    y, steps = a, 0
    while float(nv.sum(y)) < 1000:
        y, steps = y * a, steps + 1
    (da,) = nv.gradients(nv.sum(y), [a])
    expected = (steps + 1) * np.array([1.0, 2.0]) ** steps
    np.testing.assert_allclose(da, expected)


def test_intermediate_values_of_a_loop_are_not_computed_again() -> None:
    """Each turn looks at a sum of y; y itself is held, so it is kept as well."""
    a = nv.parameter(np.ones(2), name="a")
    y = a
    for _ in range(3):
        y = y * a
        float(nv.sum(y))
        assert y.value_or_none is not None


def test_parameters_start_afresh() -> None:
    w = nv.parameter([1.0], name="w")
    for _ in range(20):
        w = nv.parameter(w - 0.1 * nv.grad(lambda v: nv.sum(v * v))(w), name="w")
        assert len(nv.graph(w)) == 1
    np.testing.assert_allclose(w, [0.8**20], rtol=1e-5)


def test_a_graph_that_grows_past_a_size_is_warned_about_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "DEEP_GRAPH", 50)
    monkeypatch.setattr(evaluation, "_warned_about_depth", False)

    def loop() -> None:
        w = nv.parameter([1.0], name="w")
        for _ in range(100):
            w = w * 0.5
            w.numpy()

    with pytest.warns(UserWarning, match="starts afresh") as caught:
        loop()
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_data_of_equal_value_stay_two_arrays() -> None:
    x, y = nv.asarray([1.0, 2.0]), nv.asarray([1.0, 2.0])
    assert x.node is not y.node
    dx, dy = nv.vjp(lambda a, b: a * a * b, x, y)[1](nv.asarray([1.0, 1.0]))
    assert dx.tolist() == [2, 8] and dy.tolist() == [1, 4]


def test_later_changes_of_the_users_array_do_not_matter() -> None:
    data = np.array([1.0, 2.0])
    x = nv.asarray(data)
    y = x * 2
    data[:] = 100
    assert y.tolist() == [2, 4]


def test_values_are_read_only() -> None:
    x = nv.asarray([1.0, 2.0])
    for array in (x, x + 1, nv.reshape(x, (2, 1))):
        value = np.asarray(array)
        with pytest.raises(ValueError, match="read-only"):
            value[0] = 5


def test_infinities_and_nan_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = nv.log(nv.asarray([0.0, -1.0])) / nv.asarray([0.0, 0.0])
        assert np.isnan(y.numpy()[1])
