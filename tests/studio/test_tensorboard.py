"""The real TensorBoard shows our event files: its own page, in a browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import nervure as nv
from nervure import tf1
from nervure.tblog import EventWriter

pytest.importorskip("tensorboard", reason="its page is TensorBoard's own")

PATIENCE = 30_000  # milliseconds, on a machine that does other things too


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """What the callback, the writer and TensorFlow 1's summaries write."""
    folder = tmp_path_factory.mktemp("tensorboard")
    nv.utils.set_random_seed(0)
    model = nv.models.Sequential(
        [
            nv.layers.Input((6, 6, 1)),
            nv.layers.Conv2D(2, 3, activation="relu", name="first_convolution"),
            nv.layers.Flatten(),
            nv.layers.Dense(3, activation="softmax", name="head"),
        ],
        name="network",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(0).normal(size=(40, 6, 6, 1)).astype(np.float32)
    board = nv.callbacks.TensorBoard(
        folder / "fit", histogram_freq=1, write_graph=True, write_images=True
    )
    model.fit(x, np.arange(40) % 3, epochs=3, verbose=0, callbacks=[board])
    for name, rate in (("slow", 0.01), ("fast", 0.125)):
        with EventWriter(folder / name) as writer:
            writer.add_hparams({"rate": rate, "kind": "adam"}, ["quality"])
            writer.add_scalar("quality", 1 - rate, 0)
            writer.add_text("note", "a **bold** remark", 0)
    graph = tf1.Graph()
    with graph.as_default():
        merged = tf1.summary.scalar("from_tensorflow_1", tf1.constant(0.5))
        with tf1.Session() as session:
            writer = tf1.summary.FileWriter(str(folder / "tf1"), session.graph)
            writer.add_summary(session.run(merged), 0)
            writer.close()
    return folder


@pytest.fixture(scope="module")
def address(logs):
    """TensorBoard's address, on a port that was free."""
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    words += ["--port", "0", "--host", "127.0.0.1", "--load_fast=false"]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    break
            else:
                pytest.fail("TensorBoard did not start")
            # What it says later must not fill the pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield found.group()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def board(chromium, address):
    """One page for all tabs, which takes a while to load."""
    found = chromium.new_page(viewport={"width": 1400, "height": 1000})
    found.set_default_timeout(PATIENCE)
    yield found
    found.close()


SHOWN = {
    "scalars": ["epoch_loss", "epoch_accuracy", "from_tensorflow_1", "quality"],
    "histograms": ["network/first_convolution/kernel/histogram"],
    "images": ["network/first_convolution/kernel/image"],
    "text": ["bold", "remark"],
    "hparams": ["0.12500", "0.010000", "adam", "quality"],
    "graphs": ["Main Graph"],
}


@pytest.mark.parametrize("tab", SHOWN)
def test_its_page_shows_what_we_wrote(board, address, tab, pictures):
    board.goto(f"{address}/#{tab}")
    for words in SHOWN[tab]:
        # Tabs that were open before stay in the page, hidden.
        board.get_by_text(words).filter(visible=True).first.wait_for()
    board.screenshot(path=pictures / f"tensorboard-{tab}.png")


def test_its_pages_draw_them(board, address):
    """Lines, ridges, pixels and boxes, besides their names."""
    board.goto(f"{address}/#histograms")
    board.locator("vz-histogram-timeseries path").first.wait_for(state="attached")
    board.goto(f"{address}/#images")
    image = board.locator("tf-image-loader img").first
    image.wait_for()
    board.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=image.element_handle()
    )
    board.goto(f"{address}/#graphs")
    board.locator("tf-graph-scene g.node", has_text="network").first.wait_for()
