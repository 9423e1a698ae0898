"""Values that lie on a device until somebody looks at them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure.dtypes import DType
from nervure.exec.xla.runtime import name_of, wide_types
from nervure.ir.attrs import NDArray


class XlaValue:
    """An array of JAX; see :class:`nervure.ir.attrs.DeviceValue`.

    Attributes
    ----------
    array
        The array of JAX.
    shared
        Whether anybody but the cell that holds it may look at it later.  If not, a
        program may overwrite its memory.
    """

    __slots__ = ("_numpy", "array", "dtype", "shape", "shared")

    def __init__(self, array: Any, shared: bool = True) -> None:
        self.array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: DType = np.dtype(array.dtype)
        self.shared = shared
        self._numpy: NDArray | None = None

    @property
    def device(self) -> str:
        """The name of the device; of the first one where there are several."""
        devices = sorted(self.array.devices(), key=lambda one: int(one.id))
        return name_of(devices[0])

    def numpy(self) -> NDArray:
        """Return a read-only NumPy array of the value."""
        if self._numpy is None:
            self.shared = True  # what NumPy sees may be the device's own memory
            self._numpy = fetched(self.array)
        return self._numpy

    def __array__(
        self, dtype: DType | None = None, copy: bool | None = None
    ) -> NDArray:
        value = self.numpy()
        if dtype is not None and dtype != value.dtype:
            return value.astype(dtype)
        return value.copy() if copy else value

    def __len__(self) -> int:
        return self.shape[0]


def fetched(array: Any) -> NDArray:
    """Return an array of JAX as a read-only NumPy array.

    One that lies on the devices of several processes is brought together first, so all
    processes must ask for it.
    """
    if not array.is_fully_addressable and not array.is_fully_replicated:
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        whole = NamedSharding(array.sharding.mesh, PartitionSpec())
        with wide_types():
            array = jax.jit(lambda x: x, out_shardings=whole)(array)
    value = np.asarray(array)
    if value.flags.writeable:
        value.flags.writeable = False
    return value
