"""Passes: from graphs to graphs that compute the same."""

from nervure.passes.change import Change, Pass, PassRecord
from nervure.passes.inline import simplified_control
from nervure.passes.pipeline import PASSES, optimized, pass_named

__all__ = [
    "PASSES",
    "Change",
    "Pass",
    "PassRecord",
    "optimized",
    "pass_named",
    "simplified_control",
]
