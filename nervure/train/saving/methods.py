"""The methods of a model that write and read files."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nervure.train.model import Model


class Saving:
    """What a :class:`~nervure.models.Model` can do with files."""

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model to a ``.nv`` file.

        It holds the layers, all numbers (weights, moments, random counters), what
        ``compile`` was given and the optimizer's state, so ``load_model`` goes on
        training with the same bits.  The file is written in one move.

        Parameters
        ----------
        filepath
            Ends in ``.nv``.
        overwrite
            Whether a file of that name may be replaced.

        Raises
        ------
        ArgumentError
            For another ending, for a file that may not be replaced, and for a layer
            that plain data cannot hold, such as one with a function of your own.
        """
        from nervure.train.saving.files import save_model

        save_model(cast("Model", self), filepath, overwrite)

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True
    ) -> None:
        """Write the weights to a ``.weights.nv`` or ``.safetensors`` file.

        In safetensors, which other programs read, they have the names of their paths,
        such as ``dense/kernel``.

        Raises
        ------
        ArgumentError
            As :meth:`save` does.
        NotBuiltError
            When there are no weights yet.
        """
        from nervure.train.saving.files import save_weights

        save_weights(cast("Model", self), filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Set all weights from a file; layers correspond by their order.

        In a ``.safetensors`` file they correspond by the names of their paths.

        Parameters
        ----------
        filepath
            A ``.weights.nv``, ``.nv`` or ``.safetensors`` file, or Keras'
            ``.weights.h5``, ``.h5`` or ``.keras`` (needs ``nervure[keras-files]``).

        Raises
        ------
        FileFormatError
            For a damaged file and for weights of another model; none is changed then.
        NotBuiltError
            When the model has no weights yet.
        """
        from nervure.train.saving.files import load_weights

        load_weights(cast("Model", self), filepath)

    def export(
        self, filepath: str | os.PathLike[str], *, batch_size: int | None = None
    ) -> None:
        """Write the model, as it predicts, in a format of others.

        Parameters
        ----------
        filepath
            Ends in ``.onnx`` (needs ``nervure[onnx]``).
        batch_size
            The number of samples, if it shall be fixed; the file takes any by default.

        Raises
        ------
        ArgumentError
            For another ending.
        ExportError
            For a computation that the format does not have; the layer is named.
        """
        # Formats of others stand in the layer above.
        exporter = importlib.import_module("nervure.exporters.onnx")
        exporter.export_model(self, filepath, batch_size=batch_size)
