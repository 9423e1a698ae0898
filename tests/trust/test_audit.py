"""``make audit`` fails where it could not look, and where something is known."""

from __future__ import annotations

import pytest

from tools import audit

WANTED = ["absl-py==2.5", "torch==2.13.0", "zict==3.0"]
CLEAN = [
    {"name": "absl_py", "version": "2.5", "vulns": []},
    {"name": "torch", "version": "2.13.0", "vulns": []},
    {"name": "zict", "version": "3.0", "vulns": []},
]
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["3.1"], "description": "..."}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


def test_all_was_looked_up():
    assert audit.judge(WANTED, CLEAN, "") == (
        0,
        ["audit: 3 packages, no known holes"],
    )


def test_a_known_hole():
    found = [*CLEAN[:2], {"name": "zict", "version": "3.0", "vulns": [HOLE]}]
    status, lines = audit.judge(WANTED, found, "")
    assert status == 1
    assert lines == ["zict 3.0: PYSEC-2026-1, mended in 3.1"]


def test_what_could_not_be_looked_up_is_no_success():
    """By itself pip-audit says that there are no holes, and ends with 0."""
    status, lines = audit.judge(WANTED, [CLEAN[0], SKIPPED, CLEAN[2]], "")
    assert status == 2
    assert lines == [
        "audit: 1 of 3 packages could not be looked up: torch",
        "audit: pip-audit says: Dependency not found on PyPI",
        "audit: nothing is known about these; run it where pypi.org answers",
    ]


def test_a_hole_is_told_even_if_others_could_not_be_looked_up():
    found = [SKIPPED, {"name": "zict", "version": "3.0", "vulns": [HOLE]}]
    status, lines = audit.judge(WANTED, found, "")
    assert status == 1
    assert "PYSEC-2026-1" in lines[0]
    assert "2 of 3 packages could not be looked up: absl-py, torch" in lines[1]


def test_no_answer_at_all():
    status, lines = audit.judge(WANTED, [], "Traceback\nConnectionError: pypi.org\n")
    assert status == 2
    assert lines[1] == "audit: pip-audit says: ConnectionError: pypi.org"


def test_everything_installed_is_asked_for():
    names = {one.partition("==")[0] for one in audit.installed()}
    assert {"numpy", "pytest"} <= names
    assert "nervure" not in names
    assert not [one for one in audit.installed() if "+" in one]


def test_the_answer_is_read(monkeypatch):
    import subprocess

    def run(command, **_options):
        assert command[1:3] == ["-m", "pip_audit"]
        text = '{"dependencies": [{"name": "numpy", "version": "2", "vulns": []}]}'
        return subprocess.CompletedProcess(command, 0, text, "said")

    monkeypatch.setattr(audit.subprocess, "run", run)
    found, said = audit.ask(["numpy==2"])
    assert found == [{"name": "numpy", "version": "2", "vulns": []}]
    assert said == "said"


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json"])
def test_an_answer_that_is_none_counts_as_not_looked_up(monkeypatch, text):
    import subprocess

    monkeypatch.setattr(
        audit.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 1, text, "failed"),
    )
    assert audit.judge(["numpy==2"], *audit.ask(["numpy==2"]))[0] == 2
