"""JAX: the whole epoch is one jitted ``lax.scan``, the fastest that JAX can do."""

from __future__ import annotations

import jax
import numpy as np

from benchmarks.peers.jax_step import Array, Jax, State
from benchmarks.peers.server import Task, serve


class JaxScan(Jax):
    """The full batches in one call, then the smaller last one."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.scan = jax.jit(self._scan, donate_argnums=0)

    def epoch(self) -> None:
        """Scan the full batches; the last one, if it is smaller, is a step."""
        *batches, last = self.task.batches()
        if not batches or len(last) == len(batches[0]):
            batches.append(last)
            last = last[:0]
        self.state = self.scan(self.state, self.x, self.y, np.stack(batches))
        if len(last):
            self.state = self.step(self.state, self.x, self.y, last)

    def _scan(self, state: State, x: Array, y: Array, batches: Array) -> State:
        def step(state: State, rows: Array) -> tuple[State, None]:
            return self._step(state, x, y, rows), None

        return jax.lax.scan(step, state, batches)[0]


if __name__ == "__main__":
    serve(JaxScan, "jax", "jaxlib")
