"""Write the graphs of a few training steps as text.

``python -m tools.write_golden_graphs`` writes them, and ``tests/replay`` compares, so
a refactoring that changes a graph shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import nervure as nv
from nervure import layers
from nervure.nn.naming import reset_names

FOLDER: Final = Path(__file__).resolve().parents[1] / "tests" / "replay" / "graphs"

_NETWORKS: Final = {
    "dense": lambda: [
        layers.Input((8,)),
        layers.Dense(4, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ],
    "convolution": lambda: [
        layers.Input((8, 8, 1)),
        layers.Conv2D(2, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ],
    "normalised": lambda: [
        layers.Input((8,)),
        layers.Dense(4),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.Dense(3, activation="softmax"),
    ],
    "recurrent": lambda: [
        layers.Input((5, 2)),
        layers.GRU(3),
        layers.Dense(3, activation="softmax"),
    ],
}
NAMES: Final = tuple(_NETWORKS)


def graph_text(name: str) -> str:
    """Return the graph of a training step of one of ``NAMES``.

    >>> graph_text("dense").startswith("graph (")
    True
    """
    reset_names()
    nv.utils.set_random_seed(0)
    model = nv.models.Sequential(_NETWORKS[name](), name=name)
    model.compile("adam", "sparse_categorical_crossentropy")
    text = str(model.train_program(batch_size=2).graph)
    # Comments name files and lines, which move without meaning anything.
    return re.sub(r"  # .*", "", text).rstrip() + "\n"


def main() -> None:
    """Write all of them into ``tests/replay/graphs``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (FOLDER / f"{name}.txt").write_text(graph_text(name))


if __name__ == "__main__":
    main()
