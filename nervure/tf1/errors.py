"""TensorFlow 1's errors, which are errors of Nervure as well.

``except tf.errors.FailedPreconditionError`` works as in TensorFlow, and so does
``except nervure.errors.NervureError``.
"""

from __future__ import annotations

from nervure.errors import NervureError


class OpError(NervureError):
    """Base class of what may go wrong while a session runs."""

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self)


class InvalidArgumentError(OpError, ValueError):
    """A value that an operation cannot work with, or a placeholder without one."""


class FailedPreconditionError(OpError, RuntimeError):
    """A variable is read before it has a value."""


class NotFoundError(OpError, FileNotFoundError):
    """A checkpoint, or a variable in one, that is not there."""


class OutOfRangeError(OpError, IndexError):
    """Data that have come to their end."""


class DataLossError(OpError, ValueError):
    """A checkpoint that is damaged."""


class UnimplementedError(OpError, NotImplementedError):
    """Something that TensorFlow 1 has and this does not."""
