"""The networks that the inspector can show: the one that was given, and its own two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nervure.errors import UnknownNameError, explain
from nervure.studio.inspector.answers import Answers
from nervure.studio.inspector.subject import (
    DEFAULT_NAME,
    DefaultModel,
    GivenModel,
    PretrainedModel,
)

_GIVEN: Final = "given"
_PRETRAINED: Final = "efficientnet_lite0"


class Networks:
    """Hands each question to the network that it is about.

    Parameters
    ----------
    model
        The model that the studio was opened for, or None.
    name
        What to call it.
    cache
        Where the network that reads digits is kept; None for Nervure's own folder.

    >>> Networks(None).listed()[0]
    {'id': 'digits', 'title': 'digits (CNN)'}
    """

    def __init__(self, model: Any, name: str = "", cache: Path | None = None) -> None:
        photos = f"photos ({_PRETRAINED})"
        self._answers = {
            "digits": Answers(DefaultModel(cache), DEFAULT_NAME),
            _PRETRAINED: Answers(PretrainedModel(_PRETRAINED), photos),
        }
        if model is not None:
            given = Answers(GivenModel(model), name or "the model")
            self._answers = {_GIVEN: given, **self._answers}

    def listed(self) -> list[dict[str, str]]:
        """Return the networks to choose from, that of the page's first look first."""
        return [{"id": name, "title": one.name} for name, one in self._answers.items()]

    def answer(self, question: str) -> Callable[[dict[str, Any]], Any]:
        """Return a function that asks the network ``asked["network"]`` a question.

        ``question`` is the name of a method of
        :class:`~nervure.studio.inspector.answers.Answers`.
        """

        def answering(asked: dict[str, Any]) -> Any:
            chosen = asked.get("network", next(iter(self._answers)))
            if not isinstance(chosen, str) or chosen not in self._answers:
                known = ", ".join(self._answers)
                raise UnknownNameError(
                    explain(f"there is no network {chosen!r:.60}", fix=f"take {known}")
                )
            return getattr(self._answers[chosen], question)(asked)

        return answering
