"""How fast do networks predict, beside onnxruntime and torch?

    pip install nervure[onnx] onnxruntime torch
    python -m benchmarks.inference
    python -m benchmarks.inference --networks resnet50 --batches 1 --repeats 5

Nervure, onnxruntime and torch compute the same network with the same weights: the file
that ``model.export`` writes.  onnxruntime reads it with all its optimizations; for
torch its nodes are called one after the other, with ``channels_last`` memory, which its
convolutions prefer.  Each runs in a process of its own, with the same threads; the
runs alternate, and the least time of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NDArray = npt.NDArray[Any]

NETWORKS = ("efficientnet_lite0", "resnet50", "vgg19")
PEERS = ("nervure", "onnxruntime", "torch")
BATCHES = (1, 16)
# What issue 8 asks for: our speed by onnxruntime's, by batch.
WANTED = {1: 0.8, 16: 1.0}
_TOLERANCE = 1e-3


# --- in the process of a peer ---------------------------------------------------------


def serve(peer: str, path: Path, threads: int) -> None:
    """Answer lines ``batch`` on standard input with seconds and a checksum."""
    predict = _MAKERS[peer](path, threads)
    for line in sys.stdin:
        batch = int(line)
        x = np.random.default_rng(batch).uniform(size=(batch, 224, 224, 3))
        data = x.astype(np.float32)
        start = time.perf_counter()
        outputs = predict(data)
        taken = time.perf_counter() - start
        first = np.asarray(outputs)[0, :50].tolist()
        print(json.dumps({"seconds": taken, "outputs": first}), flush=True)


def _nervure(path: Path, _threads: int) -> Callable[[NDArray], NDArray]:
    import nervure as nv

    # The network itself, not the file: reading it again would give it channels first.
    model = nv.models.load_model(path.with_suffix(".nv"))
    return lambda x: model.predict(x, batch_size=len(x), verbose=0)


def _onnxruntime(path: Path, threads: int) -> Callable[[NDArray], NDArray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]  # type: ignore[no-any-return]


def _torch(path: Path, threads: int) -> Callable[[NDArray], NDArray]:
    import torch

    torch.set_num_threads(threads)
    program = TorchProgram(path)

    def predict(x: NDArray) -> NDArray:
        with torch.inference_mode():
            found: NDArray = program(torch.from_numpy(x)).numpy()
            return found

    return predict


_MAKERS: dict[str, Callable[[Path, int], Callable[[NDArray], NDArray]]] = {
    "nervure": _nervure,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
}


class TorchProgram:
    """The nodes of an exported network as calls of torch."""

    def __init__(self, path: Path) -> None:
        import onnx
        import torch
        from onnx import helper, numpy_helper

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
        import torch

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
        return _PLAIN[op](torch)(*given)


_PLAIN: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "Add": lambda torch: torch.add,
    "Div": lambda torch: torch.div,
    "Equal": lambda torch: torch.eq,
    "Exp": lambda torch: torch.exp,
    "Identity": lambda _torch: lambda x: x,
    "IsInf": lambda torch: torch.isinf,
    "IsNaN": lambda torch: torch.isnan,
    "MatMul": lambda torch: torch.matmul,
    "Mul": lambda torch: torch.mul,
    "Not": lambda torch: torch.logical_not,
    "Or": lambda torch: torch.logical_or,
    "Relu": lambda torch: torch.relu,
    "Sub": lambda torch: torch.sub,
    "Where": lambda torch: torch.where,
}


def _uneven(pads: Sequence[int]) -> bool:
    return list(pads[:2]) != list(pads[2:])


def _bordered(x: Any, pads: Sequence[int], value: float) -> Any:
    """Return x with borders that torch's own argument cannot say."""
    import torch

    if not _uneven(pads):
        return x
    top, left, bottom, right = pads
    return torch.nn.functional.pad(x, (left, right, top, bottom), value=value)


# --- measuring ------------------------------------------------------------------------


class Peer:
    """A process that predicts."""

    def __init__(self, name: str, path: Path, threads: int) -> None:
        env = {**os.environ, "NERVURE_THREADS": str(threads)}
        env["OMP_NUM_THREADS"] = str(threads)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.inference", "--serve", name),
                *("--file", str(path), "--threads", str(threads)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def predict(self, batch: int) -> tuple[float, NDArray]:
        """Return the seconds that a batch took, and some outputs."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{batch}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a peer ended before it answered")
        answer = json.loads(line)
        return answer["seconds"], np.asarray(answer["outputs"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def exported(name: str, folder: Path) -> Path:
    """Write a network with random weights, and return the path of the file."""
    import nervure as nv

    nv.utils.set_random_seed(0)
    weights = "imagenet" if name == "efficientnet_lite0" else None
    model = getattr(nv.pretrained, name)(weights=weights)
    path = folder / f"{name}.onnx"
    model.export(path)
    model.save(path.with_suffix(".nv"))
    return path


def measure(path: Path, batch: int, threads: int, repeats: int) -> dict[str, float]:
    """Return the least seconds of each peer; raises when their outputs differ."""
    peers = {name: Peer(name, path, threads) for name in PEERS}
    try:
        right = peers["onnxruntime"].predict(batch)[1]
        for name, peer in peers.items():  # compiled, and warm
            for _ in range(2):
                found = peer.predict(batch)[1]
            if not np.allclose(found, right, rtol=_TOLERANCE, atol=1e-5):
                raise RuntimeError(f"{name} computes something else on {path.name}")
        best = dict.fromkeys(PEERS, float("inf"))
        for _ in range(repeats):
            for name, peer in peers.items():
                best[name] = min(best[name], peer.predict(batch)[0])
        return best
    finally:
        for peer in peers.values():
            peer.close()


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--serve", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.file, options.threads)
        return
    print("| network | batch | Nervure | onnxruntime | torch | onnxruntime / Nervure |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            path = exported(network, Path(folder))
            for batch in options.batches:
                best = measure(path, batch, options.threads, options.repeats)
                times = [f"{best[name] * 1000:.1f} ms" for name in PEERS]
                cells = " | ".join([network, str(batch), *times])
                ratio = best["onnxruntime"] / best["nervure"]
                wanted = WANTED.get(batch)
                goal = "" if wanted is None else f" (wanted {wanted})"
                print(f"| {cells} | {ratio:.2f}{goal} |", flush=True)


if __name__ == "__main__":
    main()
