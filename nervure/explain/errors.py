"""What an exception says, where it comes from, and how to mend it."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import nervure
from nervure.explain.answer import Answer, Finding
from nervure.nn.layer import Layer
from nervure.nn.symbolic import shapes_of

_PACKAGE: Final = str(Path(nervure.__file__).parent)
_FIX: Final = "  fix: "
# Hints for errors that others raise, by the names of their classes.
_HINTS: Final = {
    "ModuleNotFoundError": "install the package, or the extra that brings it: pip "
    "install 'nervure[name]'; docs/dependencies.md lists them",
    "MemoryError": "use a smaller batch_size, or model.compile(memory_budget='2 GB')",
    "RecursionError": "something calls itself; a layer must not be its own part",
}


def why_error(error: BaseException) -> Answer:
    """Explain an exception."""
    body, fix = _parts(f"{error}")
    name = type(error).__name__
    findings = []
    details = [line.removeprefix("  ") for line in body[1:]]
    details += getattr(error, "__notes__", [])
    if details:
        findings.append(Finding("details", "\n".join(details)))
    frames = list(_frames(error))
    line = _users_line(frames)
    if line:
        findings.append(Finding("your line", line))
    layers = _layers(frames)
    if layers:
        findings.append(Finding("layers", layers))
    cause = error.__cause__ or (
        None if error.__suppress_context__ else error.__context__
    )
    if cause is not None:
        first = (str(cause).splitlines() or [""])[0]
        findings.append(Finding("because of", f"{type(cause).__name__}: {first}"))
    fix = fix or _HINTS.get(name, "")
    if fix:
        findings.append(Finding("mend it", fix))
    return Answer(f"{name}: {body[0] if body else ''}".rstrip(": "), findings)


def _parts(message: str) -> tuple[list[str], str]:
    """Return the lines of a message without the last part, which says how to mend."""
    body, found, fix = message.partition(f"\n{_FIX}")
    return body.splitlines(), fix if found else ""


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Yield the calls that led to an error, the outermost first."""
    place = error.__traceback__
    while place is not None:
        yield place.tb_frame, place.tb_lineno
        place = place.tb_next


def _users_line(frames: list[tuple[FrameType, int]]) -> str:
    """Return the innermost line that is not Nervure's own, with its text."""
    for frame, number in reversed(frames):
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE):
            text = linecache.getline(file, number).strip()
            return f"{file}:{number}" + (f"\n{text}" if text else "")
    return ""


def _layers(frames: list[tuple[FrameType, int]]) -> str:
    """Return the layers whose calls led to an error, with what they were given."""
    found = []
    for frame, _ in frames:
        layer = frame.f_locals.get("self")
        # Layer._run is where every call of a layer passes.
        if frame.f_code is Layer._run.__code__ and isinstance(layer, Layer):
            args: tuple[Any, ...] = frame.f_locals.get("args", ())
            given = f" given {shapes_of(args[0])}" if args else ""
            found.append(f"{layer.name} ({type(layer).__name__}){given}")
    return "\n-> ".join(found)
