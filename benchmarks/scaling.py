"""What devices say to each other in a training step, counted in XLA's own program.

    python -m benchmarks.scaling

For 1, 2, 4 and 8 virtual devices the step of W2's network (784-1024-1024-10) is
compiled, and the bytes of its all-reduces are added up; no time is measured.  Prints
the tables of docs/distribution.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any, Final

DEVICES: Final = (1, 2, 4, 8)
# The paper's part: ResNet-50's gradients, and what a step may take.
RESNET50_BYTES: Final = 4 * 25_557_032
STEP_SECONDS: Final = 64 / 2500  # the goal for one H100: 64 images at 2,500 a second
PAPER: Final = (8, 64, 256, 1024)
# Bytes a second that a device sends, and seconds until a neighbour has the first one.
NVLINK: Final = (450e9, 2e-6)
NETWORK: Final = (50e9, 5e-6)  # 400 Gbit/s for each device
DEVICES_OF_A_MACHINE: Final = 8
_SIZES: Final = {"f64": 8, "f32": 4, "bf16": 2, "f16": 2, "s64": 8, "s32": 4, "pred": 1}


def reduced_bytes(program: str) -> tuple[int, int]:
    """Return how many all-reduces an HLO program has, and the bytes of their results.

    >>> reduced_bytes("  %a = (f32[5,2]{1,0}, f32[]) all-reduce(%x, %y), to_apply=%s")
    (1, 44)
    """
    count = total = 0
    for line in program.splitlines():
        before, found, _ = line.partition(" all-reduce(")
        if not found:
            continue
        count += 1
        for kind, sizes in re.findall(r"\b([a-z]+\d*)\[([0-9,]*)\]", before):
            elements = 1
            for size in filter(None, sizes.split(",")):
                elements *= int(size)
            total += elements * _SIZES[kind]
    return count, total


def ring_bytes(payload: int, devices: int) -> float:
    """Return what each device sends at least to add up ``payload`` bytes over a ring.

    Each of the two rounds (reduce-scatter, all-gather) sends (n - 1) / n of it; see
    Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
    workstations" (2009).

    >>> ring_bytes(800, 1), ring_bytes(800, 4)
    (0.0, 1200.0)
    """
    return 2 * (devices - 1) / devices * payload


def ring_seconds(payload: int, devices: int, wire: tuple[float, float]) -> float:
    """Return how long that takes: 2 (n - 1) (payload / (n bandwidth) + latency)."""
    bandwidth, latency = wire
    return 2 * (devices - 1) * (payload / (devices * bandwidth) + latency)


def cluster_seconds(payload: int, devices: int) -> float:
    """Return the time over machines of eight devices, in two levels.

    Within a machine the sum is scattered over its devices, each of which then adds up
    its eighth with those of the other machines.
    """
    inside = min(devices, DEVICES_OF_A_MACHINE)
    machines = max(1, devices // DEVICES_OF_A_MACHINE)
    seconds = ring_seconds(payload, inside, NVLINK)
    if machines > 1:
        seconds += ring_seconds(payload // inside, machines, NETWORK)
    return seconds


def measured(devices: int) -> dict[str, Any]:
    """Compile the step in a process with so many virtual devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", "--one"],
        env={**os.environ, "XLA_FLAGS": flags, "NPROC": str(2 * devices + 2)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def compile_one() -> None:
    """Print what the step of this process's devices sends."""
    import numpy as np

    import nervure as nv
    from nervure.exec.xla.program import StepCode

    kept: list[str] = []
    make = StepCode.__init__

    def keep(self: StepCode, *arguments: Any) -> None:
        make(self, *arguments)
        call = self.call

        def look(*given: Any) -> Any:
            kept.append(call.lower(*given).compile().as_text())
            return call(*given)

        self.call = look

    StepCode.__init__ = keep  # type: ignore[method-assign]
    layers = nv.layers
    with nv.distribute.DataParallel():
        model = nv.models.Sequential(
            [
                layers.Dense(1024, activation="relu", input_shape=(784,)),
                layers.Dropout(0.5),
                layers.Dense(1024, activation="relu"),
                layers.Dropout(0.5),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", executor="xla")
        rows = np.zeros((128, 784), np.float32)
        model.fit(rows, np.zeros(128, np.int64), batch_size=128, verbose=0)
    count, total = reduced_bytes(kept[0])
    weights = sum(4 * one.size for one in model.get_weights())
    print(json.dumps({"weights": weights, "reductions": count, "bytes": total}))


def tables() -> str:
    """Return both tables in Markdown."""
    lines = [
        "| devices | all-reduces a step | bytes added up | of them gradients | "
        "sent by each device | ring limit |",
        "|---|---|---|---|---|---|",
    ]
    for devices in DEVICES:
        found = measured(devices)
        sent = ring_bytes(found["bytes"], devices)
        limit = ring_bytes(found["weights"], devices)
        gradients = found["weights"] if found["bytes"] else 0
        lines.append(
            f"| {devices} | {found['reductions']} | {found['bytes']:,} | "
            f"{gradients:,} | {sent:,.0f} | {limit:,.0f} |"
        )
    lines += [
        "",
        "| devices | sent by each device (MB) | all-reduce (ms) | efficiency, nothing "
        "hidden |",
        "|---|---|---|---|",
    ]
    for devices in PAPER:
        seconds = cluster_seconds(RESNET50_BYTES, devices)
        efficiency = STEP_SECONDS / (STEP_SECONDS + seconds)
        sent = ring_bytes(RESNET50_BYTES, devices) / 1e6
        lines.append(
            f"| {devices:,} | {sent:.0f} | {seconds * 1e3:.2f} | {efficiency:.0%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if "--one" in sys.argv:
        compile_one()
    else:
        print(tables())
