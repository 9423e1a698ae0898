"""PyTorch: the nodes of an exported network, called one after the other.

Tensors lie in memory as ``channels_last``, which oneDNN's convolutions prefer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper

from benchmarks.peers.inference_server import Predict, serve_networks
from benchmarks.peers.server import NDArray

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class TorchProgram:
    """The nodes of an exported network as calls of torch."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(path).graph
        self.host = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.data = {}
        for name, value in self.host.items():
            tensor = torch.from_numpy(value.copy())
            if tensor.ndim == 4:
                tensor = tensor.to(memory_format=torch.channels_last)
            self.data[name] = tensor
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.nodes = [
            (
                node.op_type,
                list(node.input),
                node.output[0],
                {a.name: helper.get_attribute_value(a) for a in node.attribute},
            )
            for node in graph.node
        ]

    def __call__(self, x: Any) -> Any:
        """Return the output for an input."""
        values = {**self.data, self.input: x}
        for op, inputs, output, attributes in self.nodes:
            given = [values[name] for name in inputs]
            host = [self.host.get(name) for name in inputs]
            values[output] = self._call(op, given, host, attributes)
        return values[self.output]

    def _call(
        self, op: str, given: list[Any], host: list[Any], attributes: dict[str, Any]
    ) -> Any:
        nn = torch.nn.functional
        if op == "Conv":
            pads = attributes["pads"]
            return nn.conv2d(
                _bordered(given[0], pads, 0.0),
                given[1],
                given[2] if len(given) > 2 else None,
                attributes["strides"],
                (0, 0) if _uneven(pads) else pads[:2],
                attributes["dilations"],
                attributes["group"],
            )
        if op in ("MaxPool", "AveragePool"):
            pads = attributes.get("pads", [0] * 4)
            pool = nn.max_pool2d if op == "MaxPool" else nn.avg_pool2d
            lowest = float("-inf") if op == "MaxPool" else 0.0
            x = _bordered(given[0], pads, lowest)
            around = (0, 0) if _uneven(pads) else pads[:2]
            return pool(x, attributes["kernel_shape"], attributes["strides"], around)
        if op == "Pad":
            pads = host[1].tolist()
            rank = len(pads) // 2
            pairs = [n for k in range(rank)[::-1] for n in (pads[k], pads[k + rank])]
            return nn.pad(given[0], pairs, value=float(host[2]))
        if op in ("ReduceSum", "ReduceMax"):
            axes = tuple(host[1].tolist())
            reduce = torch.sum if op == "ReduceSum" else torch.amax
            return reduce(given[0], dim=axes, keepdim=bool(attributes["keepdims"]))
        if op == "Transpose":
            return given[0].permute(attributes["perm"])
        if op == "Reshape":
            return given[0].reshape(host[1].tolist())
        if op == "Clip":
            return torch.clamp(given[0], float(host[1]), float(host[2]))
        if op == "Concat":
            return torch.cat(given, dim=attributes["axis"])
        return _PLAIN[op](*given)


_PLAIN: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Div": torch.div,
    "Equal": torch.eq,
    "Exp": torch.exp,
    "Identity": lambda x: x,
    "IsInf": torch.isinf,
    "IsNaN": torch.isnan,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "Not": torch.logical_not,
    "Or": torch.logical_or,
    "Relu": torch.relu,
    "Sub": torch.sub,
    "Where": torch.where,
}


def _uneven(pads: Sequence[int]) -> bool:
    return list(pads[:2]) != list(pads[2:])


def _bordered(x: Any, pads: Sequence[int], value: float) -> Any:
    """Return x with borders that torch's own argument cannot say."""
    if not _uneven(pads):
        return x
    top, left, bottom, right = pads
    return torch.nn.functional.pad(x, (left, right, top, bottom), value=value)


def make(path: Path) -> Predict:
    """Return what predicts with the network of a file."""
    program = TorchProgram(path.with_suffix(".onnx"))

    def predict(x: NDArray) -> NDArray:
        with torch.inference_mode():
            found: NDArray = program(torch.from_numpy(x)).numpy()
            return found

    return predict


if __name__ == "__main__":
    serve_networks(make, "torch", "onnx")
