"""The node tests of the onnx package, all of them on values, some compiled."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import nervure as nv
from nervure.importers.onnx.reading import from_proto
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.importers.onnx.running import Rules, run_graph
from tests.importers.onnx.backend import (
    Outcome,
    array_difference,
    node_cases,
    operator_of,
    plain,
)
from tools.write_onnx_page import PAGE, page, results


@pytest.fixture(scope="module")
def found():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # infinities and NaN are among the data
        return results()


def test_no_case_is_wrong(found):
    wrong = {k: one.why for k, one in found.items() if one.outcome is Outcome.WRONG}
    assert wrong == {}


def test_enough_cases_pass(found):
    passed = [name for name, one in found.items() if one.outcome is Outcome.PASSED]
    assert len(passed) >= 1590


def test_refusals_have_a_reason(found):
    refused = [one for one in found.values() if one.outcome is Outcome.REFUSED]
    assert refused
    assert all(one.why for one in refused)


def test_the_page_is_up_to_date(found):
    assert PAGE.read_text(encoding="utf-8") == page(found)


def _one_case_an_operator():
    first = {}
    for name, case in node_cases().items():
        if "expanded" not in name:
            first.setdefault(operator_of(case), (name, case))
    return first


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_case_of_each_operator_compiled_on_the_cpu_executor():
    """Floating-point inputs are arguments of a program, others are known to it."""
    compared = []
    for operator, (name, case) in _one_case_an_operator().items():
        given, expected = case.data_sets[0]
        try:
            outputs = _compiled(case, plain(given))
        except UnsupportedError:
            continue
        if operator in ("Bernoulli", "Dropout"):
            continue
        for one, right in zip(outputs, plain(expected), strict=True):
            problem = array_difference(case, np.asarray(one), np.asarray(right))
            assert not problem, f"{name}: {problem}"
        compared.append(operator)
    assert len(compared) >= 130


def _compiled(case, values):
    file = from_proto(case.model)
    names = [value.name for value in file.graph.inputs]
    given = dict(zip(names, values, strict=False))
    if any(isinstance(one, list) or one is None for one in values):
        raise UnsupportedError("", "sequences are no arguments of programs")
    if any(np.asarray(one).dtype.kind in "OSUV" for one in values):
        raise UnsupportedError("", "a type that Nervure does not have")
    moving = [name for name, one in given.items() if np.asarray(one).dtype.kind == "f"]
    fixed = {k: nv.asarray(one) for k, one in given.items() if k not in moving}

    def function(*arguments):
        rules = Rules(file.opsets, file.functions)
        found = dict(zip(moving, arguments, strict=True))
        results = run_graph(file.graph, rules, {**fixed, **found})
        if any(isinstance(one, list) or one is None for one in results):
            raise UnsupportedError("", "sequences are no results of programs")
        return list(results)

    if not moving:
        return [np.asarray(one) for one in function()]
    with nv.config.override(executor="cpu"):
        program = nv.compile(function)
        return [np.asarray(one) for one in program(*(given[name] for name in moving))]
