"""Measure networks that predict: ``python -m benchmarks.inference``.

Prints a table, and writes it with ``--output benchmarks/INFERENCE.md``: Nervure beside
onnxruntime and PyTorch, which compute the same network with the same weights, the file
that ``model.export`` writes.  The logits are compared; whose are others is left out.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.outcome import duration
from benchmarks.process import Peer, PeerError
from benchmarks.report import QUIET, machine_table, table

NETWORKS = ("efficientnet_lite0", "resnet50", "vgg19", "densenet121")
PEERS = ("nervure", "onnxruntime", "torch")
BATCHES = (1, 16)
# How fast Nervure must be by the speed of onnxruntime, by batch.
GOALS = {1: 0.8, 16: 1.0}
# How far outputs may be from those of onnxruntime: of the largest one.
_TOLERANCE = 1e-3


def exported(name: str, folder: Path) -> Path:
    """Write a network for all peers, and return its path without suffix.

    EfficientNet-Lite0 has its trained weights, the others random ones.  They end with
    logits: probabilities of random networks are all 0 or 1, which would agree easily.
    """
    import nervure as nv

    nv.utils.set_random_seed(0)
    weights = "imagenet" if name == "efficientnet_lite0" else None
    make = getattr(nv.pretrained, name)
    model = make(weights=weights, classifier_activation=None)
    path = folder / name
    model.export(path.with_suffix(".onnx"))
    model.save(path.with_suffix(".nv"))
    return path


def prepared(peers: dict[str, Peer], path: Path, batch: int) -> tuple[list[str], float]:
    """Let the peers get ready; return those that agree, and how far they are apart."""
    outputs = {}
    for name, peer in peers.items():
        try:
            answer = peer.ask(600, "prepare", path=str(path), batch=batch)
        except PeerError as error:
            print(f"{path.name}: {name}: {error}")
        else:
            outputs[name] = np.asarray(answer["outputs"])
    expected = outputs.get("onnxruntime", next(iter(outputs.values()), np.zeros(1)))
    largest = float(np.abs(expected).max())
    apart = {
        name: float(np.abs(found - expected).max()) / largest
        for name, found in outputs.items()
    }
    for name, far in apart.items():
        if not far <= _TOLERANCE:
            print(f"{path.name}: {name} has other outputs than onnxruntime: {far:.2g}")
    agreed = [name for name, far in apart.items() if far <= _TOLERANCE]
    return agreed, max((apart[name] for name in agreed), default=0.0)


def measure(peers: dict[str, Peer], names: Sequence[str], rounds: int,
            busy: list[float]) -> dict[str, list[float]]:  # fmt: skip
    """Return the seconds of each round by peer; they take turns, in another order."""
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        busy.append(machine.busy_cores())
        start = number % max(len(names), 1)
        for name in (*names[start:], *names[:start]):
            seconds[name].append(peers[name].ask(600, "run")["seconds"])
    return seconds


def _row(
    network: str, batch: int, seconds: dict[str, list[float]], far: float
) -> Sequence[str]:
    """Return the medians, the ratio to onnxruntime in each round, and the goal."""
    cells = []
    for name in PEERS:
        taken = seconds.get(name)
        cells.append(duration(statistics.median(taken)) if taken else "")
    ours, theirs = seconds.get("nervure", []), seconds.get("onnxruntime", [])
    ratios = [peer / mine for mine, peer in zip(ours, theirs, strict=False)]
    ratio = statistics.median(ratios) if ratios else 0.0
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else ""
    goal = GOALS.get(batch)
    wanted = "" if goal is None else f"{goal}"
    shown = f"{ratio:.2f}" if goal is None or ratio >= goal else f"**{ratio:.2f}**"
    return (network, str(batch), *cells, shown, spread, wanted, f"{far:.0e}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all networks, or some, and write the table."""
    parser = argparse.ArgumentParser("benchmarks.inference", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--peers", nargs="+", default=PEERS, choices=PEERS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=None, help="the report")
    options = parser.parse_args(arguments)
    busy: list[float] = []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log, cache = place / "log", place / "cache"
        peers = {
            name: Peer(f"inference_{name}", options.threads, cache, log)
            for name in options.peers
        }
        try:
            for network in options.networks:
                path = exported(network, place)
                for batch in options.batches:
                    names, far = prepared(peers, path, batch)
                    seconds = measure(peers, names, options.rounds, busy)
                    rows.append(_row(network, batch, seconds, far))
                    print(*rows[-1], sep="  ", flush=True)
        finally:
            for peer in peers.values():
                peer.close()
    if options.output is not None:
        text = report(rows, options.threads, statistics.median(busy))
        options.output.write_text(text)


def report(rows: Sequence[Sequence[str]], threads: int, load: float) -> str:
    """Return the report as Markdown; ``load`` is how many cores others kept busy."""
    today = datetime.datetime.now(datetime.UTC).date()
    head = ("network", "batch", *PEERS, "onnxruntime / nervure", "in the rounds",
            "goal", "outputs apart")  # fmt: skip
    missed = sum(any(cell.startswith("**") for cell in row) for row in rows)
    parts = [
        "# Inference",
        f"Written by `python -m benchmarks.inference` on {today}: float32 images of "
        "224 x 224 x 3, medians of a call of `predict` over the rounds.  *outputs "
        "apart* is the largest difference between peers, of the largest output.",
        machine_table(threads),
        f"Others kept {load:.2f} cores busy in the median"
        + (", **too many**." if load >= QUIET else "."),
        f"Below the goal: {missed} of {len(rows)}.",
        table(head, rows),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
