"""Which function writes a primitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nervure.exporters.onnx.writer import Twin, Writer

# Writes the nodes of a primitive and returns the name of the result (or their list).
Rule = Callable[[Writer, Twin], "str | list[str]"]

RULES: Final[dict[str, Rule]] = {}


def writes(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of primitives."""

    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return enter
