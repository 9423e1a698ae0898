"""Capturing functions as programs."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import DTypeError, ShapeError, TraceError
from nervure.state import Cell
from nervure.step import Step


def test_a_function_is_traced_once_for_each_signature() -> None:
    calls = []

    @nv.compile
    def f(x: nv.Array) -> nv.Array:
        calls.append(x.shape)
        return nv.tanh(x) * 2

    data = np.random.default_rng(0).normal(size=(3, 4))
    for _ in range(3):
        np.testing.assert_allclose(f(nv.asarray(data)), np.tanh(data) * 2)
    assert calls == [(3, 4)]
    f(nv.asarray(data[:2]))
    assert calls == [(3, 4), (2, 4)]
    assert len(f.recompiles.causes) == 1
    assert f.recompiles.causes[0].endswith(
        "compiled again: array 0 changed from float64[3, 4] to float64[2, 4]"
    )


def test_trees_static_arguments_and_keywords() -> None:
    @nv.compile(static_argnums=1)
    def f(p: dict, power: int, *, offset: nv.Array) -> dict:
        return {"y": p["x"] ** power + offset, "none": None}

    result = f({"x": nv.asarray([2.0, 3.0])}, 2, offset=nv.asarray(1.0))
    assert result["y"].tolist() == [5, 10] and result["none"] is None
    result = f({"x": nv.asarray([2.0, 3.0])}, 3, offset=nv.asarray(1.0))
    assert result["y"].tolist() == [9, 28]
    assert "static arguments changed" in f.recompiles.causes[0]


def test_values_are_not_there_while_tracing() -> None:
    @nv.compile
    def f(x: nv.Array) -> nv.Array:
        return x if float(x) > 0 else -x

    with pytest.raises(TraceError, match=r"nervure\.where"):
        f(nv.asarray(1.0))


def test_compiled_functions_compose_with_grad_and_each_other() -> None:
    square = nv.compile(lambda x: nv.sum(x * x))
    x = nv.asarray(np.array([1.0, 2.0]))
    assert nv.grad(square)(x).tolist() == [2, 4]
    assert nv.compile(nv.grad(square))(x).tolist() == [2, 4]
    assert float(nv.compile(lambda v: square(v) + 1)(x)) == 6


def test_the_result_of_a_compiled_call_on_a_parameter_has_gradients() -> None:
    f = nv.compile(lambda x: nv.sum(x**3))
    p = nv.parameter(np.array([1.0, 2.0]), name="p")
    y = f(p)
    assert y.value_or_none is not None  # it ran, natively
    assert nv.gradients(y * 2, [p])[0].tolist() == [6, 24]


def test_cells_are_read_and_written_by_compiled_functions() -> None:
    counter = Cell(nv.asarray(0.0), "counter")
    scale = Cell(nv.asarray(10.0), "scale")

    @nv.compile
    def count(x: nv.Array) -> nv.Array:
        counter.value = counter.value + x
        return counter.value * scale.value

    assert float(count(nv.asarray(1.0))) == 10
    assert float(count(nv.asarray(2.0))) == 30
    scale.value = nv.asarray(100.0)
    assert float(count(nv.asarray(1.0))) == 400
    assert float(counter.value) == 4
    assert not count.recompiles.causes


def test_a_cell_keeps_its_type() -> None:
    cell = Cell(nv.asarray([1.0, 2.0]), "w")
    with pytest.raises(ShapeError, match=r"variable 'w' holds shape \[2\], got \[3\]"):
        cell.value = nv.asarray([1.0, 2.0, 3.0])
    with pytest.raises(DTypeError, match="holds float32, got int64"):
        cell.value = nv.asarray([1, 2])
    assert cell.value.tolist() == [1, 2]


def test_a_step_runs_over_its_varying_values() -> None:
    weights = Cell(nv.asarray(np.zeros(2)), "w")
    rate = Cell(nv.asarray(np.array(0.5)), "rate")

    def step(constants: list, varying: list) -> None:
        (data,), (indices,) = constants, varying
        rows = nv.take(data, indices, axis=0)
        weights.value = weights.value + rate.value * nv.sum(rows, axis=0)

    runner = Step(step, "add rows")
    data = np.arange(8.0).reshape(4, 2)
    order = np.array([[0, 1], [2, 3], [0, 0]])
    runner.run([data], [order])
    expected = 0.5 * data[order.ravel()].sum(0)
    np.testing.assert_array_equal(weights.numpy(), expected)
    rate.value = nv.asarray(np.array(1.0))
    runner.run([data], [order[:1]])
    np.testing.assert_array_equal(weights.numpy(), expected + data[:2].sum(0))
    assert not runner.recompiles.causes
    runner.run([data], [order[:, :1]])
    assert runner.recompiles.causes == [
        "add rows compiled again: the batch changed from int64[2] to int64[1]"
    ]


def test_a_step_returns_nothing() -> None:
    with pytest.raises(TraceError, match="belong into cells"):
        Step(lambda constants, varying: varying[0]).run([], [np.zeros((1, 2))])


def test_a_function_closing_over_a_traced_argument_is_refused() -> None:
    def outer(x: nv.Array) -> nv.Array:
        return nv.compile(lambda y: y * x)(nv.asarray(2.0))

    with pytest.raises(TraceError, match="closes over"):
        nv.compile(outer)(nv.asarray(1.0))


def test_the_graph_of_a_compiled_function_can_be_seen() -> None:
    f = nv.compile(lambda x: nv.tanh(x))
    text = str(f.graph(nv.asarray([1.0, 2.0])))
    assert "tanh" in text and "float32[2]" in text


def test_inputs_for_variables_carry_their_path() -> None:
    from nervure.nn.variable import Variable

    variable = Variable([1.0], name="kernel")
    variable.path = "dense/kernel"
    f = nv.compile(lambda x: x * variable.value)
    assert '"dense/kernel"' in str(f.graph(nv.asarray([2.0])))


def test_cells_can_be_used_beside_a_trace() -> None:
    from nervure.state import untraced

    cell = Cell(nv.asarray([1.0]), "outside")

    def f(x: nv.Array) -> nv.Array:
        with untraced():
            cell.value = nv.asarray([5.0])
        return x * 2

    graph = nv.compile(f).graph(nv.asarray([1.0]))
    assert len(graph.inputs) == 1 and cell.value.tolist() == [5]
