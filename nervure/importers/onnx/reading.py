"""Reading the file: bytes to records, with every size checked before it is believed.

Nothing in a file is executed, and nothing outside the model's folder is opened: the
path of external data must be relative, must stay below the folder after links are
followed, and must be a plain file.  The onnx package parses the protocol buffers; its
own loader of external data is not used.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure.errors import FileFormatError, explain
from nervure.importers.onnx.records import (
    OnnxFunction,
    OnnxGraph,
    dtype_of,
    function_record,
    graph_record,
    opset_versions,
    plain_domain,
)
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.ir.attrs import NDArray

if TYPE_CHECKING:
    import onnx

# Protocol buffers end at 2 GiB.
_MOST_BYTES: Final = 2**31 - 1
_EXTERNAL: Final = 1


@dataclass(frozen=True)
class OnnxFile:
    """All that a file says: its graph, its functions, and the versions it asks for."""

    graph: OnnxGraph
    functions: dict[tuple[str, str], OnnxFunction]
    opsets: dict[str, int]
    proto: Any


def read_file(path: str | os.PathLike[str]) -> OnnxFile:
    """Return what a file holds.

    Raises
    ------
    FileFormatError
        For a damaged file, and for external data outside the model's folder.
    UnsupportedError
        For versions and types that Nervure does not know.
    OSError
        When the file cannot be read.
    """
    place = Path(path)
    size = place.stat().st_size
    if size > _MOST_BYTES:
        raise damaged(f"{str(place)!r} has {size} bytes; a model has at most 2 GiB")
    return parsed(place.read_bytes(), place.resolve().parent)


def parsed(data: bytes, folder: Path | None = None) -> OnnxFile:
    """Return what the bytes of a file hold; external data must lie in ``folder``."""
    import onnx
    from google.protobuf.message import DecodeError

    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise damaged(f"the bytes are no model of ONNX ({error})") from None
    return from_proto(proto, folder)


def from_proto(proto: onnx.ModelProto, folder: Path | None = None) -> OnnxFile:
    """Return what a parsed model holds."""
    import onnx

    if not proto.HasField("graph"):
        raise damaged("the model has no graph")
    opsets = opset_versions(proto.opset_import)
    newest = onnx.defs.onnx_opset_version()
    if opsets.get("", 1) > newest:
        raise UnsupportedError(
            "",
            f"it needs version {opsets['']} of the operators; the installed onnx "
            f"package knows {newest}",
            fix="install a newer onnx package",
        )

    def read(tensor: onnx.TensorProto) -> NDArray:
        return tensor_array(tensor, folder)

    return OnnxFile(
        graph_record(proto.graph, read),
        {
            (plain_domain(one.domain), one.name): function_record(one, read)
            for one in proto.functions
        },
        opsets,
        proto,
    )


def damaged(problem: str) -> FileFormatError:
    """Return the error for a file that cannot be believed."""
    return FileFormatError(
        explain(f"not a usable file of ONNX: {problem}", fix="export the model again")
    )


def tensor_array(tensor: onnx.TensorProto, folder: Path | None) -> NDArray:
    """Return a tensor of the file as an array.

    The number of elements that the shape promises must be there, so a few bytes cannot
    claim gigabytes.
    """
    from onnx import numpy_helper

    if tensor.data_type == 8:
        # Refused when an operator uses it; test models carry unused ones.
        return np.asarray(list(tensor.string_data), object)
    dtype = dtype_of(tensor.data_type)
    if any(size < 0 for size in tensor.dims):
        raise damaged(f"the tensor {tensor.name!r} has a negative size")
    count = math.prod(tensor.dims)
    if tensor.data_location == _EXTERNAL:
        data = _external(tensor, folder, count * dtype.itemsize)
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(tuple(tensor.dims))
    if tensor.HasField("raw_data"):
        found = len(tensor.raw_data) // dtype.itemsize
    else:
        found = _listed(tensor)
    if found != count:
        raise damaged(
            f"the tensor {tensor.name!r} of shape {list(tensor.dims)} holds {found} "
            f"elements, not {count}"
        )
    return np.asarray(numpy_helper.to_array(tensor))


def _listed(tensor: onnx.TensorProto) -> int:
    """Return how many elements lie in the lists of numbers."""
    lists = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
    return sum(len(getattr(tensor, name)) for name in lists)


def _external(tensor: onnx.TensorProto, folder: Path | None, size: int) -> bytes:
    """Return the bytes of a tensor that lie in a file beside the model's."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    if folder is None:
        raise damaged(
            f"the tensor {tensor.name!r} lies in another file; load the model by its "
            "path"
        )
    path = confined(folder, told.get("location", ""))
    try:
        offset = int(told.get("offset", "0"))
        length = int(told.get("length", str(size)))
    except ValueError:
        raise damaged(f"the place of the tensor {tensor.name!r} is no number") from None
    if offset < 0 or length != size or offset + length > path.stat().st_size:
        raise damaged(
            f"the tensor {tensor.name!r} has {size} bytes, the file {path.name!r} does "
            f"not have them at the place {offset} (length {length})"
        )
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def confined(folder: Path, location: str) -> Path:
    """Return the path of external data, which cannot leave the model's folder.

    >>> import tempfile
    >>> confined(Path(tempfile.gettempdir()), "../etc/passwd")
    Traceback (most recent call last):
    nervure.errors.FileFormatError: not a usable file of ONNX: the place '../etc/passwd\
' of its external data is outside of the model's folder
      fix: export the model again
      more: nervure help FileFormatError
    """
    inside = folder.resolve()
    told = location.replace("\\", "/")
    parts = told.split("/")
    # A drive or a device has a colon, a path from the root begins with nothing.
    strange = "\0" in told or ":" in parts[0] or not parts[0] or ".." in parts
    path = inside if strange else (inside / told).resolve()
    if inside not in path.parents:
        raise damaged(
            f"the place {location!r} of its external data is outside of the model's "
            "folder"
        )
    if not path.is_file():
        raise damaged(f"the file {location!r} of its external data is not there")
    return path
