"""Write random weights of Keras' applications; runs in the environment of Keras.

``KERAS_BACKEND=jax python write_keras_networks.py FOLDER NAME`` writes ``NAME.h5``, in
the format of published files, ``NAME.weights.h5``, and ``NAME.npz`` with images and
what Keras predicts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

NAMES = {
    "resnet50": "ResNet50",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_b0": "EfficientNetB0",
    "densenet121": "DenseNet121",
    "inception_v3": "InceptionV3",
    "vgg16": "VGG16",
}
# Odd and even sizes: borders depend on them.
SHAPES = {
    "mobilenet_v2": (96, 96, 3),
    "efficientnet_b0": (65, 64, 3),
    "inception_v3": (107, 107, 3),
    "vgg16": (32, 32, 3),
}
CLASSES = 10


def random_value(path, shape, rng):
    """Return numbers with which signals neither vanish nor explode."""
    value = rng.normal(size=shape)
    if "variance" in path or "gamma" in path:
        return 0.5 + abs(value) / 2
    if "count" in path:
        return np.zeros(shape)
    if "kernel" in path:
        inputs = shape[:2] if "depthwise" in path or "dwconv" in path else shape[:-1]
        return value * np.sqrt(2 / np.prod(inputs))
    return value * 0.1


def main(folder, name):
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    shape = SHAPES.get(name, (64, 64, 3))
    model = getattr(keras.applications, NAMES[name])(
        weights=None, input_shape=shape, classes=CLASSES, classifier_activation=None
    )
    rng = np.random.default_rng(0)
    model.set_weights([random_value(one.path, one.shape, rng) for one in model.weights])
    largest = 255 if name == "efficientnet_b0" else 1
    x = rng.uniform(0, largest, size=(2, *shape)).astype(np.float32)
    model.save_weights(folder / f"{name}.weights.h5")
    # Only a reader of files has Keras' Normalization take over its new moments.
    model.load_weights(folder / f"{name}.weights.h5")
    path = str(folder / f"{name}.h5")
    legacy_h5_format.save_model_to_hdf5(model, path, include_optimizer=False)
    np.savez(folder / f"{name}.npz", x=x, y=model.predict(x, verbose=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
