"""The playground in a cell of a notebook: a frame on a server of this process."""

from __future__ import annotations

import html
from functools import cache
from typing import Any

from nervure.errors import ArgumentError, explain


class PlaygroundFrame:
    """What :func:`playground` returns: shows itself in notebooks.

    Attributes
    ----------
    address
        What to open in a browser outside of notebooks; it carries the token.

    >>> PlaygroundFrame("http://127.0.0.1:8000/?token=...", 760)
    playground at http://127.0.0.1:8000/?token=...
    """

    def __init__(self, address: str, height: int) -> None:
        self.address = address
        self._height = height

    def _repr_html_(self) -> str:
        return (
            f'<iframe src="{html.escape(self.address)}" title="Nervure playground" '
            f'style="width: 100%; height: {self._height}px; border: 1px solid #8884; '
            'border-radius: 6px"></iframe>'
        )

    def __repr__(self) -> str:
        return f"playground at {self.address}"


def playground(*, height: int = 760) -> PlaygroundFrame:
    """Show the playground: small networks on points of the plane, trained live.

    In a notebook it appears in the cell, elsewhere open its ``address``.  The server
    runs in this process, listens on this machine only, and ends with it.  It needs
    ``pip install nervure[studio]``.

    Parameters
    ----------
    height
        Of the frame, in pixels.

    Raises
    ------
    ArgumentError
        For a height that is no positive whole number.

    >>> import nervure as nv
    >>> nv.playground().address.startswith("http://127.0.0.1:")
    True
    """
    if isinstance(height, bool) or not isinstance(height, int) or height < 1:
        raise ArgumentError(
            explain(
                f"playground: height must be a positive whole number, got {height!r}",
                fix="write playground(height=600), for example",
            )
        )
    return PlaygroundFrame(f"{_server().address}#/playground", height)


@cache
def _server() -> Any:
    from nervure.studio.application import Subject
    from nervure.studio.server import Server

    return Server(Subject(), in_notebooks=True).start()
