"""Random numbers inside layers: a key, and a counter that every draw moves on."""

from __future__ import annotations

from nervure import dtypes, random
from nervure.array import Array
from nervure.nn.configuration import Configurable
from nervure.nn.naming import automatic_name
from nervure.nn.variable import Variable


class SeedGenerator(Configurable):
    """Gives a new key at every call, in a compiled training step too.

    The key and the counter are variables: they belong to the state of a model that is
    saved and resumed, but are not among a layer's weights.

    Parameters
    ----------
    seed
        A whole number; None draws one from the process's generator, which
        ``nervure.utils.set_random_seed`` sets.

    >>> import nervure as nv
    >>> from nervure.nn.seed import SeedGenerator
    >>> one, other = SeedGenerator(7), SeedGenerator(7)
    >>> nv.random.bits((2,), key=one.next()).tolist() == nv.random.bits(
    ...     (2,), key=other.next()).tolist()
    True
    """

    def __init__(self, seed: int | None = None, *, name: str | None = None) -> None:
        self.seed = seed
        self.name = name or automatic_name("seed_generator")
        self.key = Variable(first_key(seed), name="key", trainable=False)
        self.counter = Variable(0, name="counter", trainable=False, dtype=dtypes.uint32)

    @property
    def variables(self) -> list[Variable]:
        """The state: a key ``uint32[2]`` and a counter ``uint32[]``."""
        return [self.key, self.counter]

    def next(self) -> Array:
        """Return a key ``uint32[2]`` that no other call returned."""
        key = random.fold_in(self.key.value, self.counter.value)
        self.counter.assign_add(1)
        return key


def first_key(seed: int | None) -> Array:
    """Return the key of a seed; None draws one from the process's generator."""
    if seed is None:
        return random.default_generator().next_key()
    return random.key(seed)
