"""Measure Nervure and its peers: ``python -m benchmarks.run [W1 W5 ...]``.

For each workload all peers get ready, each in its own process, and then take turns,
round after round.  See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from benchmarks import machine
from benchmarks.data import write_arrays
from benchmarks.outcome import Measurement, Outcome, duration
from benchmarks.process import Answer, Peer, PeerError
from benchmarks.report import report
from benchmarks.workloads import ALL, WORKLOADS, Workload

RESULTS = Path(__file__).parent / "RESULTS.md"


class Session:
    """The processes and the files of one run of the benchmark."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.versions: dict[str, dict[str, str]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="nervure-benchmarks-"))
        self._peers: dict[str, Peer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for peer in self._peers.values():
            peer.close()
        shutil.rmtree(self._folder)

    def measure(self, workload: Workload) -> Outcome:
        """Let all peers get ready, then take turns."""
        if self.options.batches:
            rows = min(workload.rows, self.options.batches * workload.batch)
            workload = replace(workload, rows=rows)
        names = [name for name in workload.peers if name in self.options.peers]
        outcome = Outcome(workload, {name: Measurement() for name in names})
        arrays = self._folder / f"data-{workload.key}"
        write_arrays(workload, arrays)
        if not workload.cache:
            for name in names:
                self._attempt(outcome, name, arrays, prepare=True)
        for turn in range(self.options.rounds):
            place = turn % max(1, len(names))
            for name in (*names[place:], *names[:place]):
                one = outcome.peers[name]
                if not one.failed and one.spent < self.options.budget:
                    outcome.busy.append(machine.busy_cores())
                    self._attempt(outcome, name, arrays, prepare=False)
        shutil.rmtree(arrays)
        return outcome

    def _attempt(
        self, outcome: Outcome, name: str, arrays: Path, *, prepare: bool
    ) -> None:
        """Do one thing with one peer; note what came of it, or why nothing did."""
        workload, one = outcome.workload, outcome.peers[name]
        begin = time.monotonic()
        try:
            if prepare:
                self._prepare(self._steady(name), name, workload, arrays)
                return
            if workload.cache:
                answer = self._first_step(name, workload, arrays)
            else:
                answer = self._peers[name].ask(self.options.limit, "run")
            one.loss, one.accuracy = answer["loss"], answer["accuracy"]
            one.seconds.append(statistics.median(answer["seconds"]) / workload.units)
            _tell(workload, name, duration(one.seconds[-1]))
        except PeerError as error:
            one.failed = str(error)
            _tell(workload, name, one.failed)
        finally:
            one.spent += 0.0 if prepare else time.monotonic() - begin

    def _steady(self, name: str) -> Peer:
        """Return the process of a peer that stays from workload to workload."""
        if name not in self._peers or not self._peers[name].alive:
            self._peers[name] = self._start(name, self._folder / "caches" / name)
        return self._peers[name]

    def _first_step(self, name: str, workload: Workload, arrays: Path) -> Answer:
        """Return the answer of a process that has done nothing before."""
        answer: Answer = {}
        with tempfile.TemporaryDirectory(dir=self._folder) as cache:
            # The cache is filled by doing the same before.
            for _ in range(2 if workload.cache == "filled" else 1):
                peer = self._start(name, Path(cache))
                try:
                    self._prepare(peer, name, workload, arrays)
                    answer = peer.ask(self.options.limit, "run")
                finally:
                    peer.close()
        return answer

    def _start(self, name: str, cache: Path) -> Peer:
        log = self.options.log / f"{name}.log"
        return Peer(name, self.options.threads, cache, log)

    def _prepare(self, peer: Peer, name: str, workload: Workload, arrays: Path) -> None:
        answer = peer.ask(
            self.options.limit,
            "prepare",
            workload=workload.key,
            rows=workload.rows,
            folder=str(arrays),
        )
        self.versions[name] = answer["versions"]


def _tell(workload: Workload, name: str, what: str) -> None:
    print(f"{workload.key:15} {name:17} {what}", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    keys = [workload.key for workload in WORKLOADS]
    parser = argparse.ArgumentParser("benchmarks.run", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", help=f"beginnings of {' '.join(keys)}; all by default"
    )
    parser.add_argument("--peers", nargs="+", choices=ALL, default=ALL, metavar="PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="for everybody")
    parser.add_argument(
        "--budget", type=float, default=60, help="no new round after these seconds"
    )
    parser.add_argument(
        "--limit", type=float, default=1800, help="give a peer up after these seconds"
    )
    parser.add_argument(
        "--batches", type=int, help="only so many; with 1 all losses are comparable"
    )
    parser.add_argument("--output", type=Path, help=f"instead of {RESULTS.name}")
    parser.add_argument(
        "--log", type=Path, default=Path(tempfile.gettempdir()) / "nervure-benchmarks"
    )
    options = parser.parse_args(arguments)
    if unknown := [one for one in options.workloads if not _chosen(keys, [one])]:
        parser.error(f"no workload begins with {unknown[0]!r}: {' '.join(keys)}")
    options.workloads = _chosen(keys, options.workloads or keys)
    options.log.mkdir(parents=True, exist_ok=True)
    # Only a whole run may replace the results that are kept.
    whole = not options.batches and set(options.workloads) == set(keys)
    if options.output is None and whole and set(options.peers) == set(ALL):
        options.output = RESULTS
    return options


def _chosen(keys: Sequence[str], beginnings: Sequence[str]) -> list[str]:
    return [key for key in keys if key.startswith(tuple(beginnings))]


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End in order: stopped processes must not stay behind."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark; write the report after each workload."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _end)
    outcomes = []
    text = ""
    with Session(options) as session:
        for workload in WORKLOADS:
            if workload.key in options.workloads:
                outcomes.append(session.measure(workload))
                text = report(options.threads, session.versions, outcomes)
                if options.output is not None:
                    options.output.write_text(text)
    print(text if options.output is None else f"written to {options.output}")


if __name__ == "__main__":
    main()
