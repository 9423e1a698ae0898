"""Trains on eight virtual devices; run by test_virtual_devices.py.

Prints one JSON object: for each way of spreading, how far losses and weights are from
those of one device.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np

import nervure as nv
from nervure.distribute import DataParallel, ModelParallel
from nervure.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten

LAYOUT = {"dense.*/kernel": (None, "model"), "dense.*/bias": ("model",)}
STEPS = 50


def network(dtype: str) -> nv.models.Sequential:
    nv.utils.set_random_seed(3)
    model = nv.models.Sequential(
        [
            Conv2D(8, 3, activation="relu", input_shape=(6, 6, 2), dtype=dtype),
            Flatten(dtype=dtype),
            Dense(32, activation="tanh", dtype=dtype),
            BatchNormalization(dtype=dtype),
            Dropout(0.25, dtype=dtype),
            Dense(8, activation="softmax", dtype=dtype),
        ]
    )
    # Momentum, not Adam: that turns tiny differences of tiny gradients into large ones.
    optimizer = nv.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained(scope: Any, dtype: str) -> dict[str, Any]:
    random = np.random.default_rng(0)
    # ten batches of 32 and one of 8 rows, five times: the last one is dealt out too
    x = random.normal(size=(320, 6, 6, 2)).astype(dtype)
    y = (x.sum(axis=(1, 2, 3)) > 0).astype("int64") + 2
    with nv.config.override(executor="xla"), scope:
        model = network(dtype)
        history = model.fit(x, y, batch_size=32, epochs=STEPS // 10, verbose=0)
        inside = model.predict(x[:7], verbose=0)
    return {
        "loss": history.history["loss"],
        "accuracy": history.history["accuracy"],
        "weights": model.get_weights(),
        "predictions": inside,
        "later": model.predict(x[:7], verbose=0),
        "layout": {
            one.path.partition("/")[2]: str(one.stored.held.array.sharding)
            for one in model.weights
        },
    }


def distance(first: dict[str, Any], second: dict[str, Any]) -> dict[str, float]:
    pairs = list(zip(first["weights"], second["weights"], strict=True))
    return {
        "weights": max(float(abs(one - other).max()) for one, other in pairs),
        "loss": float(abs(np.subtract(first["loss"], second["loss"])).max()),
        "predictions": float(abs(first["predictions"] - second["predictions"]).max()),
        "later": float(abs(first["later"] - second["later"]).max()),
    }


def main() -> None:
    found: dict[str, Any] = {}
    for dtype in ("float32", "float64"):
        alone = trained(contextlib.nullcontext(), dtype)
        ways = {
            "data": DataParallel(),
            "data on 4": DataParallel(devices=4),
            "model": ModelParallel(LAYOUT),
            "both": ModelParallel(LAYOUT, model=2),
        }
        for name, strategy in ways.items():
            spread = trained(strategy, dtype)
            found[f"{name} {dtype}"] = distance(alone, spread)
            found[f"{name} layout"] = spread["layout"]
        found[f"learnt {dtype}"] = alone["loss"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
