"""Every public name says what it takes, what it gives, what it raises, and shows it.

The rules, for the functions and classes of ``tools/public_names.py`` and for the
methods and properties of these classes:

- each has a docstring; functions and classes have an example; all examples run;
- where an argument is an array, the text speaks of shapes, axes, elements or types: its
  own text, or for a method that of its class or of the class that declares the method;
- where the code raises an error of ours, or a built-in one, the text says so.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nervure as nv
from nervure import errors
from nervure.config import config
from nervure.errors import NervureError
from nervure.nn.naming import reset_names
from tools.public_names import MODULES, public_objects

ROOT = Path(__file__).resolve().parents[2]
ARRAY = re.compile(r"ArrayLike|\bArray\b|NDArray")
SHAPES = re.compile(
    r"\[[^\]\n]*\]|\bshape|\bax[ie]s|\belement|\bmatri|\bvector|broadcast|\bnumbers?\b|"
    r"\btypes?\b|\btruth|\bfloat|\bint\d|\binteger|\brows?\b|\bbatch|\bimages?\b"
)
SAYS_SO = re.compile(r"[Rr]aise|refuse|Error")
OURS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, NervureError)
}
RAISING = OURS | {"TypeError", "ValueError", "unknown_name", "wrong"}
# Whose examples other tests run, with what they need around them.
RUN_ELSEWHERE = (
    *("adversarial", "inspect", "nn", "ops", "pretrained", "program", "sklearn"),
    *("studio", "tblog", "tf1", "train", "wrappers", "importers"),
)


def objects() -> Iterator[tuple[str, Any]]:
    """Yield every public function and class once, with where it is public."""
    seen: set[int] = set()
    for module in MODULES:
        for name, value in public_objects(module):
            if id(value) not in seen:
                seen.add(id(value))
                yield f"{module}.{name}", value


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods and properties that a class itself defines.

    A function that is the default of a field has another name: it is no method.
    """
    for name, value in vars(owner).items():
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, classmethod | staticmethod):
            value = value.__func__
        own = inspect.isfunction(value) and value.__name__ == name
        if own and not name.startswith("_"):
            yield name, value


OBJECTS = dict(objects())
CLASSES = {name: value for name, value in OBJECTS.items() if inspect.isclass(value)}


def text_of(value: Any) -> str:
    """Return a docstring without its examples."""
    return (value.__doc__ or "").partition(">>>")[0]


def functions() -> Iterator[tuple[str, Any, str]]:
    """Yield every public function, method and constructor, with all texts about it."""
    for name, value in OBJECTS.items():
        if not inspect.isclass(value):
            yield name, inspect.unwrap(value), text_of(value)
            continue
        if "__init__" in vars(value):
            yield name, value.__init__, text_of(value)
        for method, function in methods(value):
            declared = [
                text_of(getattr(base, method, None)) + text_of(base)
                for base in value.__mro__
                if method in vars(base)
            ]
            yield f"{name}.{method}", inspect.unwrap(function), "\n".join(declared)


def takes_arrays(function: Any) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(ARRAY.search(str(one.annotation)) for one in parameters)


def raised(function: Any) -> set[str]:
    """Return the errors that the code of a function raises by itself."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return set()
    found = set()
    for node in ast.walk(ast.parse(source).body[0]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).rpartition(".")[2])
    return found & RAISING


FUNCTIONS = {name: (function, text) for name, function, text in functions()}


def test_there_are_many() -> None:
    assert len(OBJECTS) > 1000
    assert len(FUNCTIONS) > 1400
    for module in MODULES:
        assert any(public_objects(module)), module


def test_everything_has_a_docstring() -> None:
    without = [name for name, one in OBJECTS.items() if not (one.__doc__ or "").strip()]
    for name, one in CLASSES.items():
        without += [
            f"{name}.{method}" for method, value in methods(one) if not value.__doc__
        ]
    assert without == []


def test_functions_and_classes_have_examples() -> None:
    assert [
        name for name, one in OBJECTS.items() if ">>>" not in (one.__doc__ or "")
    ] == []


def test_texts_speak_of_shapes_or_types() -> None:
    assert [
        name
        for name, (function, text) in FUNCTIONS.items()
        if takes_arrays(function) and not SHAPES.search(text)
    ] == []


def test_texts_say_what_is_raised() -> None:
    assert {
        name: raised(function)
        for name, (function, text) in FUNCTIONS.items()
        if raised(function) and not SAYS_SO.search(text)
    } == {}


def test_docstrings_are_no_copies() -> None:
    """A text of several lines belongs to one name (and to those derived from it)."""
    owners: dict[str, list[Any]] = {}
    for one in OBJECTS.values():
        owners.setdefault(one.__doc__ or "", []).append(one)
    shared = [
        group for text, group in owners.items() if len(group) > 1 and "\n" in text
    ]
    for group in shared:
        first = inspect.unwrap(group[0])
        assert all(inspect.unwrap(one) is first for one in group), group


# --- the examples -------------------------------------------------------------------


def modules_to_run() -> list[str]:
    found = []
    for one in pkgutil.walk_packages(nv.__path__, "nervure."):
        parts = one.name.split(".")
        file = ROOT.joinpath(*parts)
        source = file / "__init__.py" if one.ispkg else file.with_suffix(".py")
        ours = parts[1] not in RUN_ELSEWHERE and source.name != "__main__.py"
        if ours and ">>> " in source.read_text():
            found.append(one.name)
    return found


@pytest.mark.parametrize("name", ["nervure", *modules_to_run()])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reset_names()
    module = importlib.import_module(name)
    with config.override(cache_dir=tmp_path / "cache"):
        assert not doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed


# --- the reference ------------------------------------------------------------------


def test_every_public_module_is_in_the_reference() -> None:
    """A module with ``__all__`` that users may import by hand is listed."""
    named = {*MODULES}
    facades = {
        f"nervure.{one.stem}"
        for one in (ROOT / "nervure").glob("*.py")
        if re.search(r"^__all__", one.read_text(), re.MULTILINE)
    }
    assert facades - named == set()
    lazy = {
        target
        for target in nv._LAZY.values()
        if getattr(importlib.import_module(target), "__all__", None)
    }
    # what holds only modules, which are listed themselves
    assert lazy - named == {"nervure.datasets"}


def test_the_reference_lists_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    pages = importlib.import_module("reference_pages")
    pages.write_reference(tmp_path)
    index = (tmp_path / "index.rst").read_text()
    for module in MODULES:
        assert f"<{module}>" in index
        text = (tmp_path / f"{module}.rst").read_text()
        for name, _ in public_objects(module):
            assert re.search(rf":: {re.escape(module)}\.{name}\n", text), name
    assert {one.stem for one in (tmp_path / "errors").glob("*.md")} >= {"ShapeError"}


def test_the_pages_are_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    data = project["tool"]["setuptools"]["package-data"]
    assert data["nervure.explain"] == ["error_pages/*.md"]
