"""Forward mode, made from reverse mode applied twice.

Reverse mode is linear in the cotangents of the outputs.  Differentiating it with
respect to those cotangents therefore gives the transposed linear map: the Jacobian
times a tangent.  The cotangents themselves drop out of the result.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure import dtypes
from nervure.autodiff.reverse import reverse
from nervure.ir.graph import substitute
from nervure.ir.node import Node
from nervure.prims.leaf import full_like, input_leaf


def forward(
    outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]
) -> list[Node]:
    """Return how the outputs change when ``wrt`` change by ``tangents``.

    Outputs that are not floating-point, or do not depend on ``wrt``, change by zero.
    """
    smooth = [node for node in outputs if dtypes.is_float(node.dtype)]
    dummies = [input_leaf(node.shape, node.dtype, "cotangent") for node in smooth]
    backward = reverse(smooth, dummies, wrt)
    pairs = [
        (node, tangent)
        for node, tangent in zip(backward, tangents, strict=True)
        if node is not None
    ]
    changes = reverse(
        [node for node, _ in pairs], [tangent for _, tangent in pairs], dummies
    )
    known = {
        output: change
        for output, change in zip(smooth, changes, strict=True)
        if change is not None
    }
    result = [known.get(output, full_like(output, 0)) for output in outputs]
    # Linearity means no dummy is left that matters; what is left may be anything.
    return substitute(result, {dummy: full_like(dummy, 0) for dummy in dummies})
