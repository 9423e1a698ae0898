"""The pages in a browser: what people do with them, by mouse and by keyboard."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from tests.studio.browsing import PATIENCE, draw_one, loss, opened, shown, until, viewer

AXE = Path(__file__).resolve().parents[2] / "studio/node_modules/axe-core/axe.min.js"
ALL = "x.y.xSquared.ySquared.xTimesY.sinX.sinY"
SPIRAL = (
    f"/playground?data=spiral&batch=50&features={ALL}&hidden=8.6"
    "&optimizer=adam&rate=0.02"
)
PAGES = ["playground", "graph", "training", "inspector"]


def circles(count):
    """Return the expression that the first chart has so many points."""
    first = "document.querySelector('figure svg')"
    return f"{first}?.querySelectorAll('circle').length == {count}"


def test_the_spiral_is_learned(page, server, pictures):
    opened(page, server, SPIRAL)
    assert page.url == f"http://127.0.0.1:{server.port}/#{SPIRAL}"  # no token to share
    paint = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    assert paint < 1000
    page.get_by_role("button", name="Play").click()
    # It trains on until the button is heard; with this seed it stays below 0.05.
    until(page, f"parseFloat({shown('test-loss')}) < 0.02")
    page.get_by_role("button", name="Pause").click()
    assert loss(page) < 0.05
    page.screenshot(path=pictures / "playground.png")


def test_a_weight_is_edited_by_keyboard(page, server, pictures):
    opened(page, server, "playground")
    until(page, f"parseFloat({shown('test-loss')}) > 0")
    before = loss(page)
    page.get_by_role("button", name="Neuron 2 of hidden layer 1").press("Enter")
    field = page.get_by_label("Weight of x₁")
    field.fill("7.5")
    page.get_by_label("Bias").fill("-1.25")
    until(page, f"{shown('test-loss')} != '{before:.3f}'")
    page.screenshot(path=pictures / "weights.png")
    page.get_by_role("button", name="Done").press("Enter")
    page.get_by_role("button", name="Neuron 2 of hidden layer 1").click()
    assert page.get_by_label("Weight of x₁").input_value() == "7.500"
    assert page.get_by_label("Bias").input_value() == "-1.250"


def test_a_click_on_a_line_selects_its_weight(page, server):
    opened(page, server, "playground")
    page.locator("path.touch").first.dispatch_event("click")
    until(page, "document.activeElement.name == 'weight-0'")


def test_networks_and_data_are_changed(page, server):
    opened(page, server, "playground")
    page.get_by_role("button", name="Add a hidden layer").click()
    page.get_by_role("button", name="Add a neuron to hidden layer 3").click()
    page.get_by_role("button", name="x₁x₂").click()
    page.get_by_role("button", name="Exclusive or").click()
    page.get_by_label("Optimizer").select_option("adam")
    page.get_by_label("Batch normalization").check()
    page.wait_for_selector("main:not([aria-busy=true])")
    assert "data=xor" in page.url and "hidden=4.2.3" in page.url
    assert "features=x.y.xTimesY" in page.url and "batch_norm=true" in page.url
    page.get_by_role("button", name="Step: one epoch").click()
    until(page, f"{shown('epoch')} == '1'")
    page.get_by_role("button", name="Open as Python").click()
    script = page.locator("dialog pre").inner_text()
    assert "dataset('xor'" in script and "layers.BatchNormalization" in script


def test_a_table_of_the_user_is_learned(page, server, tmp_path):
    table = tmp_path / "points.csv"
    rows = [f"{x},{y},{'yes' if x > y else 'no'}" for x in range(8) for y in range(8)]
    table.write_text("\n".join(["width,height,large", *rows]))
    opened(page, server, "playground")
    page.get_by_label("Other data").select_option("csv")
    page.locator("input[type=file]").set_input_files(table)
    page.get_by_text("Across: width; up: height").wait_for()
    table.write_text("1,2\n3,4\n")
    page.locator("input[type=file]").set_input_files(table)
    page.get_by_role("alert").get_by_text("three columns").wait_for()


def test_the_graph_of_the_lecture_network_is_shown(page, server, pictures):
    opened(page, server, "graph")
    frame = page.frame_locator("iframe")
    frame.get_by_text("first_convolution").first.wait_for()
    page.get_by_role("button", name="Training step").click()
    frame.get_by_text("the training step of").first.wait_for()
    page.screenshot(path=pictures / "graph.png")


def test_a_running_fit_is_watched(page, server, runs, pictures):
    x = np.random.default_rng(0).normal(size=(256, 4)).astype(np.float32)
    y = (x.sum(axis=1, keepdims=True) > 0).astype(np.float32)
    network = nv.models.Sequential(
        [nv.layers.Dense(8, activation="tanh", input_shape=(4,)), nv.layers.Dense(1)]
    )
    network.compile("adam", "mse")
    seen = threading.Event()

    def wait(epoch, logs):
        assert epoch != 2 or seen.wait(PATIENCE / 1000)

    callbacks = [
        nv.callbacks.Studio(runs, name="live", samples=(x, y)),
        nv.callbacks.LambdaCallback(on_epoch_end=wait),
    ]
    fit = threading.Thread(
        target=network.fit,
        args=(x, y),
        kwargs={"epochs": 6, "verbose": 0, "callbacks": callbacks},
    )
    fit.start()
    try:
        opened(page, server, "training")
        chart = page.get_by_role("img", name="epoch_loss")
        chart.wait_for()
        until(page, circles(3))
        assert page.get_by_text("live", exact=True).first.is_visible()
    finally:
        seen.set()
        fit.join()
    until(page, circles(6))
    page.get_by_role("img", name="Histogram of").first.wait_for()
    box = page.get_by_role("checkbox", name="live/train")
    box.uncheck()
    until(page, "document.querySelectorAll('figure svg circle').length == 0")
    box.check()
    chart.wait_for()
    page.screenshot(path=pictures / "training.png")


def test_a_digit_is_drawn_and_attacked(page, server, pictures):
    opened(page, server, "inspector")
    draw_one(page)
    verdict = page.get_by_test_id("verdict")
    verdict.wait_for()
    assert verdict.inner_text() == "1"
    page.get_by_role("img", name="Grad-CAM").wait_for()
    page.get_by_role("img", name="Deconvnet").wait_for()
    assert page.get_by_role("img", name="second_convolution, channel").count() == 32
    page.get_by_label("Each pixel may change by").fill("0.3")
    page.get_by_test_id("attacked").wait_for()
    assert page.get_by_test_id("attacked").inner_text() != "1"
    page.get_by_role("button", name="Make its picture").click()
    page.get_by_role("img", name="Picture for channel 0").wait_for()
    page.screenshot(path=pictures / "inspector.png", full_page=True)


def serious(page):
    """Return what axe-core finds wrong with a page or a frame."""
    # Evaluated through the protocol, which the page's policy does not concern.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run(document, {iframes: false, resultTypes: ['violations']})"
    )
    return [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize("place", PAGES)
def test_screen_readers_and_phones_are_served(page, server, place, colors, pictures):
    if not AXE.exists():
        pytest.skip("no axe-core here: npm ci in studio/")
    page.emulate_media(color_scheme=colors)
    opened(page, server, place)
    if place == "inspector":
        draw_one(page)
        page.get_by_test_id("verdict").wait_for()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=pictures / f"{place}-phone-{colors}.png", full_page=True)
    assert serious(page) == []
    if place == "graph":
        frame = viewer(page)
        assert serious(frame) == []
        frame.click("#peak")
        assert serious(frame) == []


def test_a_page_without_a_token_says_what_to_do(chromium, server):
    page = chromium.new_page()
    page.goto(f"{server.origin}/#/graph")
    alert = page.get_by_role("alert")
    alert.get_by_text("Open the address that `nervure studio` printed").wait_for()
    page.close()
