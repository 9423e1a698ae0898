"""Weights out of files: state dicts of torch in safetensors, files of Keras.

torch has channels before height and width, Keras and Nervure after them; the layers are
the same otherwise.  Arrays are read one at a time, so float16 files take no more memory
than the float32 weights that they become.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ArgumentError, FileFormatError, explain, require_file
from nervure.ir.attrs import NDArray
from nervure.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    LayerNormalization,
    MultiHeadAttention,
)
from nervure.nn.variable import Variable
from nervure.pretrained.options import Settings
from nervure.train.model import Model
from nervure.train.saving.container import damaged
from nervure.train.saving.pickles import refuse_pickle

if TYPE_CHECKING:
    from nervure.pretrained.parts import Source

SHIPPED: Final = Path(__file__).parent / "data" / "efficientnet_lite0.safetensors"
# What torch counts and nobody needs; and the second classifier of Inception, which
# exists in training only.
_UNUSED: Final = ("num_batches_tracked",)
_UNUSED_MODULES: Final = ("AuxLogits.",)
_ENDINGS: Final = (".safetensors", ".h5", ".hdf5", ".keras", ".nv")

# Modules that were called otherwise when torchvision published the weights.
_OLD_NAMES: Final = (
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\."), r"\1\2."),
)

# A weight of a layer: its variable, the name in the state dict, and how that array
# becomes this one.
Wanted = tuple[Variable, str, Callable[[NDArray], NDArray]]


def load(model: Model, sources: Sequence[Source], settings: Settings) -> None:
    """Set all weights of a network that was just made.

    Raises
    ------
    ArgumentError
        For something that is neither a file of a known kind nor arrays by name.
    FileFormatError
        For a damaged file, and for weights of another network.
    OSError
        When the file cannot be read.
    """
    given = settings.weights
    if isinstance(given, Mapping):
        where = "the given state dict"
        _set(model, sources, settings, where, given, given.__getitem__)
        return
    path = SHIPPED if given == "imagenet" else _checked_path(given)
    if path.suffix.lower() == ".safetensors":
        with _opened(path) as file:
            where = repr(str(path))
            _set(model, sources, settings, where, file.keys(), file.get_tensor)
    else:
        model.load_weights(path)


def _checked_path(given: Any) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise ArgumentError(
            explain(
                "weights must be None, the path of a file, or arrays by name, got "
                f"{type(given).__name__}",
                fix="pass weights='file.safetensors', or None for new weights",
            )
        )
    path = Path(given)
    refuse_pickle(path)
    if path.suffix.lower() not in _ENDINGS:
        raise ArgumentError(
            explain(
                f"weights must be 'imagenet', None or a file that ends in "
                f"{', '.join(_ENDINGS)}, got {str(path)!r}",
                fix="pass weights=None for new weights, and load the file yourself",
            )
        )
    return path


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    require_file(path)
    try:
        # The library checks sizes and places of all arrays before anything is read.
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise damaged(path, f"it is not safetensors ({error})") from None


def _set(
    model: Model,
    sources: Sequence[Source],
    settings: Settings,
    where: str,
    names: Iterable[str],
    read: Callable[[str], Any],
) -> None:
    """Set weights from the arrays of a state dict, each converted by itself."""
    stored = {_todays_name(name): name for name in names}
    wanted = [one for source in sources for one in _weights_of(source)]
    _check_complete(model, wanted)
    _check_names(wanted, settings, where, set(stored))
    for variable, name, converted in wanted:
        view = converted(_numbers(where, name, read(stored[name])))
        shape = _joined_shape(view, variable.ndim)
        if shape != variable.shape:
            raise FileFormatError(
                explain(
                    f"{where}: {name!r} fits a weight of shape {list(shape)}, "
                    f"{variable.path!r} has {list(variable.shape)}",
                    fix="pass classes= the number of classes of the file, or "
                    "include_top=False"
                    if settings.include_top
                    else "make the network that the file was written for",
                )
            )
        # Converted and put in order in one move: such a weight may have 400 MB.
        value = np.empty(shape, variable.dtype)
        value.reshape(view.shape)[...] = view
        value.flags.writeable = False
        variable.store(Array.of_value(value))


def _joined_shape(view: NDArray, rank: int) -> tuple[int, ...]:
    """Return the shape that an array has when its first axes are one."""
    if view.ndim <= rank:
        return view.shape
    first = view.ndim - rank + 1
    return (math.prod(view.shape[:first]), *view.shape[first:])


def _todays_name(name: str) -> str:
    for pattern, replacement in _OLD_NAMES:
        name = pattern.sub(replacement, name)
    return name


def _numbers(where: str, name: str, value: Any) -> NDArray:
    array = np.asarray(value)
    if array.dtype.kind != "f" and array.dtype != dtypes.bfloat16:
        raise FileFormatError(
            explain(
                f"{where}: {name!r} holds {array.dtype}, not numbers with a point",
                fix="save the weights as float32",
            )
        )
    return array


def _check_complete(model: Model, wanted: Sequence[Wanted]) -> None:
    """Make sure that an architecture has said of every weight where it comes from."""
    known = {id(variable) for variable, _, _ in wanted}
    forgotten = [one.path for one in model.weights if id(one) not in known]
    if forgotten:
        raise ArgumentError(
            explain(
                f"{model.name!r} in this style has weights that no state dict of torch "
                f"has: {forgotten[0]!r}",
                fix="use another style, or weights that save_weights() wrote",
            )
        )


def _check_names(
    wanted: Sequence[Wanted], settings: Settings, where: str, names: set[str]
) -> None:
    expected = {name for _, name, _ in wanted}
    missing = sorted(expected - names)
    further = sorted(
        one
        for one in names - expected
        if not one.endswith(_UNUSED) and not one.startswith(_UNUSED_MODULES)
    )
    if not settings.include_top and not missing:
        return  # the file has the top as well
    if missing or further:
        found = missing[0] if missing else further[0]
        raise FileFormatError(
            explain(
                f"{where} does not hold the weights of {settings.name!r}: "
                + (f"{found!r} is missing" if missing else f"{found!r} has no place"),
                fix="make the network that the file was written for; names are those "
                "of torchvision's state dict",
            )
        )


# --- the arrays of each kind of layer -----------------------------------------------


def _weights_of(source: Source) -> Iterator[Wanted]:
    layer, module = source.layer, source.module
    if isinstance(layer, DepthwiseConv2D):
        yield layer.kernel, f"{module}.weight", _depthwise_kernel
        yield from _bias_of(layer, module)
    elif isinstance(layer, Conv2D):
        yield layer.kernel, f"{module}.weight", _kernel
        yield from _bias_of(layer, module)
    elif isinstance(layer, Dense):
        yield layer.kernel, f"{module}.weight", _matrix(source.unflattened)
        yield from _bias_of(layer, module)
    elif isinstance(layer, BatchNormalization):
        if layer.gamma is not None:
            yield layer.gamma, f"{module}.weight", _same
        yield layer.beta, f"{module}.bias", _same
        yield layer.moving_mean, f"{module}.running_mean", _same
        yield layer.moving_variance, f"{module}.running_var", _same
    elif isinstance(layer, LayerNormalization):
        yield layer.gamma, f"{module}.weight", _same
        yield layer.beta, f"{module}.bias", _same
    elif isinstance(layer, MultiHeadAttention):
        yield from _attention(layer, module)
    else:
        (variable,) = layer.weights
        yield variable, module, _same


def _bias_of(layer: Any, module: str) -> Iterator[Wanted]:
    if layer.bias is not None:
        yield layer.bias, f"{module}.bias", _same


def _attention(layer: MultiHeadAttention, module: str) -> Iterator[Wanted]:
    """torch keeps the maps to queries, keys and values in one matrix."""
    heads, size = layer.num_heads, layer.key_dim

    def part(number: int, shape: tuple[int, ...]) -> Callable[[NDArray], NDArray]:
        def converted(array: NDArray) -> NDArray:
            third = len(array) // 3
            return array[number * third : (number + 1) * third].T.reshape(shape)

        return converted

    inner = layer.weights
    for number in range(3):
        kernel, bias = inner[2 * number : 2 * number + 2]
        of_bias = part(number, (heads, size))
        yield kernel, f"{module}.in_proj_weight", part(number, kernel.shape)
        yield bias, f"{module}.in_proj_bias", of_bias
    kernel, bias = inner[6:]
    shape = kernel.shape
    yield kernel, f"{module}.out_proj.weight", lambda array: array.T.reshape(shape)
    yield bias, f"{module}.out_proj.bias", _same


def _same(array: NDArray) -> NDArray:
    return array


def _kernel(array: NDArray) -> NDArray:
    """``[out, in, height, width]`` becomes ``[height, width, in, out]``."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _depthwise_kernel(array: NDArray) -> NDArray:
    """``[channels, 1, height, width]`` becomes ``[height, width, channels, 1]``."""
    return array.transpose(2, 3, 0, 1) if array.ndim == 4 else array


def _matrix(
    unflattened: tuple[int, int, int] | None,
) -> Callable[[NDArray], NDArray]:
    """Return how ``[out, in]`` becomes ``[in, out]``, the inputs in another order.

    What was flattened stays apart, ``[height, width, channels, out]``: a view.
    """

    def converted(array: NDArray) -> NDArray:
        if array.ndim != 2 or unflattened is None:
            return array.T
        height, width, channels = unflattened
        if array.shape[1] != height * width * channels:
            return array.T
        split = array.reshape(len(array), channels, height, width)
        return split.transpose(2, 3, 1, 0)

    return converted
