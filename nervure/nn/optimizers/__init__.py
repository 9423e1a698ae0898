"""Optimizers: how weights follow their gradients."""

from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.optimizers.adam import Adam
from nervure.nn.optimizers.base import Optimizer
from nervure.nn.optimizers.rmsprop import RMSprop
from nervure.nn.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "get"]

_registry: Registry[Optimizer] = Registry("optimizer", Optimizer)
_registry.add_classes([SGD, Adam, RMSprop])


def get(identifier: Any) -> Optimizer:
    """Return the optimizer for a name, a configuration, or an optimizer as it is.

    Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.optimizers.get("adam").beta_1
    0.9
    """
    return _registry.get(identifier)
