"""How fluent is the studio in a browser?

    pip install nervure[studio] playwright
    python -m benchmarks.studio

Chromium without a window opens the pages and is used as people use them.  Measured are

* first paint: from the request of a page until something is drawn;
* the playground: pictures a second that the page draws, and samples a second that the
  network learns from, as the page itself says, for several networks and speeds;
* the page of graphs: the time from each movement of the pointer to the next picture
  while a graph of more than 3,000 nodes is moved, zoomed and unfolded.

A picture every 16.7 ms is the most that a browser draws.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import description

REPORT: Final = Path(__file__).parent / "STUDIO.md"
PAGES: Final = ("playground", "graph", "training", "inspector")
SECONDS: Final = 2.0
_ALL: Final = "x.y.xSquared.ySquared.xTimesY.sinX.sinY"
PLAYED: Final = {
    "circle, 2 features, 4 and 2 neurons": "data=circle",
    "spiral, 7 features, 8 and 6 neurons": (
        f"data=spiral&features={_ALL}&hidden=8.6&optimizer=adam&rate=0.01"
    ),
    "spiral, 7 features, six layers of 8": (
        f"data=spiral&features={_ALL}&hidden=8.8.8.8.8.8&optimizer=adam&rate=0.003"
    ),
    "digits of scikit-learn, ten classes": (
        "data=sklearn%3Adigits&hidden=8.8&optimizer=adam&rate=0.01"
    ),
}
SPEEDS: Final = {"2": "2 epochs", "0": "as many as fit"}

# Counts the pictures in which the epoch changes.
FRAMES: Final = """
seconds => new Promise(done => {
  const shown = document.querySelector('[data-testid=epoch]');
  let count = 0, last = shown.value;
  const began = performance.now();
  const look = () => {
    if (shown.value !== last) { count += 1; last = shown.value; }
    const since = (performance.now() - began) / 1000;
    if (since < seconds) requestAnimationFrame(look); else done(count / since);
  };
  requestAnimationFrame(look);
})
"""

# Moves, zooms and unfolds the graph, and returns the milliseconds until each picture.
GRAPH_FRAMES: Final = """
async steps => {
  const canvas = document.getElementById('graph');
  const box = canvas.getBoundingClientRect();
  const middle = { clientX: box.left + box.width / 2,
                   clientY: box.top + box.height / 2 };
  const drawn = () => new Promise(done => requestAnimationFrame(done));
  const key = name => document.dispatchEvent(
    new KeyboardEvent('keydown', { key: name, bubbles: true }));
  const pointer = (type, by) => canvas.dispatchEvent(new PointerEvent(type, {
    clientX: middle.clientX + by, clientY: middle.clientY + by, pointerId: 1 }));
  const wheel = by => canvas.dispatchEvent(
    new WheelEvent('wheel', { deltaY: by, ...middle, cancelable: true }));
  const timed = async (count, act) => {
    const found = [];
    for (let at = 0; at < count; at += 1) {
      const began = performance.now();
      act(at);
      await drawn();
      found.push(performance.now() - began);
    }
    return found;
  };
  canvas.setPointerCapture = () => {};  // there is no such pointer
  const unfold = await timed(8, () => key('e'));
  key('0');
  const zoom = await timed(steps, at => wheel(at < steps / 2 ? -120 : 120));
  pointer('pointerdown', 0);
  const pan = await timed(steps, at => pointer('pointermove', at * 3));
  pointer('pointerup', 0);
  return { unfold, zoom, pan };
}
"""


def deep_program() -> Any:
    """Return the training program of a network with more than 3,000 nodes."""
    import nervure as nv

    stack: list[Any] = [nv.layers.Input((16,))]
    for _ in range(24):
        stack.append(nv.layers.Dense(16, activation="relu"))
        stack.append(nv.layers.BatchNormalization())
    model = nv.models.Sequential([*stack, nv.layers.Dense(4)])
    model.compile("adam", "mse")
    return model.train_program(batch_size=8)


def summary(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, the 95th percentile and the longest of some times."""
    ordered = sorted(milliseconds)
    late = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return statistics.median(ordered), late, ordered[-1]


def _opened(browser: Any, address: str) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.wait_for_selector("main:not([aria-busy=true])")
    return page


def _paints(browser: Any, address: str) -> list[str]:
    lines = ["| page | first paint, ms |", "|---|---|"]
    for name in PAGES:
        page = _opened(browser, f"{address}#/{name}")
        paint = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        lines.append(f"| {name} | {paint:.0f} |")
        page.close()
    return lines


def _played(browser: Any, address: str) -> list[str]:
    lines = [
        "| network | each picture | pictures a second | samples a second |",
        "|---|---|---|---|",
    ]
    for title, query in PLAYED.items():
        for speed, words in SPEEDS.items():
            page = _opened(browser, f"{address}#/playground?{query}&speed={speed}")
            page.get_by_role("button", name="Play").click()
            page.evaluate(FRAMES, 1.0)  # until it runs evenly
            rate = page.evaluate(FRAMES, SECONDS)
            samples = page.get_by_test_id("speed").inner_text()
            lines.append(f"| {title} | {words} | {rate:.0f} | {samples} |")
            page.close()
    return lines


def _graphs(browser: Any, program: Any) -> list[str]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_content(program.to_html())
    found = page.evaluate(GRAPH_FRAMES, 120)
    page.close()
    nodes, kernels = len(program.graph), len(program.optimized)
    lines = [
        f"A program of {nodes:,} nodes and {kernels} kernels; its page has "
        f"{len(program.to_html()) / 1e6:.1f} MB.",
        "",
        "| | median, ms | 95 %, ms | longest, ms |",
        "|---|---|---|---|",
    ]
    for name, times in found.items():
        middle, late, longest = summary(times)
        lines.append(f"| {name} | {middle:.1f} | {late:.1f} | {longest:.1f} |")
    return lines


def main() -> None:
    """Measure, print and write the report."""
    from playwright.sync_api import sync_playwright

    from nervure.studio.application import Subject
    from nervure.studio.server import Server

    path = os.environ.get("NERVURE_CHROMIUM") or shutil.which("chromium")
    server = Server(Subject()).start()
    machine = description()
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        lines = [
            "# The studio in a browser",
            "",
            "Written by `python -m benchmarks.studio`; see its first lines for what is",
            f"measured. {machine['CPU']}, {machine['cores that may be used']} cores, "
            "which the browser shares;",
            f"Chromium {browser.version} without a window and without a GPU.",
            "",
            *_paints(browser, server.address),
            "",
            *_played(browser, server.address),
            "",
            *_graphs(browser, deep_program()),
            "",
        ]
        browser.close()
    server.close()
    REPORT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
