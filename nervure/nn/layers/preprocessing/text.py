"""Texts as sequences of numbers or as vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Unpack

import numpy as np

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.nn.arguments import whole_number
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.preprocessing.host import TEXT, as_texts, rows_of
from nervure.nn.layers.preprocessing.lookup import IndexLookup

_PUNCTUATION: Final = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")
_SPACE: Final = re.compile(r"[ \t\n\v\f\r]+")
# Only these letters, as in Keras; others stay as they are.
_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_STANDARDS: Final[dict[str, Callable[[str], str]]] = {
    "lower_and_strip_punctuation": lambda text: _PUNCTUATION.sub(
        "", text.translate(_LOWER)
    ),
    "lower": lambda text: text.translate(_LOWER),
    "strip_punctuation": lambda text: _PUNCTUATION.sub("", text),
}
_SPLITS: Final[dict[str, Callable[[str], list[str]]]] = {
    "whitespace": lambda text: [part for part in _SPACE.split(text) if part],
    "character": list,
}


class TextVectorization(IndexLookup):
    """Texts as rows of numbers: the positions of their words in a vocabulary.

    The layer works on data, before they are given to a model.  A text is made plain,
    split into words, and each word looked up.  ``[batch]`` or ``[batch, 1]`` texts
    become ``int64[batch, words]``, filled up with 0, or vectors ``[batch, size]``.

    Parameters
    ----------
    max_tokens
        The largest size of the vocabulary, special tokens included; None: no limit.
    standardize
        How texts are made plain: "lower_and_strip_punctuation", "lower",
        "strip_punctuation", None for not at all, or a function of a text.  Only the
        letters A to Z become small ones.
    split
        How they are split: "whitespace", "character", None for not at all, or a
        function of a text that returns a list.
    ngrams
        Up to how many neighbouring words are taken together as further ones, or a
        sequence of such numbers.
    output_mode
        "int"; "multi_hot", "count" or "tf_idf" for vectors.
    output_sequence_length
        The length of the rows in the mode "int"; that of the longest by default.
    pad_to_max_tokens
        Whether vectors have ``max_tokens`` places, however many words there are.
    vocabulary
        The words in order, or the name of a file with one in each line; None lets
        :meth:`adapt` learn them.
    idf_weights
        For the output_mode "tf_idf": a weight for each word of the vocabulary.
    sparse
        Only False: vectors are dense.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For a mode of output that is not known, or arguments that it does not use.

    >>> import nervure as nv
    >>> layer = nv.layers.TextVectorization()
    >>> layer.adapt(["The cat sat.", "The dog!"])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'dog', 'cat']
    >>> layer(["the dog sat", "a cat"]).tolist()
    [[2, 4, 3], [1, 5, 0]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if output_mode == "one_hot":
            raise ArgumentError(
                explain(
                    "TextVectorization expects the output_mode 'int', 'multi_hot', "
                    "'count' "
                    "or 'tf_idf', got 'one_hot'",
                    fix="use 'multi_hot' for which tokens occur, 'count' for how often",
                )
            )
        self.standardize = standardize
        self._plain = _chosen("standardize", standardize, _STANDARDS)
        self.split = split
        self._parts = _chosen("split", split, _SPLITS)
        self.ngrams = ngrams
        self._widths = _widths(ngrams)
        if output_sequence_length is not None:
            output_sequence_length = whole_number(
                "output_sequence_length", output_sequence_length, least=1
            )
            if output_mode != "int":
                raise ArgumentError(
                    explain(
                        "TextVectorization takes an output_sequence_length in the "
                        f"output_mode 'int' only, not in {output_mode!r}",
                        fix="leave output_sequence_length out: the other modes have "
                        "one place for each token",
                    )
                )
        self.output_sequence_length = output_sequence_length
        self._keep(
            max_tokens, 1, "", "[UNK]", vocabulary, idf_weights, False, output_mode,
            pad_to_max_tokens, sparse,
        )  # fmt: skip

    def tokens_of(self, values: Any) -> NDArray:
        """Return the words of a vocabulary as an array."""
        return as_texts(values, self.name)

    def words_of(self, inputs: Any) -> list[list[str]]:
        """Return the words of each text, and groups of them.

        Raises
        ------
        ShapeError
            For texts in more than one column.
        """
        texts = as_texts(inputs, self.name)
        if texts.ndim == 2 and texts.shape[1] == 1:
            texts = texts[:, 0]
        if texts.ndim > 1 and self._parts is not None:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} splits texts of shape [batch] or "
                    f"[batch, 1], got shape {list(texts.shape)}",
                    fix="join the texts of a row, or pass split=None for words",
                )
            )
        return [self._grouped(row) for row in rows_of(texts)]

    def _grouped(self, texts: Iterable[str]) -> list[str]:
        words: list[str] = []
        for text in texts:
            plain = text if self._plain is None else self._plain(text)
            words += [plain] if self._parts is None else list(self._parts(plain))
        if self._widths is None:
            return words
        return [
            " ".join(words[start : start + width])
            for width in self._widths
            for start in range(len(words) - width + 1)
        ]

    def _documents(self, batch: Any) -> list[list[Any]]:
        return self.words_of(batch)

    def call(self, inputs: Any) -> Array:
        """Return the numbers of the words, or vectors."""
        rows = self.words_of(inputs)
        width = self.output_sequence_length
        longest = max((len(row) for row in rows), default=0)
        length = longest if width is None else width
        filled = [[*row[:length], *[""] * (length - len(row))] for row in rows]
        words = np.empty((len(rows), length), TEXT)
        for place, row in enumerate(filled):
            words[place] = row
        numbers = self._table.numbers(
            words, self._unknown_number, 0 if self.output_mode == "int" else -1
        )
        if np.ndim(inputs) == 0:
            numbers = numbers[0]
        elif self._parts is None and np.ndim(inputs) == 1 and self.output_mode == "int":
            numbers = numbers[:, 0]  # a text stays one, as long as it is not split
        return self.encode(numbers)


def _chosen(kind: str, given: Any, known: dict[str, Callable[[str], Any]]) -> Any:
    """Return a function of a text by its name, or one of the user's."""
    if given is None or callable(given):
        return given
    if given not in known:
        raise unknown_name(kind, given, list(known))
    return known[given]


def _widths(ngrams: Any) -> tuple[int, ...] | None:
    """Return how many words are taken together."""
    if ngrams is None:
        return None
    if isinstance(ngrams, list | tuple):
        return tuple(whole_number("each of ngrams", one, least=1) for one in ngrams)
    return tuple(range(1, whole_number("ngrams", ngrams, least=1) + 1))
