"""Links of pages that include a file of the repository, which GitHub shows as well.

There a link names the file; here it must name the page that includes this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils.nodes import document
from sphinx.addnodes import pending_xref

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = {
    "benchmarks/README": "guides/measuring",
    "benchmarks/RESULTS": "guides/speed",
    "benchmarks/KERNELS": "guides/speed",
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
        link["reftarget"] = pages.get(link["reftarget"], link["reftarget"])
