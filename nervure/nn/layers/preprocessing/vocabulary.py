"""Vocabularies: which number stands for which token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray


class Vocabulary:
    """The tokens of a lookup layer, numbered from 0.

    First come the mask token, if there is one and it has a number, then
    ``unknown_places`` numbers for tokens that are not known, then the tokens.

    Parameters
    ----------
    name
        The layer's name, for messages.
    mask_token, unknown_token
        What stands for filling and for unknown tokens; None for nothing.
    masked
        Whether the mask token has a number: 0.
    unknown_places
        How many numbers unknown tokens have.
    limit
        The largest size, these included; None for no limit.
    """

    def __init__(
        self,
        name: str,
        mask_token: Any,
        unknown_token: Any,
        masked: bool,
        unknown_places: int,
        limit: int | None,
    ) -> None:
        self.name = name
        self.mask_token = mask_token
        self.unknown_token = unknown_token
        self.unknown_start = int(masked and mask_token is not None)
        self.unknown_places = unknown_places
        self.limit = limit
        self.tokens: list[Any] = []
        self.places: dict[Any, int] = {}

    @property
    def start(self) -> int:
        """The number of the first token."""
        return self.unknown_start + self.unknown_places

    @property
    def special(self) -> list[Any]:
        """What stands before the tokens."""
        masks = [self.mask_token] * self.unknown_start
        return masks + [self.unknown_token] * self.unknown_places

    def __len__(self) -> int:
        return self.start + len(self.tokens)

    def listed(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their numbers."""
        return [*(self.special if include_special_tokens else []), *self.tokens]

    def set(self, given: Iterable[Any]) -> bool:
        """Take tokens in order; tells whether the special ones were in front of them.

        Raises :class:`~nervure.errors.ArgumentError` for tokens that occur twice, for
        special ones at other places, for none, or for too many.
        """
        tokens = list(given)
        if not tokens:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} needs a vocabulary, got none",
                    fix="pass at least one token, or call adapt(data)",
                )
            )
        with_special = tokens[: self.start] == self.special
        tokens = tokens[self.start :] if with_special else tokens
        twice = [token for token, count in Counter(tokens).items() if count > 1]
        if twice:
            raise self._refusal(
                f"has {twice[0]!r} more than once", "name each token once"
            )
        if self.mask_token is not None and self.mask_token in tokens:
            raise self._refusal(
                f"has the mask token {self.mask_token!r} among others",
                f"leave it out, or begin with {self.special}",
            )
        if self.limit is not None and self.start + len(tokens) > self.limit:
            raise self._refusal(
                f"has {self.start + len(tokens)} tokens with the special ones, at most "
                f"{self.limit} were allowed by max_tokens",
                "make max_tokens larger, or leave it out",
            )
        self._keep(tokens)
        return with_special

    def _refusal(self, problem: str, fix: str) -> ArgumentError:
        headline = f"the vocabulary of the layer {self.name!r} {problem}"
        return ArgumentError(explain(headline, fix=fix))

    def _keep(self, tokens: Sequence[Any]) -> None:
        self.tokens = list(tokens)
        self.places = {token: self.start + n for n, token in enumerate(tokens)}

    def learn(self, counts: Counter[Any]) -> None:
        """Take the tokens that occur most; of equal ones the last in their order."""
        special = (self.mask_token, self.unknown_token)
        found = [token for token in counts if token not in special]
        found.sort(key=_sorting_key, reverse=True)
        found.sort(key=lambda token: counts[token], reverse=True)
        if self.limit is not None:
            found = found[: max(0, self.limit - self.start)]
        self._keep(found)

    def numbers(
        self, values: NDArray, unknown: Callable[[Any], int], filling: int
    ) -> NDArray:
        """Return ``int64`` numbers of tokens.

        ``unknown`` tells which of the numbers for unknown tokens one has, ``filling``
        is the number of the mask token.

        Raises :class:`~nervure.errors.ArgumentError` for an unknown token when there
        is no number for it.
        """
        result = np.empty(values.shape, np.int64)
        flat = result.reshape(-1)
        for place, value in enumerate(values.reshape(-1)):
            number = self.places.get(value)
            if self.mask_token is not None and value == self.mask_token:
                number = filling
            elif number is None:
                if not self.unknown_places:
                    raise ArgumentError(
                        explain(
                            f"the layer {self.name!r} does not know {value!r}",
                            fix="give it num_oov_indices=1, or a larger vocabulary",
                        )
                    )
                number = self.unknown_start + unknown(value)
            flat[place] = number
        return result


def _sorting_key(token: Any) -> Any:
    # As bytes, which is how TensorFlow compares texts.
    return token.encode() if isinstance(token, str) else token


class Rarity:
    """How much rare tokens count for more: the weights of tf-idf."""

    def __init__(self) -> None:
        self.documents = 0
        self.counts: Counter[Any] = Counter()

    def add(self, rows: Iterable[Iterable[Any]]) -> None:
        """Count the documents that tokens occur in."""
        for row in rows:
            self.documents += 1
            self.counts.update(set(row))

    def weights(self, tokens: Sequence[Any]) -> list[float]:
        """Return ``log(1 + documents / (1 + documents with the token))``."""
        return [
            math.log(1 + self.documents / (1 + self.counts[token])) for token in tokens
        ]
