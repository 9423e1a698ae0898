"""``nervure launch``: several processes of one script on this machine, watched over.

The processes (*ranks*) are started together and end together.  When one dies, does not
answer or ends with an error, the others are stopped, and all are started again, if
restarts are left: from the last checkpoint that the script has written
(:class:`~nervure.callbacks.BackupAndRestore`).  Nothing is mended inside a process.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from nervure.distribute.processes import COORDINATOR, PROCESS, PROCESSES

# Set for every rank: a file that it touches as long as it lives.
PULSE: Final = "NERVURE_PULSE"
# A rank whose pulse has stopped for so long (frozen, swapped out) counts as dead.
SILENT_SECONDS: Final = 15.0
# How long a rank may take to load before its pulse begins.
LOADING_SECONDS: Final = 60.0
_LOOK_EVERY: Final = 0.05
# What a rank is given to end by itself after another one has failed.
_PATIENCE: Final = 2.0


class Rank(NamedTuple):
    """One of the processes."""

    number: int
    process: subprocess.Popen[str]
    pulse: Path
    started: float
    reader: threading.Thread

    def failure(self) -> str | None:
        """Say why it must be given up, None if it is well or has ended well."""
        status = self.process.poll()
        if status is not None:
            if status == 0:
                return None
            name = _signal_name(-status) if status < 0 else f"exit status {status}"
            return f"ended with {name}"
        now = time.time()
        try:
            silent = now - self.pulse.stat().st_mtime
        except FileNotFoundError:
            limit = LOADING_SECONDS
            silent = now - self.started
        else:
            limit = SILENT_SECONDS
        return f"gives no sign of life for {silent:.0f} s" if silent > limit else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def launch(script: Sequence[str], count: int, restarts: int = 0) -> int:
    """Run a script in several processes and return the exit status.

    Parameters
    ----------
    script
        The script and its arguments.
    count
        How many processes.
    restarts
        How often all are started again after one has failed.

    What the first process prints is passed on; of the others, only errors are, with the
    number of the process before each line.

    >>> launch(["/there/is/no/such/script.py"], 1)
    2
    """
    if not Path(script[0]).is_file():
        print(f"nervure launch: there is no file {script[0]!r}", file=sys.stderr)
        return 2
    for attempt in range(restarts + 1):
        with tempfile.TemporaryDirectory(prefix="nervure-launch-") as folder:
            failed = _run_once(script, count, Path(folder))
        if failed is None:
            return 0
        print(f"nervure launch: {failed}; the others were stopped", file=sys.stderr)
        if attempt < restarts:
            print(
                f"nervure launch: starting all {count} again, restart {attempt + 1} of "
                f"{restarts}",
                file=sys.stderr,
            )
    return 1


def _run_once(script: Sequence[str], count: int, folder: Path) -> str | None:
    """Start all ranks and wait for their end; returns what went wrong."""
    address = f"127.0.0.1:{_free_port()}"  # a fresh one: the last may still be held
    ranks: list[Rank] = []
    try:
        for number in range(count):
            ranks.append(_start(script, number, count, address, folder))
        while True:
            failures = {rank: rank.failure() for rank in ranks}
            failed = [rank for rank, why in failures.items() if why is not None]
            if failed:
                first = min(failed, key=_is_consequence)
                return f"process {first.number} of {count} {failures[first]}"
            if all(rank.process.poll() == 0 for rank in ranks):
                return None
            time.sleep(_LOOK_EVERY)
    finally:
        _stop(ranks)


def _is_consequence(rank: Rank) -> bool:
    """Tell whether a failure may come from another one's.

    When a process dies, the others end with an error, or JAX aborts them.
    """
    status = rank.process.poll()
    return status is not None and (status > 0 or status == -signal.SIGABRT)


def _start(
    script: Sequence[str], number: int, count: int, address: str, folder: Path
) -> Rank:
    pulse = folder / f"pulse-{number}"
    environment = {
        **os.environ,
        COORDINATOR: address,
        PROCESSES: str(count),
        PROCESS: str(number),
        PULSE: str(pulse),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "nervure.distribute.rank", *script],
        env=environment,
        stdout=None if number == 0 else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that its own children can be stopped with it
    )
    assert process.stderr is not None
    label = "" if count == 1 else f"[{number}] "
    arguments = (process.stderr, label)
    reader = threading.Thread(target=_pass_on, args=arguments, daemon=True)
    reader.start()
    return Rank(number, process, pulse, time.time(), reader)


def _pass_on(lines: IO[str], label: str) -> None:
    with lines:
        for line in lines:
            print(f"{label}{line}", end="", file=sys.stderr, flush=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _stop(ranks: Sequence[Rank]) -> None:
    """End what still runs: politely, then not."""
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, 30.0)):
        running = [rank for rank in ranks if rank.process.poll() is None]
        for rank in running:
            try:
                os.killpg(rank.process.pid, number)
            except ProcessLookupError:
                continue
        until = time.time() + patience
        while time.time() < until and not _all_ended(running):
            time.sleep(_LOOK_EVERY)
    for rank in ranks:
        rank.reader.join(_PATIENCE)  # its last words


def _all_ended(ranks: Sequence[Rank]) -> bool:
    return all(rank.process.poll() is not None for rank in ranks)
