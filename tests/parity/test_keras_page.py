"""docs/keras.md and the code agree."""

from __future__ import annotations

import subprocess
import sys

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


LISTING = """
import importlib, inspect, os, sys
os.environ["KERAS_BACKEND"] = "jax"
for name in sys.argv[1:]:
    module = importlib.import_module(f"keras.{name}")
    for one in sorted(dir(module)):
        if not one.startswith("_") and not inspect.ismodule(getattr(module, one)):
            print(f"{name}.{one}")
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
    assert done.stdout.split() == names, sys.version
