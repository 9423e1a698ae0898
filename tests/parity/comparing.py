"""How far the answers of the two frameworks may be from each other."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.parity.cases import Arrays, Case

NDArray = npt.NDArray[Any]

ONE_CALL = 1e-5
AFTER_STEPS = 1e-4
OF_MOMENTS = 0.02


def disagreement(expected: Arrays, got: Arrays, case: Case) -> str | None:
    """Say where two answers differ by too much, or None.

    A difference counts relative to the largest number of the array; arrays that are
    small beside the others of their group (a gradient that is zero but for rounding, a
    loss whose terms cancel beside the outputs it is made of) are measured by a
    hundredth of the largest of the group.
    """
    if list(expected) != list(got):
        return f"expected the answers {list(expected)}, got {list(got)}"
    groups: dict[str, float] = {}
    for name, value in expected.items():
        group = _group(name)
        groups[group] = max(groups.get(group, 0.0), _largest(value))
    for name, value in expected.items():
        if value.shape != got[name].shape:
            return f"{name}: expected shape {value.shape}, got {got[name].shape}"
        limit = case.get("tolerance", _tolerance(name, case))
        scale = max(_largest(value), groups[_group(name)] / 100, 1e-30)
        if value.dtype.kind in "biu" and not np.array_equal(value, got[name]):
            return f"{name}: expected {value}, got {got[name]}"
        mine = np.asarray(got[name], "float64")
        theirs = np.asarray(value, "float64")
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            error = np.where(same, 0.0, np.abs(mine - theirs))
        worst = float(np.max(error, initial=0.0)) / scale
        if not worst <= limit:
            return (
                f"{name}: relative difference {worst:.2g}, at most {limit:g} is "
                f"allowed\nexpected {theirs}\ngot {mine}"
            )
    return None


def _group(name: str) -> str:
    group = re.sub(r" \d+$", "", name)
    return {"loss": "output", "after, loss": "output"}.get(group, group)


def _tolerance(name: str, case: Case) -> float:
    if name == "moments":
        return OF_MOMENTS
    after = name.startswith("after") or "optimizer" in case
    return AFTER_STEPS if after else ONE_CALL


def _largest(value: NDArray) -> float:
    finite = np.abs(value[np.isfinite(value)]) if value.dtype.kind == "f" else value
    return float(np.max(np.abs(finite), initial=0.0))
