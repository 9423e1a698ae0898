"""What the pages of the documentation show is what happens."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

from nervure.config import config
from nervure.nn.naming import reset_names
from tools.public_names import MODULES, public_objects

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    page
    for page in (
        *DOCS.glob("*.md"),
        *DOCS.glob("guides/*.md"),
        ROOT / "CONTRIBUTING.md",
    )
    # Tests of their own run these two, with the data that they need.
    if page.name not in ("explaining.md", "scikit-learn.md")
    and page.exists()
    and ">>> " in page.read_text()
]
LINKING = [
    page
    for page in (
        *ROOT.glob("*.md"),
        *DOCS.glob("*.md"),
        *DOCS.glob("guides/*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    )
    if re.search(r"\]\((?!http)", page.read_text())
]
GALLERY = sorted((DOCS / "gallery").glob("*.py"))
LONGEST = 80
# For people who extend Nervure; the tests of these packages show how they are used.
WITHOUT_EXAMPLES = {"nervure.ir", "nervure.passes"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(DOCS))
    reset_names()
    with config.override(cache_dir=tmp_path / "cache"):
        found = doctest.testfile(
            str(page), module_relative=False, optionflags=doctest.ELLIPSIS
        )
    assert found.attempted > 3 and not found.failed


@pytest.mark.parametrize("name", ["nervure.errors", "nervure.config"])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Not an attribute of the package: ``nervure.config`` is the object of that name.
    module = importlib.import_module(name)
    assert not doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed


@pytest.mark.parametrize("module", sorted({*MODULES} - WITHOUT_EXAMPLES))
def test_public_names_have_examples(module: str) -> None:
    without = [
        name
        for name, value in public_objects(module)
        if ">>>" not in (value.__doc__ or "")
    ]
    assert without == []


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_gallery_scripts_are_short_and_explained(script: Path) -> None:
    text = script.read_text()
    assert text.count("\n") < LONGEST
    title = (ast.get_docstring(ast.parse(text)) or "").split("\n")
    assert title[1] == "=" * len(title[0])
    assert "# %%" in text
    assert "plt.subplots" in text or "plt.figure" in text


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    # The build of the documentation writes the page of the gallery.
    assert [link for link in missing if not link.startswith("../lecture/")] == []


def test_no_warning_of_the_build_is_hidden() -> None:
    assert "suppress_warnings" not in (DOCS / "conf.py").read_text()


def test_the_index_names_every_page() -> None:
    index = (DOCS / "index.md").read_text()
    named = set(re.findall(r"^([\w/-]+)$", index, re.MULTILINE))
    pages = {
        str(page.relative_to(DOCS).with_suffix(""))
        for page in (*DOCS.glob("*.md"), *DOCS.glob("guides/*.md"))
    }
    assert pages - {"index"} <= named
    assert named <= pages | {"lecture/index", "reference/index"}
