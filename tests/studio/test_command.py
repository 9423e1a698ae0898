"""The command ``nervure studio``."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from websockets.sync.client import connect

import nervure as nv
from nervure import cli
from nervure.errors import NervureError
from nervure.studio.opening import read_subject
from nervure.studio.server import Server


@pytest.fixture
def studio(tmp_path):
    """A function that starts the command; what it started is ended."""
    started = []

    def start(*words):
        command = [sys.executable, "-m", "nervure", "studio", *words, "--no-browser"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def address_of(process):
    """Return the address that the command printed, with its token."""
    return printed_address(process).partition("#")[0]


def printed_address(process):
    """Return the address that the command printed, with its token and page."""
    line = process.stdout.readline()
    (address,) = re.findall(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
    return address


def test_it_serves_until_it_is_interrupted(studio, tmp_path):
    process = studio(tmp_path)
    with urllib.request.urlopen(address_of(process), timeout=10) as page:
        assert b"Nervure studio" in page.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in process.stderr.read()


def test_it_ends_while_a_network_trains(studio, tmp_path):
    process = studio(tmp_path)
    origin, _, token = address_of(process).partition("/?token=")
    path = f"{origin.replace('http', 'ws')}/api/playground"
    with connect(path, origin=origin, subprotocols=["nervure", token]) as page:
        for message in ({"type": "configure", "choices": {}}, {"type": "play"}):
            page.send(json.dumps(message))
        frames = 0
        while frames < 2:
            frames += isinstance(page.recv(60), bytes)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert "Traceback" not in process.stderr.read()


def test_it_opens_at_the_page_of_its_subject(studio, tmp_path):
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.nv")
    (tmp_path / "graph.json").write_text(nv.graph(nv.tanh(nv.asarray([1.0]))).to_json())
    pages = {"model.nv": "graph", "graph.json": "graph", ".": "training"}
    for subject, page in pages.items():
        assert printed_address(studio(subject)).partition("#")[2] == f"/{page}"
    assert "#" not in printed_address(studio())


def test_a_port_in_use_is_refused(tmp_path, capsys):
    first = Server(read_subject(tmp_path)).start()
    try:
        port = str(first.port)
        words = ["studio", str(tmp_path), "--no-browser", "--port", port]
        assert cli.main(words) == 2
        told = capsys.readouterr().err
        assert f"port {port}" in told and "choose another --port" in told
    finally:
        first.close()


def test_runs_may_appear_later(studio, tmp_path):
    """Without a folder "logs" the page says how to write one."""
    process = studio()
    origin, _, token = address_of(process).partition("/?token=")
    asked = urllib.request.Request(
        f"{origin}/api/runs", headers={"X-Nervure-Token": token}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer) == {"runs": []}
    board = nv.callbacks.Studio(tmp_path / "logs", name="new")
    model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    x = np.ones((4, 2), np.float32)
    model.fit(x, x[:, :1], epochs=1, verbose=0, callbacks=[board])
    with urllib.request.urlopen(asked, timeout=10) as answer:
        (run,) = json.load(answer)["runs"]
    assert run["name"] == "new/train"


def test_graphs_in_files_are_opened(tmp_path):
    graph = nv.graph(nv.sum(nv.tanh(nv.asarray([1.0, 2.0]))))
    file = tmp_path / "graph.json"
    file.write_text(graph.to_json())
    subject = read_subject(file)
    assert subject.name == "graph.json"
    assert "tanh" in subject.program.to_html()
    for wrong in ("{", "[]", '{"format": "other"}'):
        file.write_text(wrong)
        with pytest.raises(NervureError):
            read_subject(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(NervureError, match="holds no text"):
        read_subject(file)


def test_what_is_not_there_is_refused(tmp_path, capsys):
    assert cli.main(["studio", str(tmp_path / "none.nv"), "--no-browser"]) == 2
    assert "there is no" in capsys.readouterr().err


def test_addresses_that_cannot_be_had_are_refused(tmp_path, capsys):
    for options in (["--host", "0.0.0.0"], ["--port", "99999"]):
        assert cli.main(["studio", str(tmp_path), "--no-browser", *options]) == 2
    assert "cannot listen" in capsys.readouterr().err
