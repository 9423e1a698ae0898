"""Every class of errors has a page; its code is run; messages lead to it."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import nervure as nv
from nervure import cli
from nervure.config import config
from nervure.errors import NervureError, NumericsWarning, ShapeError, page_name
from nervure.explain.pages import FOLDER, error_page, page_names, summary

TF1 = "nervure.tf1."
# Of these the whole message is in the page, so that a reader recognises it.
WITH_A_MESSAGE = sorted({*page_names()} - {"NumericsWarning"})


def error_classes() -> Iterator[type[BaseException]]:
    """Yield all classes of errors that the package defines."""
    for one in pkgutil.walk_packages(nv.__path__, "nervure."):
        if "error" in one.name or "refusal" in one.name or "writer" in one.name:
            importlib.import_module(one.name)
    found = [NervureError, NumericsWarning]
    for base in found:
        found += base.__subclasses__()
    yield from (one for one in found if one.__module__.startswith("nervure."))


def test_every_class_has_a_page_and_every_page_a_class() -> None:
    assert {one.__name__ for one in error_classes()} == {*page_names()}


def test_the_page_of_the_base_names_its_kinds() -> None:
    page = error_page("NervureError")
    kinds = [one for one in error_classes() if not one.__module__.startswith(TF1)]
    named = [one.__name__ for one in kinds if one is not NumericsWarning]
    assert [one for one in named if one not in page] == []


@pytest.mark.parametrize("name", page_names())
def test_page(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "UnsupportedError":
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    nv.utils.clear_session()
    with config.override(cache_dir=tmp_path / "cache"):
        found = doctest.testfile(
            str(FOLDER / f"{name}.md"),
            module_relative=False,
            optionflags=doctest.ELLIPSIS,
        )
    assert found.attempted > 2 and not found.failed
    page = error_page(name)
    assert page.startswith(f"# {name}\n\n")
    assert "\n## " in page  # at least one cause, with code


@pytest.mark.parametrize("name", WITH_A_MESSAGE)
def test_a_page_shows_the_error_before_and_what_works_after(name: str) -> None:
    code = error_page(name).partition("\n## ")[2]
    before = (
        "except NotImpl" if name == "UnsupportedError" else "Traceback (most recent"
    )
    _, error, after = code.partition(before)
    if not error:  # those that our own code seldom raises
        assert name in ("NativeCodeError", "OutOfRangeError", "UnimplementedError")
        return
    assert "\n    >>> " in after
    if name not in ("NervureError", "OpError", "MachineError"):
        assert f"{name}: " in after


def test_a_message_ends_with_the_command_that_prints_its_page() -> None:
    with pytest.raises(ShapeError) as raised:
        nv.ones((2, 3)) @ nv.ones((2, 3))
    assert str(raised.value).splitlines()[-1] == "  more: nervure help ShapeError"
    assert "nervure help" not in f"{raised.value}"

    class OwnError(ShapeError):
        """Derived by a user."""

    assert page_name(OwnError) == "ShapeError"


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", "ShapeError"]) == 0
    assert capsys.readouterr().out == error_page("ShapeError")
    for name in ("shape", "nervure.errors.ShapeError"):
        assert error_page(name) == error_page("ShapeError")
    assert cli.main(["help"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == page_names()
    assert cli.main(["help", "ShapError"]) == 2
    assert "did you mean 'ShapeError'" in capsys.readouterr().err


@pytest.mark.parametrize("name", page_names())
def test_summary_is_one_sentence(name: str) -> None:
    assert 10 < len(summary(name)) < 160
    assert summary(name).count(".") == 1 or "`" in summary(name)
