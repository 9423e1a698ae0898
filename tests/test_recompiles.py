"""Every compilation is noted with its cause and the user's line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import recompiles
from nervure.config import config


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    nv.explain_recompiles(clear=True)
    yield
    nv.explain_recompiles(clear=True)


def causes() -> list[tuple[str, str]]:
    return [(one.kind, one.cause) for one in nv.explain_recompiles().compilations]


def test_each_cause_names_its_argument() -> None:
    @nv.compile(static_argnums=1)
    def f(x: Any, power: int, *, offset: Any = 0.0) -> nv.Array:
        return nv.sum(x["a"] ** power) + nv.sum(x["b"]) + offset

    def ask(a: Any, b: Any, power: int = 2, **options: Any) -> None:
        f({"a": nv.asarray(a), "b": nv.asarray(b)}, power, **options)

    x = np.ones(3, np.float32)
    ask(x, x)
    ask(x, x)
    ask(x, np.ones(4, np.float32))
    ask(np.ones(3), np.ones(4, np.float32))
    ask(np.ones(3), np.ones(4, np.float32), 3)
    ask(np.ones(3), np.ones(4, np.float32), 3, offset=nv.asarray(1.0))
    ask(np.ones(3), np.ones(4, np.float32), 3, offset=nv.ones(2))
    assert causes() == [
        ("new function", "first called with float32[3], float32[3]"),
        ("new shape", "argument 'x', leaf 1 changed from float32[3] to float32[4]"),
        ("new dtype", "argument 'x', leaf 0 changed from float32[3] to float64[3]"),
        ("static value", "static arguments changed from ((1, 2),) to ((1, 3),)"),
        ("other arguments", causes()[4][1]),
        ("new shape", "argument 'offset' changed from float32[] to float32[2]"),
    ]
    assert "offset" in causes()[4][1]


def test_settings_and_arguments_without_a_name() -> None:
    f = nv.compile(lambda *parts: nv.sum(parts[1]))
    with config.override(executor="auto"):
        f(nv.ones(2), nv.ones(2))
        f(nv.ones(2), nv.ones(3))
    with config.override(executor="reference"):
        f(nv.ones(2), nv.ones(3))
    assert [kind for kind, _ in causes()] == ["new function", "new shape", "setting"]
    assert causes()[1][1].startswith("argument 1 changed")
    assert causes()[2][1] == "the executor changed from auto to reference"


def test_a_ragged_last_batch() -> None:
    model = nv.models.Sequential([nv.layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    x = np.zeros((10, 2), np.float32)
    model.fit(x, x[:, :1], batch_size=4, epochs=3, verbose=0)
    found = [
        one
        for one in nv.explain_recompiles().compilations
        if one.name == "the training step of 'net'"
    ]
    assert [one.kind for one in found] == ["new function", "ragged batch"]
    assert found[1].cause == "the batch changed from int64[4] to int64[2]"
    assert {Path(one.site.file) for one in found} == {Path(__file__)}
    batches = ((x[:size], x[:size, :1]) for size in (4, 3))
    model.fit(batches, steps_per_epoch=2, verbose=0)
    assert [kind for kind, cause in causes() if "float32[3, 2]" in cause] == [
        "ragged batch"
    ]
    model.fit(x[:8], x[:8, :1], batch_size=4, verbose=0)
    assert causes()[-1][0] == "new shape" and causes()[-1][1].startswith("the data")


def test_the_report() -> None:
    assert str(nv.explain_recompiles()) == "nothing was compiled"
    for _ in range(3):
        nv.compile(lambda x: x + 1)(nv.ones(2))
    report = nv.explain_recompiles()
    assert report.counts() == {"new function": 3}
    ((count, name, kind, _, line),) = report.rows()
    assert (count, kind) == (3, "new function") and "<lambda>" in name
    assert line.startswith("test_recompiles.py:")
    lines = str(report).splitlines()
    assert lines[0] == "compilations: 3 of 1 function; 3 x new function"
    assert (
        lines[2].lstrip().startswith("3 x new function: first called with float32[2]")
    )
    assert "&lt;lambda&gt;" in report._repr_html_() and repr(report) == str(report)


def test_no_more_than_so_many_are_remembered() -> None:
    assert recompiles._compilations.maxlen == recompiles.MOST_COMPILATIONS
