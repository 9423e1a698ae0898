"""What an explanation consists of."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was found: what it is about, what happened, how to mend it."""

    topic: str
    text: str
    fix: str = ""


class Answer:
    """What :func:`nervure.why` returns: prints as text, also in notebooks.

    Attributes
    ----------
    headline
        The answer in one sentence.
    findings
        What it rests on, each with a ``topic``, a ``text`` and perhaps a ``fix``.

    >>> import nervure as nv
    >>> answer = nv.why(nv.errors.ShapeError("expected 3 rows, got 4"))
    >>> answer.headline
    'ShapeError: expected 3 rows, got 4'
    """

    def __init__(self, headline: str, findings: Sequence[Finding]) -> None:
        self.headline = headline
        self.findings = tuple(findings)

    def about(self, topic: str) -> Finding | None:
        """Return the finding of a topic, or None."""
        return next((one for one in self.findings if one.topic == topic), None)

    def __str__(self) -> str:
        width = max((len(one.topic) for one in self.findings), default=0)
        indent = "\n" + " " * (width + 4)
        lines = [self.headline]
        for one in self.findings:
            text = one.text.replace("\n", indent)
            lines.append(f"  {one.topic:<{width}}  {text}")
            if one.fix:
                lines.append(f"  {'':<{width}}  fix: " + one.fix.replace("\n", indent))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = ""
        for one in self.findings:
            fix = f"<br><b>fix</b>: {html.escape(one.fix)}" if one.fix else ""
            text = html.escape(one.text).replace("\n", "<br>")
            rows += f"<tr><th>{html.escape(one.topic)}</th><td>{text}{fix}</td></tr>"
        return f"<p>{html.escape(self.headline)}</p><table>{rows}</table>"
