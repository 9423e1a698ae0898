"""How training is spread over devices: copies of the model, or the model cut apart."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from nervure.device_names import platform_of
from nervure.distribute.processes import initialize
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.exec.base import using_mesh

Axes = Sequence[str | None]


class Strategy:
    """What is spread over which devices; used in a ``with`` block.

    Attributes
    ----------
    devices
        The names of the devices as JAX writes them, of all processes.
    replicas
        Into how many parts every batch is cut.

    Raises
    ------
    ArgumentError
        For a number of devices that cannot be divided into such groups.

    The classes derived from it are what is made:

    >>> from nervure.distribute import DataParallel
    >>> issubclass(DataParallel, Strategy)
    True
    """

    def __init__(
        self,
        devices: int | Sequence[str] | None,
        model: int,
        layout: Mapping[str, Axes],
        synchronize: bool = True,
    ) -> None:
        initialize()
        from nervure.exec.xla.mesh import MeshPlacement

        chosen = _chosen(devices)
        if model < 1 or len(chosen) % model:
            raise ArgumentError(
                explain(
                    f"{len(chosen)} devices cannot be divided into groups of {model}",
                    fix="let the number of devices be a multiple of model",
                )
            )
        self._placement = MeshPlacement(chosen, model, layout, synchronize)
        self._entered: list[contextlib.AbstractContextManager[None]] = []
        self.devices = [str(one) for one in chosen]
        self.replicas = self._placement.replicas

    def __enter__(self) -> Self:
        """Let everything inside be computed on all devices."""
        scope = using_mesh(self._placement)
        scope.__enter__()
        self._entered.append(scope)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Compute where it was computed before."""
        self._entered.pop().__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {len(self.devices)} devices>"


class DataParallel(Strategy):
    """Every device has the whole model and a part of the rows of each batch.

    The batch size is that of all devices together, and the result that of one device:
    gradients, losses, metrics and the moments of batch normalization are those of the
    whole batch.  A batch that cannot be dealt out evenly is computed whole on every
    device.

    Parameters
    ----------
    devices
        How many devices to use, or their names (those of this process:
        :func:`nervure.devices`).  None takes all devices of the best kind, of all
        processes.
    synchronize_batch_norm
        Whether batch normalization takes the moments of the whole batch.  If not, each
        device takes those of its own rows, which spares a reduction for each layer and
        is another training than that of one device; the moving moments follow the mean
        over the devices.  Layers with ``synchronized=True`` take the whole batch.

    Raises
    ------
    ArgumentError
        For more devices than there are.
    UnknownNameError
        For a device that is not here.
    MachineError
        Where JAX is missing, or the other processes do not come.

    >>> import nervure as nv
    >>> with nv.distribute.DataParallel(devices=1) as strategy:
    ...     strategy.replicas
    1
    """

    def __init__(
        self,
        devices: int | Sequence[str] | None = None,
        synchronize_batch_norm: bool = True,
    ) -> None:
        super().__init__(devices, 1, {}, bool(synchronize_batch_norm))


class ModelParallel(Strategy):
    """Large variables are cut apart, each device has a part of them.

    Parameters
    ----------
    layout
        For regular expressions, searched for in the names of variables
        (``variable.path``, and the optimizer's slots of the same shape), the axes of
        the mesh for each axis of the variable: ``"model"``, ``"batch"`` or None.  The
        first expression that fits counts; variables without one are whole everywhere.
    model
        How many devices share one copy of the variables; all of them by default.
        Where there are more devices, the rows of a batch are cut as well.
    devices
        As for :class:`DataParallel`.

    Raises
    ------
    ArgumentError
        For an axis that the mesh does not have, and for devices that cannot be grouped;
        when training begins, for a variable that cannot be cut evenly.

    >>> import nervure as nv
    >>> layout = {"dense/kernel": (None, "model"), "dense/bias": ("model",)}
    >>> nv.distribute.ModelParallel(layout, devices=1)
    <ModelParallel on 1 devices>
    """

    def __init__(
        self,
        layout: Mapping[str, Axes],
        model: int | None = None,
        devices: int | Sequence[str] | None = None,
    ) -> None:
        for pattern, axes in layout.items():
            for axis in axes:
                if axis not in (None, "batch", "model"):
                    raise unknown_name(
                        f"axis of the mesh for {pattern!r}", axis, ["batch", "model"]
                    )
        initialize()
        count = len(_chosen(devices))
        super().__init__(devices, count if model is None else model, layout)


def _chosen(devices: int | Sequence[str] | None) -> list[Any]:
    """Return devices of JAX."""
    from nervure.exec.xla.mesh import all_devices
    from nervure.exec.xla.runtime import device_named

    if devices is None or isinstance(devices, int):
        found = all_devices()
        if devices is not None and not 1 <= devices <= len(found):
            kind = platform_of(found[0].platform)
            raise ArgumentError(
                explain(
                    f"expected from 1 to {len(found)} devices, got {devices}",
                    fix="for tests more virtual devices are made by "
                    "XLA_FLAGS=--xla_force_host_platform_device_count=8"
                    if kind == "cpu"
                    else "use fewer devices",
                )
            )
        return found[:devices]
    return [device_named(name) for name in devices]
