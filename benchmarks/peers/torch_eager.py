"""PyTorch, eager: the loop of its tutorials, on arrays in memory.

Images are channels-last in memory, and Adam is the fused one: what is fastest on a CPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import networks as w
from benchmarks.peers.server import NDArray, Scores, Task, UnsupportedError, serve

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class Torch:
    """Trains a network with Adam."""

    def __init__(self, task: Task) -> None:
        if task.workload.unit == "search":
            raise UnsupportedError("PyTorch has no grid search")
        self.task = task
        self.x = torch.from_numpy(task.x)
        if self.x.ndim == 4:
            self.x = self.x.permute(0, 3, 1, 2)  # as PyTorch sees channels-last
        self.y = torch.from_numpy(task.y).long()
        self.network = build(task)
        self.beginning = [one.clone() for one in self.network.state_dict().values()]
        self.forward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = self.scores
        self.make_optimizer()

    def make_optimizer(self) -> None:
        """Make an optimizer that has not seen anything."""
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=1e-3, eps=1e-7, fused=True
        )

    def reset(self) -> None:
        """Copy the weights of the beginning; make a new optimizer."""
        now = self.network.state_dict().values()
        for value, first in zip(now, self.beginning, strict=True):
            value.copy_(first)
        self.make_optimizer()

    def scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the number of right answers."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.task.workload.mixed):
            output = self.network(x)
        loss = functional.cross_entropy(output.float(), y)
        return loss, (output.argmax(1) == y).sum()

    def train(self) -> Scores:
        """Train; nothing is read from a tensor between the steps."""
        self.network.train()
        for _ in range(self.task.workload.epochs):
            total, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
            for batch in self.task.batches():
                rows = torch.from_numpy(batch)
                self.optimizer.zero_grad()
                loss, correct = self.forward(self.x[rows], self.y[rows])
                loss.backward()
                self.optimizer.step()
                total += loss.detach() * len(rows)
                right += correct
        return total.item() / self.task.seen, right.item() / self.task.seen

    @torch.inference_mode()
    def predict(self, row: NDArray) -> NDArray:
        """Call the module."""
        self.network.eval()
        result: NDArray = self.network(torch.from_numpy(row)).softmax(1).numpy()
        return result

    def search(self) -> float:
        """There is none."""
        raise NotImplementedError


# --- networks -----------------------------------------------------------------------


class Residual(nn.Module):
    """The basic block of ResNet."""

    def __init__(self, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.path = path
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Add the path to the shortcut."""
        return functional.relu(self.path(x) + self.shortcut(x))


class FlattenLast(nn.Module):
    """Flatten with the channels last, which is how they lie in memory."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[rows, features]``."""
        return x.permute(0, 2, 3, 1).flatten(1)


class MeanInside(nn.Module):
    """The mean over images ``[n, c, h, w]`` or sequences ``[n, length, c]``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[rows, channels]``."""
        return x.mean((2, 3)) if x.ndim == 4 else x.mean(1)


def build(task: Task) -> nn.Module:
    """Return the network with the initial weights."""
    weights = iter(task.weights)
    width = task.x.shape[-1]
    chain: list[nn.Module] = []
    for layer in task.workload.network:
        match layer:
            case w.Dense(_, activation):
                chain.append(_dense(weights))
                chain += [nn.ReLU()] if activation == "relu" else []
            case w.Dropout(rate):
                chain.append(nn.Dropout(rate))
            case w.Conv():
                kernel, bias = _convolution(weights, 1, 0), next(weights)
                kernel.bias = nn.Parameter(torch.tensor(bias))
                chain += [kernel, nn.ReLU()]
            case w.MaxPool():
                chain.append(nn.MaxPool2d(2))
            case w.Flatten():
                chain.append(FlattenLast())
            case w.ConvNorm(filters):
                chain += [_normed(weights), nn.ReLU()]
                width = filters
            case w.Residual(filters, stride):
                path = nn.Sequential(
                    _normed(weights, stride), nn.ReLU(), _normed(weights)
                )
                same = stride == 1 and width == filters
                shortcut = nn.Identity() if same else _normed(weights, stride)
                chain.append(Residual(path, shortcut))
                width = filters
            case w.Encoder(heads, _):
                chain.append(_encoder(weights, width, heads))
            case w.Mean():
                chain.append(MeanInside())
    return nn.Sequential(*chain).to(memory_format=torch.channels_last)


def _dense(weights: Iterator[NDArray]) -> nn.Linear:
    kernel, bias = next(weights), next(weights)
    dense = nn.Linear(*kernel.shape)
    state = {"weight": torch.tensor(kernel.T), "bias": torch.tensor(bias)}
    dense.load_state_dict(state)
    return dense


def _convolution(weights: Iterator[NDArray], stride: int, padding: int) -> nn.Conv2d:
    kernel = torch.tensor(next(weights)).permute(3, 2, 0, 1)
    many, few, size, _ = kernel.shape
    layer = nn.Conv2d(few, many, size, stride, padding, bias=False)
    layer.load_state_dict({"weight": kernel})
    return layer


def _normed(weights: Iterator[NDArray], stride: int = 1) -> nn.Module:
    convolution = _convolution(weights, stride, 0)
    convolution.padding = tuple(size // 2 for size in convolution.kernel_size)
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


def _encoder(weights: Iterator[NDArray], width: int, heads: int) -> nn.Module:
    """Return PyTorch's own block; it keeps query, key and value in one matrix."""
    parts = [_dense(weights) for _ in range(6)]
    block = nn.TransformerEncoderLayer(
        width, heads, parts[4].out_features, 0.0, functional.gelu, batch_first=True
    )
    names = ("self_attn.out_proj", "linear1", "linear2")
    state = block.state_dict()
    for name in ("weight", "bias"):
        joined = torch.cat([getattr(one, name) for one in parts[:3]])
        state[f"self_attn.in_proj_{name}"] = joined
    for name, part in zip(names, parts[3:], strict=True):
        state |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    block.load_state_dict(state)
    return block


if __name__ == "__main__":
    np.random.seed(0)
    serve(Torch, "torch")
