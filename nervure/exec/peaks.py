"""What this machine can do at best: measured once, then kept in the cache folder.

Two things are measured with the executor's own kernels: the rate of a matrix product,
and the bandwidth of an addition of long vectors (in memory) and of short ones (in a
core's cache).  Each is the best of several runs, with all threads and with one.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from nervure import dtypes
from nervure.config import cache_directory, config, thread_count
from nervure.dtypes import DType
from nervure.exec.base import Executor
from nervure.ir.graph import Graph
from nervure.prims.binary import add
from nervure.prims.contract import dot
from nervure.prims.leaf import input_leaf

_VERSION: Final = 1
_EXTENT: Final = 768  # of the square matrices
_LONG, _LONG_STEPS = 2**23, 4  # elements of float32 that do not fit into a cache
_SHORT, _SHORT_STEPS = 2**14, 256  # elements that do
_TYPES: Final = (dtypes.float32, dtypes.float64)
_REPEATS: Final = 5
_CACHED_BYTES: Final = 2**19


@dataclass(frozen=True)
class Peaks:
    """Rates of a machine, for all threads together and for one.

    Attributes
    ----------
    threads
        How many threads there are.
    float32, float64
        Operations a second of a matrix product: with all threads, with one.
    memory, cache
        Bytes a second that are read and written, in memory and in a core's cache.
    """

    threads: int
    float32: tuple[float, float]
    float64: tuple[float, float]
    memory: tuple[float, float]
    cache: tuple[float, float]

    def flops(self, dtype: str, *, parallel: bool) -> float:
        """Return the operations a second in a data type."""
        rates = (
            self.float64 if dtype in ("float64", "int64", "uint64") else self.float32
        )
        return rates[0 if parallel else 1]

    def bandwidth(self, nbytes: int, *, parallel: bool) -> float:
        """Return the bytes a second of a kernel that touches so many."""
        rates = self.cache if nbytes <= _CACHED_BYTES else self.memory
        return rates[0 if parallel else 1]

    def __str__(self) -> str:
        return (
            f"peaks of {self.threads} threads: {self.float32[0] / 1e9:.0f} GFLOP/s in "
            f"float32, {self.memory[0] / 1e9:.1f} GB/s"
        )


_known: dict[str, Peaks] = {}


def peaks_of(executor: Executor, *, measure_again: bool = False) -> Peaks:
    """Return the peaks of this machine with an executor; measured if nobody has yet.

    Measuring takes less than a second.  What was measured lies in ``peaks.json`` in the
    cache folder, one entry for each executor, processor and number of threads.
    """
    key = _key(executor.name)
    path = cache_directory() / "peaks.json"
    if measure_again or key not in _known:
        found = None if measure_again else _loaded(path).get(key)
        if found is None:
            found = _measured(executor)
            _store(path, key, found)
        _known[key] = found
    return _known[key]


def _key(executor: str) -> str:
    processor = platform.processor() or platform.machine()
    return f"{executor}, {_processor_name() or processor}, {thread_count()} threads"


def _processor_name() -> str:
    """Return what Linux calls the processor; nothing elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return ""


# --- the file ------------------------------------------------------------------------


def _loaded(path: Path) -> dict[str, Peaks]:
    """Return what was measured before; a file that is damaged counts as none."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        if form["version"] != _VERSION:
            return {}
        return {key: _read(one) for key, one in form["machines"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError):  # fmt: skip
        return {}


def _read(form: dict[str, Any]) -> Peaks:
    def pair(name: str) -> tuple[float, float]:
        first, second = (float(one) for one in form[name])
        if not (0 < first < float("inf") and 0 < second < float("inf")):
            raise ValueError(name)
        return first, second

    return Peaks(int(form["threads"]), pair("float32"), pair("float64"),
                 pair("memory"), pair("cache"))  # fmt: skip


def _store(path: Path, key: str, peaks: Peaks) -> None:
    """Add an entry; where nothing can be written it is measured again next time."""
    known = {**_loaded(path), key: peaks}
    form = {"version": _VERSION, "machines": {k: asdict(v) for k, v in known.items()}}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(form, file, indent=1)
        os.replace(name, path)


# --- measuring -----------------------------------------------------------------------


def _measured(executor: Executor) -> Peaks:
    threads = thread_count()
    everyone = [_product_rate(executor, dtype) for dtype in _TYPES]
    memory = _bandwidth(executor, _LONG, _LONG_STEPS)
    with config.override(num_threads=1):
        alone = [_product_rate(executor, dtype) for dtype in _TYPES]
        memory_alone = _bandwidth(executor, _LONG, _LONG_STEPS)
        cache = _bandwidth(executor, _SHORT, _SHORT_STEPS)
    return Peaks(
        threads,
        (everyone[0], alone[0]),
        (everyone[1], alone[1]),
        (memory, memory_alone),
        (threads * cache, cache),  # each core has its own
    )


def _product_rate(executor: Executor, dtype: DType) -> float:
    """Return the operations a second of a matrix product."""
    x = input_leaf((_EXTENT, _EXTENT), dtype)
    y = input_leaf((_EXTENT, _EXTENT), dtype)
    program = executor.compile(Graph([dot(x, y, contract=((1,), (0,)))], [x, y]))
    value = np.full(x.shape, 0.5, dtype)
    return 2.0 * _EXTENT**3 / _best_time(lambda: program([value, value]))


def _bandwidth(executor: Executor, size: int, steps: int) -> float:
    """Return the bytes a second of additions ``x = x + y`` that follow each other."""
    x, y = (input_leaf((size,), dtypes.float32) for _ in range(2))
    number = input_leaf((), dtypes.float32)
    program = executor.compile_step(Graph([add(x, y)], [x, y, number]), 1, 1)
    value = np.zeros(size, np.float32)
    numbers = np.zeros(steps, np.float32)
    seconds = _best_time(lambda: program.run([value], [value], [numbers]))
    return 12.0 * size * steps / seconds


def _best_time(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several runs."""
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best
