"""Write a notebook for each script of the gallery: the same cells, without results.

``python -m tools.write_notebooks`` writes ``docs/notebooks``; the tests say when a
notebook is not what its script would give, and execute them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
GALLERY: Final = DOCS / "gallery"
NOTEBOOKS: Final = DOCS / "notebooks"
_MARK: Final = "# %%\n"


def notebook(script: str) -> dict[str, Any]:
    r"""Return the notebook of a script as JSON (nbformat 4.5).

    Parameters
    ----------
    script
        Python with a docstring on top; ``# %%`` begins a cell of text, which goes on
        while lines are comments.

    >>> cells = notebook('"Title"\nx = 1\n# %%\n# More, in ``code``.\ny = 2\n')["cells"]
    >>> [(cell["cell_type"], cell["source"]) for cell in cells]  # doctest: +ELLIPSIS
    [('markdown', ['# Title']), ('code', ['x = 1']), ('markdown', ['More, in `code`.']), ('code', ['y = 2'])]
    """  # noqa: E501
    tree = ast.parse(script)
    title = ast.get_docstring(tree) or ""
    body = "".join(script.splitlines(keepends=True)[tree.body[0].end_lineno or 0 :])
    cells = [_text(_with_heading(title))]
    first, *others = body.split(_MARK)
    cells += [_code(first)] if first.strip() else []
    for part in others:
        lines = part.split("\n")
        end = next((i for i, one in enumerate(lines) if one[:1] != "#"), len(lines))
        cells.append(_text("\n".join(one[2:] for one in lines[:end])))
        code = "\n".join(lines[end:])
        cells += [_code(code)] if code.strip() else []
    for place, cell in enumerate(cells):
        content = f"{place}{''.join(cell['source'])}".encode()
        cell["id"] = hashlib.sha256(content).hexdigest()[:8]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text_of(script: Path) -> str:
    """Return what the notebook of a script holds, as it is written into the file."""
    made = notebook(script.read_text(encoding="utf-8"))
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def path_of(script: Path) -> Path:
    """Return where the notebook of a script lies."""
    return NOTEBOOKS / f"{script.stem}.ipynb"


def main() -> None:
    """Write all notebooks, and remove those whose script is gone."""
    NOTEBOOKS.mkdir(exist_ok=True)
    scripts = sorted(GALLERY.glob("*.py"))
    for old in {*NOTEBOOKS.glob("*.ipynb")} - {path_of(one) for one in scripts}:
        old.unlink()
    for script in scripts:
        path_of(script).write_text(text_of(script), encoding="utf-8")


def _with_heading(title: str) -> str:
    """Make the first line, which may be underlined, a heading of Markdown."""
    first, _, rest = title.partition("\n")
    without_line = re.sub(r"^=+\n", "", rest)
    return f"# {first}\n{without_line}".rstrip("\n")


def _cell(kind: str, content: str) -> dict[str, Any]:
    lines = content.strip("\n").splitlines(keepends=True)
    return {"cell_type": kind, "id": "", "metadata": {}, "source": lines}


def _text(content: str) -> dict[str, Any]:
    return _cell("markdown", content.replace("``", "`"))


def _code(content: str) -> dict[str, Any]:
    return _cell("code", content) | {"execution_count": None, "outputs": []}


if __name__ == "__main__":
    main()
