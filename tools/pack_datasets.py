"""Make the data files that ship inside the package, from their sources.

    python tools/pack_datasets.py mnist ../shared/data/mnist.npz
    python tools/pack_datasets.py digits

``mnist`` takes an .npz file with x_train, y_train, x_test and y_test; ``digits`` takes
scikit-learn's own copy.  The same source and the same liblzma give the same bytes.  The
hash that is printed belongs into ``nervure/datasets/<name>.py``; the script ends with
an error when another one stands there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import lzma
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nervure.datasets.packed import Bytes, pack, unpack  # noqa: E402

# lp=1 and pb=1: the place of a byte in its pair of rows is context for the next one.
FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 1 << 26,
        "lc": 3,
        "lp": 1,
        "pb": 1,
        "nice_len": 273,
    }
]


def mnist_arrays(path: Path) -> list[Bytes]:
    """Read the four arrays of MNIST from an .npz file."""
    with np.load(path, allow_pickle=False) as source:
        return [source[key] for key in ("x_train", "y_train", "x_test", "y_test")]


def digits_arrays() -> list[Bytes]:
    """Take the digits from scikit-learn."""
    from sklearn.datasets import load_digits

    source = load_digits()
    arrays = [source.images.astype(np.uint8), source.target.astype(np.uint8)]
    if not np.array_equal(arrays[0], source.images):
        raise SystemExit("the digits of this scikit-learn do not fit into uint8")
    return arrays


def write(name: str, arrays: list[Bytes]) -> bool:
    """Write ``<name>.xz`` and say whether the source code expects its content."""
    if any(array.dtype != np.uint8 for array in arrays):
        raise SystemExit(f"{name}: expected arrays of uint8")
    shapes = tuple(array.shape for array in arrays)
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    packed = lzma.compress(pack(arrays), check=lzma.CHECK_CRC32, filters=FILTERS)

    start = time.perf_counter()
    restored = list(unpack(lzma.decompress(packed), shapes))
    seconds = time.perf_counter() - start
    if not all(np.array_equal(*pair) for pair in zip(arrays, restored, strict=True)):
        raise SystemExit(f"{name}: what was packed does not unpack to the same arrays")

    target = ROOT / "nervure" / "datasets" / "data" / f"{name}.xz"
    target.write_bytes(packed)
    print(
        f"{target.relative_to(ROOT)}: {len(packed):,} bytes, unpacks in {seconds:.2f} s"
    )
    print(f"  shapes {shapes}\n  sha256 {digest}")
    known = importlib.import_module(f"nervure.datasets.{name}")._PACKED
    return (known.shapes, known.sha256) == (shapes, digest)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="name", required=True)
    mnist = commands.add_parser("mnist", help="from an .npz file")
    mnist.add_argument("source", type=Path)
    commands.add_parser("digits", help="from scikit-learn")
    options = parser.parse_args()
    arrays = (
        digits_arrays() if options.name == "digits" else mnist_arrays(options.source)
    )
    if write(options.name, arrays):
        return 0
    print(
        f"nervure/datasets/{options.name}.py expects other shapes or another hash: "
        "write those above into it",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
