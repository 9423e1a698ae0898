"""Is it worth using what another network has learnt?  Few patches of real photographs.

    pip install scikit-image        # for its photographs
    python -m benchmarks.transfer

Each of twelve photographs that scikit-learn and scikit-image ship is a class.  Patches
of 64 x 64 pixels come from the left part of a photograph for training and from the
right part for testing, with a gap between, so no pixel is in both.  They are grey, and
each has the same mean and the same spread, so that brightness and colour tell nothing:
what is left are textures and shapes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import nervure as nv

NDArray = npt.NDArray[Any]

NAMES = (
    *("brick.png", "grass.png", "gravel.png", "chelsea.png", "coffee.png"),
    *("coins.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png"),
    *("retina.jpg", "china.jpg", "flower.jpg"),
)
SIZE = 64
TESTED = 40  # patches of each photograph
LEFT, RIGHT = 0.55, 0.6  # training ends here, testing begins there
COUNTS = (5, 20)
SEEDS = (0, 1)


def photographs(folder: Path | None) -> list[NDArray]:
    """Return the photographs in grey, ``float32[height, width]``."""
    import sklearn.datasets
    from PIL import Image

    if folder is None:
        import skimage.data

        folder = Path(skimage.data.data_dir)
    shipped = Path(sklearn.datasets.__file__).parent / "images"
    found = []
    for name in NAMES:
        path = next(one / name for one in (folder, shipped) if (one / name).exists())
        found.append(np.asarray(Image.open(path).convert("L"), np.float32))
    return found


def patches(
    image: NDArray, count: int, left: bool, rng: np.random.Generator
) -> NDArray:
    """Return patches from one part of a photograph, ``float32[count, 64, 64, 3]``."""
    height, width = image.shape
    first, last = (0, int(width * LEFT)) if left else (int(width * RIGHT), width)
    found = []
    while len(found) < count:
        y = int(rng.integers(0, height - SIZE + 1))
        x = int(rng.integers(first, last - SIZE + 1))
        patch = image[y : y + SIZE, x : x + SIZE]
        if patch.std() < 8:  # nothing to be seen
            continue
        patch = (patch - patch.mean()) / patch.std() * 45 + 127
        found.append(np.repeat(patch.clip(0, 255)[..., None], 3, axis=-1))
    return np.stack(found)


def samples(
    images: list[NDArray], count: int, seed: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return patches and classes for training and for testing."""
    rng = np.random.default_rng(seed)
    parts = [
        np.concatenate([patches(one, size, left, rng) for one in images])
        for size, left in ((count, True), (TESTED, False))
    ]
    labels = [np.repeat(np.arange(len(images)), size) for size in (count, TESTED)]
    prepare = nv.pretrained.preprocess_input
    return prepare(parts[0]), labels[0], prepare(parts[1]), labels[1]


# --- ways to learn ------------------------------------------------------------------


def pixels(x: NDArray, y: NDArray, xt: NDArray, yt: NDArray) -> float:
    """Logistic regression on pixels."""
    from sklearn.linear_model import LogisticRegression

    flat = [one[..., 0].reshape(len(one), -1) for one in (x, xt)]
    model = LogisticRegression(max_iter=1000, C=0.01).fit(flat[0], y)
    return float(model.score(flat[1], yt))


def small_network(x: NDArray, y: NDArray, xt: NDArray, yt: NDArray) -> float:
    """A small convolutional network, from scratch."""
    layers = nv.layers
    model = nv.models.Sequential(
        [
            layers.Conv2D(32, 3, activation="relu", input_shape=x.shape[1:]),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(NAMES), activation="softmax"),
        ]
    )
    return trained(model, x, y, xt, yt, epochs=100)


def from_scratch(x: NDArray, y: NDArray, xt: NDArray, yt: NDArray) -> float:
    """EfficientNet-Lite0, from scratch."""
    model = nv.pretrained.efficientnet_lite0(
        weights=None, input_shape=x.shape[1:], classes=len(NAMES)
    )
    return trained(model, x, y, xt, yt, epochs=30)


def trained(
    model: Any, x: NDArray, y: NDArray, xt: NDArray, yt: NDArray, epochs: int
) -> float:
    """Train a network and return the share of test patches it gets right."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=20, verbose=0)
    return float(model.evaluate(xt, yt, verbose=0)[1])


def network(x: NDArray) -> Any:
    """Return EfficientNet-Lite0 with the weights that ship, without its top."""
    return nv.pretrained.efficientnet_lite0(
        include_top=False, pooling="avg", input_shape=x.shape[1:]
    )


def linear(x: NDArray, y: NDArray, xt: NDArray, yt: NDArray) -> float:
    """Logistic regression on features of the pretrained network."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        nv.pretrained.FeatureExtractor(network(x)), LogisticRegression(max_iter=1000)
    )
    return float(model.fit(x, y).score(xt, yt))


def tuned(x: NDArray, y: NDArray, xt: NDArray, yt: NDArray) -> float:
    """Fine-tuning: a new head first, then all layers."""
    found = nv.pretrained.fine_tune(
        network(x), x, y, head_epochs=40, epochs=10, batch_size=20, verbose=0
    )
    return float(found.model.evaluate(xt, yt, verbose=0)[1])


WAYS: tuple[Callable[..., float], ...] = (
    pixels,
    small_network,
    linear,
    tuned,
    from_scratch,
)


def main() -> None:
    """Print a table: the accuracies of each way, one for each seed, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="photographs of scikit-image")
    images = photographs(parser.parse_args().folder)
    for count in COUNTS:
        print(f"{count} patches of each of {len(NAMES)} photographs")
        for way in WAYS:
            scores = []
            for seed in SEEDS:
                nv.utils.set_random_seed(seed)
                scores.append(way(*samples(images, count, seed)))
            shown = "  ".join(f"{one:.3f}" for one in scores)
            label = (way.__doc__ or "").rstrip(".")
            print(f"  {label:<52} {np.mean(scores):.3f}  ({shown})", flush=True)


if __name__ == "__main__":
    main()
