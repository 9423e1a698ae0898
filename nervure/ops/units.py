"""Units of measurement that are powers of two, so that squares do not overflow.

Numbers divided by such a unit keep all their digits, and so does a result that is
multiplied by it: nothing changes but the exponents.
"""

from __future__ import annotations

import numpy as np

from nervure import dtypes
from nervure.ir.node import Node
from nervure.prims import binary, unary
from nervure.prims.annotate import stop_gradient
from nervure.prims.leaf import full_like
from nervure.prims.select import bitcast, select


def power_of_two(size: Node) -> Node:
    """Return the largest power of two that is not above each size, without derivative.

    It is never below the smallest normal number, and 1 for infinities and NaN.  Sizes
    are ``float32`` or ``float64`` and not negative.
    """
    wide = size.dtype == dtypes.float64
    digits, exponents = (52, 0x7FF) if wide else (23, 0xFF)
    integer = dtypes.int64 if wide else dtypes.int32
    bits = bitcast(size, integer)
    unit = bitcast(binary.and_(bits, full_like(bits, exponents << digits)), size.dtype)
    least = full_like(size, float(np.finfo(size.dtype).tiny))
    unit = select(binary.lt(unit, least), least, unit)
    return stop_gradient(select(unary.is_finite(size), unit, full_like(size, 1)))
