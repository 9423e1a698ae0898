"""TensorFlow 1's errors, which are errors of Nervure as well.

``except tf.errors.FailedPreconditionError`` works as in TensorFlow, and so does
``except nervure.errors.NervureError``.
"""

from __future__ import annotations

from nervure.errors import NervureError


class OpError(NervureError):
    """Base class of what may go wrong while a session runs.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.errors.InvalidArgumentError, tf.errors.OpError)
    True
    """

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self)


class InvalidArgumentError(OpError, ValueError):
    """A value that an operation cannot work with, or a placeholder without one.

    >>> import nervure.tf1 as tf
    >>> x = tf.placeholder(tf.float32, [2])
    >>> tf.Session().run(2 * x)
    Traceback (most recent call last):
        ...
    nervure.tf1.errors.InvalidArgumentError: ...
    """


class FailedPreconditionError(OpError, RuntimeError):
    """A variable is read before it has a value.

    >>> import nervure.tf1 as tf
    >>> w = tf.Variable([1.0, 2.0])
    >>> tf.Session().run(w)
    Traceback (most recent call last):
        ...
    nervure.tf1.errors.FailedPreconditionError: ...
    """


class NotFoundError(OpError, FileNotFoundError):
    """A checkpoint, or a variable in one, that is not there.

    >>> import nervure.tf1 as tf
    >>> w = tf.Variable([1.0, 2.0])
    >>> tf.train.Saver().restore(tf.Session(), "absent")
    Traceback (most recent call last):
        ...
    nervure.tf1.errors.NotFoundError: ...
    """


class OutOfRangeError(OpError, IndexError):
    """Data that have come to their end.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.errors.OutOfRangeError, IndexError)
    True
    """


class DataLossError(OpError, ValueError):
    """A checkpoint that is damaged.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.errors.DataLossError, ValueError)
    True
    """


class UnimplementedError(OpError, NotImplementedError):
    """Something that TensorFlow 1 has and this does not.

    >>> import nervure.tf1 as tf
    >>> issubclass(tf.errors.UnimplementedError, NotImplementedError)
    True
    """
