"""What this implementation of the Array API standard can do."""

from __future__ import annotations

from typing import Any

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.ops.data_types import isdtype
from nervure.ops.device import check_device
from nervure.placing import devices


class ArrayNamespaceInfo:
    """The answers of :func:`__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        """Tell which optional behaviour there is.

        A shape that depends on data makes an array be evaluated, so it is not there
        inside ``nervure.compile``.
        """
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": 64,
        }

    def default_device(self) -> str:
        """Return the device of arrays for which none is named."""
        return config.device or "cpu"

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """Return the data types that Python numbers become."""
        check_device(device)
        return {
            "real floating": dtypes.DEFAULT_FLOAT,
            "integral": dtypes.DEFAULT_INT,
            "indexing": dtypes.DEFAULT_INT,
        }

    def devices(self) -> list[str]:
        """Return the devices."""
        return devices()

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """Return the data types of the standard by name, all or those of a kind."""
        check_device(device)
        standard = [dtype for dtype in dtypes.ALL if _is_standard(dtype)]
        return {
            dtype.name: dtype
            for dtype in standard
            if kind is None or isdtype(dtype, kind)
        }


def _is_standard(dtype: DType) -> bool:
    """Tell whether the standard knows a type: it has no 16-bit floats."""
    return dtype not in (dtypes.float16, dtypes.bfloat16)


def __array_namespace_info__() -> ArrayNamespaceInfo:  # noqa: N807 - the standard's name
    """Return what this implementation of the standard can do.

    >>> import nervure as nv
    >>> nv.__array_namespace_info__().default_device()
    'cpu'
    """
    return ArrayNamespaceInfo()
