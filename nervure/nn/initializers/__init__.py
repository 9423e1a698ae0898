"""The first values of weights.

An initializer is called as ``initializer(shape, dtype)`` and returns an array.  Random
ones draw from the process's generator, so that ``nervure.utils.set_random_seed`` makes
a model repeatable, or, with a ``seed``, return the same values at every call.
"""

from collections.abc import Callable, Mapping
from typing import Any

from nervure.nn.initializers.base import Initializer
from nervure.nn.initializers.constant import Constant, Identity, Ones, Zeros
from nervure.nn.initializers.drawn import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from nervure.nn.initializers.stft import STFT
from nervure.nn.lookup import Registry

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFT",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

# The classes under their other names in Keras.
constant = Constant
zeros = Zeros
ones = Ones
identity = IdentityInitializer = Identity
random_uniform = RandomUniform
random_normal = RandomNormal
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal
stft = STFTInitializer = STFT

_registry: Registry[Callable[..., Any]] = Registry("initializer")
_registry.add_classes(
    [
        Zeros,
        Ones,
        Constant,
        Identity,
        RandomUniform,
        RandomNormal,
        TruncatedNormal,
        VarianceScaling,
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LecunUniform,
        LecunNormal,
        Orthogonal,
        STFT,
    ],
    {
        "uniform": RandomUniform,
        "normal": RandomNormal,
        "zero": Zeros,
        "one": Ones,
        "eye": Identity,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
        "STFTInitializer": STFT,
    },
)


def get(identifier: Any) -> Any:
    """Return the initializer for a name, a configuration or a function; None for None.

    An array stands for itself.  Raises
    :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.initializers.get("he_normal").scale
    2.0
    """
    if identifier is None:
        return None
    if hasattr(identifier, "__array__"):
        return Constant(identifier)
    return _registry.get(identifier)


def serialize(initializer: Any) -> Any:
    """Return the configuration of an initializer, as plain data.

    >>> import nervure as nv
    >>> nv.initializers.serialize(nv.initializers.Constant(0.5))
    {'class_name': 'Constant', 'config': {'value': 0.5}}
    """
    return _registry.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the initializer for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> config = {"class_name": "Constant", "config": {"value": 0.5}}
    >>> nv.initializers.deserialize(config).value
    0.5
    """
    return _registry.deserialize(config, custom_objects)
