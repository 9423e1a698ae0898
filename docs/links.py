"""Links that mean one thing in the sources and another in the pages.

A page that includes a file of the repository, which GitHub shows as well, has links
that name files; here they must name the page that includes this file.  And a class in
the signature of another is named as its module imports it, though several modules have
one of that name.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from docutils.nodes import document
from sphinx.addnodes import pending_xref

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = {
    "benchmarks/README": "guides/measuring",
    "benchmarks/RESULTS": "guides/speed",
    "benchmarks/KERNELS": "guides/speed",
    "benchmarks/INFERENCE": "guides/speed",
    "benchmarks/STUDIO": "guides/speed",
}


def lead_to_pages(app: Any, tree: document) -> None:
    """Change the targets of links in place: Sphinx' event ``doctree-read``.

    Parameters
    ----------
    tree
        A page; links to files that no page includes stay, and Sphinx warns.
    """
    del app
    pages = {str(_ROOT / file): page for file, page in _PAGES.items()}
    for link in tree.findall(pending_xref):
        target = link["reftarget"]
        if link.get("refdomain") == "py":
            link["reftarget"] = _whole_name(target, link.get("py:module"))
        else:
            link["reftarget"] = pages.get(target, target)


def _whole_name(name: str, module_name: str | None) -> str:
    """Return where a class is defined that a module knows by a name without dots."""
    value = getattr(sys.modules.get(module_name or ""), name, None)
    ours = inspect.isclass(value) and value.__module__.startswith("nervure.")
    return f"{value.__module__}.{value.__qualname__}" if ours else name
