"""Graphs of models: the page of a program in a frame of its own.

The viewer is that of ``Program.to_html()``.  Its page runs sandboxed, in an origin that
is nobody's, and may ask for nothing.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from nervure.errors import ArgumentError, explain

# What the page of a program may do: show itself.
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts; frame-ancestors 'self'"
)
_KINDS: Final = ("train", "test", "predict")
_BATCH: Final = 32


class Programs:
    """Pages of the programs of one model, each made once.

    Parameters
    ----------
    model
        Returns the model; called when a page is asked for.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Input((4,)), nv.layers.Dense(2)])
    >>> Programs(lambda: model).page("predict").startswith("<!doctype html>")
    True
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._pages: dict[str, str] = {}
        self._lock = threading.Lock()

    def page(self, kind: str) -> str:
        """Return the page of the step of "train", "test" or "predict".

        Raises :class:`~nervure.errors.NervureError` for another word, and for a model
        that has no such program: one that is not compiled has only "predict".
        """
        if kind not in _KINDS:
            raise ArgumentError(
                explain(f"there is no program {kind!r:.60}", fix=f"take {_KINDS}")
            )
        with self._lock:
            if kind not in self._pages:
                model = self._model()
                make = getattr(model, f"{kind}_program")
                self._pages[kind] = make(batch_size=_BATCH).to_html()
            return self._pages[kind]
