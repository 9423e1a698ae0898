"""Elementary functions of vectors, as LLVM instructions; no C library is called.

Each function appends to a :class:`FunctionBuilder` what computes it for a value of
type ``float`` or ``double`` with any number of lanes, and returns the result.  Special
cases (zeros and their signs, infinities, NaN) are as in NumPy; denormal numbers are
numbers like others, as arguments and as results.

A result depends only on its argument and on whether the target has FMA
(``FunctionBuilder.fma``): neither on the number of lanes nor on AVX-512, whose own
instructions (``FunctionBuilder.avx512``) only shorten the way.

The largest errors, in units in the last place (those below the normal numbers are the
denormals' own), as ``tests/exec/cpu/test_mathlib.py`` bounds them; of one operand, for
``float``, over all 2^32 arguments:

============== ========= ==========
function       ``float`` ``double``
============== ========= ==========
exp            1.3       1.2
expm1          1.3       1.4
log            1.1       1.1
log1p          1.3       1.1
sin, cos       1.6       1.7
tanh           2.7       1.5
sigmoid        2.5       1.5
erf            1.4       1.4
pow            0.53      1.6
atan2          1.8       1.7
sqrt           0.5       0.5
rem            exact     exact
floor, round   exact     exact
============== ========= ==========
"""

from nervure.exec.cpu.mathlib.arctangent import atan2
from nervure.exec.cpu.mathlib.error_function import erf
from nervure.exec.cpu.mathlib.exponential import exp, expm1, sigmoid, tanh
from nervure.exec.cpu.mathlib.logarithm import log, log1p
from nervure.exec.cpu.mathlib.power import pow
from nervure.exec.cpu.mathlib.remainder import rem
from nervure.exec.cpu.mathlib.rounding import (
    floor,
    round,
    sqrt,
)
from nervure.exec.cpu.mathlib.trigonometric import cos, sin

__all__ = [
    "atan2",
    "cos",
    "erf",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "pow",
    "rem",
    "round",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
]
