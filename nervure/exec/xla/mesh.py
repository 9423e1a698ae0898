"""A mesh of devices as one place to compute: what is whole everywhere, what is cut.

A mesh has the axis ``batch``, and perhaps ``model``.  The rows of every batch are cut
along ``batch``.  Variables are whole on every device, except for those for which a
*layout* names axes of the mesh.  XLA derives the rest, all reductions between devices
included; a program computes what it computes on one device.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nervure.device_names import platform_of
from nervure.errors import ArgumentError, DataError, explain
from nervure.exec.xla.placement import free_memory, whole
from nervure.exec.xla.runtime import load_jax, wide_types
from nervure.exec.xla.value import XlaValue
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node

BATCH: Final = "batch"
MODEL: Final = "model"
Layout = Mapping[str, Sequence[str | None]]


class MeshPlacement:
    """Several devices; see :class:`~nervure.exec.xla.placement.Placement`.

    Parameters
    ----------
    devices
        Devices of JAX, of all processes.
    model
        How many of them share one copy of the variables.
    layout
        Regular expressions for names of variables, and for each the axes of the mesh
        along which the variable's axes are cut (None: not at all).
    synchronize
        Whether batch normalization takes the moments of the whole batch.
    """

    def __init__(
        self,
        devices: Sequence[Any],
        model: int = 1,
        layout: Layout | None = None,
        synchronize: bool = True,
    ) -> None:
        shape = (len(devices) // model, model)
        self.mesh = Mesh(np.array(devices).reshape(shape), (BATCH, MODEL))
        self.layout = {name: tuple(axes) for name, axes in (layout or {}).items()}
        self.platform = platform_of(devices[0].platform)
        self.replicas = shape[0]
        self.moments_apart = 1 if synchronize else shape[0]
        self.keeps_rows_apart = jax.process_count() > 1
        numbers = ",".join(str(one.id) for one in devices)
        self.key = f"mesh {shape} {numbers} {sorted(self.layout.items())}"
        if not synchronize:
            self.key += " moments apart"
        self._everywhere = NamedSharding(self.mesh, PartitionSpec())

    # --- bringing values there -------------------------------------------------------

    def put(self, values: Sequence[Any]) -> list[Any]:
        """Return values on all devices; those on this mesh stay as they are."""
        return [self._placed(one, self._everywhere) for one in values]

    def put_state(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Return the state of a step, cut as the layout says, to be overwritten."""
        if self.keeps_rows_apart:
            _check_agreement(nodes, values)
        return [
            self._own(value, self._sharding(node))
            for node, value in zip(nodes, values, strict=True)
        ]

    def put_steps(self, values: Sequence[Any]) -> list[Any]:
        """Return what varies, the rows of each step cut along the batch."""
        return [
            self._from_host(one, self._rows(one.shape[1:], (None,))) for one in values
        ]

    def _own(self, value: Any, sharding: Any) -> Any:
        if isinstance(value, XlaValue) and value.array.sharding == sharding:
            if not value.shared:
                return value.array
            return jnp.array(value.array, copy=True)
        return self._from_host(_host(value), sharding)

    def _placed(self, value: Any, sharding: Any) -> Any:
        if isinstance(value, XlaValue):
            known = value.array.sharding
            if isinstance(known, NamedSharding) and known.mesh == self.mesh:
                return value.array
        return self._from_host(_host(value), sharding)

    @staticmethod
    def _from_host(value: Any, sharding: Any) -> Any:
        """Copy each device's part of a value; no process needs the other parts."""
        return jax.make_array_from_callback(
            value.shape, sharding, lambda index: np.asarray(value[index])
        )

    # --- how values are cut ----------------------------------------------------------

    def _rows(self, shape: Sequence[int], before: tuple[None, ...] = ()) -> Any:
        """Return how rows are cut: not at all if they cannot be dealt out evenly."""
        if shape and shape[0] and shape[0] % self.replicas == 0:
            return NamedSharding(self.mesh, PartitionSpec(*before, BATCH))
        return self._everywhere

    def _sharding(self, node: Node) -> Any:
        name = str(node.attrs.get("name", ""))
        for pattern, axes in self.layout.items():
            if re.search(pattern, name) and len(axes) == len(node.shape):
                self._check(name, node, axes)
                return NamedSharding(self.mesh, PartitionSpec(*axes))
        return self._everywhere

    def _check(self, name: str, node: Node, axes: Sequence[str | None]) -> None:
        sizes: Mapping[str, int] = dict(self.mesh.shape)
        for place, axis in enumerate(axes):
            if axis is not None and node.shape[place] % sizes[axis]:
                raise ArgumentError(
                    explain(
                        f"axis {place} of {name!r}, {node.type_text}, cannot be cut "
                        f"into {sizes[axis]} equal parts for the axis {axis!r} of the "
                        "mesh",
                        fix="name None for it, or make the layer's units a multiple",
                    )
                )

    def constrained(self, nodes: Sequence[Node], values: Sequence[Any]) -> list[Any]:
        """Say within a program how the new state is cut."""
        return [
            lax.with_sharding_constraint(value, self._sharding(node))
            for node, value in zip(nodes, values, strict=True)
        ]

    def constrained_batch(self, values: Sequence[Any]) -> list[Any]:
        """Say within a program how the rows of one step are cut."""
        return [
            lax.with_sharding_constraint(value, self._rows(value.shape))
            for value in values
        ]

    def room(self) -> int | None:
        """Return how many bytes of data may stay on each device; None: no limit."""
        found = [free_memory(one) for one in self.mesh.local_devices]
        known = [one for one in found if one is not None]
        return min(known) if known else None


def gathered(value: NDArray) -> NDArray:
    """Return what every process gives, one after the other: ``[processes, ...]``.

    All processes must ask at the same time.
    """
    first = [
        next(one for one in jax.devices() if one.process_index == number)
        for number in range(jax.process_count())
    ]
    line = Mesh(np.array(first), ("process",))
    with wide_types():
        apart = jax.make_array_from_process_local_data(
            NamedSharding(line, PartitionSpec("process")), value[None]
        )
        whole_ = NamedSharding(line, PartitionSpec())
        return np.asarray(jax.jit(lambda x: x, out_shardings=whole_)(apart))


def _check_agreement(nodes: Sequence[Node], values: Sequence[Any]) -> None:
    """Raise unless all processes begin with the same state.

    Only values that come from the host are compared; those of an earlier step agree.
    """
    digests = np.array(
        [
            zlib.crc32(np.ascontiguousarray(_host(one)).tobytes())
            if not isinstance(one, XlaValue) or len(one.array.devices()) == 1
            else 0
            for one in values
        ],
        np.uint32,
    )
    if not digests.any():
        return
    everywhere = gathered(digests)
    for place, node in enumerate(nodes):
        if len(set(everywhere[:, place].tolist())) > 1:
            raise DataError(
                explain(
                    f"the processes begin with different values of "
                    f"{node.attrs['name']!r}",
                    fix="make the strategy (nervure.distribute.DataParallel()) before "
                    "the model, or call nervure.utils.set_random_seed",
                )
            )


def _host(value: Any) -> Any:
    """Return a value from which parts can be taken."""
    if not isinstance(value, XlaValue):
        return value
    return np.asarray(whole(value))


def all_devices(kind: str | None = None) -> list[Any]:
    """Return the devices of all processes, of the best kind or of one."""
    jax_module = load_jax()
    found = list(jax_module.devices())
    if kind is not None and platform_of(found[0].platform) != kind:
        found = list(jax_module.devices(kind))
    return found
