"""docs/keras.md and the code agree."""

from __future__ import annotations

import subprocess

import pytest

from tests.parity.answers import NoKerasError, keras_python
from tools import write_keras_page as tool


def test_the_page_is_what_the_code_says():
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "write it anew: python -m tools.write_keras_page"
    )


def test_notes_must_fit_the_code():
    names = ["losses.MeanSquaredError", "layers.NoSuchLayer"]
    none = {"absent": {}, "differs": {}, "renamed": {}}
    with pytest.raises(ValueError, match="is absent: write it, or say why"):
        tool.entries(names, none)
    absent = {**none, "absent": {"layers": "later"}}
    assert [one.state for one in tool.entries(names, absent)] == ["same", "absent"]
    with pytest.raises(ValueError, match="needs no reason for absence"):
        tool.entries(names, {**none, "absent": dict.fromkeys(names, "later")})
    with pytest.raises(ValueError, match="cannot differ: it is absent"):
        tool.entries(names, {**absent, "differs": {names[1]: "much"}})
    with pytest.raises(ValueError, match="no name of Keras"):
        tool.entries(names, {**absent, "renamed": {"layers.Dens": "nervure.x"}})


def test_what_is_the_same_takes_the_same_arguments():
    names = tool.read_names()
    same = [
        one for one in tool.entries(names, tool.read_notes()) if one.state == "same"
    ]
    for one in same:
        full_name = f"{one.module}.{one.name}"
        # Array functions follow the Array API standard.
        if one.module != "ops":
            lacking = tool.lacking_arguments(full_name, names[full_name])
            assert not lacking, (
                f"{full_name} lacks {lacking}: say so in keras_notes.json"
            )


LISTING = """
import importlib, inspect, os, sys
os.environ["KERAS_BACKEND"] = "jax"
for name in sys.argv[1:]:
    module = importlib.import_module(f"keras.{name}")
    for one in sorted(dir(module)):
        if not one.startswith("_") and not inspect.ismodule(getattr(module, one)):
            try:
                found = inspect.signature(getattr(module, one)).parameters.values()
            except (TypeError, ValueError):
                found = []
            arguments = [each.name for each in found if each.kind not in (2, 4)]
            print(" ".join([f"{name}.{one}", *arguments]))
"""


@pytest.mark.slow
def test_the_list_of_names_is_that_of_keras():
    try:
        python = keras_python()
    except NoKerasError as missing:
        pytest.skip(str(missing))
    names = tool.read_names()
    modules = list(dict.fromkeys(one.rpartition(".")[0] for one in names))
    done = subprocess.run(
        [python, "-c", LISTING, *modules], capture_output=True, text=True, check=True
    )
    assert done.stdout == tool.NAMES.read_text(encoding="utf-8")
