"""Inputs, targets and weights together: read, checked, and fitted to a model's outputs.

First everything is checked by itself (:func:`read_raw`), then whether targets, losses
and outputs fit each other (:func:`fitted_rows`).  Nothing is computed or changed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import tree
from nervure.errors import ArgumentError, DataError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.symbolic import PartialShape
from nervure.train import checks, targets
from nervure.train.arrange import arranged
from nervure.train.data import Numbers, as_numbers
from nervure.train.data import targets as as_targets
from nervure.train.inputs import parts_of, read_inputs
from nervure.train.prediction import Predictions, predictions_of
from nervure.train.rows import Form, Rows, packed

if TYPE_CHECKING:
    from nervure.train.model import Model


@dataclass(frozen=True, slots=True)
class Raw:
    """Arrays that are checked one by one.

    ``y`` and ``weights`` have an entry for each output.  ``shared`` is one array of
    weights for all of them.  ``free`` is the structure of targets that are compared
    with no output, because the model has a training step of its own.
    """

    x: tuple[NDArray, ...]
    structure: tree.Structure
    y: tuple[NDArray | None, ...]
    weights: tuple[NDArray | None, ...]
    shared: NDArray | None = None
    free: tree.Structure | None = None

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.x[0])

    @property
    def inputs(self) -> Rows:
        """The inputs alone, for ``predict``."""
        return Rows(Form(self.structure), self.x)

    def between(self, start: int, stop: int) -> Raw:
        """Return some of the rows, without copying them."""

        def part(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(None if one is None else one[start:stop] for one in values)

        return replace(
            self,
            x=part(self.x),
            y=part(self.y),
            weights=part(self.weights),
            shared=part([self.shared])[0],
        )


def read_raw(model: Model, x: Any, y: Any, sample_weight: Any, of: str = "") -> Raw:
    """Return checked inputs, targets and weights; ``of`` says of which data set."""
    if model.compares_freely:
        return _read_freely(model, x, y, sample_weight, of)
    known = model.output_structure
    if known is not None and known.leaf_count == 1:
        # Everything is checked before the model is built for the data.
        given = as_numbers(_only(y, model), f"y{of}")
        arrays, structure = read_inputs(model, x, of)
    else:
        arrays, structure = read_inputs(model, x, of)
        predictions = predictions_of(model, arrays, structure)
        if len(predictions.each) != 1:
            return _read_several(
                model, arrays, structure, y, sample_weight, of, predictions
            )
        given = as_numbers(_only(y, model), f"y{of}")
    y_values = _checked_targets(given, f"y{of}", arrays)
    weights = _only(sample_weight, model)
    checked = checked_weights(weights, f"sample_weight{of}", arrays, y_values)
    return Raw(arrays, structure, (y_values,), (checked,))


def _only(given: Any, model: Model) -> Any:
    """Return what was given for the only output, which may be in a list or dict."""
    if isinstance(given, dict | list | tuple):
        names = [*model.output_names, "output_1"][:1]
        structure = model.output_structure or tree.LEAF
        return arranged(given, structure, names, "y")[0]
    return given


def _read_several(
    model: Model,
    arrays: tuple[NDArray, ...],
    structure: tree.Structure,
    y: Any,
    sample_weight: Any,
    of: str,
    predictions: Predictions,
) -> Raw:
    """Return what was given for the outputs of a model that has several."""
    losses = model.require_compiled("fit").losses(predictions.names)
    entries = _targets_by_output(y, predictions, losses, of)
    y_values: list[NDArray | None] = []
    for entry, name, loss in zip(
        entries, predictions.target_names, losses, strict=True
    ):
        if entry is None:
            if loss is not None:
                raise DataError(
                    explain(
                        f"{name}{of} is None, but this output has the loss "
                        f"{loss.name!r}",
                        fix="pass targets for it, or give it no loss",
                    )
                )
            y_values.append(None)
            continue
        given = as_numbers(entry, name + of)
        y_values.append(_checked_targets(given, name + of, arrays))
    if sample_weight is None or _is_one_array(sample_weight):
        what = f"sample_weight{of}"
        shared = checked_weights(sample_weight, what, arrays, None)
        none = (None,) * len(entries)
        return Raw(arrays, structure, tuple(y_values), none, shared)
    weights = _weights_by_output(sample_weight, predictions, of)
    checked = [
        checked_weights(one, f"sample_weight[{name!r}]{of}", arrays, true)
        for one, name, true in zip(weights, predictions.names, y_values, strict=True)
    ]
    return Raw(arrays, structure, tuple(y_values), tuple(checked))


def _targets_by_output(
    y: Any, predictions: Predictions, losses: Sequence[Any], of: str
) -> list[Any]:
    """Return the targets of each output; those without a loss may be left out."""
    names, structure = predictions.names, predictions.structure
    with_loss = [name for name, loss in zip(names, losses, strict=True) if loss]
    if isinstance(y, dict) and set(map(str, y)) == set(with_loss):
        by_name = {str(key): one for key, one in y.items()}
        return [by_name.get(name) for name in names]
    if isinstance(y, list | tuple) and len(y) == len(with_loss) < len(names):
        remaining = iter(y)
        return [next(remaining) if loss else None for loss in losses]
    if len(with_loss) == 1 and len(names) > 1 and _is_one_array(y):
        return [y if loss else None for loss in losses]
    return arranged(y, structure, names, f"y{of}")


def _weights_by_output(given: Any, predictions: Predictions, of: str) -> list[Any]:
    if isinstance(given, dict):
        given = {**dict.fromkeys(predictions.names), **given}
    structure, names = predictions.structure, predictions.names
    return arranged(given, structure, names, f"sample_weight{of}")


def _is_one_array(given: Any) -> bool:
    """Tell whether something is one array, not several in a list or dict."""
    return parts_of(given)[1] == tree.LEAF


def _read_freely(model: Model, x: Any, y: Any, sample_weight: Any, of: str) -> Raw:
    """Return data for a training step that makes of them what it likes."""
    arrays, structure = read_inputs(model, x, of)
    steps_of_its_own = model.has_own("train_step") or model.has_own("compute_loss")
    needs_one = not steps_of_its_own and not model.require_compiled("fit").has_loss
    if needs_one and not predictions_of(model, arrays, structure).adds_loss:
        raise model.no_loss()
    parts, free = parts_of(y)
    checked = []
    for number, part in enumerate(parts):
        name = "y" if len(parts) == 1 else f"y[{number}]"
        given = as_numbers(part, name + of)
        checked.append(_checked_targets(given, name + of, arrays))
    shared = checked_weights(sample_weight, f"sample_weight{of}", arrays, None)
    return Raw(arrays, structure, tuple(checked), (), shared, free)


def _checked_targets(given: Numbers, what: str, x: Sequence[NDArray]) -> NDArray:
    converted = as_targets(given)
    of = what.removeprefix("y") if what.startswith("y of") else ""
    checks.same_length([(f"x{of}", len(x[0])), (what, len(converted))])
    checks.not_empty(converted, what)
    checks.finite(converted, given, what)
    return converted


def checked_weights(
    weights: Any, what: str, x: Sequence[NDArray], y: NDArray | None
) -> NDArray | None:
    """Return weights as float32: one for each row, or for each entry of it."""
    if weights is None:
        return None
    given = as_numbers(weights, what)
    values = np.asarray(given.values, np.float32)
    if y is not None and values.ndim > 1 and values.shape == y.shape[: values.ndim]:
        # A weight for each step of a sequence, or each pixel of a picture.
        checks.finite(values, given, what)
        if not (values < 0).any() and values.any():
            return np.ascontiguousarray(values)
    # The rows of a single batch may all have the weight 0.
    checks.sample_weights(values, given, len(x[0]), what, " batch " in what)
    return np.ascontiguousarray(values)


# --- fitting ------------------------------------------------------------------------


def fitted_rows(
    model: Model,
    raw: Raw,
    class_weight: Any = None,
    of: str = "",
    *,
    prepares: bool = True,
) -> Rows:
    """Return data with targets in the form in which the losses take them.

    Unless told otherwise it prepares the model's objectives for these outputs, which
    must not happen while a step uses them.

    Raises
    ------
    DataError, ShapeError
        When targets, losses and outputs do not fit each other.
    ArgumentError
        For class weights that do not fit.
    """
    if raw.free is not None:
        if class_weight is not None:
            raise ArgumentError(
                explain(
                    "class_weight needs targets that are compared with an output; the "
                    f"model {model.name!r} has a training step of its own",
                    fix="pass sample_weight, or weigh the samples in train_step",
                )
            )
        shared = () if raw.shared is None else (raw.shared,)
        form = Form(raw.structure, raw.free, tree.LEAF if shared else tree.NONE)
        return Rows(form, raw.x, tuple(_present(raw.y)), shared)
    compiled = model.require_compiled("fit")
    predictions = predictions_of(model, raw.x, raw.structure)
    names = predictions.target_names
    y = [
        true
        if loss is None or true is None
        else targets.fitted(loss, true, output, name + of)
        for loss, true, output, name in zip(
            compiled.losses(predictions.names),
            raw.y,
            predictions.each,
            names,
            strict=True,
        )
    ]
    weights = list(raw.weights)
    if class_weight is not None:
        weights = _with_class_weights(raw, y, predictions, class_weight)
    y_arrays, y_form = packed(y, predictions.structure)
    weight_arrays, weight_form = packed(weights, predictions.structure)
    if raw.shared is not None and not weight_arrays:
        weight_arrays, weight_form = (raw.shared,), tree.LEAF
    if prepares:
        model.prepare_objectives(predictions, [_target_shape(one) for one in y])
    return Rows(
        Form(raw.structure, y_form, weight_form), raw.x, y_arrays, weight_arrays
    )


def _present(values: Sequence[NDArray | None]) -> list[NDArray]:
    return [one for one in values if one is not None]


def _target_shape(y: NDArray | None) -> PartialShape | None:
    return None if y is None else (None, *y.shape[1:])


def _with_class_weights(
    raw: Raw,
    y: Sequence[NDArray | None],
    predictions: Predictions,
    class_weight: Any,
) -> list[NDArray | None]:
    """Return the weights of each output times those of its classes."""
    names = predictions.names
    by_output = [class_weight]
    if len(names) > 1:
        if not isinstance(class_weight, dict) or not set(class_weight) <= set(names):
            raise ArgumentError(
                explain(
                    f"the model has {len(names)} outputs, so class_weight must be a "
                    f"dict by their names ({', '.join(names)}), got {class_weight!r}",
                    fix=f"pass class_weight={{{names[0]!r}: {{0: 1.0, 1: 5.0}}}}",
                )
            )
        by_output = [class_weight.get(name) for name in names]
    found: list[NDArray | None] = []
    for given, true, output, weight in zip(
        by_output, y, predictions.each, raw.weights, strict=True
    ):
        own = raw.shared if weight is None else weight
        if given is None or true is None:
            found.append(own)
            continue
        of_class = targets.class_weights(true, output, given)
        found.append(of_class if own is None else of_class * own)
    return found
