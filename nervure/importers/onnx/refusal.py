"""What is said about graphs that are not read."""

from __future__ import annotations

from nervure.errors import NervureError, explain

__all__ = ["UnsupportedError"]

_FIX = "write the file with plainer operators, or in another version of ONNX"


class UnsupportedError(NervureError, NotImplementedError):
    """A graph of ONNX with something that Nervure does not compute, named.

    Attributes
    ----------
    operator
        The operator, such as ``"NonMaxSuppression"``, or "" for the whole file.
    reason
        Why it is refused, in a few words.

    >>> error = UnsupportedError("StringConcat", "Nervure has no strings")
    >>> print(error)
    the operator 'StringConcat' is not supported: Nervure has no strings
      fix: write the file with plainer operators, or in another version of ONNX
      more: nervure help UnsupportedError
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
        fix = (
            fix
            or "write the file with plainer operators, or in another version of ONNX"
        )
        super().__init__(explain(f"{subject} is not supported: {reason}", fix=fix))
