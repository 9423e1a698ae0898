"""The primitives: about seventy operations, everything else is made of them.

Each file holds one group; each primitive is one record with all its rules.  Importing
this package registers them.
"""

from nervure.prims import (
    annotate,
    binary,
    contract,
    control,
    convolution,
    indexed,
    leaf,
    movement,
    order,
    reduce,
    scan,
    select,
    slicing,
    unary,
    while_loop,
    window,
)

__all__ = [
    "annotate",
    "binary",
    "contract",
    "control",
    "convolution",
    "indexed",
    "leaf",
    "movement",
    "order",
    "reduce",
    "scan",
    "select",
    "slicing",
    "unary",
    "while_loop",
    "window",
]
