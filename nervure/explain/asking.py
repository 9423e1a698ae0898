"""The one question: why."""

from __future__ import annotations

import sys
from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.explain.answer import Answer
from nervure.explain.errors import why_error
from nervure.explain.runs import why_run
from nervure.train.history import History
from nervure.train.model import Model


def why(subject: Any = None, /) -> Answer:
    """Explain an error, or what a training did.

    Parameters
    ----------
    subject
        An exception; what ``fit`` returned, or a model that was trained.  Without it,
        the last exception that nobody caught (in an interactive session).

    Returns
    -------
    An answer that prints as text.  For an exception: what it says, your line, the
    layers through which the call went and what each was given, how to mend it.  For a
    training: NaN and where it came from, recompilations, waiting for data, why it
    ended early, overfitting.

    Raises
    ------
    ArgumentError
        For anything else, and for a model that was not trained.

    >>> import nervure as nv
    >>> try:
    ...     nv.ones((2, 3)) @ nv.ones((4, 5))
    ... except ValueError as error:
    ...     answer = nv.why(error)
    >>> answer.headline
    'ShapeError: matmul: axes (1,) of x1 and (0,) of x2 are summed over and must have equal sizes, got 3 and 4'
    >>> answer.about("mend it").text
    'transpose one operand, or check which features it was made for'
    """  # noqa: E501 - the message is one line
    if subject is None:
        subject = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if isinstance(subject, Model):
        subject = subject.history
    if isinstance(subject, BaseException):
        return why_error(subject)
    if isinstance(subject, History):
        return why_run(subject)
    what = "nothing" if subject is None else type(subject).__name__
    raise ArgumentError(
        explain(
            f"why: expected an exception, a history or a trained model, got {what}",
            fix="pass the exception that was caught, or what model.fit returned",
        )
    )
