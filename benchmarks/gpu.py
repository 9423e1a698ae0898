"""Training on a GPU, in samples a second: Nervure beside torch and JAX, in one run.

    python -m benchmarks.gpu                 # writes benchmarks/GPU.md
    python -m benchmarks.gpu --only W1 W3    # some of it, to the screen
    python -m benchmarks.gpu --check         # only: is there a GPU?
    python -m benchmarks.gpu --try           # tiny, on the CPU, writes nothing

Without a GPU it says so and ends well, so `make bench-gpu` may run anywhere.  Each
contender runs in a process of its own, since one that has failed or is out of memory
must not spoil the next, and since each wants the whole GPU.  Torch is measured eager
and compiled, channels last, with automatic mixed precision; it needs a CUDA build.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

PAGE: Final = Path(__file__).with_name("GPU.md")
ROOT: Final = Path(__file__).parents[1]
RUNS: Final = 5
CONTENDERS: Final = ("nervure", "torch eager", "torch compiled", "jax")
LIMIT: Final = 1800  # seconds for one contender, compiling included


class Case(NamedTuple):
    """What is trained: ``steps`` of ``batch`` rows, for each time that is taken."""

    key: str
    network: str
    title: str
    shape: tuple[int, ...]
    classes: int
    batch: int
    steps: int
    mixed: bool = False


def _images(network: str, size: int, batch: int, steps: int) -> Case:
    short = network.replace("-", "").split()[0].lower()
    title = f"{network}, bfloat16, {size}x{size}, batch {batch}"
    shape = (size, size, 3)
    return Case(f"{short}-{batch}", network, title, shape, 1000, batch, steps, True)


CASES: Final = (
    Case("W1", "W1", "784-32-10, batch 128", (784,), 10, 128, 468),
    Case("W2", "W2", "784-1024-1024-10, dropout, batch 128", (784,), 10, 128, 200),
    Case("W3", "W3", "the lecture's CNN, batch 128", (28, 28, 1), 10, 128, 200),
    Case("W7", "W7", "ResNet-18 on 32x32, batch 64", (32, 32, 3), 10, 64, 100),
    Case("W8", "W8", "transformer block, batch 16", (128, 256), 10, 16, 200),
    *(_images("ResNet-50", 224, batch, 2560 // batch) for batch in (64, 128, 256)),
    *(_images("Inception v3", 299, batch, 2560 // batch) for batch in (64, 128, 256)),
)
TINY: Final = (
    Case("W1", "W1", "784-32-10", (784,), 10, 8, 2),
    Case("W2", "W2", "784-1024-1024-10", (784,), 10, 8, 2),
    Case("W3", "W3", "the lecture's CNN", (28, 28, 1), 10, 4, 2),
    Case("W7", "W7", "ResNet-18 on 32x32", (32, 32, 3), 10, 2, 2),
    Case("W8", "W8", "transformer block", (16, 256), 10, 2, 2),
    Case("resnet50-2", "ResNet-50", "on 32x32", (32, 32, 3), 1000, 2, 2, True),
    Case("inception-2", "Inception v3", "on 75x75", (75, 75, 3), 1000, 2, 2, True),
)


def data(case: Case) -> tuple[Any, Any]:
    """Return rows of noise and their labels; two batches, used again and again."""
    random = np.random.default_rng(0)
    rows = 2 * case.batch
    x = random.standard_normal((rows, *case.shape), dtype=np.float32)
    return x, random.integers(0, case.classes, rows).astype("int32")


def training(case: Case, contender: str, device: str) -> Callable[[], Any]:
    """Return the function that a contender is measured by."""
    from benchmarks.gpu_networks import NETWORKS

    network = NETWORKS[case.network]()
    given = (network, *data(case), case.batch, case.mixed, case.steps)
    if contender == "nervure":
        from benchmarks import gpu_nervure

        return gpu_nervure.trainer(*given)
    if contender == "jax":
        from benchmarks import gpu_jax

        return gpu_jax.trainer(*given)
    from benchmarks import gpu_torch

    compiled = contender == "torch compiled"
    return gpu_torch.trainer(*given, compiled=compiled, device=device)


def samples_a_second(case: Case, run: Callable[[], Any], runs: int) -> float:
    """Return the best of some runs, after one that compiles."""
    run()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return case.steps * case.batch / min(seconds)


def measured(case: Case, contender: str, tiny: bool) -> float | str:
    """Measure in a process of its own; return what went wrong if something did."""
    arguments = ["--one", json.dumps(case), contender] + ["--try"] * tiny
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
            timeout=LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"more than {LIMIT} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        return f"failed: {lines[-1][:80]}"
    return float(done.stdout.splitlines()[-1])


def measure(
    cases: Sequence[Case], contenders: Sequence[str], tiny: bool = False
) -> tuple[list[str], bool]:
    """Return the lines of a table, and whether everything has worked."""
    lines = [
        f"| training, samples/s | {' | '.join(contenders)} |",
        "|---|" + "---|" * len(contenders),
    ]
    good = True
    for case in cases:
        found = [measured(case, one, tiny) for one in contenders]
        good &= all(isinstance(one, float) for one in found)
        numbers = [one if isinstance(one, str) else f"{one:,.0f}" for one in found]
        name = case.network if case.mixed else case.key
        title = case.title if case.title.startswith(name) else f"{name}: {case.title}"
        lines.append(f"| {title} | {' | '.join(numbers)} |")
        print(lines[-1], flush=True)
    return lines, good


def gpu_name() -> str | None:
    """Return what the first GPU is called, None without one."""
    from nervure.exec.accelerators import accelerator_to_use

    if accelerator_to_use() is None:
        return None
    from nervure.exec.xla.runtime import local_devices

    return str(local_devices()[0].device_kind)


def contenders_here(device: str) -> list[str]:
    """Return those that can run here."""
    try:
        import torch
    except ImportError:
        print("torch is not installed: it is left out")
        return ["nervure", "jax"]
    if device == "cuda" and not torch.cuda.is_available():
        print("torch has no CUDA here: it is left out")
        return ["nervure", "jax"]
    # torch compiles for a CPU with a C++ compiler, for minutes
    return list(CONTENDERS) if device == "cuda" else ["nervure", "torch eager", "jax"]


def one(text: str, contender: str, tiny: bool) -> int:
    """Measure one contender in this process and print the number."""
    fields = json.loads(text)
    case = Case(*fields[:3], tuple(fields[3]), *fields[4:])
    device = "cpu" if tiny else "cuda"
    run = training(case, contender, device)
    print(samples_a_second(case, run, 1 if tiny else RUNS))
    return 0


def main(arguments: list[str]) -> int:
    """Measure, or say why not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--check", action="store_true", help="is there a GPU?")
    parser.add_argument("--try", dest="tiny", action="store_true", help="on the CPU")
    parser.add_argument("--only", nargs="+", default=(), help="keys of cases")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return one(*options.one, options.tiny)
    cases = [case for case in (TINY if options.tiny else CASES)
             if not options.only or case.key in options.only]  # fmt: skip
    if options.tiny:
        return 0 if measure(cases, contenders_here("cpu"), tiny=True)[1] else 1
    name = gpu_name()
    if name is None:
        print("no GPU that JAX can use: nothing was run (`nervure doctor` says why)")
        return 3 if options.check else 0
    print(f"GPU: {name}")
    if options.check:
        return 0
    lines, _ = measure(cases, contenders_here("cuda"))
    if not options.only:
        day = datetime.date.today().isoformat()
        text = "\n".join(["# Training on a GPU", "", f"{name}, {day}.", "", *lines, ""])
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
