"""Passes: from graphs to graphs that compute the same."""

from nervure.passes.change import Change, Pass, PassRecord
from nervure.passes.inline import runnable
from nervure.passes.pipeline import PASSES, PLANNED, optimized, pass_named

__all__ = [
    "PASSES",
    "PLANNED",
    "Change",
    "Pass",
    "PassRecord",
    "optimized",
    "pass_named",
    "runnable",
]
