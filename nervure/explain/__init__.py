"""Answers to "why": of errors, and of trainings that did not go as they should."""

from nervure.explain.answer import Answer
from nervure.explain.asking import why

__all__ = ["Answer", "why"]
