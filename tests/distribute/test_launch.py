"""Several processes on loopback: the same training, also when one of them dies."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nervure import cli
from nervure.distribute.launch import launch
from tests.distribute.running import ROOT, environment

SCRIPT = str(ROOT / "tests" / "distribute" / "train.py")


def launched(
    count: int, *arguments: str, restarts: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = ["-m", "nervure", "launch", "-n", str(count)]
    command += ["--restarts", str(restarts), *arguments]
    return subprocess.run(
        [sys.executable, *command],
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def weights_in(folder: Path) -> list[np.ndarray]:
    with np.load(folder / "final.npz") as found:
        return [found[name] for name in found.files]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the result of one process."""
    folder = tmp_path_factory.mktemp("one")
    done = launched(1, SCRIPT, str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "process 0 of 1\n"
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the result of two processes that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("two")
    done = launched(2, SCRIPT, str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("process 0 of 2\n")
    return folder


def assert_alike(first: Path, second: Path) -> None:
    for one, other in zip(weights_in(first), weights_in(second)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_two_processes_train_as_one(alone: Path, two: Path) -> None:
    assert_alike(alone, two)
    assert len((two / "log.csv").read_text().splitlines()) == 6  # written once


@pytest.mark.slow
def test_four_processes_train_as_one(alone: Path, tmp_path: Path) -> None:
    done = launched(4, SCRIPT, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert_alike(alone, tmp_path)


@pytest.mark.parametrize(
    "failure",
    [
        "kill",
        pytest.param("freeze", marks=pytest.mark.slow),
        pytest.param("raise", marks=pytest.mark.slow),
    ],
)
def test_all_go_on_from_the_last_backup_with_the_same_bits(
    two: Path, tmp_path: Path, failure: str
) -> None:
    done = launched(2, SCRIPT, str(tmp_path), failure, restarts=3)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("the others were stopped") == 1
    assert "starting all 2 again, restart 1 of 3" in done.stderr
    if failure == "kill":
        assert "process 1 of 2 ended with SIGKILL" in done.stderr
    for one, other in zip(weights_in(two), weights_in(tmp_path)):
        assert one.tobytes() == other.tobytes()
    log = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in log] == ["epoch", *"01234"]


def test_a_dead_process_is_noticed_and_the_others_stop(tmp_path: Path) -> None:
    began = time.monotonic()
    done = launched(2, SCRIPT, str(tmp_path), "kill")
    assert done.returncode == 1
    assert "process 1 of 2 ended with SIGKILL; the others were stopped" in done.stderr
    died = (tmp_path / "failed").stat().st_mtime
    assert time.time() - died < 30
    assert time.monotonic() - began > 0


def test_a_backup_goes_on_with_another_number_of_processes(
    alone: Path, tmp_path: Path
) -> None:
    begun = launched(2, SCRIPT, str(tmp_path), EPOCHS="2")
    assert begun.returncode == 0, begun.stderr[-3000:]
    done = launched(1, SCRIPT, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    log = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in log] == ["epoch", *"01234"]
    assert_alike(alone, tmp_path)


def test_a_script_that_fails_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "fails.py"
    script.write_text("import sys\nprint(sys.argv[1:])\nraise SystemExit(7)\n")
    assert launch([str(script), "a", "--b"], 1, restarts=1) == 1
    out, err = capfd.readouterr()
    assert out == "['a', '--b']\n" * 2
    assert "process 0 of 1 ended with exit status 7" in err


def test_a_script_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["launch", "-n", "2", "/no/such/script.py"]) == 2
    assert "there is no file '/no/such/script.py'" in capsys.readouterr().err
    assert cli.main(["launch"]) == 2
    assert "name a script" in capsys.readouterr().err
