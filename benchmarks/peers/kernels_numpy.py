"""NumPy's products, by the OpenBLAS inside it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.kernel_shapes import Convolution, Kernel
from benchmarks.peers.kernel_server import Call, serve_kernels
from benchmarks.peers.server import NDArray, UnsupportedError


def make(
    kernel: Kernel, left: NDArray, right: NDArray
) -> tuple[Call, Callable[[], NDArray]]:
    """Return the calls for a kernel."""
    if isinstance(kernel, Convolution):
        raise UnsupportedError("NumPy has no convolution of images")
    x = left.T if kernel.form[0] == "T" else left
    y = right.T if kernel.form[1] == "T" else right
    return (lambda: x @ y), (lambda: x @ y)


if __name__ == "__main__":
    serve_kernels(make, "numpy")
