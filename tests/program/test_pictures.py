"""The page, its data, its scripts (run by Node where there is one), and DOT."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

import nervure as nv
from nervure.ir.node import scope
from nervure.program import Program
from nervure.program.html import SCRIPTS, embedded
from tests.program import models

NODE = shutil.which("node")


class Page(HTMLParser):
    """The elements of a page, with their attributes and the text within."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        where = self.open[-1] if self.open else ""
        self.texts[where] = self.texts.get(where, "") + data


def data_of(text: str) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL
    )
    return json.loads(found[1])


@pytest.mark.parametrize("name", models.MODELS)
def test_data_of_the_page(name: str) -> None:
    program = models.program(name)
    data = data_of(program.to_html())
    assert len(data["before"]) == len(set(program.graph) | set(program.graph.inputs))
    assert len(data["kernels"]) == len(program.optimized)
    assert data["memory"]["peak"] == program.memory().peak_bytes
    assert len(data["memory"]["buffers"]) == len(program.memory())
    for nodes in (data["before"], data["after"]):
        assert [one["id"] for one in nodes] == list(range(len(nodes)))
        assert all(source < one["id"] for one in nodes for source in one["in"])
    of_kernels = [one["kernel"] for one in data["after"] if "kernel" in one]
    assert set(of_kernels) == {one["id"] for one in data["kernels"]}
    listed = [len(one.nodes) for one in program.optimized]
    assert [of_kernels.count(one["id"]) for one in data["kernels"]] == listed


def test_page_stands_alone() -> None:
    text = models.program("cnn").to_html()
    page = Page(text)
    assert page.open == []
    tags = {tag for tag, _ in page.elements}
    assert {"canvas", "script", "style", "input", "dialog"} <= tags
    assert not {"link", "img", "iframe", "object"} & tags
    assert not any("src" in attrs or "href" in attrs for _, attrs in page.elements)
    assert "://" not in re.sub(r'"code":\{.*?\}', "", text)
    policy = next(
        attrs["content"] for tag, attrs in page.elements if "http-equiv" in attrs
    )
    assert policy.startswith("default-src 'none'")
    assert "prefers-color-scheme: dark" in text
    assert page.texts["title"] == models.program("cnn").name


def test_every_control_can_be_reached_and_has_a_name() -> None:
    page = Page(models.program("mlp").to_html())
    for tag, attrs in page.elements:
        if tag in ("button", "canvas", "input") and attrs.get("id") != "close":
            assert attrs.get("aria-label") or attrs.get("title"), attrs
        if tag == "canvas":
            assert attrs["tabindex"] == "0"


def test_names_never_become_html() -> None:
    with scope("</script><b>"):
        program = nv.compile(lambda x: nv.exp(x)).program(nv.ones(3))
    evil = Program(
        program.graph,
        name="<script>alert(1)</script>&amp;@@DATA@@",
        executor="cpu",
        inputs=list,
    )
    text = evil.to_html()
    assert "<script>alert" not in text
    assert Page(text).texts["h1"] == evil.name
    assert data_of(text)["title"] == evil.name
    assert "<" not in embedded({"</script>": "<!--"})


def test_folders_of_files_are_nobodys_business() -> None:
    text = models.program("mlp").to_html()
    assert "models.py:" in text
    assert __file__.rpartition("/")[0] not in text


def test_notebooks_get_a_frame() -> None:
    program = models.program("mlp")
    frame = program._repr_html_()
    (tag, attrs), *rest = Page(frame).elements
    assert tag == "iframe"
    assert not rest
    assert attrs["sandbox"] == "allow-scripts"
    assert html.unescape(attrs["srcdoc"]) == html.unescape(program.to_html())


def test_reference_programs_have_a_page_too() -> None:
    with nv.config.override(executor="reference"):
        program = models.mlp().predict_program(batch_size=2)
    assert data_of(program.to_html())["memory"]["arena"] is None


# --- the scripts ---------------------------------------------------------------------

CHECK = """
const trees = [new Tree(data.before, []), new Tree(data.after, data.kernels)];
const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width &&
                          a.y < b.y + b.height && b.y < a.y + a.height;
const report = [];
for (const tree of trees) {
  for (let round = 0; round < 12; round += 1) {
    let clashes = 0, outside = 0, missed = 0;
    const open = tree.visible.filter((one) => one.children && one.open);
    const groups = [tree.root, ...open];
    for (const group of groups) {
      group.children.forEach((one, at) => {
        const others = group.children.slice(at + 1);
        for (const other of others) clashes += overlap(one, other);
        outside += one.x < group.x - 1e-6 || one.y < group.y - 1e-6 ||
          one.x + one.width > group.x + group.width + 1e-6 ||
          one.y + one.height > group.y + group.height + 1e-6;
      });
    }
    for (const box of tree.visible) {
      if (box.children && box.open) continue;
      missed += tree.at(box.x + box.width / 2, box.y + box.height / 2) !== box;
    }
    const ends = tree.shownEdges.flatMap(([a, b]) => [a, b]);
    const hidden = ends.filter((one) => !tree.visible.includes(one)).length;
    report.push({ boxes: tree.visible.length, clashes, outside, missed, hidden,
                  edges: tree.shownEdges.length });
    tree.unfoldLevel();
  }
  const leaf = [...tree.leaves.values()].pop();
  tree.foldAll();
  const folded = tree.visible.length;
  tree.reveal(leaf);
  report.push({ folded, revealed: tree.visible.includes(leaf) });
}
console.log(JSON.stringify(report));
"""


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
@pytest.mark.parametrize("name", models.MODELS)
def test_boxes_are_laid_out_without_overlaps(name: str) -> None:
    data = data_of(models.program(name).to_html())
    folder = resources.files("nervure.program") / "view"
    parts = [(folder / one).read_text() for one in ("layout.js", "graph.js")]
    script = "\n".join(
        ["'use strict';", *parts, f"const data = {json.dumps(data)};", CHECK]
    )
    run = subprocess.run(
        [NODE, "-"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rounds = json.loads(run.stdout)
    for one in rounds:
        if "boxes" in one:
            assert one["boxes"] > 0
            faults = ("clashes", "outside", "missed", "hidden")
            assert [one[fault] for fault in faults] == [0] * 4, one
        else:
            assert one["folded"] <= 8
            assert one["revealed"]
    most = max(one.get("boxes", 0) for one in rounds)
    constants = sum(one["op"] == "const" for one in data["before"])
    assert most >= len(data["before"]) - constants


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_scripts_are_correct() -> None:
    folder = resources.files("nervure.program") / "view"
    whole = "\n".join((folder / one).read_text() for one in SCRIPTS)
    run = subprocess.run(
        [NODE, "--check", "-"],
        input=f'(() => {{ "use strict";\n{whole}\n}})();',
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr


# --- DOT -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.MODELS)
def test_dot_of_kernels(name: str) -> None:
    program = models.program(name)
    text = program.to_dot()
    assert text.startswith("digraph nervure {\n")
    assert text.count("{") == text.count("}")
    boxes = re.findall(r"^ *k(\d+) \[label=", text, re.MULTILINE)
    assert sorted(map(int, boxes)) == list(range(len(program.optimized)))
    for source, target in re.findall(r"k(\d+) -> k(\d+)", text):
        assert {source, target} <= set(boxes)
    statement = re.compile(
        r"\s*(digraph nervure \{|\}|subgraph cluster_\d+ \{|(node|edge) \[[^\]]*\];"
        r'|label="([^"\\]|\\.)*"; style="rounded"; color="#\w+";'
        r'|k\d+ \[label="([^"\\]|\\.)*", fillcolor="#\w+", '
        r'tooltip="([^"\\]|\\.)*"(, penwidth=2)?\];'
        r'|k\d+ -> k\d+( \[label="([^"\\]|\\.)*"\])?;)'
    )
    assert all(statement.fullmatch(line) for line in text.splitlines())


def test_dot_before_the_passes_is_that_of_the_graph() -> None:
    program = models.program("mlp")
    assert program.to_dot(optimized=False) == program.graph.to_dot()
