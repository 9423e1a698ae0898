"""Programs and the playground in a notebook, which a kernel of Jupyter runs."""

from __future__ import annotations

import html
import http.server
import json
import os
import re
import sys
import threading

import pytest

import nervure as nv

pytest.importorskip("ipykernel", reason="notebooks are run by ipykernel")
nbclient = pytest.importorskip("nbclient", reason="notebooks are run by nbclient")
nbformat = pytest.importorskip("nbformat", reason="notebooks are run by nbclient")

CELLS = [
    "import numpy as np\nimport nervure as nv",
    "nv.compile(lambda x: nv.sum(nv.tanh(x))).program(np.ones(3, np.float32))",
    "nv.playground(height=500)",
    "import urllib.request\n"
    "address = nv.playground().address\n"
    "with urllib.request.urlopen(address.partition('#')[0]) as page:\n"
    "    print(page.headers['Content-Security-Policy'])",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the cells show: the MIME bundle of the last output of each."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    # The kernel of this Python, whichever is installed for the user.
    kernels = folder / "kernels" / "here"
    kernels.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": command, "display_name": "here", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(kernel))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", os.fspath(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="here")
        client.execute()
    return [cell.outputs[-1] if cell.outputs else None for cell in notebook.cells]


def test_programs_show_themselves(outputs):
    text = outputs[1]["data"]["text/html"]
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', text)[1])
    assert page.startswith("<!doctype html>") and "tanh" in page
    assert 'sandbox="allow-scripts"' in text


def test_the_playground_shows_itself(outputs):
    text = outputs[2]["data"]["text/html"]
    assert "<iframe" in text and "height: 500px" in text
    assert re.search(r'src="http://127\.0\.0\.1:\d+/\?token=[\w-]+#/playground"', text)


def test_notebooks_of_this_machine_may_show_it(outputs):
    assert "frame-ancestors 'self' http://localhost:*" in outputs[3]["text"]


@pytest.mark.parametrize("place", [1, 2])
def test_the_cells_are_drawn_in_a_browser(outputs, chromium, place, pictures):
    """The playground's server has ended with its kernel; the program needs none."""
    text = outputs[place]["data"]["text/html"]
    page = chromium.new_page()
    page.set_content(f"<!doctype html><title>notebook</title>{text}")
    if place == 1:
        frame = page.frame_locator("iframe")
        frame.locator("#details dt", has_text="executor").wait_for()
        page.screenshot(path=pictures / "notebook-program.png")
    else:
        assert page.locator("iframe").get_attribute("title") == "Nervure playground"
    page.close()


def test_the_playground_runs_within_another_page(chromium, tmp_path, pictures):
    """As in a cell: a frame in a page of another port of this machine."""
    text = f"<!doctype html><title>cell</title>{nv.playground()._repr_html_()}"
    (tmp_path / "index.html").write_text(text)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=os.fspath(tmp_path))

        def log_message(self, *arguments):
            del arguments

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as cells:
        threading.Thread(target=cells.serve_forever, daemon=True).start()
        page = chromium.new_page()
        page.goto(f"http://127.0.0.1:{cells.server_port}/")
        frame = page.frame_locator("iframe")
        frame.locator("main:not([aria-busy=true])").wait_for()
        frame.get_by_role("button", name="Step: one epoch").click()
        frame.locator("[data-testid=epoch]", has_text="1").wait_for()
        page.screenshot(path=pictures / "notebook-playground.png")
        page.close()
        cells.shutdown()
