"""A file four times as large as the memory that the process may use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20

# RLIMIT_DATA bounds what a process allocates (heap and private mappings).  Pages of a
# mapped file belong to the system's cache instead, which gives them back when asked.
SCRIPT = """
import json, resource, sys, time
import numpy as np
import nervure as nv
from nervure.layers import Dense
from nervure.models import Sequential

path, limit, shuffle = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
x = np.load(path, mmap_mode="r")
y = (np.arange(len(x)) % 10).astype("uint8")

def train(x, y, epochs=1):
    nv.utils.set_random_seed(1)
    model = Sequential(
        [Dense(32, "relu", input_shape=(x.shape[1],)), Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    began = time.perf_counter()
    model.fit(x, y, batch_size=256, epochs=epochs, verbose=0, shuffle=shuffle)
    return model, (time.perf_counter() - began) / len(x) / epochs

part = np.array(x[:100_000])
train(part, y[:100_000])
_, in_memory = train(part, y[:100_000], 10)
del part
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones(limit, "uint8")
    sys.exit("the limit does not limit")
except MemoryError:
    pass
model, streamed = train(x, y)
steps = int(model.optimizer.iterations.numpy())
loss = model.evaluate(x, y, batch_size=4096, verbose=0)
predicted = model.predict(x, batch_size=4096, verbose=0, steps=10)
print(json.dumps([steps, loss, list(predicted.shape), streamed / in_memory]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_a_file_of_four_times_the_memory(tmp_path, shuffle):
    limit = 448 * MEGABYTE
    rows = 4 * limit // 784 + 1
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", "uint8", (rows, 784))
    block = np.random.default_rng(1).integers(0, 256, (10_000, 784), "uint8")
    for start in range(0, rows, len(block)):
        part = x[start : start + len(block)]
        part[:] = block[: len(part)]
    x.flush()
    del x
    assert path.stat().st_size >= 4 * limit
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(limit), json.dumps(shuffle)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NERVURE_EXECUTOR": "cpu", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    steps, loss, shape, slower = json.loads(result.stdout.splitlines()[-1])
    assert steps == -(-rows // 256)
    assert np.isfinite(loss)
    assert shape == [40960, 10]
    # The time for a row beside that for a row in memory; a loose bound, because tests
    # share the machine and the disk.
    print(f"a streamed row took {slower:.2f} times as long as one in memory")
    assert slower < 20
