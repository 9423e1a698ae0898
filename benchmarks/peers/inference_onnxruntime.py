"""onnxruntime: an exported network, with all its optimizations."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime

from benchmarks.peers.inference_server import Predict, serve_networks


def make(path: Path) -> Predict:
    """Return what predicts with the network of a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path.with_suffix(".onnx"), options)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]  # type: ignore[no-any-return]


if __name__ == "__main__":
    serve_networks(make, "onnxruntime")
