"""What a memory budget costs: less activation memory for more time.

Run ``python -m benchmarks.memory_budget`` on an idle machine; it prints a table in
Markdown.  ``--runs`` and ``--steps`` make it shorter or more exact.

*Activation memory* is here all of the arena at its peak except the places of state:
activations, their gradients, and what kernels need besides.  Arguments, weights, slots
and results are arrays outside of the arena, and weight gradients are mostly used up
where they are made; where they are not, they count as well, so the figures are on the
safe side.  The budgets are a half and a third of that, plus the places of state.

The variants are trained in turns, so that a machine that gets slower slows all of them
down; the time is the median over the runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

import nervure as nv
from nervure.errors import BudgetError
from nervure.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
)
from nervure.models import Model, Sequential

SHARES: Final = {"half": 1 / 2, "a third": 1 / 3}


class Network(NamedTuple):
    """A network to train: how to make it, on how many rows of which shape."""

    name: str
    make: Callable[[], Model]
    batch_size: int
    shape: tuple[int, ...]


def deep_stack() -> Model:
    """Return 24 dense layers of 512 units."""
    layers = [Input((512,)), *(Dense(512, activation="relu") for _ in range(24))]
    return Sequential([*layers, Dense(10, activation="softmax")])


def residual_network() -> Model:
    """Return fifteen residual blocks in three widths, as ResNet-32 has them.

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015,
    section 4.2.
    """
    inputs = Input((32, 32, 3))
    x = Conv2D(16, 3, padding="same", activation="relu")(inputs)
    width = 16
    for number in range(15):
        wider = number in (5, 10)
        width, strides = (2 * width, 2) if wider else (width, 1)
        options: dict[str, Any] = {"padding": "same", "use_bias": False}
        y = Conv2D(width, 3, strides=strides, **options)(x)
        y = Activation("relu")(BatchNormalization()(y))
        y = BatchNormalization()(Conv2D(width, 3, **options)(y))
        if wider:
            x = Conv2D(width, 1, strides=strides, **options)(x)
        x = Activation("relu")(Add()([x, y]))
    x = GlobalAveragePooling2D()(x)
    return Model(inputs, Dense(10, activation="softmax")(x))


NETWORKS: Final = (
    Network("24 dense layers of 512", deep_stack, 1024, (512,)),
    Network("ResNet-32", residual_network, 128, (32, 32, 3)),
)


class Variant:
    """A network under a budget, ready to be trained."""

    def __init__(self, network: Network, budget: int | None, steps: int) -> None:
        nv.utils.set_random_seed(0)
        self.model = network.make()
        self.model.compile(
            "adam", "sparse_categorical_crossentropy", memory_budget=budget
        )
        random = np.random.default_rng(0)
        rows = steps * network.batch_size
        self._x = random.random((rows, *network.shape), np.float32)
        self._y = random.integers(0, 10, rows)
        self._batch_size = network.batch_size
        self._steps = steps
        self.seconds: list[float] = []
        self.train()  # compiles
        self.seconds.clear()

    def train(self) -> None:
        """Train for one epoch and note the seconds of a step."""
        start = time.perf_counter()
        self.model.fit(self._x, self._y, self._batch_size, shuffle=False, verbose=0)
        self.seconds.append((time.perf_counter() - start) / self._steps)

    @property
    def weights(self) -> list[Any]:
        """The weights, for comparing bits."""
        return list(self.model.get_weights())


def activation_bytes(network: Network, budget: int | None = None) -> tuple[int, int]:
    """Return the activation memory of a training step, and the places of state."""
    model = network.make()
    model.compile("adam", "sparse_categorical_crossentropy")
    program = model.train_program(batch_size=network.batch_size, memory_budget=budget)
    memory = program.memory()
    state = sum(one.space for one in memory if one.kind in ("spare", "pointers"))
    return memory.peak_bytes - state, state


def measured(network: Network, runs: int, steps: int) -> list[str]:
    """Return the rows of the table for one network."""
    full, state = activation_bytes(network)
    budgets: dict[str, int | None] = {"none": None}
    for name, share in SHARES.items():
        budgets[name] = int(share * full) + state
    variants: dict[str, Variant] = {}
    rows = []
    for name, budget in budgets.items():
        try:
            variants[name] = Variant(network, budget, steps)
        except BudgetError as error:
            smallest = error.smallest_bytes or 0
            rows.append(
                f"| {network.name} | {name} | not reached; smallest "
                f"{(smallest - state) / full:.0%} | | |"
            )
    for _ in range(runs):
        for variant in variants.values():
            variant.train()
    base = variants["none"]
    usual = statistics.median(base.seconds)
    found = []
    for name, variant in variants.items():
        nbytes, _ = activation_bytes(network, budgets[name])
        seconds = statistics.median(variant.seconds)
        same = all(map(np.array_equal, base.weights, variant.weights))
        found.append(
            f"| {network.name} | {name} | {nbytes / 1e6:.1f} MB "
            f"({nbytes / full:.0%}) | {1e3 * seconds:.1f} ms "
            f"({seconds / usual - 1:+.0%}) | {'yes' if same else 'NO'} |"
        )
    return found + rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both networks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="epochs of each variant")
    parser.add_argument("--steps", type=int, default=8, help="steps of an epoch")
    options = parser.parse_args(arguments)
    print("| network | budget | activation memory | a step | same bits |")
    print("|---|---|---:|---:|---|")
    for network in NETWORKS:
        for row in measured(network, options.runs, options.steps):
            print(row, flush=True)


if __name__ == "__main__":
    main()
