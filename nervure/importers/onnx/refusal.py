"""What is said about graphs that are not read."""

from __future__ import annotations

from nervure.errors import NervureError, explain

__all__ = ["UnsupportedError"]


class UnsupportedError(NervureError, NotImplementedError):
    """A graph of ONNX with something that Nervure does not compute, named.

    Attributes
    ----------
    operator
        The operator, such as ``"NonMaxSuppression"``, or "" for the whole file.
    reason
        Why it is refused, in a few words.

    >>> error = UnsupportedError("StringConcat", "Nervure has no strings")
    >>> str(error)
    "the operator 'StringConcat' is not supported: Nervure has no strings"
    """

    operator: str
    reason: str

    def __init__(
        self, operator: str, reason: str, where: str = "", fix: str | None = None
    ) -> None:
        self.operator = operator
        self.reason = reason
        named = f" (node {where!r})" if where else ""
        subject = f"the operator {operator!r}{named}" if operator else "this file"
        super().__init__(explain(f"{subject} is not supported: {reason}", fix=fix))
