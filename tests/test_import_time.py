"""``import nervure`` costs at most 0.15 s beyond what NumPy costs by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS = 0.15
RUNS = 7
MOST_ATTEMPTS = 3


def seconds(command: str) -> float:
    """Return how long a fresh interpreter takes for ``command``, start included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)
    return time.perf_counter() - start


def cost() -> float:
    """Return what ``import nervure`` costs beyond ``import numpy``.

    The runs alternate, so that a busy moment meets both, and the least of each counts:
    other programs can only add time.
    """
    pairs = [(seconds("import numpy"), seconds("import nervure")) for _ in range(RUNS)]
    return min(ours for _, ours in pairs) - min(numpy for numpy, _ in pairs)


def test_import_costs_little() -> None:
    seconds("import nervure")  # writes the byte code
    costs: list[float] = []
    while len(costs) < MOST_ATTEMPTS and min(costs, default=1.0) > MOST_SECONDS:
        costs.append(cost())
    assert min(costs) <= MOST_SECONDS, (
        f"import nervure costs {min(costs):.3f} s beyond NumPy's import, at most "
        f"{MOST_SECONDS} s are promised; see where with "
        "`python -X importtime -c 'import nervure'`"
    )
