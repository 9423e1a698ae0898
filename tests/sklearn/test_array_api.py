"""scikit-learn's ``array_api_dispatch`` computes with our arrays.

SciPy decides when it is imported whether it does, so this runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import numpy as np
import nervure as nv
import sklearn
from sklearn import metrics
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import KernelCenterer, LabelEncoder

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
p = rng.uniform(size=60).astype("float32")
guess = (p > 0.5).astype("int64")
numbers = (x.sum(axis=1), p)
functions = {
    "accuracy": lambda as_: metrics.accuracy_score(as_(y), as_(guess)),
    "zero-one": lambda as_: metrics.zero_one_loss(as_(y), as_(guess)),
    "confusion": lambda as_: metrics.confusion_matrix(as_(y), as_(guess)),
    "brier": lambda as_: metrics.brier_score_loss(as_(y), as_(p)),
    "squares": lambda as_: metrics.mean_squared_error(*map(as_, numbers)),
    "distances": lambda as_: metrics.mean_absolute_error(*map(as_, numbers)),
    "tweedie": lambda as_: metrics.d2_tweedie_score(*map(as_, numbers)),
    "centred": lambda as_: KernelCenterer().fit_transform(as_(x @ x.T)),
    "labels": lambda as_: LabelEncoder().fit_transform(as_(y)),
    "parts": lambda as_: train_test_split(as_(x), random_state=0)[0],
}
arrays = 0
with sklearn.config_context(array_api_dispatch=True):
    for name, function in functions.items():
        theirs, ours = function(np.asarray), function(nv.asarray)
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-4, atol=1e-5)
        if isinstance(theirs, np.ndarray):
            assert isinstance(ours, nv.Array), name
            arrays += 1
print("computed", len(functions), "of which arrays", arrays)
"""


def test_dispatch() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "computed 10 of which arrays 4\n"
