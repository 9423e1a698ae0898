"""PyTorch's products (MKL) and convolutions (oneDNN, channels-last)."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from benchmarks.kernel_shapes import Kernel, Product
from benchmarks.peers.kernel_server import Call, serve_kernels
from benchmarks.peers.server import NDArray

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.set_grad_enabled(False)


def make(
    kernel: Kernel, left: NDArray, right: NDArray
) -> tuple[Call, Callable[[], NDArray]]:
    """Return the calls for a kernel."""
    x, y = torch.from_numpy(left), torch.from_numpy(right)
    if isinstance(kernel, Product):
        x = x.T if kernel.form[0] == "T" else x
        y = y.T if kernel.form[1] == "T" else y
        return (lambda: x @ y), (lambda: (x @ y).numpy())

    # PyTorch writes channels first, in whatever order they lie in memory.
    x = x.permute(0, 3, 1, 2)
    if kernel.of == "kernel":
        y = y.permute(0, 3, 1, 2)
        weights = torch.empty(kernel.filters, kernel.channels, *(kernel.window,) * 2)
        weights = weights.to(memory_format=torch.channels_last)
    else:
        y = y.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        weights = y
    images = torch.empty(kernel.images).permute(0, 3, 1, 2)
    steps = [kernel.stride] * 2, [kernel.padding] * 2, [1, 1]

    def backward(g: torch.Tensor, x: torch.Tensor, place: int) -> torch.Tensor:
        """Return the gradient of the input (place 0) or of the kernel (1)."""
        wanted = [place == 0, place == 1, False]
        results = torch.ops.aten.convolution_backward(
            g, x, weights, None, *steps, False, [0, 0], 1, wanted
        )
        result: torch.Tensor = results[place]
        return result

    call: Callable[[], torch.Tensor] = {
        "output": lambda: torch.conv2d(x, y, None, *steps),
        "input": lambda: backward(x, images, 0),
        "kernel": lambda: backward(y, x, 1),
    }[kernel.of]
    order = (2, 3, 1, 0) if kernel.of == "kernel" else (0, 2, 3, 1)
    return call, lambda: call().permute(order).numpy()


if __name__ == "__main__":
    serve_kernels(make, "torch")
