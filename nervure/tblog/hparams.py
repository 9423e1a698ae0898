"""Hyperparameters of a run, as TensorBoard's plugin ``hparams`` reads them.

Source: tensorboard/plugins/hparams/plugin_data.proto and api.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nervure.errors import ArgumentError, explain
from nervure.tblog import summaries, wire

HyperParameter = bool | int | float | str
_STRING, _BOOL, _FLOAT = 1, 2, 3


def hparams(
    parameters: Mapping[str, HyperParameter],
    metrics: Iterable[str] = (),
    started: float = 0.0,
    group: str = "",
) -> list[bytes]:
    """Return the values of a summary that declare the parameters of a run.

    Parameters
    ----------
    parameters
        Numbers, text and truth values by name.
    metrics
        Tags of scalars to show beside them.
    started
        Seconds since 1970.
    group
        The name of the run's group.

    Raises
    ------
    ArgumentError
        For a value of another type.
    """
    infos = b"".join(
        wire.bytes_field(4, wire.text_field(1, name) + wire.int_field(4, _kind(value)))
        for name, value in parameters.items()
    )
    wanted = b"".join(
        wire.bytes_field(5, wire.bytes_field(1, wire.text_field(2, tag)))
        for tag in metrics
    )
    experiment = wire.bytes_field(2, wire.double_field(3, started) + infos + wanted)
    start = b"".join(
        wire.bytes_field(
            1, wire.text_field(1, name) + wire.bytes_field(2, _struct_value(value))
        )
        for name, value in parameters.items()
    )
    start += wire.text_field(4, group) + wire.double_field(5, started)
    return [
        summaries.marked("_hparams_/experiment", "hparams", experiment),
        summaries.marked(
            "_hparams_/session_start_info", "hparams", wire.bytes_field(3, start)
        ),
    ]


def _kind(value: HyperParameter) -> int:
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int | float):
        return _FLOAT
    if isinstance(value, str):
        return _STRING
    raise ArgumentError(
        explain(
            f"a hyperparameter is a number, text or a truth value, got {value!r}",
            fix="convert it, for example with str() or float()",
        )
    )


def _struct_value(value: HyperParameter) -> bytes:
    """Return the message ``google.protobuf.Value``."""
    kind = _kind(value)
    if kind == _BOOL:
        return wire.int_field(4, bool(value))
    if kind == _FLOAT:
        return wire.double_field(2, float(value))
    return wire.text_field(3, str(value))
