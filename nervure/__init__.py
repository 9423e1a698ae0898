"""Nervure: a deep-learning framework whose graph one can see.

The array functions follow the Array API standard 2024.12 and are lazy; ``grad`` and its
kin differentiate functions of arrays; ``compile`` captures them as programs.  Models as
in Keras live in ``nervure.models``, ``nervure.layers`` and their neighbours, which load
when they are first used.

>>> import nervure as nv
>>> nv.grad(lambda x: nv.sum(x ** 2))(nv.asarray([1.0, 2.0])).tolist()
[2.0, 4.0]
"""

import importlib as _importlib
from typing import Any as _Any

from nervure import errors, random
from nervure._version import __version__
from nervure.array import Array, graph, parameter
from nervure.config import config
from nervure.control_flow import (
    associative_scan,
    cond,
    fori_loop,
    map,
    scan,
    switch,
    while_loop,
)
from nervure.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from nervure.dtypes import bool_ as bool
from nervure.ops import *  # noqa: F403 - the array namespace is flat
from nervure.placing import device, devices
from nervure.recompiles import explain_recompiles
from nervure.step import compile
from nervure.transforms import (
    checkpoint,
    custom_gradient,
    grad,
    gradients,
    hessian,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

e = 2.718281828459045
pi = 3.141592653589793
inf = float("inf")
nan = float("nan")
newaxis = None
__array_api_version__ = "2024.12"

# Modules that load when first used, so that importing Nervure stays cheap.
_LAZY = {
    name: f"nervure.{name}"
    for name in (
        "activations",
        "adversarial",
        "callbacks",
        "constraints",
        "datasets",
        "distribute",
        "initializers",
        "inspect",
        "layers",
        "losses",
        "metrics",
        "models",
        "nn",
        "optimizers",
        "pretrained",
        "regularizers",
        "sklearn",
        "studio",
        "tblog",
        "tf1",
        "utils",
        "wrappers",
    )
} | {name: f"nervure.ops.{name}" for name in ("linalg", "signal")}

# What NumPy's users may look for, and why it is not here.
_ABSENT = {
    "fft": "there are no complex numbers; transform values with numpy.fft",
    "keras": "its names are here themselves: nervure.layers, nervure.models, ...",
    "tensor": "write nervure.asarray(...)",
    "Tensor": "the class is nervure.Array; nervure.asarray(...) makes one",
    "Variable": "write nervure.parameter(...); a layer has add_weight(...)",
    "jit": "write nervure.compile(function)",
    "relu": "write nervure.activations.relu(x)",
    "softmax": "write nervure.activations.softmax(x)",
    "Sequential": "write nervure.models.Sequential(...)",
    "Model": "write nervure.models.Model(...)",
    "ndarray": "the class is nervure.Array; nervure.asarray(...) makes one",
}


# Names that are seldom used; their modules load when they are.
_LAZY_CLASSES = {"Program": "nervure.program", "playground": "nervure.studio.notebook"}


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        return _importlib.import_module(_LAZY[name])
    if name in _LAZY_CLASSES:
        return getattr(_importlib.import_module(_LAZY_CLASSES[name]), name)
    if name == "why":
        return _importlib.import_module("nervure.explain").why
    text = f"module 'nervure' has no attribute {name!r}"
    fix = _ABSENT.get(name)
    if fix is None and not name.startswith("_"):
        near = errors.nearest_names(name, __dir__())
        fix = f"did you mean {near[0]!r}?" if near else None
    raise AttributeError(errors.explain(text, fix=fix), name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_CLASSES, "why"})
