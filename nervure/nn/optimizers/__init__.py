"""Optimizers: how weights follow their gradients."""

from collections.abc import Mapping
from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.optimizers import schedules
from nervure.nn.optimizers.adafactor import Adafactor
from nervure.nn.optimizers.adagrad import Adadelta, Adagrad, Ftrl
from nervure.nn.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from nervure.nn.optimizers.base import Optimizer
from nervure.nn.optimizers.lion import Lion
from nervure.nn.optimizers.loss_scaling import LossScaleOptimizer
from nervure.nn.optimizers.multiple import MultiOptimizer, OptimizerMap
from nervure.nn.optimizers.muon import Muon
from nervure.nn.optimizers.rmsprop import RMSprop
from nervure.nn.optimizers.schedule_free import ScheduleFreeAdamW
from nervure.nn.optimizers.sgd import SGD

__all__ = [
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "SGD",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_registry: Registry[Optimizer] = Registry("optimizer", Optimizer)
_registry.add_classes(
    [
        SGD,
        Adam,
        RMSprop,
        AdamW,
        Adamax,
        Nadam,
        Adagrad,
        Adadelta,
        Adafactor,
        Ftrl,
        Lion,
        Lamb,
        Muon,
        ScheduleFreeAdamW,
        LossScaleOptimizer,
        MultiOptimizer,
    ]
)


def get(identifier: Any) -> Optimizer:
    """Return the optimizer for a name, a configuration, or an optimizer as it is.

    Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.optimizers.get("adam").beta_1
    0.9
    """
    return _registry.get(identifier)


def serialize(optimizer: Any) -> Any:
    """Return the configuration of an optimizer, as plain data.

    >>> import nervure as nv
    >>> nv.optimizers.serialize(nv.optimizers.SGD(0.5))["config"]["learning_rate"]
    0.5
    """
    return _registry.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the optimizer for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> config = nv.optimizers.serialize(nv.optimizers.SGD(0.5, momentum=0.9))
    >>> nv.optimizers.deserialize(config).momentum
    0.9
    """
    return _registry.deserialize(config, custom_objects)
