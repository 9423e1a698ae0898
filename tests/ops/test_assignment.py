"""Setting elements: what NumPy does, from the view of one array."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import (
    DTypeError,
    GradientError,
    IndexingError,
    ShapeError,
    TraceError,
)

KEYS: list[tuple[Any, Any]] = [
    (0, 7.0),
    (-1, [1.0, 2.0, 3.0, 4.0]),
    ((1, 2), 5.0),
    ((slice(None), 0), [9.0, 8.0, 7.0]),
    ((slice(1, None), slice(0, 2)), np.ones((1, 2, 2))),
    ((slice(None, None, -1), slice(None, None, 3)), np.arange(6.0).reshape(3, 2)),
    (([0, 2], [1, 1]), [10.0, 20.0]),
    (([0, 0, 0],), np.arange(12.0).reshape(3, 4)),  # the last one stays
    (np.array([True, False, True]), 3.0),
    (np.array([True, False, True]), [1.0, 2.0, 3.0, 4.0]),
    (np.array([True, False, True]), np.arange(8.0).reshape(2, 4)),
    ((slice(None), np.array([False, True, False, True])), [[1.0], [2.0], [3.0]]),
    (np.arange(12).reshape(3, 4) % 3 == 0, 0.5),
    (np.arange(12).reshape(3, 4) % 3 == 0, [1.0, 2.0, 3.0, 4.0]),
    (..., 2.0),
    ((..., 1), 6.0),
    ((None, 1), 6.0),
    (slice(2, 2), 1.0),
    ((), np.arange(12.0).reshape(3, 4)),
]


@pytest.mark.parametrize("key, value", KEYS)
def test_as_numpy(key: Any, value: Any) -> None:
    expected = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = nv.asarray(expected)
    expected[key] = value
    x[key] = value
    np.testing.assert_array_equal(x, expected)
    assert x.dtype == nv.float32

    y = nv.zeros((3, 4))
    assert nv.compile(lambda v: _set(v, key, value))(y).shape == (3, 4)
    assert not y.numpy().any()  # the function had an array of its own


def _set(x: nv.Array, key: Any, value: Any) -> nv.Array:
    x[key] = value
    return x


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_basic_and_mask_keys_as_numpy(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    expected = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    key = data.draw(st.one_of(basic, hnp.arrays(bool, shape)))
    x = nv.asarray(expected)
    expected[key] = -1
    x[key] = -1
    np.testing.assert_array_equal(x, expected)


def test_other_arrays_do_not_notice() -> None:
    x, twin = nv.zeros(3), nv.zeros(3)  # equal operations are one node
    view, name, own = x[:2], x, copy.copy(x)
    later = x + 1
    x[0] = 5.0
    assert x.tolist() == name.tolist() == [5, 0, 0]
    for other in (twin, own, nv.asarray(twin, copy=True)):
        assert other.tolist() == [0, 0, 0]
    assert view.tolist() == [0, 0] and later.tolist() == [1, 1, 1]
    kept = nv.asarray(x, copy=True)
    kept[1] = 1.0
    positive = +x
    positive[2] = 1.0
    assert x.tolist() == [5, 0, 0]


def test_values_of_numpy_arrays_do_not_change() -> None:
    source = np.zeros(2, np.float32)
    x = nv.asarray(source)
    before = x.numpy()
    x[0] = 1.0
    assert not before.any() and not source.any()


def test_operators_with_items() -> None:
    x = nv.asarray([1.0, 2.0, 3.0])
    x[1:] *= 10.0
    x[x > 25] -= 1.0
    assert x.tolist() == [1, 20, 29]


def test_gradients_flow_to_both() -> None:
    def f(x: nv.Array, v: nv.Array) -> nv.Array:
        x[1] = v * 2
        x[x > 4] = 0.0
        return nv.sum(x**2)

    x, v = nv.asarray([3.0, 1.0, 5.0]), nv.asarray(1.5)
    slopes = [nv.grad(lambda a: f(a, v))(x), nv.grad(lambda b: f(x * 1, b))(v)]
    assert slopes[0].tolist() == [6, 0, 0] and slopes[1].item() == 12
    assert x.tolist() == [3, 1, 5]


def test_inside_a_compiled_function() -> None:
    @nv.compile
    def f(x: nv.Array, place: nv.Array, mask: nv.Array) -> nv.Array:
        x[place] = 7.0
        x[mask] = nv.asarray(-1.0)
        return x

    x = nv.asarray([1.0, 2.0, 3.0])
    found = f(x, nv.asarray(-1), nv.asarray([True, False, False]))
    assert found.tolist() == [-1, 2, 7] and x.tolist() == [1, 2, 3]


def test_a_compiled_result_keeps_the_arguments_of_its_call() -> None:
    w = nv.parameter([1.0, 2.0])
    x = nv.asarray([3.0, 4.0])
    y = nv.compile(lambda a, b: nv.sum(a * b))(w, x)
    x[0] = 100.0
    assert nv.gradients(y, [w])[0].tolist() == [3, 4]


def test_variables_do_not_notice() -> None:
    layer = nv.layers.Dense(2)
    layer.build((None, 2))
    before = layer.kernel.numpy()
    value = layer.kernel.value
    value[0] = 9.0
    np.testing.assert_array_equal(layer.kernel.numpy(), before)
    layer.kernel.assign(value)
    value[1] = 9.0
    np.testing.assert_array_equal(layer.kernel.numpy()[1], before[1])
    assert layer.kernel.numpy()[0].tolist() == [9, 9]


def test_models_keep_the_arrays_they_were_made_of() -> None:
    offset = nv.asarray([1.0, 2.0])
    x = nv.layers.Input((2,))
    model = nv.models.Model(x, x + offset)
    offset[0] = 100.0
    assert model.predict(np.zeros((1, 2)), verbose=0).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "x, key, value, error, message",
    [
        ([1, 2], 0, 1.5, DTypeError, "float32 values do not fit into an array of int"),
        ([True], 0, 2, DTypeError, "int64 values do not fit into an array of bool"),
        (np.zeros(2, np.int8), 0, 300, DTypeError, "300 does not fit into int8"),
        ([1.0, 2.0], 5, 0.0, IndexingError, "index 5 is out of range"),
        ([1.0, 2.0], slice(1), [1.0, 2.0], ShapeError, r"\[2\] does not broadcast"),
        ([1.0, 2.0], [True, True], [1.0] * 3, ShapeError, r"\[3\] does not broadcast"),
    ],
)
def test_refusals(x: Any, key: Any, value: Any, error: Any, message: str) -> None:
    array = nv.asarray(x)
    before = array.tolist()
    with pytest.raises(error, match=message):
        array[key] = value
    assert array.tolist() == before


def test_a_parameter_is_refused() -> None:
    w = nv.parameter([1.0, 2.0], name="w")
    with pytest.raises(GradientError, match=r"(?s)of a parameter.*'w'.*fix:"):
        w[0] = 0.0
    v = w * 1
    v[0] = 0.0
    assert nv.gradients(nv.sum(v * v), [w])[0].tolist() == [0, 4]


def test_a_mask_that_is_traced_needs_one_value() -> None:
    with pytest.raises(TraceError, match="truth mask"):
        nv.compile(lambda x: _set(x, x > 1, nv.asarray([1.0, 2.0])))(
            nv.asarray([1.0, 2.0, 3.0])
        )
