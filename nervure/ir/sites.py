"""Where a node was made: the user's line, and what it was made for.

A node is made for a *layer*, perhaps for a *composite* within it (softmax, attention:
one idea made of several primitives), and perhaps as part of the *gradient* of all that.
None of this is part of a node's identity: it is for people, in texts, errors and
pictures.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Final, NamedTuple, ParamSpec, TypeVar

_PACKAGE_FOLDER: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Site(NamedTuple):
    """Where a node was made, and what for.

    Attributes
    ----------
    file, line
        The user's line.
    scope
        The layer, within its model: ``sequential/dense``; empty for none.
    composite
        The idea that the node is a part of: ``softmax``, or ``attention/softmax``.
    gradient
        Whether the node is part of the gradient of all this.

    >>> import nervure as nv
    >>> x = nv.parameter([1.0])
    >>> nv.tanh(x).node.site.line
    1
    """

    file: str
    line: int
    scope: str = ""
    composite: str = ""
    gradient: bool = False

    def __str__(self) -> str:
        place = f"{os.path.basename(self.file)}:{self.line}"
        return f"layer '{self.scope}', {place}" if self.scope else place

    @property
    def purpose(self) -> str:
        """What the node is for, in words: ``gradient of softmax in layer 'dense'``.

        >>> Site("model.py", 3, "dense", "softmax", gradient=True).purpose
        "gradient of softmax in layer 'dense'"
        """
        layer = f"layer '{self.scope}'" if self.scope else ""
        inner = f"{self.composite} in {layer}" if layer else self.composite
        what = inner if self.composite else layer
        if self.gradient:
            return f"gradient of {what}" if what else "gradient"
        return what


class _Purpose(NamedTuple):
    """What nodes are being made for."""

    scope: str = ""
    composite: str = ""
    gradient: bool = False


_NOTHING: Final = _Purpose()
_purpose: ContextVar[_Purpose] = ContextVar("nervure_purpose", default=_NOTHING)


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Name the layer for which nodes are being made; nested names join with '/'.

    >>> import nervure as nv
    >>> x = nv.parameter([1.0])
    >>> with scope("net"), scope("first"):
    ...     y = nv.tanh(x)
    >>> y.node.site.scope
    'net/first'
    """
    outer = _purpose.get()
    inner = f"{outer.scope}/{name}" if outer.scope else name
    # What a layer does inside a composite belongs to the layer.
    token = _purpose.set(_Purpose(inner, "", outer.gradient))
    try:
        yield
    finally:
        _purpose.reset(token)


def current_scope() -> str:
    """Return for which layer nodes are being made: ``"model/dense"``."""
    return _purpose.get().scope


@contextlib.contextmanager
def within(name: str) -> Iterator[None]:
    """Name the composite of which nodes are being made; nested names join with '/'."""
    outer = _purpose.get()
    inner = f"{outer.composite}/{name}" if outer.composite else name
    token = _purpose.set(outer._replace(composite=inner))
    try:
        yield
    finally:
        _purpose.reset(token)


def composite(
    name: str,
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Return a decorator: all nodes that the function makes are one composite.

    >>> from nervure.prims import leaf, unary
    >>> @composite("twice_exp")
    ... def twice_exp(x):
    ...     return unary.exp(unary.exp(x))
    >>> twice_exp(leaf.const(1.0)).site.composite
    'twice_exp'
    """

    def decorate(
        function: Callable[_Parameters, _Result],
    ) -> Callable[_Parameters, _Result]:
        @functools.wraps(function)
        def run(*args: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
            with within(name):
                return function(*args, **options)

        return run

    return decorate


@contextlib.contextmanager
def gradient_of(site: Site) -> Iterator[None]:
    """Let nodes be made as the gradient of one that was made at ``site``."""
    token = _purpose.set(_Purpose(site.scope, site.composite, True))
    try:
        yield
    finally:
        _purpose.reset(token)


_given_site: ContextVar[Site | None] = ContextVar("nervure_site", default=None)


@contextlib.contextmanager
def made_at(site: Site) -> Iterator[None]:
    """Say where the nodes of a block come from, when it was written down earlier."""
    token = _given_site.set(site)
    try:
        yield
    finally:
        _given_site.reset(token)


# Whether a code object belongs to Nervure; asked for every frame of every node.
_is_ours: dict[CodeType, bool] = {}


# Python's own wrappers, which Nervure's functions are called through.
_WRAPPERS: Final = frozenset({contextlib.__file__, functools.__file__})


def _is_skipped(filename: str) -> bool:
    """Tell whether a file is Nervure's own, or what Python calls its functions by."""
    if filename.startswith("<frozen ") or filename in _WRAPPERS:
        return True
    return os.path.abspath(filename).startswith(_PACKAGE_FOLDER + os.sep)


def current_site() -> Site:
    """Return the innermost line outside Nervure's own files, or the one given."""
    given = _given_site.get()
    if given is not None:
        return given
    frame: FrameType | None = sys._getframe(1)
    code = frame.f_code if frame is not None else None
    while frame is not None:
        code = frame.f_code
        ours = _is_ours.get(code)
        if ours is None:
            ours = _is_ours[code] = _is_skipped(code.co_filename)
        if not ours:
            return Site(code.co_filename, frame.f_lineno, *_purpose.get())
        frame = frame.f_back
    # Only Nervure on the stack: a worker thread, or ``python -m nervure``.
    return Site(code.co_filename if code else "", 0, *_purpose.get())
