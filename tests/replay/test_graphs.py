"""Training steps have the graphs that they had: a refactoring is safe."""

from __future__ import annotations

import pytest

from nervure.ir.parser import parse
from tools.write_golden_graphs import FOLDER, NAMES, graph_text


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_is_the_same(name: str) -> None:
    kept = (FOLDER / f"{name}.txt").read_text()
    assert graph_text(name) == kept, (
        "if this is meant: python -m tools.write_golden_graphs"
    )
    assert len(parse(kept)) > 20
