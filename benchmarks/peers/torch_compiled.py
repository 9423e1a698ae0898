"""PyTorch with ``torch.compile`` around forward pass and loss."""

from __future__ import annotations

import torch

from benchmarks.peers.server import NDArray, Task, serve
from benchmarks.peers.torch_eager import Torch


class TorchCompiled(Torch):
    """Programs for full batches and for the last; compiling Adam too gains nothing."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.forward = torch.compile(self.scores, dynamic=False)
        self.inference = torch.compile(self.network)

    @torch.inference_mode()
    def predict(self, row: NDArray) -> NDArray:
        """Call the compiled module."""
        self.network.eval()
        result: NDArray = self.inference(torch.from_numpy(row)).softmax(1).numpy()
        return result


if __name__ == "__main__":
    serve(TorchCompiled, "torch")
