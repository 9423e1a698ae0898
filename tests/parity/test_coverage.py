"""Nothing that Nervure has under a name of Keras goes without a case."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator

import pytest

from nervure.nn.naming import snake_case
from tests.parity.cases import FOLDER, KINDS, Case, nested_kind, read_cases

CASES = read_cases()
# What each module gives besides the objects that have cases.
LOOKUPS = {"get", "serialize", "deserialize", "schedules"}
BASES = {
    *("Layer", "Loss", "Metric", "Optimizer", "LearningRateSchedule", "Initializer"),
    *("Regularizer", "Constraint"),
}
MODULES = [module for module in KINDS.values() if module]


def exceptions() -> dict[str, dict[str, str]]:
    return json.loads((FOLDER / "exceptions.json").read_text(encoding="utf-8"))


def parts(case: Case) -> Iterator[Case]:
    """Yield a case and the objects that its arguments describe, such as cells."""
    yield case
    waiting = list(case.get("config", {}).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if nested_kind(value) is not None:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def covered(module_name: str) -> set[int]:
    """Return the identities of the objects of a module that have a case."""
    module = importlib.import_module(f"nervure.{module_name}")
    names = {
        part[kind]
        for case in CASES.values()
        for part in parts(case)
        for kind, its_module in KINDS.items()
        if kind in part and its_module == module_name
    }
    functions = {
        case["function"].rpartition(".")[2]
        for case in CASES.values()
        if case.get("function", "").startswith(f"{module_name}.")
    }
    # A loss or metric computes by the function of its name.
    functions |= {snake_case(name) for name in names}
    return {
        id(getattr(module, one)) for one in names | functions if hasattr(module, one)
    }


@pytest.mark.parametrize("name", MODULES)
def test_everything_has_a_case(name):
    module = importlib.import_module(f"nervure.{name}")
    known = covered(name)
    excused = exceptions().get(name, {})
    without = [
        one
        for one in module.__all__
        if id(getattr(module, one)) not in known
        and one not in LOOKUPS | BASES
        and one not in excused
    ]
    assert without == [], (
        f"write cases for these names of nervure.{name}, or say in "
        "tests/parity/exceptions.json why there are none"
    )


@pytest.mark.parametrize("name", MODULES)
def test_exceptions_are_needed(name):
    module = importlib.import_module(f"nervure.{name}")
    known = covered(name)
    for one, reason in exceptions().get(name, {}).items():
        assert reason
        if hasattr(module, one):
            assert id(getattr(module, one)) not in known, f"{one} has a case"


def test_the_table_is_large():
    counts: dict[str, int] = {}
    for case in CASES.values():
        kind = next(kind for kind in KINDS if kind in case)
        counts[kind] = counts.get(kind, 0) + 1
    assert counts["layer"] >= 300
    assert sum(counts.values()) >= 800


def test_classes_of_layers_are_counted_once():
    layers = importlib.import_module("nervure.layers")
    classes = [one for one in layers.__all__ if inspect.isclass(getattr(layers, one))]
    assert len(classes) == len(set(classes))
