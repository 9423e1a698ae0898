"""Every gradient, and the gradient's gradient, on the xla executor."""

from __future__ import annotations

import pytest

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.primitive import Primitive
from tests.exec.cpu.test_gradients_cpu import CASES, derivatives
from tests.exec.xla.agreement import check

QUICK = (dtypes.float32, dtypes.bfloat16)


@pytest.mark.parametrize(
    "primitive, dtype",
    [
        pytest.param(
            *case.values,
            id=case.id,
            marks=() if case.values[1] in QUICK else pytest.mark.slow,
        )
        for case in CASES
        if case.values[0].name != "part"
    ],
)
def test_gradients_are_those_of_the_reference(
    primitive: Primitive, dtype: DType
) -> None:
    cases = derivatives(primitive, dtype)
    outputs = [[*case.first, *case.second()] for case in cases]
    graphs = [case.graph(nodes) for case, nodes in zip(cases, outputs)]
    values = {leaf: value for case in cases for leaf, value in case.values.items()}
    check(graphs, values)
