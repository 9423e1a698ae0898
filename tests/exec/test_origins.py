"""Finding the operation that made the first number that is not finite."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nervure as nv
from nervure.exec.origins import Origin, find_origin
from nervure.ir.graph import Graph
from nervure.prims.leaf import input_leaf


def origin(
    function: Callable[[nv.Array], nv.Array], value: list[float], trusted: bool = False
) -> Origin | None:
    data = np.asarray(value, np.float32)
    leaf = input_leaf(data.shape, data.dtype, "x")
    graph = Graph([function(nv.Array.of_node(leaf)).node], [leaf])
    return find_origin(graph, {leaf: data}, [0], {leaf} if trusted else set())


@pytest.mark.parametrize(
    "function, value, name, kind, rows",
    [
        (lambda x: nv.sum(nv.log(x)), [1.0, 0.0, 2.0], "log", "infinity", [1]),
        (lambda x: nv.sum(nv.log(x)), [1.0, 2.0, -1.0], "log", "NaN", [2]),
        (lambda x: nv.exp(x) / nv.exp(x), [100.0], "exp", "infinity", [0]),
        (lambda x: x / (x - x), [1.0], "div", "infinity", [0]),
        (lambda x: (x - x) / (x - x), [1.0], "div", "NaN", [0]),
        (lambda x: nv.sum(x * 2), [1.0, np.inf], "input", "infinity", [1]),
        (lambda x: x - nv.max(x), [-np.inf, -np.inf], "input", "infinity", [0, 1]),
        (lambda x: nv.log(x) * 0, [0.0, 1.0], "log", "infinity", [0]),
        # What is not chosen does not count.
        (
            lambda x: nv.sqrt(nv.where(x > 0, nv.log(x), -1.0)),
            [0.0, 3.0],
            "sqrt",
            "NaN",
            [0],
        ),
        # An infinity that is written down is none's fault, what is made of it is.
        (
            lambda x: nv.where(x > 9, x, -np.inf) - nv.max(nv.where(x > 9, x, -np.inf)),
            [1.0, 2.0],
            "sub",
            "NaN",
            [0, 1],
        ),
    ],
)
def test_origins(function, value, name, kind, rows) -> None:
    found = origin(function, value)
    assert found is not None
    assert (found.node.op.name, found.kind, found.rows.tolist()) == (name, kind, rows)
    assert found.output == 0 and found.result.not_finite == len(rows)


def test_operands_are_described() -> None:
    found = origin(lambda x: nv.log(x * 2), [0.5, 0.0, 4.0])
    assert found is not None
    assert [str(one) for one in found.operands] == ["0 to 8"]
    assert str(found.result) == "0 to 2.079, 1 not finite"
    assert found.node.site.file == __file__


def test_finite_numbers_have_no_origin() -> None:
    assert (
        origin(lambda x: nv.softmax(x) if hasattr(nv, "softmax") else x, [1.0]) is None
    )
    masked = origin(lambda x: nv.exp(nv.where(x > 1, x, -np.inf)), [1.0, 2.0])
    assert masked is None


def test_trusted_inputs_are_not_looked_at() -> None:
    found = origin(lambda x: nv.take(x, nv.asarray([1])), [1.0, np.nan], trusted=True)
    assert found is not None and found.node.op.name == "gather"
    assert found.operands == (found.operands[0],)  # only the indices


def test_loops_are_one_operation() -> None:
    found = origin(lambda x: nv.fori_loop(0, 9, lambda n, y: y * y, x), [3.0])
    assert found is not None and found.kind == "infinity"
