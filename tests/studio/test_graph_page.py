"""The page of graphs, and the viewer of programs in it."""

from __future__ import annotations

import json
import re
import urllib.request
from urllib.parse import urlencode

import pytest

import nervure as nv
from benchmarks.studio import GRAPH_FRAMES, deep_program, summary
from nervure.studio.application import Subject
from nervure.studio.server import Server
from tests.studio.browsing import opened, until, viewer


@pytest.fixture
def frame(page, server):
    """The viewer with the training step of the lecture's CNN."""
    opened(page, server, "graph")
    page.get_by_role("button", name="Training step").click()
    found = viewer(page)
    found.get_by_text("the training step of").first.wait_for()
    return found


def details(frame):
    return frame.inner_text("#details")


def until_details(frame, wanted):
    """Go through the results of a search until the details are those wanted."""
    for _ in range(80):
        frame.press("#search", "Enter")
        words = details(frame)
        if wanted(words):
            return words
    raise AssertionError(f"never seen; the last: {words}")


def test_layers_unfold_to_composites_and_primitives(page, frame):
    """By keyboard alone: search, choose, unfold, and follow edges."""
    frame.fill("#search", "second_convolution")
    until_details(frame, lambda words: words.startswith("layer second_convolution"))
    frame.focus("#graph")
    page.keyboard.press("Enter")
    inside = frame.locator("#details .list button")
    assert inside.count() >= 1
    frame.fill("#search", "conv")
    until(frame, "parseInt(document.getElementById('found').textContent) > 3")
    # A primitive, with its type and its cost.
    words = until_details(
        frame, lambda words: words.startswith("%") and "FLOP" in words
    )
    assert "float32[" in words
    frame.focus("#graph")
    page.keyboard.press("ArrowDown")
    assert details(frame) != words


def test_the_line_of_the_user_is_shown(chromium):
    program = nv.compile(lambda x: nv.sum(nv.tanh(x))).program(nv.ones(3))
    page = chromium.new_page()
    page.set_content(program.to_html())
    page.fill("#search", "tanh")
    words = until_details(page, lambda words: words.startswith("%"))
    assert "test_graph_page.py:" in words and "nv.sum(nv.tanh(x))" in words
    page.close()


def test_no_line_of_the_server_is_shown(server):
    """Of a network that nothing else has traced yet."""
    choices = {
        "kind": "train",
        "network": json.dumps({"hidden": [7, 5]}),
        "ticket": server.access.ticket,
    }
    address = f"{server.origin}/api/program/page?{urlencode(choices)}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        page = answer.read().decode()
    assert '"flops"' in page
    assert not re.search(r'"(_asyncio|threading|thread)\.py:', page)


def test_the_graph_after_each_pass(frame, model, pictures, page):
    names = frame.locator("#stage option").all_inner_texts()
    assert names[0].startswith("captured:") and names[-1].startswith("as it runs:")
    passes = [one.split()[1].rstrip(":") for one in names[1:-1]]
    records = [one for one in model.train_program(batch_size=32).diff() if one.record]
    assert passes == [one.name for one in records] and len(passes) > 1
    sizes = []
    for place, name in enumerate(names[:-1]):
        frame.select_option("#stage", index=place)
        assert name in details(frame)
        sizes.append(int(name.rpartition(" ")[0].rpartition(" ")[2]))
    assert sizes == sorted(sizes, reverse=True)
    frame.select_option("#stage", index=1)
    assert f"after the pass {passes[0]}" in details(frame)
    assert f"before the pass {passes[1]}" in details(frame)
    frame.select_option("#colour", "changes")
    page.screenshot(path=pictures / "graph-pass.png")
    frame.focus("#graph")
    page.keyboard.press("]")
    assert frame.input_value("#stage") == "1"
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert frame.input_value("#stage") == "before"


def test_colours_say_what_costs(frame, pictures, page):
    """The picture changes, and the words say how much a group costs."""
    pixels = "document.getElementById('graph').toDataURL()"
    seen = {frame.evaluate(pixels)}
    for way in ("work", "bytes", "changes"):
        frame.select_option("#colour", way)
        until(frame, f"!{json.dumps(sorted(seen))}.includes({pixels})")
        seen.add(frame.evaluate(pixels))
    frame.select_option("#colour", "work")
    frame.fill("#search", "forward")
    frame.press("#search", "Enter")
    assert "%" in details(frame)
    page.screenshot(path=pictures / "graph-cost.png")


def test_the_peak_is_explained(frame, page, pictures):
    frame.click("#peak")
    words = details(frame)
    assert words.startswith("Why the peak")
    assert "is in use at moment" in words
    assert "kept by the forward pass" in words and "written at" in words
    page.screenshot(path=pictures / "graph-peak.png")
    frame.locator("#details .list button").first.click()
    assert "writes" in details(frame)


def test_the_explained_peak_is_that_of_the_program(frame, model):
    memory = model.train_program(batch_size=32).memory()
    frame.click("#peak")
    assert f"at moment {memory.peak_moment} of" in details(frame)


def test_thousands_of_nodes_stay_fluent(chromium, pictures):
    """Generous: benchmarks/STUDIO.md has what a quiet machine draws."""
    program = deep_program()
    assert len(program.graph) > 3000
    server = Server(Subject(name="deep.json", program=program)).start()
    try:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        opened(page, server, "graph")
        page.get_by_role("heading", name="Graph of deep.json").wait_for()
        assert page.get_by_role("button", name="Training step").count() == 0
        frame = viewer(page)
        times = frame.evaluate(GRAPH_FRAMES, 40)
        for name in ("zoom", "pan"):
            middle, _, longest = summary(times[name])
            assert middle < 150 and longest < 2000, name
        assert summary(times["unfold"])[2] < 3000
        page.screenshot(path=pictures / "graph-deep.png")
        page.close()
    finally:
        server.close()


def test_models_without_a_loss_say_what_to_do(chromium):
    network = nv.models.Sequential([nv.layers.Dense(1, input_shape=(3,))])
    server = Server(Subject(network, "plain.nv")).start()
    try:
        page = chromium.new_page()
        opened(page, server, "graph")
        page.get_by_role("button", name="Training step").click()
        page.frame_locator("iframe").get_by_text("compile").first.wait_for()
        page.close()
    finally:
        server.close()
