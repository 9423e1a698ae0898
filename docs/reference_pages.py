"""Write the pages of the reference: one for each public module and each error.

They are made anew by every build, so that a new name is in the reference at once.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from nervure.explain.pages import error_page, page_names, summary
from tools.public_names import MODULES, public_objects


def write_reference(folder: Path) -> None:
    """Write ``index.rst`` and a page for each module into a folder.

    Parameters
    ----------
    folder
        It is made if it is not there; pages whose text is the same are left alone,
        so that Sphinx does not read them again.
    """
    folder.mkdir(exist_ok=True)
    lines = [_heading("Reference", "="), ".. toctree::", "   :maxdepth: 1", ""]
    lines.append("   Errors, with code before and after <errors/index>")
    _write_errors(folder / "errors")
    seen: set[int] = set()
    for module, title in MODULES.items():
        lines.append(f"   {title} <{module}>")
        _write(folder / f"{module}.rst", _page(module, title, seen))
    _write(folder / "index.rst", "\n".join(lines) + "\n")


def _write_errors(folder: Path) -> None:
    """Write the pages that ``nervure help`` prints, and a list of them."""
    folder.mkdir(exist_ok=True)
    lines = ["# Errors", "", "`nervure help NAME` prints these pages.", ""]
    for name in page_names():
        _write(folder / f"{name}.md", error_page(name))
        lines.append(f"- [{name}]({name}.md): {summary(name)}")
    listed = "\n".join(page_names())
    lines += ["", "```{toctree}", ":hidden:", "", listed, "```"]
    _write(folder / "index.md", "\n".join(lines) + "\n")


def _page(module: str, title: str, seen: set[int]) -> str:
    """Return a page; a name that an earlier page has stays out of the index."""
    found = sorted(public_objects(module), key=lambda pair: pair[0].lower())
    lines = [_heading(title, "="), f".. currentmodule:: {module}", ""]
    lines += [f"``{module}``", ""]
    for name, value in found:
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        lines += [f".. {kind}:: {module}.{name}", ""]
        if kind == "autoclass" and not issubclass(value, BaseException):
            lines[-1:] = ["   :members:", ""]
        if id(value) in seen:
            lines[-1:] = ["   :no-index:", ""]
        seen.add(id(value))
    return "\n".join(lines)


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
