"""Learning rates that depend on the number of steps taken.

>>> import nervure as nv
>>> schedule = nv.optimizers.schedules.CosineDecay(0.1, decay_steps=1000)
>>> nv.optimizers.SGD(schedule).get_config()["learning_rate"]["class_name"]
'CosineDecay'
"""

from collections.abc import Mapping
from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.optimizers.schedules.base import LearningRateSchedule
from nervure.nn.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from nervure.nn.optimizers.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

_registry: Registry[LearningRateSchedule] = Registry(
    "learning-rate schedule", LearningRateSchedule
)
_registry.add_classes(
    [
        ExponentialDecay,
        InverseTimeDecay,
        PolynomialDecay,
        PiecewiseConstantDecay,
        CosineDecay,
        CosineDecayRestarts,
    ]
)


def serialize(learning_rate_schedule: Any) -> Any:
    """Return the configuration of a schedule, as plain data.

    >>> import nervure as nv
    >>> schedules = nv.optimizers.schedules
    >>> schedules.serialize(schedules.CosineDecay(0.5, 10))["config"]["decay_steps"]
    10.0
    """
    return _registry.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the schedule for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> schedules = nv.optimizers.schedules
    >>> config = schedules.serialize(schedules.CosineDecay(0.5, 10))
    >>> schedules.deserialize(config).decay_steps
    10.0
    """
    return _registry.deserialize(config, custom_objects)
