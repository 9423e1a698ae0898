"""``import nervure`` costs at most 0.15 s beyond what NumPy costs by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS = 0.15
RUNS = 7
MOST_ATTEMPTS = 3


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which byte code is kept, as after an installation."""
    kept = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def seconds(command: str, env: dict[str, str]) -> float:
    """Return how long a fresh interpreter takes for ``command``, start included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=env, check=True)
    return time.perf_counter() - start


def cost(env: dict[str, str]) -> float:
    """Return what ``import nervure`` costs beyond ``import numpy``.

    The runs alternate, so that a busy moment meets both, and the least of each counts:
    other programs can only add time.
    """
    pairs = [
        (seconds("import numpy", env), seconds("import nervure", env))
        for _ in range(RUNS)
    ]
    return min(ours for _, ours in pairs) - min(numpy for numpy, _ in pairs)


def test_import_costs_little(tmp_path: Path) -> None:
    env = environment(tmp_path)
    seconds("import nervure", env)  # writes the byte code
    costs: list[float] = []
    while len(costs) < MOST_ATTEMPTS and min(costs, default=1.0) > MOST_SECONDS:
        costs.append(cost(env))
    assert min(costs) <= MOST_SECONDS, (
        f"import nervure costs {min(costs):.3f} s beyond NumPy's import, at most "
        f"{MOST_SECONDS} s are promised; see where with "
        "`python -X importtime -c 'import nervure'`"
    )
