"""sin and cos for every angle.

With x = q pi/2 + r, both sin(r) = r + r z S(z) and cos(r) = 1 - z/2 + z^2 C(z),
z = r^2, are computed, and q chooses between them and their signs.  Angles beyond the
limits of :mod:`reduction` are handled lane by lane behind a branch.

Largest errors: 1.6 ulp (``float``), 1.7 ulp (``double``).
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure.exec.cpu.llvm import FunctionBuilder, Value, element_of
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.functions import call_function, extract, insert
from nervure.exec.cpu.mathlib.lanes import FLOAT, Lanes, Words
from nervure.exec.cpu.mathlib.reduction import (
    LIMIT_DOUBLE,
    LIMIT_FLOAT,
    reduced,
    reduced_large,
)

SINE, COSINE = 0, 1


def _wave(r: Lanes, q: Words, sign: Words | None) -> Lanes:
    """Return sin(r + q pi/2), negated where ``sign`` has its highest bit set."""
    form = r.format
    is_float = form is FLOAT
    z = r * r
    sine_tail = z.polynomial(
        coefficients.SINE_FLOAT if is_float else coefficients.SINE_DOUBLE
    )
    cosine_tail = z.polynomial(
        coefficients.COSINE_FLOAT if is_float else coefficients.COSINE_DOUBLE
    )
    sine = (r * z).fused(sine_tail, r)
    cosine = (z * z).fused(cosine_tail, z.fused(-0.5, 1.0))
    size = (q & 1).nonzero().choose(cosine, sine, r)
    flip = (q & 2) << (form.width - 2)
    if sign is not None:
        flip = flip ^ sign
    return (size.as_words() ^ flip).as_lanes()


def _oriented(r: Lanes, q: Words, x: Lanes, function: int) -> Lanes:
    """Return the function of x from r and q, which belong to |x|."""
    if function == COSINE:
        return _wave(r, q + 1, None)
    # sin(-0) = -0: the sum r + ... loses the sign of a zero, so it is put on last
    return _wave(r, q, x.as_words() & (1 << x.format.width - 1))


def _evaluate(b: FunctionBuilder, value: Value, function: int) -> Value:
    x = Lanes(b, value)
    size = abs(x)
    usual = _oriented(*reduced(size), x, function)
    large = size > (LIMIT_FLOAT if x.format is FLOAT else LIMIT_DOUBLE)

    def body(inner: FunctionBuilder, arguments: Sequence[Value]) -> Value:
        return _by_lane(inner, arguments[0], arguments[1], function)

    with b.rarely(large.any(), usual.value) as branch:
        label = ("sin", "cos")[function]
        branch.next = [call_function(b, label, [value, usual.value], body)]
    return branch.results[0]


def _by_lane(b: FunctionBuilder, x: Value, usual: Value, function: int) -> Value:
    """Return ``usual`` with the lanes of large x replaced."""
    element = element_of(x.type)
    lanes = Lanes(b, x).count
    with b.loop(0, lanes, 1, [usual]) as loop:
        one = Lanes(b, extract(b, x, loop.index, element))
        known = Lanes(b, extract(b, loop.carried[0], loop.index, element))
        size = abs(one)
        wide = size.widened() if size.format is FLOAT else size
        r, q = reduced_large(b, wide.at_least(1.0).value)
        # infinity minus itself is NaN, any other number minus itself 0
        angle = Lanes(b, r) + (wide - wide)
        words = Words(b, q)
        if size.format is FLOAT:
            angle, words = angle.narrowed(), words.narrowed()
        found = _oriented(angle, words, one, function)
        is_large = size > (LIMIT_FLOAT if size.format is FLOAT else LIMIT_DOUBLE)
        replaced = is_large.choose(found, known, one)
        loop.next = [insert(b, loop.carried[0], replaced.value, loop.index)]
    return loop.results[0]


def sin(b: FunctionBuilder, x: Value) -> Value:
    """Return the sine of an angle in radians; NaN for infinity."""
    return _evaluate(b, x, SINE)


def cos(b: FunctionBuilder, x: Value) -> Value:
    """Return the cosine of an angle in radians; NaN for infinity."""
    return _evaluate(b, x, COSINE)
