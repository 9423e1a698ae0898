"""Errors: their classes, their one form, and the names they suggest."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from nervure import errors
from nervure.errors import NervureError, explain, nearest_names, unknown_name

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, NervureError) and value is not NervureError
]
# What a user of NumPy would catch.
BUILT_IN = {
    "ShapeError": ValueError,
    "NoAxesError": TypeError,
    "MissingFileError": FileNotFoundError,
    "DTypeError": TypeError,
    "ArgumentError": ValueError,
    "AxisError": IndexError,
    "IndexingError": IndexError,
    "GradientError": ValueError,
    "TraceError": RuntimeError,
    "DataError": ValueError,
    "UnknownNameError": ValueError,
    "NotCompiledError": RuntimeError,
    "NotBuiltError": RuntimeError,
    "FileFormatError": ValueError,
    "GraphError": ValueError,
    "SettingError": ValueError,
    "MachineError": RuntimeError,
    "BudgetError": MemoryError,
    "NativeCodeError": RuntimeError,
    "NumericsError": FloatingPointError,
    "SingularMatrixError": np.linalg.LinAlgError,
}


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__name__)
def test_every_error_is_also_a_built_in_one(error: type[NervureError]) -> None:
    expected = BUILT_IN.get(error.__name__)
    assert expected is not None, "say here which built-in exception it is"
    assert issubclass(error, expected)
    assert error.__doc__
    assert not hasattr(builtins, error.__name__)
    with pytest.raises(expected, match="the message"):
        raise error("the message")


def test_an_explanation_is_laid_out_as_a_table() -> None:
    text = explain(
        "conv: kernel expects 16 input channels, x has 8",
        operands=[
            ("x", "float32[32, 28, 28, 8]", "from relu, model.py:41"),
            ("kernel", "float32[3, 3, 16, 32]", "parameter 'kernel', model.py:8"),
        ],
        made_at="model.py:42",
        fix="check the channels",
    )
    assert text.splitlines() == [
        "conv: kernel expects 16 input channels, x has 8",
        "  x       float32[32, 28, 28, 8]  from relu, model.py:41",
        "  kernel  float32[3, 3, 16, 32]   parameter 'kernel', model.py:8",
        "  made at model.py:42",
        "  fix: check the channels",
    ]


def test_parts_that_are_not_known_are_left_out() -> None:
    assert explain("headline") == "headline"
    assert explain("headline", fix="mend it") == "headline\n  fix: mend it"
    assert explain("headline", made_at="a.py:1", fix="") == "headline\n  made at a.py:1"
    rows = explain("headline", operands=iter([("x", "int8[]", "")])).splitlines()
    assert rows == ["headline", "  x  int8[]"]  # nothing trails


def test_nearest_names_come_best_first() -> None:
    known = ["relu", "selu", "elu", "sigmoid", "softmax"]
    assert nearest_names("rellu", known)[0] == "relu"
    assert nearest_names("Softmax", known) == ["softmax"]
    assert nearest_names("xyz", known) == []
    assert len(nearest_names("elu", known, limit=2)) == 2
    assert nearest_names("adam", ["Adam", "AdamW", "SGD"]) == ["Adam", "AdamW"]
    assert nearest_names("adam", []) == []


def test_unknown_names_are_answered_with_suggestions() -> None:
    error = unknown_name("activation", "sigmoyd", ["relu", "sigmoid"])
    assert isinstance(error, errors.UnknownNameError)
    assert f"{error}".splitlines() == [
        "unknown activation: 'sigmoyd'",
        "  fix: did you mean 'sigmoid'?",
    ]
    error = unknown_name("optimizer", "adm", ["Adam", "Adamax", "SGD"])
    assert str(error).splitlines()[1] == "  fix: did you mean 'Adam' or 'Adamax'?"


def test_without_a_near_name_all_are_listed() -> None:
    for name in ("zzz", 7, None):
        error = unknown_name("loss", name, ["mse", "mae"])
        assert f"{error}".splitlines() == [
            f"unknown loss: {name!r}",
            "  fix: use one of 'mae', 'mse'",
        ]


# Readers of graphs and logs: what calls them names the file and adds the fix.
READERS = {
    *("ir/jsonform.py", "ir/numerals.py", "ir/parser.py", "ir/reading.py"),
    *("tblog/reader.py", "tblog/wire.py"),
}
# These pass on a text that has been made elsewhere, with its fix.
PASSING_ON = {
    *("config.py: SettingError", "errors.py: MissingFileError"),
    *("nn/input_spec.py: ShapeError", "sklearn/neural.py: ArgumentError"),
    "train/numerics_guard.py: NumericsError",
    "exec/cpu/checks/faults.py: NativeCodeError",
}


def test_every_error_that_users_meet_says_how_to_mend_it() -> None:
    """Looked up in the code, so that texts which no test provokes are seen too."""
    package = Path(errors.__file__).parent
    names = {one.__name__ for one in CLASSES}
    seen, without = 0, set()
    for file in sorted(package.rglob("*.py")):
        inside = file.relative_to(package).as_posix()
        if inside in READERS:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in names:
                seen += 1
                if not re.search("fix[=:]", ast.unparse(node)):
                    without.add(f"{inside}: {name}")
    assert seen > 800
    assert without <= PASSING_ON
