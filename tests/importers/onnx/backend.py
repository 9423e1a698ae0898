"""The node tests of the onnx package: which there are, and what we make of each.

A case is a small model, its inputs and the outputs that are right.  We may refuse it,
with the operator named; then nothing is wrong.  Any other difference is.
"""

from __future__ import annotations

import enum
import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.importers.onnx import operators as _registered  # noqa: F401
from nervure.importers.onnx.reading import OnnxFile, from_proto
from nervure.importers.onnx.records import dtype_of
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.importers.onnx.running import Rules, run_graph

_STRINGS = 8
# Two units in the last place, which the onnx package's own runner allows for bfloat16.
# Its expected float16 outputs are rounded after each step, in an order of its own.
_HALF_TOLERANCES = {"bfloat16": 2**-6, "float16": 2**-9}
# The exact value is 0, and the expected one carries the rounding errors of float32.
_ABSOLUTE_TOLERANCES = {"test_dft_inverse": 1e-6, "test_dft_inverse_opset19": 1e-6}


# Cases that cannot agree: NumPy's random numbers are expected.
DRAWN = frozenset(
    {
        "test_bernoulli",
        "test_bernoulli_double",
        "test_bernoulli_double_expanded",
        "test_bernoulli_expanded",
        "test_bernoulli_seed",
        "test_bernoulli_seed_expanded",
        "test_training_dropout",
        "test_training_dropout_default",
        "test_training_dropout_default_mask",
        "test_training_dropout_mask",
    }
)


class Outcome(enum.Enum):
    PASSED = "passed"
    REFUSED = "refused"
    RANDOM = "random"
    WRONG = "wrong"


@dataclass(frozen=True)
class Result:
    outcome: Outcome
    why: str = ""


@functools.cache
def node_cases() -> dict[str, Any]:
    """Return all node tests by name."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy, while the right outputs are computed
        return {case.name: case for case in load_model_tests(kind="node")}


def operator_of(case: Any) -> str:
    """Return the operator that a case is about."""
    name = case.name
    plain = node_cases().get(name.split("_expanded")[0])
    nodes = (plain or case).model.graph.node
    kinds = [node.op_type for node in nodes]
    helpers = {"Constant", "Identity", "SequenceConstruct", "Optional"}
    return next((kind for kind in kinds if kind not in helpers), kinds[0])


def outcome_of(case: Any) -> Result:
    """Run a case on values and say what became of it."""
    if case.name in DRAWN:
        return Result(Outcome.RANDOM, "the expected numbers are another generator's")
    try:
        for given, expected in case.data_sets:
            problem = _difference(case, computed(case, given), plain(expected))
            if problem:
                return Result(Outcome.WRONG, problem)
    except UnsupportedError as error:
        named = f"{error.operator}: " if error.operator else ""
        return Result(Outcome.REFUSED, named + error.reason)
    return Result(Outcome.PASSED)


def computed(case: Any, given: Any) -> list[Any]:
    """Return what our graph makes of the inputs of a case."""
    file = from_proto(case.model)
    results = run_on_values(file, plain(given))
    return [_plain_result(one) for one in results]


def run_on_values(file: OnnxFile, values: list[Any]) -> list[Any]:
    for value in file.graph.inputs:
        if value.element:
            dtype_of(value.element)
    rules = Rules(file.opsets, file.functions)
    names = [value.name for value in file.graph.inputs]
    given = dict(zip(names, map(_entering, values), strict=False))
    return run_graph(file.graph, rules, given)


def _entering(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_entering(one) for one in value]
    if np.asarray(value).dtype.kind in "OSU":
        dtype_of(_STRINGS)
    return ops.asarray(value)


def plain(values: Any) -> list[Any]:
    import onnx

    return [
        onnx.numpy_helper.to_array(one) if isinstance(one, onnx.TensorProto) else one
        for one in values
    ]


def _plain_result(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain_result(one) for one in value]
    return value.numpy() if isinstance(value, Array) else value


def _difference(case: Any, found: list[Any], expected: list[Any]) -> str:
    """Return how outputs differ from the right ones, "" if they do not."""
    if len(found) != len(expected):
        return f"{len(found)} outputs, not {len(expected)}"
    for one, other in zip(found, expected):
        if isinstance(other, list):
            problem = _difference(case, one, other)
        else:
            problem = array_difference(case, np.asarray(one), np.asarray(other))
        if problem:
            return problem
    return ""


def array_difference(case: Any, one: Any, other: Any) -> str:
    if one.shape != other.shape:
        return f"shape {one.shape}, not {other.shape}"
    if one.dtype != other.dtype:
        return f"type {one.dtype}, not {other.dtype}"
    tolerance = max(case.rtol, _HALF_TOLERANCES.get(one.dtype.name, 0))
    if one.dtype.name == "bfloat16":
        one, other = one.astype(np.float32), other.astype(np.float32)
    absolute = _ABSOLUTE_TOLERANCES.get(case.name, case.atol)
    try:
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=absolute)
    except AssertionError as error:
        return " ".join(str(error).split())[:300]
    return ""
