"""The built web application: a few files, read once.

Requests are answered from this table, so no address can name another file.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final, NamedTuple

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file of the web application, and its media type."""

    content: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Return the files by path; the page itself is "/".

    >>> from nervure.studio.assets import assets
    >>> assets()["/"].media_type
    'text/html; charset=utf-8'
    """
    found = {}
    for one in resources.files("nervure.studio").joinpath("static").iterdir():
        kind = _TYPES.get(one.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if one.name == "index.html" else f"/{one.name}"
            found[path] = Asset(one.read_bytes(), kind)
    return found
