"""Training on a GPU, in images a second: Nervure beside torch, in one run.

    python -m benchmarks.gpu                 # writes benchmarks/GPU.md
    python -m benchmarks.gpu --check         # only: is there a GPU?
    python -m benchmarks.gpu --try           # tiny, on any device, writes nothing

Without a GPU it says so and ends well, so `make bench-gpu` may run anywhere.  Torch is
measured eager and compiled, channels last, with automatic mixed precision, if a CUDA
build of it is installed.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

PAGE: Final = Path(__file__).with_name("GPU.md")
RUNS: Final = 5


class Case(NamedTuple):
    """What is trained."""

    key: str
    title: str
    shape: tuple[int, ...]
    classes: int
    batch: int
    steps: int
    mixed: bool


CASES: Final = (
    Case("W1", "784-32-10, Adam, batch 128", (784,), 10, 128, 468, False),
    Case("W2", "784-1024-1024-10, Adam, batch 128", (784,), 10, 128, 100, False),
    Case("resnet50-64", "ResNet-50, bfloat16, batch 64", (224, 224, 3), 1000, 64, 20,
         True),
    Case("resnet50-256", "ResNet-50, bfloat16, batch 256", (224, 224, 3), 1000, 256,
         10, True),
)  # fmt: skip
TINY: Final = (
    Case("W1", "784-32-10", (784,), 10, 8, 2, False),
    Case("resnet50-2", "ResNet-50 on 32x32", (32, 32, 3), 1000, 2, 2, True),
)


def data(case: Case) -> tuple[Any, Any]:
    """Return rows of noise and their labels; two batches, used again and again."""
    random = np.random.default_rng(0)
    rows = 2 * case.batch
    x = random.standard_normal((rows, *case.shape), dtype=np.float32)
    return x, random.integers(0, case.classes, rows)


def hidden_of(case: Case) -> tuple[int, ...]:
    """Return the hidden layers of a case without images."""
    return (32,) if case.key == "W1" else (1024, 1024)


def nervure_run(case: Case) -> Callable[[], None]:
    """Return a function that trains so many steps with Nervure."""
    import nervure as nv
    from benchmarks.gpu_networks import nervure_resnet50

    layers = nv.layers
    if len(case.shape) == 3:
        model = nervure_resnet50(case.shape[0])
    else:
        hidden = [layers.Dense(units, activation="relu") for units in hidden_of(case)]
        model = nv.models.Sequential(
            [layers.Input(case.shape), *hidden, layers.Dense(case.classes)]
        )
    model.compile(
        "adam",
        nv.losses.SparseCategoricalCrossentropy(from_logits=True),
        executor="xla",
        precision="mixed_bfloat16" if case.mixed else "float32",
    )
    x, y = data(case)
    epochs = max(1, case.steps // 2)
    return lambda: model.fit(x, y, case.batch, epochs=epochs, verbose=0)


def torch_run(case: Case, compiled: bool, device: str) -> Callable[[], None]:
    """Return a function that trains so many steps with torch."""
    import torch
    from torch import nn

    from benchmarks.gpu_networks import torch_resnet50

    if len(case.shape) == 3:
        model = torch_resnet50()
    else:
        sizes = (*case.shape, *hidden_of(case))
        parts: list[Any] = []
        for before, after in itertools.pairwise(sizes):
            parts += [nn.Linear(before, after), nn.ReLU()]
        model = nn.Sequential(*parts, nn.Linear(sizes[-1], case.classes))
    model = model.to(device)
    x, y = (torch.from_numpy(one).to(device) for one in data(case))
    if len(case.shape) == 3:
        model = model.to(memory_format=torch.channels_last)
        x = x.permute(0, 3, 1, 2)  # NHWC in memory, as torch wants it
    optimizer = torch.optim.Adam(model.parameters(), fused=device == "cuda")
    forward = torch.compile(model) if compiled else model
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        for step in range(max(2, case.steps)):
            rows = slice((step % 2) * case.batch, (step % 2 + 1) * case.batch)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=case.mixed):
                loss = criterion(forward(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def images_a_second(case: Case, run: Callable[[], None]) -> float:
    """Return the best of some runs, after one that compiles."""
    run()
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return max(2, case.steps) // 2 * 2 * case.batch / min(seconds)


def contenders(device: str) -> dict[str, Callable[[Case], Callable[[], None]]]:
    """Return those that can run here, by name."""
    found: dict[str, Callable[[Case], Callable[[], None]]] = {"nervure": nervure_run}
    try:
        import torch
    except ImportError:
        return found
    if device == "cuda" and not torch.cuda.is_available():
        print("torch has no CUDA here: Nervure is measured alone")
        return found
    found["torch eager"] = lambda case: torch_run(case, False, device)
    if device == "cuda":
        found["torch compiled"] = lambda case: torch_run(case, True, device)
    return found


def measure(cases: tuple[Case, ...], device: str) -> list[str]:
    """Return the lines of a table."""
    ways = contenders(device)
    lines = [
        f"| training, images/s | {' | '.join(ways)} |",
        "|---|" + "---|" * len(ways),
    ]
    for case in cases:
        found = [images_a_second(case, make(case)) for make in ways.values()]
        numbers = " | ".join(f"{one:,.0f}" for one in found)
        lines.append(f"| {case.title} | {numbers} |")
        print(lines[-1], flush=True)
    return lines


def gpu_name() -> str | None:
    """Return what the first GPU is called, None without one."""
    from nervure.exec.accelerators import accelerator_to_use

    if accelerator_to_use() is None:
        return None
    from nervure.exec.xla.runtime import local_devices

    return str(local_devices()[0].device_kind)


def main(arguments: list[str]) -> int:
    """Measure, or say why not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--check", action="store_true", help="is there a GPU?")
    parser.add_argument("--try", dest="tiny", action="store_true", help="on any device")
    options = parser.parse_args(arguments)
    if options.tiny:
        measure(TINY, "cpu")
        return 0
    name = gpu_name()
    if name is None:
        print("no GPU that JAX can use: nothing was run (`nervure doctor` says why)")
        return 3 if options.check else 0
    print(f"GPU: {name}")
    if options.check:
        return 0
    lines = measure(CASES, "cuda")
    day = datetime.date.today().isoformat()
    text = "\n".join(["# Training on a GPU", "", f"{name}, {day}.", "", *lines, ""])
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
