"""The scripts of the gallery do what their assertions say, and so do their notebooks.

Every script ends with an assertion.  A notebook is the same code, cell by cell, so
``make test`` executes half of the quick ones as scripts and half as notebooks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.write_notebooks import NOTEBOOKS, notebook, path_of, text_of

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("*.py"))
# A few seconds each; the others take up to half a minute.
QUICK_SCRIPTS = {"08", "12", "15", "20"}
QUICK_NOTEBOOKS = {"02", "03", "16", "21"}
MOST_SECONDS = 600
TOPICS = 21


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "MPLBACKEND": "agg",
        "NERVURE_CACHE_DIR": str(folder / "cache"),
    }


def divided(quick: set[str]) -> list[Any]:
    """Return all scripts, those that are not quick with the mark ``slow``."""
    return [
        pytest.param(
            one, marks=() if one.name[:2] in quick else pytest.mark.slow, id=one.stem
        )
        for one in SCRIPTS
    ]


@pytest.mark.parametrize("script", divided(QUICK_SCRIPTS))
def test_script(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=GALLERY,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("script", divided(QUICK_NOTEBOOKS))
def test_notebook(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat: Any = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    client: Any = pytest.importorskip("nbclient")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    # The kernel's own libraries may warn; what Nervure says is tested above.
    monkeypatch.delenv("PYTHONWARNINGS")
    monkeypatch.delenv("MPLBACKEND")
    cells = nbformat.read(path_of(script), as_version=4)
    nbformat.validate(cells)
    client.NotebookClient(
        cells,
        timeout=MOST_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    ).execute()
    shown = [out for cell in cells.cells for out in cell.get("outputs", ())]
    assert any("image/png" in out.get("data", {}) for out in shown)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_notebooks_are_those_of_the_scripts(script: Path) -> None:
    # If this fails: python -m tools.write_notebooks
    assert path_of(script).read_text(encoding="utf-8") == text_of(script)


def test_there_is_no_notebook_without_a_script() -> None:
    assert {one.stem for one in NOTEBOOKS.glob("*.ipynb")} == {
        one.stem for one in SCRIPTS
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_script_checks_its_result(script: Path) -> None:
    assert re.search(r"^ *assert ", script.read_text(), re.MULTILINE)


def test_the_topics_of_the_lecture_are_all_there() -> None:
    numbers = [int(script.name[:2]) for script in SCRIPTS]
    assert numbers == list(range(1, TOPICS + 1))


def test_a_notebook_has_the_cells_of_its_script() -> None:
    made = notebook('"""\nTitle\n=====\n\nText.\n"""\n\nx = 1\n\n# %%\n# Then.\n')
    kinds = [(cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]]
    assert kinds == [
        ("markdown", "# Title\n\nText."),
        ("code", "x = 1"),
        ("markdown", "Then."),
    ]
    assert len({cell["id"] for cell in made["cells"]}) == 3
