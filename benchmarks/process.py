"""The runner's end of the protocol: a peer is a process that sleeps between runs."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.workloads import (
    ENVIRONMENTS,
    INFERENCE_ENVIRONMENTS,
    KERNEL_ENVIRONMENTS,
)

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-peers"
# What each framework calls the number of its threads, and its folder for programs.
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NERVURE_NUM_THREADS"),
)
_CACHES = (
    *("NERVURE_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR"),
    "XDG_CACHE_HOME",
)
Answer = dict[str, Any]


class PeerError(Exception):
    """Why a peer has no answer."""


class Peer:
    """A peer's process, stopped whenever it is not asked.

    Threads of a framework that wait by spinning would otherwise take time from the
    next one.

    Parameters
    ----------
    name
        A key of one of the tables of environments.
    threads
        How many it may use; where the system can, it gets as many cores.
    cache
        Its folder for compiled programs.
    log
        A file for what it prints.
    """

    def __init__(self, name: str, threads: int, cache: Path, log: Path) -> None:
        known = ENVIRONMENTS | KERNEL_ENVIRONMENTS | INFERENCE_ENVIRONMENTS
        environment = known[name]
        python = PEERS / environment / "bin" / "python"
        if not environment:
            python = Path(sys.executable)
        elif not python.exists():
            raise PeerError("not installed: make bench-peers")
        cache.mkdir(parents=True, exist_ok=True)
        variables = dict.fromkeys(_THREADS, str(threads))
        variables |= dict.fromkeys(_CACHES, str(cache))
        # JAX keeps only what took long to compile, unless told otherwise.
        variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        variables |= {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}

        def take_cores() -> None:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

        self.name = name
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", f"benchmarks.peers.{name}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=os.environ | variables,
                preexec_fn=take_cores,
            )

    def ask(self, seconds: float, do: str, **details: Any) -> Answer:
        """Wake the process for a request, and return the answer.

        Raises :class:`PeerError` with the peer's reason, when it dies, and when it has
        not answered after some seconds; it is ended then.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.send_signal(signal.SIGCONT)
            request = json.dumps({"do": do, **details}) + "\n"
            self._process.stdin.write(request.encode())
            self._process.stdin.flush()
            line = self._answer(seconds)
        except BrokenPipeError:
            line = b""
        if not line:
            status = self._process.wait()
            raise PeerError(f"the process ended with status {status}")
        self._process.send_signal(signal.SIGSTOP)
        answer: Answer = json.loads(line)
        if "failed" in answer:
            raise PeerError(answer["failed"])
        return answer

    def _answer(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, end - time.monotonic())):
                self.close()
                raise PeerError(f"gave up after {seconds:.0f} s")
        return self._process.stdout.readline()

    @property
    def alive(self) -> bool:
        """Whether the process can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
