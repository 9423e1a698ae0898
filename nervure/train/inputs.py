"""What users pass as ``x``, turned into one checked array for each input of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nervure import tree
from nervure.dtypes import DType
from nervure.errors import NotBuiltError
from nervure.ir.attrs import NDArray
from nervure.nn.symbolic import PartialShape
from nervure.train import checks
from nervure.train.arrange import arranged
from nervure.train.batch_sources import is_batches
from nervure.train.data import announce, as_numbers, features
from nervure.train.prediction import fitted_features, input_types
from nervure.train.tables import check_rows_of_tables

if TYPE_CHECKING:
    from nervure.train.model import Model


def read_inputs(
    model: Model, x: Any, of: str = ""
) -> tuple[tuple[NDArray, ...], tree.Structure]:
    """Return checked arrays in the types in which a step takes them.

    Parameters
    ----------
    x
        One array, or several in a list, tuple or dict.
    of
        Of which data set it is, for messages.

    Returns
    -------
    An array for each input, and how ``call`` wants them to be arranged.
    """
    entries, structure, names = _entries(model, x, f"x{of}")
    shapes = expected_shapes(model, len(entries))
    types = input_types(model, len(entries))
    values = tuple(
        checked_features(model, entry, name + of, shape, dtype)
        for entry, name, shape, dtype in zip(entries, names, shapes, types, strict=True)
    )
    checks.same_length(
        [(name + of, len(one)) for name, one in zip(names, values, strict=True)]
    )
    for place, one in enumerate(values):
        check_rows_of_tables(model, place, one, names[place] + of)
    return values, structure


def _entries(
    model: Model, x: Any, what: str
) -> tuple[list[Any], tree.Structure, list[str]]:
    """Return the parts of ``x``, their structure, and how messages call them."""
    structure = model.input_structure
    if structure is not None:
        entries = arranged(x, structure, model.input_names or ["x"], what)
        keys: list[Any] = list(model.input_names)
    else:
        entries, structure = parts_of(x)
        keys = list(structure.keys)
    if len(keys) != len(entries):  # nested, or without names
        keys = list(range(len(entries)))
    if len(entries) == 1:
        return entries, structure, ["x"]
    return entries, structure, [f"x[{key!r}]" for key in keys]


def parts_of(data: Any) -> tuple[list[Any], tree.Structure]:
    """Return the arrays in dicts, tuples and lists of arrays, and their structure.

    A list of numbers, or of lists of numbers, is one array.
    """
    parts: list[Any] = []
    return parts, _collect(data, parts)


def _collect(data: Any, parts: list[Any]) -> tree.Structure:
    if isinstance(data, dict):
        keys = tuple(sorted(data, key=str))
        return tree.Structure(dict, keys, tuple(_collect(data[k], parts) for k in keys))
    if isinstance(data, list | tuple) and data and all(map(_holds_rows, data)):
        children = tuple(_collect(one, parts) for one in data)
        return tree.Structure(list if isinstance(data, list) else tuple, (), children)
    if data is None:
        return tree.NONE
    parts.append(data)
    return tree.LEAF


def _holds_rows(value: Any) -> bool:
    """Tell whether something is an array of its own, or a dict of arrays."""
    return isinstance(value, dict) or len(getattr(value, "shape", ())) > 0


def checked_features(
    model: Model,
    data: Any,
    what: str,
    shape: PartialShape | None,
    dtype: DType | None,
    numbers: NDArray | None = None,
) -> NDArray:
    """Return one input as a step takes it; ``numbers`` are those of its rows."""
    given = as_numbers(data, what)
    values = features(given, dtype)
    checks.not_empty(values, what)
    checks.finite(values, given, what, numbers)
    return fitted_features(model, values, what, shape)


def expected_shapes(model: Model, count: int) -> list[PartialShape | None]:
    """Return the shape of each input, None where the model does not know it."""
    if model.inputs:
        return [one.shape for one in model.inputs]
    try:
        shape = model.input_shape
    except NotBuiltError:
        shape = None
    return [shape if isinstance(shape, tuple) and count == 1 else None] * count


def announce_types(model: Model, x: Any, verbose: int | str) -> None:
    """Say once in a process that inputs are computed in another type than given."""
    if is_batches(x):
        return
    entries, _, names = _entries(model, x, "x")
    for entry, name, dtype in zip(
        entries, names, input_types(model, len(entries)), strict=True
    ):
        if dtype is not None:
            announce(name, entry, dtype, verbose)
