"""Measure products and convolutions alone: ``python -m benchmarks.kernels``.

Writes benchmarks/KERNELS.md: GFLOP/s of Nervure, NumPy and PyTorch beside the peak.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.kernel_shapes import KERNELS
from benchmarks.process import Peer, PeerError
from benchmarks.report import QUIET, machine_table, table

RESULTS = Path(__file__).parent / "KERNELS.md"
PEERS = ("nervure", "numpy", "torch")
# What Nervure may be slower than the best peer in any one shape.
LEAST = 0.8


def measure(peers: dict[str, Peer], place: int, rounds: int) -> dict[str, float]:
    """Return GFLOP/s by peer.

    Those that cannot do the kernel, or have another result than PyTorch, are left out.
    """
    kernel = KERNELS[place]
    stamps: dict[str, float] = {}
    for name, peer in peers.items():
        try:
            stamps[name] = peer.ask(600, "prepare", place=place)["result"]
        except PeerError as error:
            print(f"{kernel.title}: {name}: {error}")
    expected = stamps.get("torch", math.nan)
    seconds: dict[str, list[float]] = {}
    for name, stamp in stamps.items():
        if abs(stamp - expected) <= 1e-4:
            seconds[name] = []
        else:
            print(f"{kernel.title}: {name} has another result than torch")
    for _ in range(rounds):
        for name, taken in seconds.items():
            taken.append(peers[name].ask(600, "run")["seconds"])
    return {
        name: kernel.operations / statistics.median(taken) / 1e9
        for name, taken in seconds.items()
    }


def _row(title: str, found: dict[str, float], peak: float) -> Sequence[str]:
    """Return GFLOP/s, the share of the peak, and the ratio to the best peer."""
    ours = found.get("nervure", 0.0)
    best = max((one for name, one in found.items() if name != "nervure"), default=0.0)
    ratio = ours / best if best else 1.0
    speeds = [f"{found[name]:.0f}" if name in found else "" for name in PEERS]
    verdict = f"{ratio:.2f}" if ratio >= LEAST else f"**{ratio:.2f}**"
    return (title, *speeds, f"{ours / peak:.0%}", verdict)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all kernels, or every n-th."""
    parser = argparse.ArgumentParser("benchmarks.kernels", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take every n-th kernel")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    busy = []
    speeds: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        cache = Path(folder) / "cache"
        peers = {
            name: Peer(f"kernels_{name}", options.threads, cache, log) for name in PEERS
        }
        try:
            for place in range(0, len(KERNELS), options.every):
                busy.append(machine.busy_cores())
                speeds[place] = measure(peers, place, options.rounds)
                told = (f"{name} {one:.0f}" for name, one in speeds[place].items())
                print(KERNELS[place].title, *told, sep="  ", flush=True)
            # Not before: the others must have got ready and been stopped.
            peak = peers["nervure"].ask(600, "peak")["operations"] / 1e9
        finally:
            for peer in peers.values():
                peer.close()
    rows = [_row(KERNELS[place].title, one, peak) for place, one in speeds.items()]
    load = statistics.median(busy)
    head = ("kernel", *PEERS, "of the peak", "to the best peer")
    missed = sum("**" in row[-1] for row in rows)
    parts = [
        "# Kernels alone",
        "Written by `python -m benchmarks.kernels`; float32, GFLOP/s, medians.",
        machine_table(options.threads),
        f"The peak, measured with multiply-adds in registers: {peak:.0f} GFLOP/s. "
        f"Others kept {load:.2f} cores busy in the median"
        + (", **too many**." if load >= QUIET else "."),
        f"Below {LEAST} of the best peer: {missed} of {len(rows)}.",
        table(head, rows),
    ]
    options.output.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
