"""Docstrings as the source has them, made into what Sphinx reads without a warning.

In the source an example ends a docstring without a heading, what a function returns is
free text, and ``|x|`` is an absolute value; numpydoc's form knows none of the three.
"""

from __future__ import annotations

import re
from typing import Any

_RULE = re.compile(r"-{3,}$")
_NAMES = re.compile(r"\w+(, \w+)+$")


def prepare(
    app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Change the lines of one docstring in place: Sphinx' event of that name.

    Parameters
    ----------
    lines
        The docstring, without indentation.
    """
    del app, what, name, value, options
    lines[:] = _with_notes(_with_heading_of_examples(_with_plain_returns(lines)))
    lines[:] = _with_names_in_one_word(lines)
    for place, line in enumerate(lines):
        if "``" not in line and ">>>" not in line and "| " not in line:
            lines[place] = re.sub(r"\|(\w+)\|", r"\\|\1\\|", line)


def leave_out(
    app: Any, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Tell Sphinx not to document members that scikit-learn has given a class."""
    del app, what, name, options
    foreign = str(getattr(value, "__module__", "")).startswith("sklearn.")
    return True if foreign else skip or None


def _starts(lines: list[str], place: int) -> bool:
    """Tell whether a section of numpydoc begins here."""
    return place + 1 < len(lines) and bool(_RULE.match(lines[place + 1]))


def _with_heading_of_examples(lines: list[str]) -> list[str]:
    sections = [place for place in range(len(lines)) if _starts(lines, place)]
    first = next((i for i, line in enumerate(lines) if line.startswith(">>>")), None)
    if first is None or not sections or sections[0] > first:
        return lines
    return [*lines[:first], "Examples", "--------", "", *lines[first:]]


def _with_plain_returns(lines: list[str]) -> list[str]:
    """Make the section Returns a field: one text, not a list of names and types."""
    start = next(
        (i for i, one in enumerate(lines) if one == "Returns" and _starts(lines, i)),
        None,
    )
    if start is None:
        return lines
    end = start + 2
    while end < len(lines) and not (_starts(lines, end) or lines[end][:3] == ">>>"):
        end += 1
    text = "\n".join(lines[start + 2 : end]).strip().split("\n")
    field = [
        f":returns: {text[0].strip()}",
        *(f"    {one.strip()}" for one in text[1:]),
    ]
    # Fields come last, so that the sections that follow are still sections.
    return [*lines[:start], "", *field, "", *lines[end:]]


def _with_notes(lines: list[str]) -> list[str]:
    """Put a heading over text that follows a list of names and belongs to none."""
    result: list[str] = []
    listing = False
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else ""
        if _starts(lines, place):
            listing = line not in ("Examples", "Notes")
        elif _RULE.match(line):
            pass
        elif (
            listing
            and line[:1].strip()
            and not after.startswith(" ")
            and not lines[place - 1].strip()
        ):
            result += ["Notes", "-----"]
            listing = False
        result.append(line)
    return result


def _with_names_in_one_word(lines: list[str]) -> list[str]:
    """Write ``a, b`` as ``a,b`` among attributes: Sphinx takes two words for a type."""
    result: list[str] = []
    is_attribute = False
    for place, line in enumerate(lines):
        if _starts(lines, place):
            is_attribute = line == "Attributes"
        joined = is_attribute and _NAMES.match(line)
        result.append(line.replace(", ", ",") if joined else line)
    return result
