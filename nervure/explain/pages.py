"""Pages about classes of errors, which ``nervure help`` prints without network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from nervure.errors import unknown_name

FOLDER: Final = Path(__file__).with_name("error_pages")


def page_names() -> list[str]:
    """Return the names of the classes that have a page, in alphabetical order.

    >>> page_names()[:2]
    ['ArgumentError', 'AxisError']
    """
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def error_page(name: str) -> str:
    """Return the page of a class of errors: what it means, code before and after.

    Parameters
    ----------
    name
        The name of the class; neither capitals nor the ending ``Error`` matter.

    Raises
    ------
    UnknownNameError
        For a name that has no page.

    >>> print(error_page("shape").splitlines()[0])
    # ShapeError
    """
    wanted = name.rpartition(".")[2].lower()
    for known in page_names():
        if wanted in (known.lower(), known.lower().removesuffix("error")):
            return (FOLDER / f"{known}.md").read_text(encoding="utf-8")
    raise unknown_name("error", name, page_names())


def summary(name: str) -> str:
    """Return the first sentence of a page.

    >>> summary("AxisError")
    'An axis that the array does not have.'
    """
    paragraph = error_page(name).split("\n\n")[1].replace("\n", " ")
    return re.split(r"\. |; also|: |\.$", paragraph)[0] + "."
