"""The judge of random graphs: what it lets pass, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from nervure import dtypes
from nervure.ir.graph import Graph
from nervure.prims.contract import dot
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.stability import judge


def judged(x: list[float], y: list[float], result: float) -> list[str]:
    """Return what is wrong with the result of a product of a row and a column."""
    left = input_leaf((1, len(x)), dtypes.float32)
    right = input_leaf((len(y), 1), dtypes.float32)
    graph = Graph([dot(left, right, contract=((1,), (0,)))], [left, right])
    operands = [np.float32([x]), np.float32([y]).T]
    return judge(graph, operands, [np.float32([[result]])])


@pytest.mark.parametrize("result", [np.nan, np.inf, -np.inf])
def test_overflows_of_both_signs_depend_on_the_order(result: float) -> None:
    assert judged([1e30, -1e30], [1e30, 1e30], result) == []


@pytest.mark.parametrize("result", [6.0, -np.inf, np.nan])
def test_no_other_product_is_let_off(result: float) -> None:
    assert judged([1.0, 2.0], [1.0, 2.0], 5.0) == []
    assert judged([1.0, 2.0], [1.0, 2.0], result)
    assert judged([np.inf, 2.0], [1.0, 2.0], np.inf) == []
    assert judged([np.inf, 2.0], [1.0, 2.0], 6.0)
