"""Keras on JAX."""

import os

os.environ["KERAS_BACKEND"] = "jax"

from benchmarks.peers.keras_tensorflow import Keras
from benchmarks.peers.server import serve

if __name__ == "__main__":
    serve(Keras, "keras", "jax")
