"""Write the golden files of the current format version; run once for each version.

``python tests/train/saving/make_golden.py`` from the root of the repository.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import nervure as nv
from nervure.layers import Activation, Dense, Dropout, Flatten, Reshape
from nervure.models import Sequential
from nervure.train.saving.container import VERSION

FOLDER = Path(__file__).parent / "golden"


def main() -> None:
    nv.utils.set_random_seed(1)
    layers = [
        Dense(5, "relu", input_shape=(4,), name="hidden"),
        Dropout(0.25),
        Reshape((5, 1)),
        Flatten(),
        Dense(3, use_bias=False),
        Activation("softmax"),
    ]
    model = Sequential(layers, name="golden")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(2).normal(size=(12, 4)).astype("float32")
    y = np.arange(12) % 3
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.save(FOLDER / f"version{VERSION}.nv")
    model.save_weights(FOLDER / f"version{VERSION}.weights.nv")
    predicted = model.predict(x, verbose=0)
    model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    values = {
        "x": x.tolist(),
        "y": y.tolist(),
        "predicted": predicted.tolist(),
        "predicted_after_another_epoch": model.predict(x, verbose=0).tolist(),
    }
    (FOLDER / f"version{VERSION}.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main()
