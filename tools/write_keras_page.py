"""Writes docs/keras.md: what each public name of Keras 3 is in Nervure.

To be run as ``python -m tools.write_keras_page`` after names were added; a test checks
it.  The names are in ``tests/parity/keras_names.txt``, what code cannot tell in
``tests/parity/keras_notes.json``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs/keras.md"
NAMES = ROOT / "tests/parity/keras_names.txt"
NOTES = ROOT / "tests/parity/keras_notes.json"

Notes = dict[str, dict[str, str]]

HEAD = """\
# Nervure and Keras 3.15

Written by `python -m tools.write_keras_page`, and checked by the tests: what each
public name of Keras is here. *Same* means the same arguments and, as far as
`tests/parity` compares them with Keras on JAX in float32, the same numbers: one call
within 1e-5, twenty optimizer steps within 1e-4. Layers, losses, metrics, optimizers,
schedules, initializers, regularizers, constraints and activations have such cases.

Everywhere: errors are Nervure's own classes, derived from those that Keras raises; a
dtype is one type, not a policy; wrong shapes raise where Keras would repeat values
silently.
"""


class Entry(NamedTuple):
    """One name of Keras."""

    module: str
    name: str
    state: str  # same, differs, renamed or absent
    note: str


def read_names() -> dict[str, list[str]]:
    """Return the public names of Keras, such as ``layers.Dense``, with their arguments.

    A line of the list has a name and the names of its arguments.
    """
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return {name: arguments for name, *arguments in map(str.split, lines)}


def lacking_arguments(full_name: str, arguments: list[str]) -> list[str]:
    """Return the arguments of Keras that Nervure's namesake does not take."""
    module, _, name = full_name.rpartition(".")
    namesake = getattr(importlib.import_module(f"nervure.{module}"), name)
    mine = inspect.signature(namesake).parameters
    return [one for one in arguments if one not in mine]


def read_notes() -> Notes:
    """Return what code cannot tell, by state and name."""
    notes: Notes = json.loads(NOTES.read_text(encoding="utf-8"))
    return notes


def is_present(full_name: str) -> bool:
    """Tell whether Nervure has a name of Keras; array functions are at its top."""
    module, _, name = full_name.rpartition(".")
    places = ("nervure", "nervure.nn") if module == "ops" else (f"nervure.{module}",)
    return any(_has(place, name) for place in places)


def _has(place: str, name: str) -> bool:
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError:
        return False
    return name in getattr(module, "__all__", dir(module))


def entries(names: Iterable[str], notes: Notes) -> list[Entry]:
    """Return what each name is; raises :class:`ValueError` for notes that are wrong."""
    names = list(names)
    known = {*names, *(one.rpartition(".")[0] for one in names)}
    for state, reasons in notes.items():
        unknown = sorted(set(reasons) - known)
        if unknown:
            raise ValueError(f"no name of Keras ({state}): {', '.join(unknown)}")
    return [_entry(one, notes) for one in names]


def _entry(full_name: str, notes: Notes) -> Entry:
    module, _, name = full_name.rpartition(".")
    differs = notes["differs"].get(full_name)
    renamed = notes["renamed"].get(full_name)
    if is_present(full_name):
        if full_name in notes["absent"]:
            raise ValueError(f"{full_name} is there, so it needs no reason for absence")
        state = "differs" if differs else "same"
        return Entry(module, name, state, differs or "")
    if differs:
        raise ValueError(f"{full_name} cannot differ: it is absent")
    if renamed:
        return Entry(module, name, "renamed", renamed)
    reason = notes["absent"].get(full_name) or notes["absent"].get(module)
    if not reason:
        raise ValueError(
            f"nervure.{full_name} is absent: write it, or say why it is in {NOTES.name}"
        )
    return Entry(module, name, "absent", reason)


def page() -> str:
    """Return the page."""
    listed = entries(read_names(), read_notes())
    modules = dict.fromkeys(one.module for one in listed)
    lines = [HEAD, "| module | same | differs | other name | absent |"]
    lines.append("|---|---|---|---|---|")
    states = ("same", "differs", "renamed", "absent")
    for module in modules:
        of_module = [one for one in listed if one.module == module]
        counts = [sum(one.state == state for one in of_module) for state in states]
        lines.append(f"| `{module}` | {' | '.join(map(str, counts))} |")
    for module in modules:
        lines += _section(module, [one for one in listed if one.module == module])
    return "\n".join(lines) + "\n"


def _section(module: str, listed: list[Entry]) -> list[str]:
    lines = ["", f"## keras.{module}"]
    same = [one for one in listed if one.state == "same"]
    if module == "ops":
        lines += ["", "Array functions are at the top of `nervure` or in `nervure.nn`."]
    if same:
        lines += ["", "Same: " + _names(same)]
    for state, heading in (("differs", "how it differs"), ("renamed", "here")):
        chosen = [one for one in listed if one.state == state]
        if chosen:
            lines += ["", f"| name | {heading} |", "|---|---|"]
            code = "`" if state == "renamed" else ""
            lines += [f"| `{one.name}` | {code}{one.note}{code} |" for one in chosen]
    absent = [one for one in listed if one.state == "absent"]
    for reason in dict.fromkeys(one.note for one in absent):
        chosen = [one for one in absent if one.note == reason]
        lines += ["", f"Absent ({reason}): " + _names(chosen)]
    return lines


def _names(listed: list[Entry]) -> str:
    return ", ".join(f"`{one.name}`" for one in listed) + "."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
