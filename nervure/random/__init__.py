"""Random numbers: functions of a key, the same on every executor.

A *key* is an array ``uint32[2]``.  Equal keys give equal numbers, whatever the number
of threads and wherever they are computed, because each number is a function of the key
and of its own place (threefry, see :mod:`nervure.prims.threefry`), and because the
distributions are made of operations that IEEE 754 fixes to the last bit (see
:mod:`nervure.random.repeatable`).  New keys come from :func:`split` and
:func:`fold_in`.

A function that is not given a key draws one from the process's generator, so
``nv.random.normal((3,))`` gives new numbers at each call, as in NumPy, and :func:`seed`
makes a program repeatable.

>>> import nervure as nv
>>> first, second = nv.random.split(nv.random.key(0))
>>> nv.random.uniform((2,), key=first).shape
(2,)

| file | what is in it |
|---|---|
| ``keys`` | keys, and generators that give them out |
| ``words`` | random words, and fractions made of them |
| ``repeatable`` | logarithm and normal quantile with the same bits everywhere |
| ``continuous`` | distributions of floating-point numbers |
| ``discrete`` | distributions of integers, orders and choices |
"""

from nervure.random.continuous import (
    exponential,
    gumbel,
    normal,
    truncated_normal,
    uniform,
)
from nervure.random.discrete import (
    bernoulli,
    bits,
    categorical,
    choice,
    permutation,
    randint,
    shuffle,
)
from nervure.random.keys import (
    Generator,
    default_generator,
    fold_in,
    key,
    seed,
    seeded,
    split,
)

__all__ = [
    "Generator",
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "default_generator",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "normal",
    "permutation",
    "randint",
    "seed",
    "seeded",
    "shuffle",
    "split",
    "truncated_normal",
    "uniform",
]
