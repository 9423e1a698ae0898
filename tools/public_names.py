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
    "nervure.datasets": "Data sets",
    "nervure.sklearn": "Estimators",
    "nervure.wrappers.scikit_learn": "Keras' wrappers for scikit-learn",
    "nervure.nn": "Functions of networks",
    "nervure.ops.linalg": "Linear algebra",
    "nervure.ops.signal": "Signals and pictures",
    "nervure.random": "Random numbers",
    "nervure.inspect": "Looking inside",
    "nervure.adversarial": "Attacks",
    "nervure.pretrained": "Pretrained networks",
    "nervure.program": "Programs",
    "nervure.tblog": "Logs for TensorBoard",
    "nervure.errors": "Errors",
    "nervure.config": "Settings",
    "nervure.ir": "Graphs",
    "nervure.passes": "Passes",
}
# Modules without ``__all__``, whose own definitions are what is public.
_DEFINING: Final = ("nervure.errors", "nervure.config")


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
    names = getattr(module, "__all__", None) or dir(module)
    for name in names:
        value = getattr(module, name)
        if name.startswith("_") or inspect.ismodule(value) or not callable(value):
            continue
        if module_name in _DEFINING and value.__module__ != module_name:
            continue
        yield name, value
