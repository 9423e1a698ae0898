"""What belongs to the process as a whole: its random numbers and its layers' names."""

from __future__ import annotations

import random as python_random

import numpy as np

from nervure import random
from nervure.errors import ArgumentError, explain
from nervure.nn.naming import reset_names
from nervure.train.checks import whole_number


def set_random_seed(seed: int) -> None:
    """Make a program repeatable: seed Python's, NumPy's and Nervure's generators.

    Weights, the order of rows and dropout follow from it: the same program gives the
    same bits.

    Parameters
    ----------
    seed
        A whole number from 0 to 2**32 - 1.

    Raises
    ------
    ArgumentError
        For anything else; no generator is changed then.

    >>> import nervure as nv
    >>> nv.utils.set_random_seed(7)
    >>> first = nv.random.uniform((2,)).tolist()
    >>> nv.utils.set_random_seed(7)
    >>> nv.random.uniform((2,)).tolist() == first
    True
    """
    number = whole_number(seed, "seed", 0, 1)
    if number >= 2**32:
        raise ArgumentError(
            explain(
                f"seed must be less than 2**32, because NumPy's is, got {seed!r}",
                fix="pass a smaller seed, such as 7",
            )
        )
    python_random.seed(number)
    np.random.seed(number)
    random.seed(number)


def numpy_generator(seed: int | None) -> np.random.Generator:
    """Return a generator of NumPy's.

    ``seed`` is a whole number from 0; None draws one from the process's generator,
    which :func:`set_random_seed` sets.  Raises :class:`ArgumentError` for others.
    """
    if seed is None:
        return np.random.default_rng(random.default_generator().next_key().tolist())
    return np.random.default_rng(whole_number(seed, "seed", 0, 1))


def clear_session() -> None:
    """Count layers afresh, so that the next ``Dense`` is called ``dense`` again.

    Nothing else needs clearing: models that are not used any more are freed.

    >>> import nervure as nv
    >>> clear_session()
    >>> nv.layers.Dense(1).name
    'dense'
    """
    reset_names()
