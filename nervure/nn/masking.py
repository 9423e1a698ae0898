"""Masks: which steps of a sequence count, handed on from layer to layer.

A mask is an array of truth values, False where the data are only filling.  A layer
such as ``Embedding(mask_zero=True)`` makes one; it travels on the array that the layer
returns, is passed to the layers that ask for it, and in the end leaves the filling out
of the loss and the metrics.

Only layers hand masks on.  An operation on an array (``x + y``) gives an array without.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nervure import ops, tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ShapeError, explain
from nervure.nn.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from nervure.nn.layer import Layer


def mask_of(tensor: Any) -> Any:
    """Return the mask that an array or a symbolic tensor carries, or None."""
    if isinstance(tensor, Array):
        return tensor.mask
    return tensor.mask if isinstance(tensor, SymbolicTensor) else None


def with_mask(array: Array, mask: Any) -> Array:
    """Return the array carrying a mask; the array itself stays as it is."""
    return array if mask is array.mask else array.masked(mask)


def masks_of(tensors: Any) -> Any:
    """Return the masks of a tree of tensors, in the same tree; None for no tensors.

    A tree of several tensors keeps its form even when none has a mask, as layers with
    several inputs expect.
    """
    leaves, structure = tree.flatten(tensors)
    if not leaves:
        return None
    return _filled(structure, iter([mask_of(leaf) for leaf in leaves]))


def _filled(structure: tree.Structure, masks: Any) -> Any:
    """Put masks, which may be None, into a structure."""
    if structure.kind is None:
        return next(masks)
    if structure.kind is type(None):
        return None
    children = [_filled(child, masks) for child in structure.children]
    if structure.kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    return children if structure.kind is list else tuple(children)


def mask_leaves(masks: Any) -> list[Any]:
    """Return the masks in a tree of masks one by one, those that are None too."""
    if isinstance(masks, dict):
        masks = [masks[key] for key in sorted(masks, key=str)]
    if isinstance(masks, list | tuple):
        return [leaf for one in masks for leaf in mask_leaves(one)]
    return [masks]


# --- around a call of a layer -------------------------------------------------------


def with_masks_filled_in(
    parameters: Mapping[str, inspect.Parameter],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """Return the keyword arguments of a call with the masks of its tensors.

    As in Keras, a parameter ``mask`` takes the masks of the only argument that holds
    tensors.  When several do, ``query_mask`` takes those of ``query``, and so on.
    Masks that were passed stay.
    """
    wanted = [name for name in parameters if name == "mask" or name.endswith("_mask")]
    given = dict(zip(parameters, args, strict=False)) | kwargs
    missing = [name for name in wanted if given.get(name) is None]
    if not missing:
        return kwargs
    tensors = {
        name: value
        for name, value in given.items()
        if name not in wanted and _holds_arrays(value)
    }
    filled = dict(kwargs)
    for name in missing:
        if name == "mask" and len(tensors) == 1:
            (only,) = tensors.values()
            filled[name] = masks_of(only)
        elif len(tensors) > 1 and name.removesuffix("_mask") in tensors:
            filled[name] = masks_of(tensors[name.removesuffix("_mask")])
    positional = list(parameters)[: len(args)]
    return {name: one for name, one in filled.items() if name not in positional}


def _holds_arrays(value: Any) -> bool:
    return any(isinstance(leaf, Array) for leaf in tree.flatten(value)[0])


def has_mask(masks: Any) -> bool:
    """Tell whether there is a mask in a tree of masks."""
    return any(one is not None for one in mask_leaves(masks))


def with_output_masks(layer: Layer, inputs: Any, outputs: Any, previous: Any) -> Any:
    """Return what a layer computed, carrying the masks that it hands on.

    ``previous`` are the masks of the inputs.  A layer that does not know what a mask
    would mean for its output loses it, with a warning.
    """
    leaves, structure = tree.flatten(outputs)
    if not layer.supports_masking:
        if has_mask(previous):
            warnings.warn(
                f"the layer {layer.name!r} ({type(layer).__name__}) was given an input "
                "with a mask, but does not support masks, so the layers after it will "
                "not see the mask. If its output has the same steps as its input, set "
                "supports_masking = True in its __init__.",
                stacklevel=2,
            )
        return outputs
    if leaves and all(mask_of(leaf) is not None for leaf in leaves):
        return outputs
    computed = layer.compute_mask(inputs, previous)
    if computed is None:
        return outputs
    masks = mask_leaves(computed)
    if len(masks) != len(leaves):
        if not has_mask(computed):
            return outputs
        raise ShapeError(
            explain(
                f"the layer {layer.name!r} returned {len(leaves)} arrays, but its "
                f"compute_mask {len(masks)} masks",
                fix="return one mask for each output, None where there is none",
            )
        )
    masked = [
        leaf if mask is None or mask_of(leaf) is not None else with_mask(leaf, mask)
        for leaf, mask in zip(leaves, masks, strict=True)
    ]
    return tree.unflatten(structure, masked)


# --- losses and metrics -------------------------------------------------------------


def masked_weights(
    sample_weight: Any, mask: Array | None, dtype: DType, *, of_mean: bool
) -> Any:
    """Return sample weights that are 0 where a mask is False.

    ``of_mean`` also divides them by the share of what counts, so that a mean over all
    entries becomes one over those that count.  Keras does the same.
    """
    if mask is None:
        return sample_weight
    weights = ops.astype(mask, dtype)
    if of_mean:
        valid = ops.sum(weights)
        share = ops.where(valid == 0, ops.ones_like(valid), valid) / weights.size
        weights = weights / share
    if sample_weight is None:
        return weights
    given = ops.astype(ops.asarray(sample_weight), dtype)
    further = (1,) * (weights.ndim - given.ndim)
    return weights * ops.reshape(given, (*given.shape, *further))
