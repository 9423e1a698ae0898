"""The inspector with a network for photos, whose weights are in the package."""

from __future__ import annotations

import base64

import numpy as np
import pytest

import nervure as nv
from nervure.studio.application import Subject
from nervure.studio.inspector.networks import Networks
from nervure.studio.server import Server
from nervure.tblog.png import encode_png
from tests.studio.browsing import opened, until

PHOTOS = "efficientnet_lite0"


@pytest.fixture(scope="module")
def photo():
    """A photo of scikit-learn's: ``uint8[height, width, 3]``."""
    pytest.importorskip("PIL", reason="scikit-learn reads its photos with Pillow")
    datasets = pytest.importorskip("sklearn.datasets")
    return datasets.load_sample_image("flower.jpg")


def middle_of(photo, side):
    """Cut the middle out and scale it down by means of cells."""
    height, width, _ = photo.shape
    factor = min(height, width) // side
    top, left = (height - factor * side) // 2, (width - factor * side) // 2
    cut = photo[top : top + factor * side, left : left + factor * side]
    return cut.reshape(side, factor, side, factor, 3).mean(axis=(1, 3))


def drop(page, name, content):
    """Drop a file on the square, as a mouse does."""
    page.evaluate(
        """([name, content]) => {
          const bytes = Uint8Array.from(atob(content), one => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name));
          document.querySelector('[data-testid=drawing]').dispatchEvent(
            new DragEvent('drop', { dataTransfer: transfer, bubbles: true,
                                    cancelable: true }));
        }""",
        [name, base64.b64encode(content).decode()],
    )


def test_a_photo_is_dropped_and_looked_into(page, server, photo, pictures):
    opened(page, server, "inspector")
    page.get_by_label("Network").select_option(PHOTOS)
    page.get_by_role("heading", name="photos").wait_for()
    drop(page, "photo.png", encode_png(photo))
    verdict = page.get_by_test_id("verdict")
    verdict.wait_for()
    scores = nv.pretrained.efficientnet_lite0().predict(
        nv.pretrained.preprocess_input(
            middle_of(photo, 224 // 2).repeat(2, 0).repeat(2, 1)[None]
        ),
        verbose=0,
    )
    likely = [name for _, name, _ in nv.pretrained.decode_predictions(scores)[0]]
    assert verdict.inner_text() in likely
    for name in ("Saliency", "SmoothGrad", "Grad-CAM", "Guided", "Deconvnet"):
        page.get_by_role("img", name=name).wait_for()
    assert page.get_by_role("img", name="stem_conv, channel").count() == 32
    assert page.get_by_role("img", name="Filter 0").count() == 1
    page.get_by_label("Depth").fill("140")
    page.get_by_role("img", name="top_activation, channel").or_(
        page.get_by_role("img", name="avg_pool, channel")
    ).first.wait_for()


def test_the_slider_changes_the_verdict(page, server, photo, pictures):
    opened(page, server, "inspector")
    page.get_by_label("Network").select_option(PHOTOS)
    page.get_by_role("heading", name="photos").wait_for()
    drop(page, "photo.png", encode_png(photo))
    page.get_by_test_id("verdict").wait_for()
    before = page.get_by_test_id("verdict").inner_text()
    page.get_by_label("Until the network sees").select_option(label="ostrich")
    slider = page.get_by_label("Each pixel may change by")
    slider.fill(slider.get_attribute("max"))
    page.get_by_test_id("attacked").wait_for()
    assert page.get_by_test_id("attacked").inner_text() == "ostrich" != before
    page.get_by_role("img", name="The change, magnified").wait_for()
    page.get_by_role("button", name="Make its picture").click()
    page.get_by_role("img", name="Picture for channel 0 of predictions").wait_for()
    page.screenshot(path=pictures / "inspector-photo.png", full_page=True)


def test_a_file_that_is_no_picture_says_so(page, server):
    opened(page, server, "inspector")
    drop(page, "notes.txt", b"not a picture")
    alert = page.get_by_role("alert")
    alert.get_by_text("take a PNG or JPEG file").wait_for()


def test_networks_that_take_no_pictures_say_so_and_others_can_be_chosen(chromium):
    network = nv.models.Sequential([nv.layers.Dense(1, input_shape=(3,))])
    server = Server(Subject(network, "plain.nv")).start()
    try:
        page = chromium.new_page()
        page.goto(f"{server.address}#/inspector")
        alert = page.get_by_role("alert")
        alert.get_by_text("the inspector shows networks that take pictures").wait_for()
        page.get_by_label("Network").select_option(PHOTOS)
        page.get_by_role("heading", name="photos").wait_for()
        until(page, "document.querySelector('[role=alert]').hidden")
        page.close()
    finally:
        server.close()


# --- without a page -------------------------------------------------------------------


def asked(**values):
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    text = base64.b64encode(pixels.tobytes()).decode()
    return pixels, {"network": PHOTOS, "pixels": text, **values}


def test_pixels_are_scaled_as_the_network_was_trained():
    pixels, question = asked()
    look = Networks(None).answer("look")(question)
    x = nv.pretrained.preprocess_input(pixels[None])
    expected = nv.pretrained.efficientnet_lite0().predict(x, verbose=0)[0]
    np.testing.assert_allclose(look["scores"], expected, rtol=1e-3, atol=1e-6)
    assert look["layers"] == []


def test_attacks_stay_within_their_strength():
    pixels, question = asked(strength=8 / 255)
    found = Networks(None).answer("attack")(question)
    changed = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
    change = changed.reshape(pixels.shape).astype(int) - pixels
    assert 0 < np.abs(change).max() <= 9  # one more for rounding


@pytest.mark.parametrize("network", ["none", 3, None, ["digits"]])
def test_unknown_networks_are_refused(network):
    with pytest.raises(nv.errors.NervureError, match="there is no network"):
        Networks(None).answer("look")({"network": network})
