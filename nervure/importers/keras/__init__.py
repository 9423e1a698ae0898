"""Models that Keras has saved: ``.keras``, ``.weights.h5`` and the older ``.h5``.

Layers and weights are read.  What ``compile`` was given and the optimizer's state are
not, and no Python code: a ``Lambda`` layer is refused.

| file | what is in it |
|---|---|
| ``archive`` | the zip of a ``.keras`` file |
| ``hdf5`` | arrays in HDF5, verified |
| ``configs``, ``graph`` | Keras' configurations, turned into Nervure's |
| ``weights`` | which array belongs to which weight |

The formats: https://github.com/keras-team/keras, ``src/saving/saving_lib.py`` and
``src/legacy/saving/legacy_h5_format.py``.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nervure.importers.keras import archive, configs, weights
from nervure.importers.keras.hdf5 import opened
from nervure.nn.first_values import values_from_a_file
from nervure.train.saving.architecture import made_model

if TYPE_CHECKING:
    from nervure.train.model import Model


def load_model(path: Path, custom_objects: dict[str, Any]) -> Model:
    """Return the model of a ``.keras`` or ``.h5`` file, not compiled."""
    config: dict[str, Any] | None = None
    source: Path | io.BytesIO = path
    if path.suffix.lower() == ".keras":
        config, source = archive.read(path)
    with opened(path, source) as file:
        if config is None:
            config = weights.legacy_config(path, file)
        described = configs.translated(path, config, custom_objects)
        with values_from_a_file(file.numbers_size()):
            model = made_model(path, described, custom_objects)
        weights.set_weights(path, model, file)
    return model


def load_weights(model: Model, path: Path) -> None:
    """Set the weights of a model from a file of Keras."""
    source = archive.read(path)[1] if path.suffix.lower() == ".keras" else path
    with opened(path, source) as file:
        weights.set_weights(path, model, file)
