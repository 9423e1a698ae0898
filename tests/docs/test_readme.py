"""The README fits on a screen, and what it shows is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tools.write_benchmark_chart import CHART, RESULTS, WORKLOADS, bars_of, chart_of

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
MOST_LINES = 45
MOST_LINES_OF_CODE = 10


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    return str(code)


def test_it_is_short_and_shows_pictures() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for picture in ("benchmarks.svg", "studio_playground.png", "ostrich.jpg"):
        assert f"docs/images/{picture}" in text
        assert (ROOT / "docs" / "images" / picture).stat().st_size > 1000
    lines = [line for line in example().splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES_OF_CODE


def test_its_example_runs(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(example())
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    accuracy = re.findall(r"val_accuracy: ([01]\.\d+)", done.stdout)[-1]
    assert float(accuracy) > 0.85
    assert "example.py:10" in done.stdout  # the lines of the example, in the graph
    assert (tmp_path / "digits.nv").stat().st_size > 1000


def test_the_chart_is_that_of_the_results() -> None:
    # If this fails: python -m tools.write_benchmark_chart
    results = RESULTS.read_text(encoding="utf-8")
    assert CHART.read_text(encoding="utf-8") == chart_of(results)
    assert {bar.workload for bar in bars_of(results)} == {*WORKLOADS}
    root = ElementTree.fromstring(CHART.read_text(encoding="utf-8"))
    boxes = [one for one in root.iter() if one.tag.endswith("rect")]
    assert len(boxes) == 1 + len(bars_of(results))
