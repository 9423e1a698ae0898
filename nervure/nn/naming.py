"""Automatic names: ``dense``, ``dense_1``, ``max_pooling2d``, as Keras gives them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

# One counter for each prefix; ``next`` on a counter is atomic, so threads may share.
_counters: dict[str, Iterator[int]] = {}


def snake_case(name: str) -> str:
    """Return the name of a class as the prefix of its instances' names.

    >>> snake_case("MaxPooling2D"), snake_case("Dense")
    ('max_pooling2d', 'dense')
    """
    separated = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", separated).lower().lstrip("_")


def automatic_name(prefix: str) -> str:
    """Return ``prefix`` the first time, then ``prefix_1``, ``prefix_2``, ..."""
    number = next(_counters.setdefault(prefix, itertools.count()))
    return f"{prefix}_{number}" if number else prefix


def reset_names() -> None:
    """Start counting afresh, so the next layer is called ``dense`` again."""
    _counters.clear()
