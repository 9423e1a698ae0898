"""What is measured: networks, data, batch sizes, peers, goals.  Data only.

Peers read this file in their own environments, so it needs nothing but Python.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from benchmarks.networks import LECTURE_CNN, RESNET18, SMALL, TRANSFORMER, WIDE, Network

# --- peers --------------------------------------------------------------------------

# peer -> the environment in which it runs; "" is the one that runs the benchmark.
ENVIRONMENTS: Final = {
    "nervure": "",
    "torch_eager": "torch",
    "torch_compiled": "torch",
    "jax_step": "jax",
    "jax_scan": "jax",
    "keras_tensorflow": "tensorflow",
    "keras_jax": "jax",
    "sklearn": "sklearn",
    "tinygrad": "tinygrad",
}
KERNEL_ENVIRONMENTS: Final = {
    "kernels_nervure": "",
    "kernels_numpy": "",
    "kernels_torch": "torch",
}
INFERENCE_ENVIRONMENTS: Final = {
    "inference_nervure": "",
    "inference_onnxruntime": "inference",
    "inference_torch": "inference",
}
TORCH: Final = ("torch_eager", "torch_compiled")
KERAS: Final = ("keras_tensorflow", "keras_jax")
ALL: Final = tuple(ENVIRONMENTS)
DEEP: Final = tuple(peer for peer in ALL if peer != "sklearn")

# --- workloads ----------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """What Nervure must reach.

    It is so many times faster than the fastest of some peers, or needs no more than
    some seconds.  ``workload`` names another workload in which the peers are measured;
    ``feature`` the one of the CPU without which the goal does not apply.
    """

    factor: float = 0.0
    peers: tuple[str, ...] = ()
    seconds: float = 0.0
    workload: str = ""
    feature: str = ""


@dataclass(frozen=True)
class Workload:
    """One row of the benchmark.

    ``unit`` is that of the result: the seconds of a run are divided by the number of
    units in it.  ``cache`` asks for a fresh process for every run, whose folder for
    compiled programs is empty, or filled by a process before.  ``tolerance`` is that of
    the relative difference of the losses.
    """

    key: str
    title: str
    data: str
    network: Network
    rows: int
    batch: int = 128
    unit: Literal["epoch", "step", "call", "search"] = "epoch"
    epochs: int = 1
    steps: int = 0  # of an epoch, 0 for all
    calls: int = 0  # of predict with one row
    mixed: bool = False  # bfloat16 where it does no harm
    cache: Literal["", "empty", "filled"] = ""
    peers: tuple[str, ...] = DEEP
    goals: tuple[Goal, ...] = ()
    tolerance: float = 0.03

    @property
    def units(self) -> int:
        """How many units a run has."""
        steps = self.steps or -(-self.rows // self.batch)
        return {
            "epoch": self.epochs,
            "step": steps * self.epochs,
            "call": self.calls,
            "search": 1,
        }[self.unit]


# The grid of W4, with as many folds.
SEARCH: Final = {"epochs": (1, 5, 10), "hidden": (32, 64, 256)}
FOLDS: Final = 5

# fmt: off
_STEADY: Final = (
    Workload("W1", "784-32-10, Adam, batch 128, 60,000 rows", "mnist", SMALL, 60_000,
             peers=ALL, goals=(Goal(2.5, ("jax_scan",)), Goal(6, TORCH))),
    Workload("W2", "784-1024-1024-10, dropout 0.5, 12,800 rows", "mnist", WIDE, 12_800,
             goals=(Goal(1.5, ("jax_scan",)), Goal(3.5, TORCH))),
    Workload("W3", "the lecture's CNN, 12,800 rows", "images", LECTURE_CNN, 12_800,
             goals=(Goal(4, TORCH), Goal(4, ("keras_tensorflow",))), tolerance=0.05),
    Workload("W4", "the lecture's grid search: 9 settings, 5 folds, batch 32", "mnist",
             SMALL, 60_000, batch=32, unit="search", goals=(Goal(4, KERAS),),
             peers=("nervure", *KERAS, "sklearn")),
    Workload("W5", "64-32-10 on digits, batch 32, 40 epochs", "digits", SMALL, 1_797,
             batch=32, unit="step", epochs=40, peers=ALL, tolerance=0.1,
             goals=(Goal(seconds=30e-6), Goal(4, ("sklearn",)))),
    Workload("W6", "predict of W1's model for one row", "mnist", SMALL, 128,
             unit="call", calls=200, peers=ALL, tolerance=1e-3,
             goals=(Goal(seconds=40e-6), Goal(1, ("torch_eager",)))),
    Workload("W7", "ResNet-18 on 32x32x3, batch 64", "noise-images", RESNET18, 256,
             batch=64, unit="step", goals=(Goal(1.5, TORCH),), tolerance=0.25,
             peers=("nervure", *TORCH, "keras_tensorflow")),
    Workload("W8", "transformer block: 256 wide, 8 heads, length 128, batch 16",
             "noise-sequences", TRANSFORMER, 128, batch=16, unit="step",
             goals=(Goal(1.2, TORCH),), tolerance=0.05,
             peers=("nervure", *TORCH, "jax_step", "jax_scan", *KERAS)),
    Workload("W9", "W2 in mixed bfloat16", "mnist", WIDE, 12_800, mixed=True,
             goals=(Goal(1.5, ("nervure",), workload="W2", feature="avx512_bf16"),),
             peers=("nervure", *TORCH, *KERAS)),
)
# fmt: on


def _first_step(key: str, cache: Literal["empty", "filled"], limit: float) -> Workload:
    """Return C1 for a network: the first step in a process that has done nothing."""
    (of,) = (workload for workload in _STEADY if workload.key == key)
    return replace(
        of,
        key=f"C1-{key}-{cache}",
        title=f"first step of {key} in a fresh process, {cache} cache",
        unit="step",
        steps=1,
        cache=cache,
        peers=("nervure", "torch_eager", "jax_step", "keras_tensorflow"),
        goals=(Goal(seconds=limit),),
        tolerance=0.25,
    )


WORKLOADS: Final = (
    *_STEADY,
    _first_step("W1", "empty", 0.4),
    _first_step("W1", "filled", 0.1),
    _first_step("W3", "empty", 1.5),
    _first_step("W3", "filled", 0.2),
)
