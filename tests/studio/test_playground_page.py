"""The page of the playground: what goes beyond a first spiral."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.studio.browsing import opened, ready, shown, until, viewer

IRIS = "?data=sklearn%3Airis&hidden=6.4&optimizer=adam&rate=0.01"


def play_until(page, condition):
    """Train until something is seen, and pause."""
    page.get_by_role("button", name="Play").click()
    until(page, condition)
    page.get_by_role("button", name="Pause").click()


def colours(page, selector):
    """Return how many different colours a canvas has."""
    return page.evaluate(
        """selector => {
          const canvas = document.querySelector(selector);
          const { data } = canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }""",
        selector,
    )


def test_three_classes_are_told_apart(page, server, pictures):
    pytest.importorskip("sklearn", reason="iris comes from scikit-learn")
    opened(page, server, "playground", IRIS)
    for name in ("setosa", "versicolor", "virginica"):
        page.get_by_role("button", name=f"Output neuron of {name}").wait_for()
    legend = page.locator("ul.classes li").all_inner_texts()
    assert [one.strip() for one in legend] == ["setosa", "versicolor", "virginica"]
    play_until(page, f"/([89]\\d|100) % of test/.test({shown('right')})")
    page.screenshot(path=pictures / "classes.png")
    assert colours(page, ".map canvas.plane") > 10
    page.get_by_label("Discretize the output").check()
    until(page, "location.hash.includes('discrete=true')")
    assert colours(page, ".map canvas.plane") <= 3
    page.get_by_role("button", name="Output neuron of virginica").click()
    page.get_by_role("heading", name="Output of virginica").wait_for()
    before = page.evaluate(shown("test-loss"))
    page.get_by_label("Bias").fill("9")
    until(page, f"{shown('test-loss')} != '{before}'")


def test_a_table_with_words_becomes_classes(page, server, tmp_path):
    kinds = ("low", "middle", "high")
    rows = [f"{x},{y},{kinds[(x + y) // 6]}" for x in range(8) for y in range(8)]
    table = tmp_path / "kinds.csv"
    table.write_text("\n".join(rows))
    opened(page, server, "playground")
    page.get_by_label("Other data").select_option("csv")
    page.locator("input[type=file]").set_input_files(table)
    page.get_by_role("button", name="Output neuron of middle").wait_for()


def test_files_that_are_too_large_are_refused_by_the_page(page, server, tmp_path):
    table = tmp_path / "large.csv"
    table.write_text("1,2,3\n" * 400_000)
    opened(page, server, "playground")
    page.get_by_label("Other data").select_option("csv")
    page.locator("input[type=file]").set_input_files(table)
    page.get_by_role("alert").get_by_text("take part of it").wait_for()


def test_six_hidden_layers_and_no_more(page, server):
    opened(page, server, "playground")
    more = page.get_by_role("button", name="Add a hidden layer")
    for count in range(3, 7):
        more.click()
        page.get_by_text(f"{count} hidden layers").wait_for()
    assert more.is_disabled()
    ready(page)
    play_until(page, f"parseInt({shown('epoch')}) > 2")
    for _ in range(6):
        page.get_by_role("button", name="Remove the last hidden layer").click()
    page.get_by_text("0 hidden layers").wait_for()
    ready(page)
    page.get_by_role("button", name="Step: one epoch").click()
    until(page, f"{shown('epoch')} == '1'")
    page.get_by_role("button", name="Add a hidden layer").click()
    page.get_by_text("1 hidden layer", exact=True).wait_for()
    page.get_by_role("button", name="Remove a neuron of hidden layer 1").click()
    page.get_by_role("button", name="Neuron 1 of hidden layer 1").wait_for()
    assert page.get_by_role("button", name=re.compile("^Neuron")).count() == 1


def float_or_text(text):
    """Write numbers as short as they can be."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


SHARED = (
    "?data=multigauss&noise=0.1&train_part=0.7&batch=30&features=x.y.sinX&hidden=5.3"
    "&activation=relu&problem=regression&optimizer=rmsprop&rate=0.01&penalty=l2"
    "&penalty_rate=0.001&dropout=0.1&batch_norm=true&seed=4&speed=5&discrete=true"
    "&showTest=true"
)


def test_an_address_brings_everything_back(page, server):
    opened(page, server, "playground", SHARED)
    values = {
        "Learning rate": "0.01",
        "Optimizer": "rmsprop",
        "Activation": "relu",
        "Regularization": "l2",
        "Regularization rate": "0.001",
        "Problem": "regression",
        "Each picture": "5",
        "Training part": "0.7",
        "Noise": "0.1",
        "Batch size": "30",
        "Dropout": "0.1",
    }
    for label, value in values.items():
        words = page.locator("span", has_text=re.compile(f"^{label}"))
        field = page.locator("label.field", has=words).first
        assert float_or_text(field.locator("select, input").input_value()) == value
    for label in ("Batch normalization", "Show test points", "Discretize the output"):
        assert page.get_by_label(label).is_checked()
    pressed = page.locator(".feature[aria-pressed=true]")
    assert pressed.count() == 3
    assert (
        page.get_by_role("button", name="Hills").get_attribute("aria-pressed") == "true"
    )
    assert page.url.endswith(f"#/playground{SHARED}")
    play_until(page, f"parseInt({shown('epoch')}) > 2")
    page.get_by_role("button", name="Reset").click()
    until(page, f"{shown('epoch')} == '0'")


def test_addresses_that_make_no_sense_are_read_as_far_as_they_do(page, server):
    opened(page, server, "playground", "?hidden=99&rate=x&data=xor&unknown=1")
    assert page.url.endswith("#/playground?data=xor")
    page.goto("about:blank")
    opened(page, server, "playground", "?optimizer=none")
    alert = page.get_by_role("alert")
    alert.get_by_text("optimizer must be one of sgd, momentum").wait_for()


# What the first line looks like beside the browser's own drawing of the same curve: the
# sums of both coverages, how far apart they are, and the colour in the middle.
COMPARED = """
thickness => {
  const shown = document.querySelector('.network-plan > canvas');
  const curve = document.querySelector('path.touch').getAttribute('d');
  const [left] = curve.match(/[\\d.]+/g).map(Number);
  const right = Number(curve.match(/[\\d.]+/g).at(-2));
  const own = Object.assign(document.createElement('canvas'),
    { width: shown.width, height: shown.height });
  const context = own.getContext('2d');
  context.lineWidth = thickness;
  context.setLineDash([9, 1]);
  context.stroke(new Path2D(curve));
  const pixels = one => one.getContext('2d')
    .getImageData(Math.ceil(left), 0, right - left - 2, shown.height).data;
  const [found, wanted] = [pixels(shown), pixels(own)];
  const result = { found: 0, wanted: 0, apart: 0, colors: {} };
  for (let at = 3; at < found.length; at += 4) {
    result.found += found[at];
    result.wanted += wanted[at];
    result.apart += Math.abs(found[at] - wanted[at]);
    const color = found.slice(at - 3, at);
    if (found[at] > 200) result.colors[color] = (result.colors[color] ?? 0) + 1;
  }
  return result;
}
"""


@pytest.mark.parametrize(
    ("weight", "thickness", "color"),
    [("2", 5, "8,119,189"), ("-9", 9, "245,147,34"), ("0", 0.6, None)],
)
@pytest.mark.parametrize("feature", ["x", "sinY"])  # a level line and a steep one
def test_lines_look_as_the_browser_would_draw_them(
    page, server, feature, weight, thickness, color
):
    opened(page, server, "playground", f"?features={feature}&hidden=1")
    page.locator("path.touch").first.dispatch_event("click")
    before = page.evaluate(COMPARED, 1)
    page.get_by_role("spinbutton").first.fill(weight)
    page.get_by_role("button", name="Done").click()
    until(page, f"({COMPARED})(1).found != {before['found']}")
    line = page.evaluate(COMPARED, thickness)
    # The browser's own lines that are thinner than a pixel are a little too pale.
    near, alike = (0.05, 0.2) if color else (0.2, 0.6)
    assert line["found"] == pytest.approx(line["wanted"], rel=near)
    assert line["apart"] < alike * line["wanted"]
    if color:
        assert max(line["colors"], key=line["colors"].get) == color


def test_neurons_show_what_they_answer(page, server):
    """The first neuron answers with the sign of x."""
    opened(page, server, "playground", "?features=x&hidden=1")
    page.locator("path.touch").first.dispatch_event("click")
    page.get_by_role("spinbutton").first.fill("9")
    page.get_by_role("button", name="Done").click()
    inside = """place => {
      const plan = document.querySelector('.network-plan > canvas');
      const from = plan.getBoundingClientRect();
      const box = document.querySelector('button.neuron').getBoundingClientRect();
      const x = box.left - from.left + place * box.width;
      const y = box.top - from.top + box.height / 2;
      return [...plan.getContext('2d').getImageData(x, y, 1, 1).data].join();
    }"""
    until(page, f"({inside})(0.2) == '245,147,34,255'")
    assert page.evaluate(inside, 0.8) == "8,119,189,255"


def test_a_hidden_page_goes_on_training(page, server):
    opened(page, server, "playground")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => true });"
        "window.requestAnimationFrame = () => 1;"
    )
    play_until(page, f"parseInt({shown('epoch')}) > 20")


def test_test_points_are_shown(page, server):
    opened(page, server, "playground")
    hidden = page.evaluate("document.querySelector('canvas.points').toDataURL()")
    page.get_by_label("Show test points").check()
    until(page, "location.hash.includes('showTest=true')")
    until(page, f"document.querySelector('canvas.points').toDataURL() != '{hidden}'")


def test_the_script_of_the_page_runs(page, server, tmp_path):
    pytest.importorskip("sklearn", reason="iris comes from scikit-learn")
    opened(page, server, "playground", f"{IRIS}&dropout=0.1&batch_norm=true")
    page.get_by_role("button", name="Open as Python").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as playground.py").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.read_text() == page.locator("dialog pre").inner_text()
    run = subprocess.run(
        [sys.executable, file],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert 0 < float(run.stdout.removeprefix("Test loss: ")) < 0.3


def test_its_network_opens_on_the_page_of_graphs(page, server, pictures):
    opened(page, server, "playground", "?hidden=3.2&data=sklearn%3Airis")
    page.get_by_role("link", name="Open its graph").click()
    page.get_by_role("heading", name="Graph of the playground's network").wait_for()
    page.get_by_role("button", name="Training step").click()
    frame = viewer(page)
    frame.get_by_text("the training step of").first.wait_for()
    frame.fill("#search", "crossentropy")
    until(frame, "parseInt(document.getElementById('found').textContent) > 0")
    page.screenshot(path=pictures / "playground-graph.png")
    page.get_by_role("link", name="Back to the playground").click()
    ready(page)
    assert "hidden=3.2" in page.url and page.url.count("sklearn") == 1


def test_training_is_faster_than_what_the_original_shows(page, server):
    """Generous: see benchmarks/STUDIO.md for a quiet machine."""
    opened(page, server, "playground", "?speed=0")
    play_until(page, f"parseInt({shown('speed')}.replace(',', '')) > 5000")
