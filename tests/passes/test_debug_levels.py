"""What ``NERVURE_DEBUG=1..4`` print, as CONTRIBUTING.md says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.config import config


def printed(
    level: int, folder: Path, capsys: pytest.CaptureFixture[str], number: float
) -> str:
    """Compile and call a function at a debug level; return what was printed.

    Each test has another number: equal programs are compiled only once.
    """
    with config.override(debug=level, executor="cpu", cache_dir=folder):
        function = nv.compile(lambda x: nv.negative(nv.negative(nv.tanh(x * number))))
        for size in (3, 4):
            result = function(np.ones(size, "float32"))
            np.testing.assert_allclose(result, np.tanh(number), rtol=1e-6)
        assert float(nv.sum(nv.asarray([1.0, number]) * 2)) == 2 + 2 * number
    return capsys.readouterr().out


MARKS = {
    1: ("compiled again: ", "nervure: evaluating "),
    2: ("nervure: simplify: ",),
    3: ("nervure: before the passes\ngraph (", "nervure: after the passes\ngraph ("),
    4: ("nervure: LLVM\n", "define "),
}


@pytest.mark.parametrize("level", range(5))
def test_each_level_adds_something(
    level: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(level, tmp_path, capsys, 2.5 + level)
    for least, marks in MARKS.items():
        for mark in marks:
            assert (mark in shown) == (level >= least), mark
    if level == 0:
        assert shown == ""


def test_a_pass_says_how_many_operations_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(2, tmp_path, capsys, 8.5).splitlines()
    (first, *_) = [line for line in shown if line.startswith("nervure: simplify: ")]
    before, after = (
        int(word) for word in first.removesuffix(" operations").split()[2::2]
    )
    assert after == before - 2  # two negations are gone
