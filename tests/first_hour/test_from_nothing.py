"""From nothing to a trained, saved, inspected network: ten lines and a minute.

The wheel is built and installed as a user would, with what it needs from the package
index, so this is slow and needs pip's index.  Time of processors is counted, not of
clocks: other work on the machine does not change it much.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 60.0


def run(words: list[str], folder: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        words,
        cwd=folder,
        env=kept | {"NERVURE_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="paths of a POSIX environment")
def test_ten_lines_in_a_minute(tmp_path: Path) -> None:
    import resource

    # A copy: a build in the tree would leave files there, and take old ones along.
    source = tmp_path / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nervure", source / "nervure", ignore=leave)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    try:
        run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], tmp_path)
        run([*pip, "download", "-d", "one", "--no-deps", "ml_dtypes"], tmp_path)
    except AssertionError as error:
        if "No matching distribution" in str(error) or "onnection" in str(error):
            pytest.skip("pip reaches no index")
        raise
    (wheel,) = tmp_path.glob("nervure-*.whl")
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "ten.py").write_text(code)
    python = str(tmp_path / "fresh" / "bin" / "python")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run([sys.executable, "-m", "venv", "fresh"], tmp_path)
    run([python, *pip[1:], "install", str(wheel)], tmp_path)
    shown = run([python, "ten.py"], tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent <= MOST_SECONDS
    assert float(re.findall(r"val_accuracy: ([01]\.\d+)", shown)[-1]) > 0.85
    assert (tmp_path / "digits.nv").exists()
    assert "ten.py:10" in shown
