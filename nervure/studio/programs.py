"""Graphs of models: the page of a program in a frame of its own.

The viewer is that of ``Program.to_html()``.  Its page runs sandboxed, in an origin that
is nobody's, and may ask for nothing.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final

from nervure.errors import ArgumentError, explain
from nervure.studio.playground.choices import read_choices
from nervure.studio.playground.network import Network
from nervure.studio.playground.points import MOST_CLASSES

if TYPE_CHECKING:
    from nervure.program import Program

# What the page of a program may do: show itself.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts; frame-ancestors 'self'"
)
_KINDS: Final = ("train", "test", "predict")
_BATCH: Final = 32
# Pages that are kept; those of the playground's networks come and go.
_MOST_KEPT: Final = 12


class Programs:
    """Pages of the programs of one model, each made once.

    Parameters
    ----------
    model
        Returns the model; called when a page is asked for.
    program
        A program to show instead of the model's.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Input((4,)), nv.layers.Dense(2)])
    >>> Programs(lambda: model).page("predict").startswith("<!doctype html>")
    True
    """

    def __init__(self, model: Any, program: Program | None = None) -> None:
        self._model = model
        self._program = program
        self._pages: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def page(self, kind: str, network: str = "") -> str:
        """Return the page of the step of "train", "test" or "predict".

        Parameters
        ----------
        kind
            One of these words.
        network
            A network of the playground instead: its choices as JSON, and ``outputs``,
            how many classes it tells apart if they are more than two.

        Raises
        ------
        NervureError
            For another word, choices that are none, and for a model that has no such
            program: one that is not compiled has only "predict".
        """
        if kind not in _KINDS:
            raise ArgumentError(
                explain(f"there is no program {kind!r:.60}", fix=f"take {_KINDS}")
            )
        with self._lock:
            key = kind, network
            if key not in self._pages:
                while len(self._pages) >= _MOST_KEPT:
                    del self._pages[next(iter(self._pages))]
                self._pages[key] = self._made(kind, network).to_html()
            return self._pages[key]

    def _made(self, kind: str, network: str) -> Program:
        if network:
            model = _of_playground(network)
        elif self._program is not None:
            return self._program
        else:
            model = self._model()
        found: Program = getattr(model, f"{kind}_program")(batch_size=_BATCH)
        return found


def _of_playground(network: str) -> Any:
    """Return the model that choices of the playground describe."""
    try:
        choices = json.loads(network)
    except (ValueError, RecursionError):
        choices = None
    outputs = choices.pop("outputs", 1) if isinstance(choices, dict) else 1
    if outputs not in range(1, MOST_CLASSES + 1):
        raise ArgumentError(
            explain(
                f"outputs must be a number from 1 to {MOST_CLASSES}",
                fix="choose fewer classes",
            )
        )
    return Network(read_choices(choices), outputs).model
