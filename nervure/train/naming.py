"""Names that must differ from each other."""

from __future__ import annotations

from collections.abc import Sequence


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of which later ones that are taken have ``_1``, ``_2``, ...

    >>> from nervure.train.naming import distinct
    >>> distinct(["mse", "mae", "mse"])
    ('mse', 'mae', 'mse_1')
    """
    counts: dict[str, int] = {}
    found = []
    for name in names:
        number = counts[name] = counts.get(name, -1) + 1
        found.append(f"{name}_{number}" if number else name)
    return tuple(found)
