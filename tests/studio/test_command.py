"""The command ``nervure studio``."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request

from nervure import cli


def test_it_serves_until_it_is_interrupted(tmp_path):
    words = [sys.executable, "-m", "nervure", "studio", tmp_path, "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        with urllib.request.urlopen(address, timeout=10) as page:
            assert b"Nervure studio" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_what_is_not_there_is_refused(tmp_path, capsys):
    assert cli.main(["studio", str(tmp_path / "none.nv"), "--no-browser"]) == 2
    assert "there is no" in capsys.readouterr().err


def test_addresses_that_cannot_be_had_are_refused(tmp_path, capsys):
    for options in (["--host", "0.0.0.0"], ["--port", "99999"]):
        assert cli.main(["studio", str(tmp_path), "--no-browser", *options]) == 2
    assert "cannot listen" in capsys.readouterr().err
