"""The networks of ``gpu_networks.py`` with torch, channels last."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.gpu_networks import Network, Step


class Network2d(nn.Module):  # type: ignore[misc]
    """Runs the steps; ``torch.compile`` unrolls the loop.  Sizes are found by a run."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.parts = nn.ModuleList([_part(step) for step in network])

    def forward(self, x: Any) -> Any:
        """Return logits ``[rows, classes]``."""
        values = [x]
        for step, part in zip(self.network, self.parts, strict=True):
            values.append(_value(step, part, [values[one] for one in step.inputs]))
        return values[-1]


def _part(step: Step) -> Any:
    """Return the module of a step; the lazy ones find out how wide their input is."""
    match step.op:
        case "conv":
            padding = tuple(size // 2 if step.same else 0 for size in step.window)
            return nn.LazyConv2d(
                step.units, step.window, step.stride, padding, bias=step.bias
            )
        case "norm":
            return nn.LazyBatchNorm2d()
        case "dense":
            return nn.LazyLinear(step.units)
        case "dropout":
            return nn.Dropout(step.rate)
        case "encoder":
            return nn.TransformerEncoderLayer(
                256, step.units, 1024, 0.0, functional.gelu, batch_first=True
            )
    return nn.Identity()


def _value(step: Step, part: Any, inputs: list[Any]) -> Any:
    x = inputs[0]
    padding = step.window[0] // 2 if step.same else 0
    match step.op:
        case "relu":
            return functional.relu(x)
        case "max":
            return functional.max_pool2d(x, step.window, step.stride, padding)
        case "average":
            return functional.avg_pool2d(
                x, step.window, step.stride, padding, count_include_pad=False
            )
        case "mean":
            return x.mean((2, 3)) if x.ndim == 4 else x.mean(1)
        case "flatten":
            return x.permute(0, 2, 3, 1).flatten(1)
        case "add":
            return inputs[0] + inputs[1]
        case "concat":
            return torch.cat(inputs, 1)
    return part(x)


def trainer(
    network: Network, x: Any, y: Any, batch: int, mixed: bool, steps: int,
    *, compiled: bool, device: str,
) -> Any:  # fmt: skip
    """Return a function that trains so many steps, on rows that lie on the device."""
    xs, ys = torch.from_numpy(x).to(device), torch.from_numpy(y).long().to(device)
    if xs.ndim == 4:
        xs = xs.permute(0, 3, 1, 2)  # NHWC in memory, as torch wants it
    model = Network2d(network).to(device)
    with torch.no_grad():
        model(xs[:2])
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    forward = torch.compile(model) if compiled else model

    def run() -> None:
        for step in range(steps):
            start = step * batch % len(xs)
            rows = slice(start, start + batch)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=mixed):
                loss = functional.cross_entropy(forward(xs[rows]), ys[rows])
            loss.backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run
