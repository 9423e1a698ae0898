"""The graph of a functional model as Keras writes it, turned into Nervure's.

Keras 3 writes the arguments of each call, with tensors as
``{"class_name": "__keras_tensor__", "config": {"keras_history": [...]}}``: layer, call
and output.
Keras 2 writes ``[[layer, call, output, further arguments], ...]`` for each call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nervure.train.saving.container import damaged


def call(path: Path, node: Any) -> dict[str, Any]:
    """Return the arguments of a call."""
    if isinstance(node, dict):
        args, kwargs = node.get("args"), node.get("kwargs")
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise damaged(path, "its graph has a call without arguments")
        return {
            "args": [_argument(path, one) for one in args],
            "kwargs": {
                key: _argument(path, one)
                for key, one in kwargs.items()
                # None is what a mask is anyway, and training is decided later.
                if one is not None and key != "training"
            },
        }
    if not isinstance(node, list) or not node:
        raise damaged(path, "its graph has a call without arguments")
    tensors = [_tensor(path, one) for one in node]
    further = [one[3] for one in node if len(one) > 3 and one[3]]
    if any(one.get("training") is None or set(one) != {"training"} for one in further):
        raise damaged(path, f"its graph has calls with the arguments {further}")
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": {}}


def ends(path: Path, given: Any) -> Any:
    """Return the inputs or outputs of a graph: tensors in lists and dicts."""
    if isinstance(given, dict):
        return {
            "kind": "dict",
            "items": {key: ends(path, one) for key, one in given.items()},
        }
    if not isinstance(given, list) or not given:
        raise damaged(path, "its graph has no inputs or no outputs")
    if isinstance(given[0], str):
        return _tensor(path, given)
    parts = [ends(path, one) for one in given]
    # In Keras 2 a single tensor stands in a list as well.
    return parts[0] if len(parts) == 1 else parts


def _argument(path: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_argument(path, one) for one in value]
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if value.get("class_name") == "__keras_tensor__" and isinstance(config, dict):
        return _tensor(path, config.get("keras_history"))
    if value.get("class_name") == "__tuple__":
        items = value.get("items")
        return {"kind": "tuple", "items": _argument(path, items)}
    raise damaged(path, f"its graph has a call with the argument {value}")


def _tensor(path: Path, history: Any) -> dict[str, Any]:
    if not isinstance(history, list) or len(history) < 3:
        raise damaged(path, f"its graph has the tensor {history!r}")
    return {"kind": "tensor", "of": history[:3]}
