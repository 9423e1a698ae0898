"""Nervure: ``predict`` of the model itself, with a NumPy array in and out."""

from __future__ import annotations

from pathlib import Path

import nervure as nv
from benchmarks.peers.inference_server import Predict, serve_networks


def make(path: Path) -> Predict:
    """Return what predicts with the network of a file."""
    # The network itself: read from ONNX it would have its channels first.
    model = nv.models.load_model(path.with_suffix(".nv"))
    return lambda x: model.predict(x, batch_size=len(x), verbose=0)


if __name__ == "__main__":
    serve_networks(make, "numpy", "llvmlite")
