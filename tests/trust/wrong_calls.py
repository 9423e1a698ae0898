"""Runs wrong calls and says what came of them.

The calls are in ``wrong_calls.txt``, and in ``wrong_data.txt`` those with data, files
and functions of the user.  A block is a line ``>>> expression`` with the class and the
text of its error below.  ``python -m tests.trust.wrong_calls wrong_data.txt`` prints
the blocks of a table as the calls answer now.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import nervure as nv
from nervure import (
    callbacks,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    random,
    regularizers,
    sklearn,
    utils,
)
from nervure.errors import NervureError

FOLDER = Path(__file__).parent
TABLES = ("wrong_calls.txt", "wrong_data.txt")
x = np.linspace(-1, 1, 24, dtype="float32").reshape(6, 4)
y = np.array([0, 1, 2, 0, 1, 2])


def net(
    units: int = 3,
    activation: Any = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
    **options: Any,
) -> Any:
    """Return a small compiled model."""
    parts = [layers.Dense(units, activation, input_shape=(4,), name="top")]
    model = models.Sequential(parts, name="net")
    model.compile("adam", loss, **options)
    return model


def batches(count: int) -> Iterator[Any]:
    """Yield the data several times."""
    for _ in range(count):
        yield x, y


def file(name: str, content: bytes) -> str:
    """Write a file and return its name."""
    Path(name).write_bytes(content)
    return name


def saved() -> str:
    """Save a model and return the name of its file."""
    net().save("saved.nv")
    return "saved.nv"


def called(layer: Any, *shapes: tuple[int, ...]) -> Any:
    """Call a layer on ones of several shapes, one after the other."""
    return [layer(nv.ones(shape)) for shape in shapes]


NAMES = {
    one.__name__.rpartition(".")[2]: one
    for one in (
        *(callbacks, constraints, datasets, initializers, layers, losses, metrics),
        *(models, optimizers, random, regularizers, sklearn, utils),
    )
}
NAMES |= {"nv": nv, "net": net, "called": called, "x": x, "y": y, "np": np, "pd": pd}
NAMES |= {"batches": batches, "file": file, "saved": saved}


def outcome(expression: str) -> tuple[BaseException | None, str]:
    """Return the error of an expression, and its class and text."""
    nv.utils.clear_session()
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chdir(folder)
        stack.callback(os.chdir, before)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try:
            value = eval(expression, dict(NAMES))
        except Exception as error:  # noqa: BLE001 - any may come
            text = f"{type(error).__name__}: {error}"
            return error, plain(text)
    return None, f"no error, but {type(value).__name__}"


def plain(text: str) -> str:
    """Leave out what differs from run to run: places in memory and in this file."""
    text = re.sub(r" at 0x[0-9a-f]+", " at 0x...", text)
    text = re.sub(r"\S*wrong_calls\.py:\d+", "HERE", text)
    # an equal operation that another test keeps alive was made there
    elsewhere = r"(layer '[^']*', )?(\b\w+\.py|<doctest [^>]*>):\d+"
    text = re.sub(elsewhere, "<string>:1", text)
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def calls(*names: str) -> dict[str, str]:
    """Return the expected texts by expression, those of all tables by default."""
    found: dict[str, str] = {}
    texts = ["\n" + (FOLDER / name).read_text() for name in names or TABLES]
    for block in "".join(texts).split("\n>>> ")[1:]:
        expression, _, text = block.partition("\n")
        lines = [one for one in text.splitlines() if not one.startswith("# ")]
        found[expression] = "\n".join(lines).rstrip()
    return found


def is_ours(error: BaseException | None) -> bool:
    """Tell whether an error is one that Nervure explains."""
    return isinstance(error, NervureError)


if __name__ == "__main__":
    print("\n\n".join(f">>> {one}\n{outcome(one)[1]}" for one in calls(*sys.argv[1:])))
