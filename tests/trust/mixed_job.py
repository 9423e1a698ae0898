"""Trains the networks of W2 and W3 on all of MNIST and prints the test accuracies.

``python -m tests.trust.mixed_job W2 mixed_bfloat16 SEEDS EPOCHS``.  The networks are
those of ``benchmarks/workloads.py``; the batch is 128, the optimizer Adam.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import nervure as nv
from nervure.datasets import mnist
from nervure.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from nervure.models import Sequential


def network(key: str) -> Sequential:
    """Return the network of a workload, not compiled."""
    if key == "W2":
        hidden = [Dense(1024, "relu"), Dropout(0.5), Dense(1024, "relu"), Dropout(0.5)]
        return Sequential([Flatten(), *hidden, Dense(10, "softmax")])
    return Sequential(
        [
            *(Conv2D(32, 3, activation="relu"), MaxPooling2D()),
            *(Conv2D(32, 3, activation="relu"), MaxPooling2D()),
            *(Flatten(), Dense(64, "relu"), Dense(10, "softmax")),
        ]
    )


def accuracy(key: str, precision: str, seed: int, epochs: int) -> float:
    """Return the share of MNIST's 10,000 test images that is told right."""
    (x, y), (test_x, test_y) = (
        (np.asarray(x)[..., None].astype("float32") / 255, np.asarray(y))
        for x, y in mnist.load_data()
    )
    nv.utils.set_random_seed(seed)
    model = network(key)
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        precision=precision,
        executor="cpu",
    )
    model.fit(x, y, 128, epochs=epochs, verbose=0)
    _, found = model.evaluate(test_x, test_y, 1000, verbose=0)
    scale = getattr(model.optimizer, "dynamic_scale", None)
    if precision == "mixed_float16":
        assert scale is not None, "the loss is not scaled"
    return float(found)


if __name__ == "__main__":
    _key, _precision, _seeds, _epochs = sys.argv[1:]
    _found = [
        accuracy(_key, _precision, seed, int(_epochs)) for seed in range(int(_seeds))
    ]
    print(json.dumps(_found))
