"""Passes: from graphs to graphs that compute the same."""

from nervure.passes.control import simplified_control

__all__ = ["simplified_control"]
