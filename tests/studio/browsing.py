"""What the tests of all pages do with a browser."""

from __future__ import annotations

import time

import numpy as np

PATIENCE = 60_000  # milliseconds, on a machine that does other things too


def opened(page, server, place, query=""):
    """Open a page and wait until it has what it asked for."""
    path = place if place.startswith("/") else f"/{place}{query}"
    page.goto(f"{server.address}#{path}")
    return ready(page)


def ready(page):
    """Wait until a page has what it asked for."""
    page.wait_for_selector("main:not([aria-busy=true])")
    return page


def until(page, expression):
    """Wait until an expression of JavaScript is true."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(30)


def shown(name):
    """Return the expression for the text of an element."""
    return f"document.querySelector('[data-testid={name}]').textContent"


def loss(page):
    """Return the test loss that the playground shows."""
    text = page.get_by_test_id("test-loss").inner_text()
    return float(text) if text[0].isdigit() else np.inf


def viewer(page):
    """Return the frame with a program."""
    handle = page.wait_for_selector("main:not([aria-busy=true]) iframe")
    frame = handle.content_frame()
    frame.wait_for_selector("#graph")
    return frame


def draw_one(page):
    """Draw a 1 with the mouse."""
    box = page.get_by_test_id("drawing").bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(x, box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
