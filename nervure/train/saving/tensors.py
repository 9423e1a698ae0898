"""Arrays and plain data as bytes: safetensors and JSON.

Safetensors (https://github.com/huggingface/safetensors) is a JSON header and raw bytes;
its own library reads it and checks every size in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.train.saving.container import damaged

# Plain data refer to an array by its name in the safetensors beside them.
_REFERENCE: Final = "array in tensors"


def to_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """Return arrays by name as the bytes of a safetensors file."""
    from safetensors.numpy import save

    return save({name: np.array(one, order="C") for name, one in arrays.items()})


def from_bytes(path: Path, data: bytes, name: str) -> dict[str, NDArray]:
    """Return the arrays of the safetensors entry ``name`` of a file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(
            path, f"its entry {name!r} is not safetensors ({error})"
        ) from None


def split_arrays(value: Any, prefix: str, arrays: dict[str, NDArray]) -> Any:
    """Return data as plain data, with their arrays moved to ``arrays``."""
    if isinstance(value, np.ndarray):
        name = f"{prefix}/{len(arrays)}"
        arrays[name] = value
        return {_REFERENCE: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): split_arrays(one, prefix, arrays) for k, one in value.items()}
    if isinstance(value, list | tuple):
        return [split_arrays(one, prefix, arrays) for one in value]
    return value


def join_arrays(value: Any, arrays: Mapping[str, NDArray]) -> Any:
    """Undo :func:`split_arrays`; raises :class:`KeyError` for a missing array."""
    if isinstance(value, dict):
        if set(value) == {_REFERENCE}:
            return arrays[value[_REFERENCE]]
        return {key: join_arrays(one, arrays) for key, one in value.items()}
    if isinstance(value, list):
        return [join_arrays(one, arrays) for one in value]
    return value


def json_bytes(value: Any) -> bytes:
    """Return plain data as JSON."""
    return json.dumps(value, indent=1).encode()
