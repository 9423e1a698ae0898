"""Fashion-MNIST: 70,000 pictures of clothes, in the form of MNIST.

Made by Han Xiao, Kashif Rasul and Roland Vollgraf at Zalando; licence MIT.  Source:
https://github.com/zalandoresearch/fashion-mnist.  "Fashion-MNIST: a Novel Image Dataset
for Benchmarking Machine Learning Algorithms", arXiv:1708.07747, 2017.

The data are not part of the package.  Debian and Ubuntu have them as
``dataset-fashion-mnist``; elsewhere they are downloaded once.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nervure.datasets.cache import dataset_folder, store
from nervure.datasets.idx import encode_idx, read_idx
from nervure.errors import DataError, FileFormatError, explain

CLASS_NAMES: Final = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

DEBIAN_FOLDER: Final = Path("/usr/share/datasets/fashion-mnist")
DOWNLOAD_FOLDER: Final = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

# The hash is that of the IDX file before compression: gzip files of the same content
# differ from one publisher to the next.
_SHA256: Final = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
_MOST_BYTES: Final = 1 << 26  # more than any of the four files has
_TIMEOUT_SECONDS: Final = 30

Bytes = npt.NDArray[np.uint8]
Part = tuple[Bytes, Bytes]


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Part, Part]:
    """Load Fashion-MNIST from this machine, or download it once.

    Parameters
    ----------
    path
        A folder with the four IDX files under their published names
        (``train-images-idx3-ubyte.gz`` and so on, with or without ``.gz``).  Without it
        the files are looked for in ``/usr/share/datasets/fashion-mnist`` (Debian's
        package ``dataset-fashion-mnist``) and in the user's cache folder
        (``nervure.config.cache_directory``), and are downloaded to there (30 MB) when
        neither has them.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        ``uint8[60000, 28, 28]``, ``uint8[60000]``, ``uint8[10000, 28, 28]``,
        ``uint8[10000]``.  ``CLASS_NAMES[label]`` tells what a label stands for.

    Raises
    ------
    FileFormatError
        A file in ``path`` is damaged, or is not one of Fashion-MNIST: every file must
        have the SHA-256 that is written in this module, wherever it comes from.
    DataError
        ``path`` lacks a file, or the files are nowhere and cannot be downloaded.

    Examples
    --------
    >>> from nervure.datasets import fashion_mnist
    >>> fashion_mnist.CLASS_NAMES[9]
    'Ankle boot'
    >>> (x_train, y_train), test = fashion_mnist.load_data()  # doctest: +SKIP
    """
    if path is not None:
        arrays = _read_folder(Path(path))
    else:
        arrays = _find() or _download()
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)


def _read_folder(folder: Path) -> list[Bytes]:
    """Return the four arrays in ``folder``; the first wrong file is an error."""
    arrays = []
    for name in _SHA256:
        candidates = [folder / name, folder / f"{name}.gz"]
        found = [file for file in candidates if file.is_file()]
        if not found:
            raise DataError(
                explain(
                    f"Fashion-MNIST: expected {name} or {name}.gz in {str(folder)!r}, "
                    "found neither",
                    fix=f"put the four files of {DOWNLOAD_FOLDER} there",
                )
            )
        array = read_idx(found[0], max_bytes=_MOST_BYTES)
        arrays.append(_checked(name, str(found[0]), array))
    return arrays


def _find() -> list[Bytes] | None:
    """Return the arrays from the first folder of this machine that has them whole."""
    cache = _cache_folder()
    for folder in [DEBIAN_FOLDER] if cache is None else [DEBIAN_FOLDER, cache]:
        try:
            return _read_folder(folder)
        except (DataError, FileFormatError, OSError):
            # Missing or damaged: the next place, and in the end a download, mends it.
            continue
    return None


def _cache_folder() -> Path | None:
    folder = dataset_folder()
    return folder and folder / "fashion-mnist"


def _checked(name: str, origin: str, array: Bytes) -> Bytes:
    """Return ``array`` if it is the one that was published under ``name``."""
    found = hashlib.sha256(encode_idx(array)).hexdigest()
    if found != _SHA256[name]:
        raise FileFormatError(
            explain(
                f"{origin}: expected SHA-256 {_SHA256[name]} of the unpacked file "
                f"(Fashion-MNIST, {name}), found {found}",
                fix="fetch the file again; other data in this format are read by "
                "nervure.datasets.idx.read_idx",
            )
        )
    return array


def _download() -> list[Bytes]:
    """Fetch the four files, check them, and keep them in the cache folder."""
    cache = _cache_folder()
    print(f"downloading Fashion-MNIST (30 MB) from {DOWNLOAD_FOLDER}", file=sys.stderr)
    arrays = []
    for name in _SHA256:
        url = f"{DOWNLOAD_FOLDER}{name}.gz"
        content = _fetch(url)
        arrays.append(_checked(name, url, read_idx(content, max_bytes=_MOST_BYTES)))
        if cache is not None:
            store(cache / f"{name}.gz", [content])
    return arrays


def _fetch(url: str) -> bytes:
    """Return the content behind ``url``, at most ``_MOST_BYTES`` and one."""
    # Here, because it costs more to import than the rest of the package.
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            content: bytes = response.read(_MOST_BYTES + 1)
    except (OSError, HTTPException) as error:
        cache = _cache_folder()
        place = f"put the four .gz files into {cache}, or " if cache else ""
        raise DataError(
            explain(
                "Fashion-MNIST is not on this machine and cannot be downloaded: "
                f"{url}: {error}",
                fix="install Debian's package dataset-fashion-mnist, or "
                f"{place}call load_data(path=<folder with the four files>)",
            )
        ) from error
    return content
