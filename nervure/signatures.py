"""What a captured program depends on besides its function, and how two differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nervure import tree
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.base import execution_key
from nervure.ir.attrs import NDArray
from nervure.ir.node import Shape
from nervure.recompiles import (
    DTYPE,
    RAGGED,
    SETTING,
    SHAPE,
    STATIC,
    STRUCTURE,
    ArrayType,
    Difference,
    array_difference,
    type_text,
)


class Signature(NamedTuple):
    """What a compiled program depends on besides the function."""

    executor: str
    skipped: tuple[str, ...]  # passes
    structure: tree.Structure
    types: tuple[tuple[Shape, DType], ...]
    static: tuple[Any, ...]

    def difference(self, other: Signature) -> Difference:
        """Say why a program for ``other`` does not serve, in words."""
        if self.executor != other.executor or self.skipped != other.skipped:
            return _other_settings(self, other)
        if self.static != other.static:
            text = f"static arguments changed from {other.static} to {self.static}"
            return Difference(STATIC, text)
        if self.structure != other.structure:
            text = f"arguments changed from {other.structure} to {self.structure}"
            return Difference(STRUCTURE, text)
        for place, (mine, theirs) in enumerate(
            zip(self.types, other.types, strict=True)
        ):
            if mine != theirs:
                return array_difference(theirs, mine, place)
        return Difference(SETTING, "nothing changed")


def _other_settings(
    now: Signature | StepSignature, before: Signature | StepSignature
) -> Difference:
    if now.skipped != before.skipped:
        text = f"the skipped passes changed from {before.skipped} to {now.skipped}"
    else:
        text = f"the executor changed from {before.executor} to {now.executor}"
    return Difference(SETTING, text)


class StepSignature(NamedTuple):
    """The types that a step's program depends on."""

    executor: str
    skipped: tuple[str, ...]  # passes
    constants: tuple[tuple[Shape, DType], ...]
    varying: tuple[tuple[Shape, DType], ...]

    def difference(self, other: StepSignature) -> Difference:
        """Say why a program for ``other`` does not serve, in words."""
        for mine, theirs, what in (
            (self.constants, other.constants, "data"),
            (self.varying, other.varying, "batch"),
        ):
            if mine != theirs:
                same = [one[0] for one in mine] == [one[0] for one in theirs]
                kind = DTYPE if same else SHAPE
                if _is_ragged(self, other):
                    kind = RAGGED
                before, now = types_text(theirs), types_text(mine)
                return Difference(kind, f"the {what} changed from {before} to {now}")
        return _other_settings(self, other)


def _is_ragged(now: StepSignature, before: StepSignature) -> bool:
    """Tell whether a batch has fewer rows, and nothing else is different."""
    smaller = _have_fewer_rows(now.varying, before.varying)
    # Batches that come ready are data of their own.
    same = now.constants == before.constants
    return smaller and (same or _have_fewer_rows(now.constants, before.constants))


def _have_fewer_rows(mine: Sequence[ArrayType], theirs: Sequence[ArrayType]) -> bool:
    return len(mine) == len(theirs) and all(
        one and other and one[0] < other[0] and one[1:] == other[1:] and type_ == dtype
        for (one, type_), (other, dtype) in zip(mine, theirs, strict=True)
    )


def types_text(types: Sequence[ArrayType]) -> str:
    """Return types in words, one after the other."""
    return ", ".join(map(type_text, types))


def step_signature(
    constants: Sequence[NDArray], varying: Sequence[NDArray]
) -> StepSignature:
    """Return what the program of a step for these data depends on."""
    return StepSignature(
        execution_key(),
        config.skip_passes,
        tuple((value.shape, value.dtype) for value in constants),
        tuple((value.shape[1:], value.dtype) for value in varying),
    )
