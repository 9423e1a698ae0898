"""The errors for places outside an array, which are known only when a program runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure.errors import DataError, explain
from nervure.ir.build import origin_of
from nervure.ir.node import Node


def index_outside(node: Node, number: int, index: int) -> DataError:
    """Return the error for an index of ``gather`` or ``scatter`` that is no place.

    ``number`` is its place among all indices.
    """
    axis: Any = node.attrs["axis"]
    extent = node.inputs[0].shape[axis]
    shape = node.inputs[1].shape
    outside = [int(one) for one in np.unravel_index(number, shape)]
    where = f" at indices{outside}" if outside else ""
    return _refuse(
        node,
        f"index {index}{where} is out of range for axis {axis} of size {extent}",
        f"use indices from 0 to {extent - 1}",
    )


def start_outside(node: Node, axis: int, start: int) -> DataError:
    """Return the error for a piece that starts where it does not fit an axis."""
    whole = node.inputs[0].shape[axis]
    update = node.op.name == "dynamic_update_slice"
    size = (node.inputs[1].shape if update else node.shape)[axis]
    return _refuse(
        node,
        f"a piece of {size} from {start} on does not fit axis {axis} of size {whole}",
        f"use a start from 0 to {whole - size}",
    )


def _refuse(node: Node, headline: str, fix: str) -> DataError:
    """Build the error for a place outside, which is known only at run time."""
    rows = [
        (name, operand.type_text, origin_of(operand))
        for name, operand in zip(node.op.operands, node.inputs, strict=True)
    ]
    place = f"{node.site.file}:{node.site.line}"
    text = f"{node.op.name}: {headline}"
    return DataError(explain(text, operands=rows, made_at=place, fix=fix))
