"""The public names of Nervure, for the reference and for the test of its examples.

A name is public if it stands in the ``__all__`` of a public module, or, where there is
none, if the module holds it and it does not begin with an underscore.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Final

# Module -> what the reference calls it, in the order in which people meet them.
MODULES: Final = {
    "nervure": "Arrays, gradients, programs",
    "nervure.models": "Models",
    "nervure.layers": "Layers",
    "nervure.activations": "Activations",
    "nervure.losses": "Losses",
    "nervure.metrics": "Metrics",
    "nervure.optimizers": "Optimizers",
    "nervure.optimizers.schedules": "Learning-rate schedules",
    "nervure.callbacks": "Callbacks",
    "nervure.initializers": "Initializers",
    "nervure.regularizers": "Regularizers",
    "nervure.constraints": "Constraints",
    "nervure.utils": "Helpers",
    "nervure.datasets.mnist": "Data sets: MNIST",
    "nervure.datasets.fashion_mnist": "Data sets: Fashion-MNIST",
    "nervure.datasets.digits": "Data sets: digits",
    "nervure.datasets.idx": "Data sets: IDX files",
    "nervure.sklearn": "Estimators",
    "nervure.wrappers.scikit_learn": "Keras' wrappers for scikit-learn",
    "nervure.nn": "Functions of networks",
    "nervure.control_flow": "Loops and branches",
    "nervure.ops.linalg": "Linear algebra",
    "nervure.ops.signal": "Signals and pictures",
    "nervure.random": "Random numbers",
    "nervure.distribute": "Several devices and processes",
    "nervure.inspect": "Looking inside",
    "nervure.adversarial": "Attacks",
    "nervure.pretrained": "Pretrained networks",
    "nervure.program": "Programs",
    "nervure.explain": "Why did that happen?",
    "nervure.studio.notebook": "The playground in notebooks",
    "nervure.tblog": "Logs for TensorBoard",
    "nervure.importers.onnx": "Reading ONNX",
    "nervure.exporters.onnx": "Writing ONNX",
    "nervure.tf1": "TensorFlow 1",
    "nervure.tf1.nn": "TensorFlow 1: tf.nn",
    "nervure.tf1.train": "TensorFlow 1: tf.train",
    "nervure.tf1.layers": "TensorFlow 1: tf.layers",
    "nervure.tf1.losses": "TensorFlow 1: tf.losses",
    "nervure.tf1.summary": "TensorFlow 1: tf.summary",
    "nervure.tf1.initializers": "TensorFlow 1: tf.initializers",
    "nervure.tf1.gfile": "TensorFlow 1: tf.gfile",
    "nervure.tf1.app": "TensorFlow 1: tf.app",
    "nervure.tf1.errors": "TensorFlow 1: tf.errors",
    "nervure.errors": "Errors",
    "nervure.config": "Settings",
    "nervure.ir": "Graphs",
    "nervure.passes": "Passes",
}
# Modules without ``__all__`` that hold the names of others for all to use; of other
# modules without one, their own definitions are what is public.
_COLLECTING: Final = ("nervure", "nervure.tf1")


def public_objects(module_name: str) -> Iterator[tuple[str, Any]]:
    """Yield the functions and classes of a public module, with their names.

    Parameters
    ----------
    module_name
        One of ``MODULES``.

    >>> [name for name, _ in public_objects("nervure.wrappers.scikit_learn")]
    ['KerasClassifier', 'KerasRegressor']
    """
    module = importlib.import_module(module_name)
    listed = getattr(module, "__all__", None)
    for name in listed or dir(module):
        value = getattr(module, name)
        if name.startswith("_") or inspect.ismodule(value) or not callable(value):
            continue
        if not str(value.__module__).startswith("nervure"):
            continue
        own = listed or module_name in _COLLECTING or value.__module__ == module_name
        if own:
            yield name, value
