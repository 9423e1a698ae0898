"""Tokens as numbers: positions in a vocabulary that is given, or learned from data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Unpack

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import (
    ArgumentError,
    DTypeError,
    FileFormatError,
    explain,
    require_file,
)
from nervure.ir.attrs import NDArray
from nervure.nn.arguments import whole_number
from nervure.nn.first_values import reads_a_file
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.preprocessing.batches import batches_of
from nervure.nn.layers.preprocessing.encoding import dense_only, encoded, known_mode
from nervure.nn.layers.preprocessing.host import (
    HostLayer,
    as_texts,
    each,
    rows_of,
)
from nervure.nn.layers.preprocessing.text_hashes import fingerprint, keyed_hash
from nervure.nn.layers.preprocessing.vocabulary import Rarity, Vocabulary

MODES: Final = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_ALIASES: Final = {"binary": "multi_hot", "tf-idf": "tf_idf"}


class IndexLookup(HostLayer):
    """What lookups of texts and of numbers have in common.

    A subclass says with :meth:`tokens_of` which tokens an input has, and with
    :meth:`unknown_place` which number an unknown one gets.
    """

    token_kind: ClassVar[str]

    def _keep(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
    ) -> None:
        """Store the arguments, and take the vocabulary if there is one."""
        name = type(self).__name__
        if max_tokens is not None:
            max_tokens = whole_number("max_tokens", max_tokens, least=2)
        elif pad_to_max_tokens:
            raise ArgumentError(
                explain(
                    f"{name} can pad to max_tokens only if it is given",
                    fix="pass max_tokens, or leave pad_to_max_tokens out",
                )
            )
        self.max_tokens = max_tokens
        self.num_oov_indices = whole_number("num_oov_indices", num_oov_indices, least=0)
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = bool(invert)
        self.output_mode = known_mode(_ALIASES.get(output_mode, output_mode), MODES)
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self.sparse = dense_only(name, sparse)
        if self.invert and self.output_mode != "int":
            raise ArgumentError(
                explain(
                    f"{name} with invert=True expects the output_mode 'int', got "
                    f"{output_mode!r}",
                    fix="leave output_mode out where numbers are turned into tokens",
                )
            )
        self._table = Vocabulary(
            self.name, mask_token, oov_token,
            self.output_mode == "int", self.num_oov_indices, max_tokens,
        )  # fmt: skip
        self.idf_weights: Any = None
        self._learned = vocabulary is None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        elif idf_weights is not None:
            raise ArgumentError(
                explain(
                    f"{name} takes idf_weights only with a vocabulary",
                    fix="pass the vocabulary that the weights belong to",
                )
            )

    # --- what a subclass defines -----------------------------------------------------

    def tokens_of(self, values: Any) -> NDArray:
        """Return the tokens of an input, as an array."""
        raise NotImplementedError

    def unknown_place(self, token: Any) -> int:
        """Return which of several numbers for unknown tokens one has, from 0."""
        raise NotImplementedError

    # --- the vocabulary --------------------------------------------------------------

    @property
    def vocabulary(self) -> list[Any] | None:
        """The tokens in order, the special ones first; None while there are none."""
        return self._table.listed() if self._table.tokens else None

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their numbers.

        ``include_special_tokens`` says whether the mask token and the one for unknown
        tokens are among them.
        """
        return self._table.listed(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Return how many numbers there are, those of special tokens included."""
        return len(self._table)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take a vocabulary instead of learning one.

        Parameters
        ----------
        vocabulary
            The tokens in order, with or without the special ones in front, or the name
            of a text file with a token in each line.
        idf_weights
            For the output_mode "tf_idf": a weight for each.

        Raises
        ------
        ArgumentError
            For tokens that occur twice or too many, or weights that do not fit.
        FileFormatError
            For a file that is not text in UTF-8, and for a model's file that names
            another one.
        """
        if isinstance(vocabulary, str):
            vocabulary = _words_of(vocabulary)
        given = self.tokens_of(vocabulary).reshape(-1).tolist()
        if (idf_weights is not None) != (self.output_mode == "tf_idf"):
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} expects idf_weights with a vocabulary "
                    "in the "
                    f"output_mode 'tf_idf' only; its mode is {self.output_mode!r}",
                    fix="pass idf_weights together with vocabulary and "
                    "output_mode='tf_idf', or call adapt",
                )
            )
        with_special = self._table.set(given)
        if idf_weights is None:
            return
        weights = np.asarray(idf_weights, np.float32).reshape(-1)
        if weights.size != len(given):
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} got {weights.size} idf_weights for "
                    f"{len(given)} tokens",
                    fix="pass one weight for each token of the vocabulary",
                )
            )
        self._keep_weights(weights, with_special)

    def _keep_weights(self, weights: NDArray, with_special: bool) -> None:
        """Store the weights of all numbers; unknown tokens have the mean."""
        if not with_special:
            front = np.full(self._table.start, weights.mean(), np.float32)
            weights = np.concatenate([front, weights])
        self.idf_weights = weights

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary: the tokens of data, those that occur most first.

        Parameters
        ----------
        data
            An array or lists, or an iterable of batches of them.
        steps
            Use this many batches only.

        Raises
        ------
        ArgumentError
            For a layer that was given a vocabulary, or no data.
        """
        if not self._learned:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} was made with a vocabulary, so there is "
                    "nothing to adapt",
                    fix="leave the vocabulary out to learn one from data",
                )
            )
        counts: Counter[Any] = Counter()
        rarity = Rarity()
        for place, batch in enumerate(batches_of(data, self.name)):
            if steps is not None and place >= steps:
                break
            rows = self._documents(batch)
            for row in rows:
                counts.update(row)
            rarity.add(rows)
        self._table.learn(counts)
        if self.output_mode == "tf_idf" and self._table.tokens:
            weights = np.asarray(rarity.weights(self._table.tokens), np.float32)
            self._keep_weights(weights, with_special=False)

    def _documents(self, batch: Any) -> list[list[Any]]:
        """Return the tokens of each document of a batch; one text is a document."""
        return rows_of(self.tokens_of(batch))

    def _depth(self) -> int:
        """Return the length of the vectors."""
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        return len(self._table)

    # --- computing -------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """Return the numbers of tokens, or vectors, or the tokens of numbers."""
        if self.invert:
            return self._inverted(np.asarray(inputs))
        # The number of filling in vectors is out of range, so that it is left out.
        filling = 0 if self.output_mode == "int" else -1
        numbers = self._table.numbers(
            self.tokens_of(inputs), self._unknown_number, filling
        )
        return self.encode(numbers)

    def _unknown_number(self, token: Any) -> int:
        return self.unknown_place(token) if self.num_oov_indices > 1 else 0

    def encode(self, numbers: NDArray) -> Array:
        """Return numbers as the output_mode says."""
        indices = ops.asarray(numbers)
        if self.output_mode == "int":
            return indices
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        vectors = encoded(indices, mode, self._depth(), dtypes.DEFAULT_FLOAT)
        if self.output_mode != "tf_idf":
            return vectors
        if self.idf_weights is None:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} has no idf_weights yet; call adapt(data) "
                    "first",
                    fix="adapt it to the training texts before the model is trained",
                )
            )
        missing = self._depth() - len(self.idf_weights)
        return vectors * np.pad(self.idf_weights, (0, max(0, missing)))

    def _inverted(self, numbers: NDArray) -> NDArray:
        """Return the tokens that numbers stand for."""
        if numbers.dtype.kind not in "iu":
            raise DTypeError(
                explain(
                    f"the layer {self.name!r} looks up whole numbers, got "
                    f"{numbers.dtype}",
                    fix="convert the data with .astype('int64'), or use StringLookup",
                )
            )
        listed = dict(enumerate(self._table.listed()))
        return each(numbers, lambda number: listed.get(int(number), self.oov_token))


class StringLookup(IndexLookup):
    """Texts as numbers: their positions in a vocabulary.

    The layer works on data, before they are given to a model: NumPy arrays of texts or
    lists of them become ``int64`` arrays of the same shape, or vectors.

    Parameters
    ----------
    max_tokens
        The largest size of the vocabulary, special tokens included; None: no limit.
    num_oov_indices
        How many numbers texts have that are not in the vocabulary: with 1 all have the
        same, with more a hash decides, with 0 they are refused.
    mask_token
        A text that stands for filling and has the number 0 (in vectors: none).
    oov_token
        What stands for unknown texts in the vocabulary, and is returned for unknown
        numbers if ``invert``.
    vocabulary
        The texts in order, or the name of a file with a text in each line; None lets
        :meth:`adapt` learn them.
    idf_weights
        For the output_mode "tf_idf": a weight for each text of the vocabulary.
    invert
        Whether numbers are turned into texts instead.
    output_mode
        "int"; "one_hot", "multi_hot" and "count" as for :class:`CategoryEncoding`;
        "tf_idf" is "count" times the weights.
    pad_to_max_tokens
        Whether vectors have ``max_tokens`` places, however many texts there are.
    sparse
        Only False: vectors are dense.
    salt
        A whole number or two, for another hash of unknown texts.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.StringLookup()
    >>> layer.adapt(["red", "blue", "red"])
    >>> layer.get_vocabulary(), layer([["red", "green"]]).tolist()
    (['[UNK]', 'red', 'blue'], [[1, 0]])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        salt: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.salt = salt_pair(salt)
        self._keep(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary,
            idf_weights, invert, output_mode, pad_to_max_tokens, sparse,
        )  # fmt: skip

    def tokens_of(self, values: Any) -> NDArray:
        """Return texts as an array."""
        return as_texts(values, self.name)

    def unknown_place(self, token: Any) -> int:
        """Return the hash of a text, in the range of the numbers for unknown ones."""
        return bucket(token, self.num_oov_indices, self.salt)


class IntegerLookup(IndexLookup):
    """Whole numbers as positions in a vocabulary of them.

    The layer works on data, before they are given to a model: arrays of whole numbers
    become ``int64`` arrays of the same shape, or vectors.

    Parameters
    ----------
    max_tokens, num_oov_indices, vocabulary, idf_weights, invert, output_mode, sparse
        See :class:`StringLookup`.  With several numbers for unknown ones the remainder
        of a division decides.
    mask_token
        A number that stands for filling and has the position 0 (in vectors: none).
    oov_token
        What stands for unknown numbers in the vocabulary.
    vocabulary_dtype
        Kept for Keras's signature: "int64" or "int32".
    pad_to_max_tokens
        Whether vectors have ``max_tokens`` places.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For another type of the vocabulary.

    >>> import nervure as nv
    >>> layer = nv.layers.IntegerLookup(vocabulary=[12, 36])
    >>> layer([[36, 7]]).tolist()
    [[2, 0]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if vocabulary_dtype not in ("int64", "int32"):
            raise ArgumentError(
                explain(
                    "expected the vocabulary_dtype 'int64' or 'int32', got "
                    f"{vocabulary_dtype!r}",
                    fix="leave vocabulary_dtype out",
                )
            )
        self.vocabulary_dtype = vocabulary_dtype
        self._keep(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary,
            idf_weights, invert, output_mode, pad_to_max_tokens, sparse,
        )  # fmt: skip

    def tokens_of(self, values: Any) -> NDArray:
        """Return whole numbers as an array.

        Raises
        ------
        DTypeError
            For what holds no whole numbers.
        """
        given = np.asarray(values)
        if given.dtype.kind not in "iub" and given.size:
            raise DTypeError(
                explain(
                    f"the layer {self.name!r} expected whole numbers, got "
                    f"{given.dtype}",
                    fix="convert the data with .astype('int64'), or use StringLookup",
                )
            )
        return given.astype(np.int64)

    def unknown_place(self, token: Any) -> int:
        """Return the remainder, in the range of the positions for unknown numbers."""
        return int(token) % self.num_oov_indices


def salt_pair(salt: Any) -> list[int] | None:
    """Return the key of a hash: two numbers, or None for the hash without one."""
    if salt is None:
        return None
    pair = [salt, salt] if isinstance(salt, int) else list(salt)
    if len(pair) != 2 or not all(isinstance(one, int) for one in pair):
        raise ArgumentError(
            explain(
                f"expected salt to be a whole number or two, got {salt!r}",
                fix="write salt=7, or leave it out",
            )
        )
    return pair


def bucket(text: str, count: int, salt: Sequence[int] | None) -> int:
    """Return the hash of a text, from 0 to below ``count``."""
    data = text.encode()
    if salt is None:
        return fingerprint(data) % count
    return keyed_hash(data, (salt[0], salt[1])) % count


def _words_of(path: str) -> list[str]:
    """Return the lines of a text file."""
    if reads_a_file():
        raise FileFormatError(
            explain(
                f"the model's file names another one, {path!r}, for its vocabulary; a "
                "file may not choose what else is opened",
                fix="save the model with its vocabulary, or make the layer in Python",
            )
        )
    require_file(Path(path))
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except UnicodeDecodeError as error:
        raise FileFormatError(
            explain(
                f"the vocabulary {path!r} is no text in UTF-8: {error}",
                fix="write one word a line, in UTF-8",
            )
        ) from None
