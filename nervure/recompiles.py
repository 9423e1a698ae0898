"""Which functions were compiled, how often, and what caused it each time.

A program is made for one *signature*: the types of its arguments, the values of those
that are no arrays, and a few settings.  What a new signature differs in from the last
one is the cause of a compilation.
"""

from __future__ import annotations

import html
import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from nervure.config import config
from nervure.dtypes import DType
from nervure.ir.node import Shape, Site, current_site

logger = logging.getLogger("nervure")

ArrayType = tuple[Shape, DType]

# What a compilation may be caused by.
NEW: Final = "new function"
SHAPE: Final = "new shape"
DTYPE: Final = "new dtype"
STATIC: Final = "static value"
STRUCTURE: Final = "other arguments"
RAGGED: Final = "ragged batch"
SETTING: Final = "setting"
# No more are remembered, half a kilobyte each; the oldest are forgotten first.
MOST_COMPILATIONS: Final = 1_000


class Difference(NamedTuple):
    """What a signature differs in from another one.

    ``text`` says it in words; where it is an array that has changed, ``place`` is its
    number, and the text lacks the subject.
    """

    kind: str
    text: str
    place: int | None = None

    def sentence(self, names: Sequence[str] = ()) -> str:
        """Return the words, with the array called by its name if there is one."""
        if self.place is None:
            return self.text
        named = self.place < len(names)
        return f"{names[self.place] if named else f'array {self.place}'} {self.text}"


class Signature(Protocol):
    """What a program depends on besides its function."""

    def difference(self, other: Any, /) -> Difference:
        """Say why a program for ``other`` does not serve."""
        ...


def array_difference(before: ArrayType, now: ArrayType, place: int) -> Difference:
    """Say how the type of an array has changed."""
    kind = SHAPE if before[0] != now[0] else DTYPE
    text = f"changed from {type_text(before)} to {type_text(now)}"
    return Difference(kind, text, place)


def type_text(type_: ArrayType) -> str:
    """Write the type of an array: ``float32[2, 3]``."""
    shape, dtype = type_
    return f"{dtype.name}{list(shape)}"


class Compilation(NamedTuple):
    """One program that was made.

    Attributes
    ----------
    name
        The function, or the step of a model.
    kind
        ``"new function"``, ``"new shape"``, ``"new dtype"``, ``"static value"``,
        ``"other arguments"``, ``"ragged batch"`` or ``"setting"``.
    cause
        What exactly was new.
    site
        The user's line that called it.
    """

    name: str
    kind: str
    cause: str
    site: Site


_compilations: Final[deque[Compilation]] = deque(maxlen=MOST_COMPILATIONS)


class RecompileLog:
    """Why a function was compiled again, each cause once.

    Attributes
    ----------
    causes
        The causes in words.
    count
        How many programs were made.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.causes: list[str] = []
        self.count = 0
        self._last: Signature | None = None

    def compiled(
        self, signature: Signature, types: str = "", names: Sequence[str] = ()
    ) -> None:
        """Note that a program was made for ``signature``.

        ``types`` are those of the arrays, ``names`` what each is called.
        """
        self.count += 1
        if self._last is None:
            kind, text = NEW, f"first called with {types or 'no arrays'}"
        else:
            found = signature.difference(self._last)
            kind, text = found.kind, found.sentence(names)
            cause = f"{self.name} compiled again: {found.sentence()}"
            if cause not in self.causes:
                self.causes.append(cause)
                logger.info(cause)
                if config.debug >= 1:
                    print(f"nervure: {cause}")
        self._last = signature
        _compilations.append(Compilation(self.name, kind, text, current_site()))


class RecompileReport:
    """What :func:`explain_recompiles` returns: prints as a table, also in notebooks.

    Attributes
    ----------
    compilations
        All of them, in their order; see :class:`Compilation`.
    """

    def __init__(self, compilations: Sequence[Compilation]) -> None:
        self.compilations = tuple(compilations)

    def counts(self) -> dict[str, int]:
        """Return how many compilations each kind of cause has led to."""
        return dict(Counter(one.kind for one in self.compilations).most_common())

    def rows(self) -> list[tuple[int, str, str, str, str]]:
        """Return count, function, kind, cause and line; equal ones are one row."""
        found = Counter(self.compilations)
        return [
            (count, one.name, one.kind, one.cause, str(one.site))
            for one, count in found.items()
        ]

    def __str__(self) -> str:
        if not self.compilations:
            return "nothing was compiled"
        total, names = (
            len(self.compilations),
            len({one[0] for one in self.compilations}),
        )
        kinds = ", ".join(f"{count} x {kind}" for kind, count in self.counts().items())
        functions = f"{names} function" + ("s" if names > 1 else "")
        lines = [f"compilations: {total} of {functions}; {kinds}"]
        before = None
        for count, name, kind, cause, site in self.rows():
            if name != before:
                lines.append(name)
                before = name
            lines.append(f"  {count:>4} x {kind}: {cause}  ({site})")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = ("count", "function", "kind", "cause", "line")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = ""
        for row in self.rows():
            cells = (f"<td>{html.escape(str(cell))}</td>" for cell in row)
            body += f"<tr>{''.join(cells)}</tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def explain_recompiles(*, clear: bool = False) -> RecompileReport:
    """Return which programs were made in this process, and what caused each.

    A function that is compiled again and again is slow: each compilation takes a tenth
    of a second or more.  Causes are a new shape or data type of an argument (which is
    named), another value of an argument that is no array, a last batch that is smaller
    than the others (one program more, and no more than that), or a setting.

    Parameters
    ----------
    clear
        Forget them afterwards, so that the next report begins here.

    Returns
    -------
    A report that prints as a table; ``counts()`` and ``rows()`` have the numbers.

    >>> import nervure as nv
    >>> _ = nv.explain_recompiles(clear=True)
    >>> half = nv.compile(lambda x: x / 2)
    >>> _ = half(nv.ones(3)), half(nv.ones(4)), half(nv.ones(4))
    >>> nv.explain_recompiles().counts()
    {'new function': 1, 'new shape': 1}
    """
    report = RecompileReport(_compilations)
    if clear:
        _compilations.clear()
    return report
