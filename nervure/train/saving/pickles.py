"""Files that would have to be executed to be read: they are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nervure.errors import ArgumentError, explain

# What torch, Lightning and Hugging Face call state dicts, and Python's own.
_ENDINGS: Final = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


def refuse_pickle(path: Path) -> None:
    """Raise :class:`ArgumentError` for a file whose name says that it is a pickle.

    >>> refuse_pickle(Path("model.safetensors"))
    >>> refuse_pickle(Path("model.pt"))
    Traceback (most recent call last):
    nervure.errors.ArgumentError: 'model.pt' is a pickle, as torch writes them; it can \
execute code and is not read
      fix: write it with torch as safetensors: safetensors.torch.save_file(torch.load(\
path, weights_only=True), 'weights.safetensors')
      more: nervure help ArgumentError
    """
    if path.suffix.lower() not in _ENDINGS:
        return
    raise ArgumentError(
        explain(
            f"{str(path)!r} is a pickle, as torch writes them; it can execute code and "
            "is not read",
            fix="write it with torch as safetensors: safetensors.torch.save_file("
            "torch.load(path, weights_only=True), 'weights.safetensors')",
        )
    )
