"""tinygrad: one training step in a TinyJit, on batches that NumPy gathers.

tinygrad compiles with clang; where there is none, the one inside PyPI's ``ziglang``
serves.  It would gather rows itself by comparing all row numbers, which takes longer.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

if not shutil.which("clang"):
    compiler = Path(sys.prefix) / "bin" / "clang"
    compiler.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ziglang clang "$@"\n')
    compiler.chmod(0o755)
    os.environ["CC"] = str(compiler)
os.environ["DEV"] = "CPU"
os.environ["NUM_CPU_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np
from tinygrad import Context, Tensor, TinyJit
from tinygrad.nn.optim import Adam

from benchmarks import networks as w
from benchmarks.peers.server import NDArray, Scores, Task, UnsupportedError, serve


class Tinygrad:
    """Trains a network with tinygrad's Adam."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.weights = [Tensor(one).realize() for one in task.weights]
        self.optimizer = Adam(self.weights, lr=1e-3, eps=1e-7)
        self.sums = [Tensor.zeros(1).contiguous().realize() for _ in range(2)]
        kept = self.optimizer
        self.state = [*self.weights, kept.b1_t, kept.b2_t, *kept.m, *kept.v]
        self.beginning = [one.numpy() for one in self.state]
        self.inference = TinyJit(self._probabilities)
        # A jit serves one shape; it runs at the third call as it will from then on.
        self.steps = {len(rows): TinyJit(self._step) for rows in task.batches()}
        for size, step in self.steps.items():
            for _ in range(3 if task.workload.unit != "call" else 0):
                self._call(step, np.arange(size))

    def reset(self) -> None:
        """Assign the values of the beginning."""
        for tensor, value in zip(self.state, self.beginning, strict=True):
            tensor.assign(Tensor(value)).realize()

    def train(self) -> Scores:
        """Train; nothing is read from a tensor between the steps."""
        for _ in range(self.task.workload.epochs):
            for one in self.sums:
                one.assign(Tensor.zeros(1)).realize()
            for rows in self.task.batches():
                self._call(self.steps[len(rows)], rows)
        loss, right = (one.item() / self.task.seen for one in self.sums)
        return loss, right

    def predict(self, row: NDArray) -> NDArray:
        """Call the jitted network."""
        return self.inference(Tensor(row)).numpy()

    def search(self) -> float:
        """There is none."""
        raise NotImplementedError

    def _call(self, step: TinyJit, rows: NDArray) -> None:
        with Context(TRAINING=1):
            step(Tensor(self.task.x[rows]), Tensor(self.task.y[rows]))

    def _step(self, x: Tensor, y: Tensor) -> None:
        """Differentiate, take a step, add to the sums."""
        self.optimizer.zero_grad()
        output = self._apply(x)
        loss = output.sparse_categorical_crossentropy(y)
        loss.backward()
        right = (output.argmax(1) == y).sum()
        total, correct = self.sums
        total.assign(total + loss * len(y))
        correct.assign(correct + right)
        Tensor.realize(total, correct, *self.optimizer.schedule_step())

    def _probabilities(self, x: Tensor) -> Tensor:
        return self._apply(x).softmax().realize()

    def _apply(self, x: Tensor) -> Tensor:
        """Return the logits."""
        values = iter(self.weights)
        for layer in self.task.workload.network:
            match layer:
                case w.Dense(_, activation):
                    x = x @ next(values) + next(values)
                    x = x.relu() if activation == "relu" else x
                case w.Dropout(rate):
                    x = x.dropout(rate)
                case w.Conv():
                    kernel = next(values).permute(3, 2, 0, 1)
                    x = x.permute(0, 3, 1, 2).conv2d(kernel).permute(0, 2, 3, 1)
                    x = (x + next(values)).relu()
                case w.MaxPool():
                    x = x.permute(0, 3, 1, 2).max_pool2d().permute(0, 2, 3, 1)
                case w.Flatten():
                    x = x.flatten(1)
                case _:
                    name = type(layer).__name__
                    raise UnsupportedError(f"{name} is not written for tinygrad")
        return x


if __name__ == "__main__":
    serve(Tinygrad, "tinygrad")
