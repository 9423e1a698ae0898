"""Sessions of Python in the guides, which Markdown does not tell from other blocks."""

from __future__ import annotations

from typing import Any

from docutils.nodes import document, literal_block


def colour(app: Any, tree: document) -> None:
    """Say of indented blocks which are sessions: Sphinx' event ``doctree-read``.

    Parameters
    ----------
    tree
        A page; its blocks are changed in place.
    """
    del app
    for block in tree.findall(literal_block):
        if block.get("language") == "none" and block.astext().startswith(">>> "):
            # By force: messages among the code are no Python.
            block.attributes |= {"language": "pycon", "force": True}
