"""Draw ``docs/images/benchmarks.svg`` from ``benchmarks/RESULTS.md``.

``python -m tools.write_benchmark_chart`` after a benchmark; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
CHART: Final = ROOT / "docs" / "images" / "benchmarks.svg"
WORKLOADS: Final = {
    "W1": "784-32-10",
    "W2": "784-1024-1024-10, dropout",
    "W3": "the lecture's CNN",
    "W4": "the lecture's grid search",
    "W5": "64-32-10 on digits",
    "W7": "ResNet-18",
    "W8": "transformer block",
}
# Each framework is judged by the faster of its two ways.
FRAMEWORKS: Final = {
    "PyTorch": ("torch_eager", "torch_compiled", "#c44e52"),
    "JAX": ("jax_step", "jax_scan", "#8172b3"),
    "Keras": ("keras_tensorflow", "keras_jax", "#dd8452"),
    "scikit-learn": ("sklearn", "sklearn", "#55a868"),
}
_LONGEST: Final = 17.0
_LEFT, _WIDTH, _BAR, _GAP = 215, 480, 14, 12


class Bar(NamedTuple):
    """How many times as long as Nervure a framework takes for a workload."""

    workload: str
    framework: str
    ratio: float


def bars_of(results: str) -> list[Bar]:
    r"""Return what the chart shows.

    Parameters
    ----------
    results
        The text of ``RESULTS.md``: a section for each workload, with a table whose
        fourth column is the time divided by Nervure's.

    >>> table = "### W1: x\n| torch_eager | 2 s | 1 | 5.46 | 0 | 0 |\n"
    >>> bars_of(table + "| torch_compiled | 1 s | 1 | 5.7 | 0 | 0 |\n")
    [Bar(workload='W1', framework='PyTorch', ratio=5.46)]
    """
    bars = []
    for section in re.split(r"^### ", results, flags=re.MULTILINE)[1:]:
        workload = section.split(":")[0]
        rows = [line.split("|") for line in section.splitlines() if line[:1] == "|"]
        ratios = {row[1].strip(): row[4].strip() for row in rows if len(row) > 5}
        for framework, (*ways, _) in FRAMEWORKS.items():
            found = [float(ratios[way]) for way in ways if way in ratios]
            if workload in WORKLOADS and found:
                bars.append(Bar(workload, framework, min(found)))
    return bars


def chart_of(results: str) -> str:
    """Return the chart as SVG; ``results`` is as for :func:`bars_of`."""
    bars = bars_of(results)
    scale = _WIDTH / _LONGEST
    lines, top, last = [], 62, ""
    for bar in bars:
        if bar.workload != last:
            top += _GAP if last else 0
            last = bar.workload
            words = f"{last}: {WORKLOADS[last]}"
            lines.append(_words(_LEFT - 10, top + 11, words, anchor="end"))
        width = min(bar.ratio, _LONGEST) * scale
        colour = FRAMEWORKS[bar.framework][2]
        box = f'x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 2}"'
        lines.append(f'<rect {box} fill="{colour}"/>')
        label = f"{bar.ratio:.3g} {bar.framework}"
        lines.append(_words(_LEFT + width + 5, top + 10, label, size=10))
        top += _BAR
    line = _LEFT + scale
    ruler = f'<path d="M{line:.1f} 50V{top + 4}" stroke="#333" stroke-width="1.5"/>'
    title = (
        "How many times as long as Nervure others take (two cores; shorter is faster)"
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {top + 14}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="800" height="{top + 14}" fill="white"/>',
        _words(16, 24, title, size=15),
        _words(line, 46, "Nervure", anchor="middle", size=11),
    ]
    return "\n".join([*head, *lines, ruler, "</svg>"]) + "\n"


def _words(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="#222">{escape(text)}</text>'


def main() -> None:
    """Draw the chart."""
    CHART.write_text(chart_of(RESULTS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
