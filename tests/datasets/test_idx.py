"""The IDX reader: what it reads, and that nothing else gets past it."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nervure.datasets.idx import encode_idx, read_idx, write_idx
from nervure.errors import DataError, DTypeError, FileFormatError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
SMALL = encode_idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    return draw(hnp.arrays(dtype, shape))


@settings(deadline=None)
@given(arrays(), st.booleans())
def test_round_trip(array: np.ndarray, compressed: bool) -> None:
    content = encode_idx(array)
    found = read_idx(gzip.compress(content) if compressed else content)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)  # NaN equals NaN here
    assert found.shape == array.shape


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_files(tmp_path: Path, name: str) -> None:
    array = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    write_idx(tmp_path / name, array)
    np.testing.assert_array_equal(read_idx(tmp_path / name), array)
    np.testing.assert_array_equal(read_idx(str(tmp_path / name)), array)
    head = (tmp_path / name).read_bytes()[:2]
    assert (head == b"\x1f\x8b") == name.endswith(".gz")


def test_compressed_files_are_reproducible(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.int16))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_known_bytes() -> None:
    """Written by hand after the description of the format."""
    content = bytes.fromhex("00000b02 00000002 00000002 0001 0100 ffff 8000")
    np.testing.assert_array_equal(
        read_idx(content), np.array([[1, 256], [-1, -32768]], np.int16)
    )
    assert read_idx(bytes.fromhex("00000d01 00000001 3fc00000")).tolist() == [1.5]
    assert read_idx(bytes.fromhex("00000e01 00000001 c004000000000000")) == [-2.5]
    assert read_idx(bytes.fromhex("00000c01 00000001 fffffffe")).tolist() == [-2]
    assert read_idx(bytes.fromhex("00000901 00000001 fe")).tolist() == [-2]


def test_big_endian_and_strided_arrays_are_encoded() -> None:
    array = np.arange(12, dtype=">i4").reshape(3, 4)[:, ::2]
    np.testing.assert_array_equal(read_idx(encode_idx(array)), array)


def idx(code: int, *lengths: int, payload: bytes = b"", axes: int | None = None):
    count = len(lengths) if axes is None else axes
    return struct.pack(f">HBB{len(lengths)}I", 0, code, count, *lengths) + payload


HUGE = 0xFFFFFFFF
ONE = bytes([1])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "expected the 4 bytes of the magic number, found the end of the file"),
        (b"\0\0\x08", "found the end of the file after 3"),
        (b"\x89PNG\r\n", r"magic number of an IDX file .*, found 89 50 4e 47"),
        (idx(0x0A, 1, payload=b"1"), r"found 00 00 0a 01"),
        (b"\0\1" + SMALL[2:], "found 00 01 08 02"),
        (idx(8, axes=2) + b"\0\0", r"lengths of 2 axes \(8 bytes\), found the end"),
        (idx(8, *[1] * 65, payload=ONE), "expected at most 64 axes, found 65 axes"),
        (idx(8, axes=255), "at most 64 axes, found 255 axes"),
        (SMALL[:-1], r"expected 6 bytes of elements for uint8\[2, 3\], found 5"),
        (SMALL + b"\0", r"6 bytes of elements for uint8\[2, 3\], found 7"),
        (idx(8, HUGE, HUGE, HUGE, payload=b"x"), "found 1"),
        (idx(8, 0, HUGE, payload=b"x"), "expected 0 bytes .* found 1"),
        (idx(8, 0, HUGE, HUGE, HUGE, HUGE), "a shape that NumPy can hold"),
        (idx(14, 1, payload=b"1234567"), r"8 bytes of elements for float64\[1\]"),
        (gzip.compress(SMALL[:-1]), "expected 6 bytes of elements .*, found 5"),
        (gzip.compress(SMALL + b"\0"), "expected 6 bytes of elements .*, found more"),
        (gzip.compress(SMALL)[:-1], r"a whole gzip file, found damage \(.*ended"),
        (gzip.compress(SMALL)[:12], r"a whole gzip file, found damage"),
        (gzip.compress(SMALL)[:-8] + bytes(8), r"found damage \(CRC check failed"),
        (gzip.compress(SMALL) + b"junk", r"found damage \(Not a gzipped file"),
        (b"\x1f\x8b", "a whole gzip file, found damage"),
        (b"\x1f\x8b\x07" + bytes(40), r"found damage \(Unknown compression method"),
        (gzip.compress(b""), "the 4 bytes of the magic number"),
        (gzip.compress(gzip.compress(SMALL)), "found 1f 8b"),
        (
            gzip.compress(idx(8, HUGE, HUGE)),
            "found a gzip file of .* bytes, which cannot hold so many",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(content)
    assert str(caught.value).startswith("IDX file '<bytes>': expected ")
    assert "fix: fetch the file again" in str(caught.value)
    file = tmp_path / "wrong.idx"
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(file)
    assert str(caught.value).startswith(f"IDX file {str(file)!r}: expected ")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutations_never_crash(data: st.DataObject) -> None:
    """A damaged file gives an array or a FileFormatError, and nothing else."""
    content = encode_idx(data.draw(arrays()))
    if data.draw(st.booleans()):
        content = gzip.compress(content)
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "set" and damaged:
            damaged[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del damaged[place : place + data.draw(st.integers(1, 8))]
        else:
            damaged[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        array = read_idx(bytes(damaged))
    except FileFormatError as error:
        assert "expected" in str(error)
        assert "found" in str(error)
    else:
        assert array.dtype.name in DTYPES


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_noise_never_crashes(content: bytes) -> None:
    for prefix in (b"", b"\0\0\x08", b"\x1f\x8b\x08\0"):
        with contextlib.suppress(FileFormatError):
            read_idx(prefix + content)


def peak_memory(content: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            read_idx(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_gzip_bomb_is_not_unpacked() -> None:
    """The header claims six bytes; the 200 MB that follow are never unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(SMALL)
    bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(200))
    bomb += packer.flush()
    assert peak_memory(bomb) < 1 << 20


def test_claims_take_no_memory() -> None:
    """A header that lies is found out before memory is taken for what it claims."""
    assert peak_memory(idx(14, 1 << 30, payload=b"12345678")) < 1 << 20
    assert peak_memory(gzip.compress(idx(14, 1 << 30, payload=b"12345678"))) < 1 << 20


def test_max_bytes() -> None:
    assert read_idx(SMALL, max_bytes=6).size == 6
    for content in (SMALL, gzip.compress(SMALL)):
        with pytest.raises(FileFormatError, match="at most 5 bytes, found 6 bytes"):
            read_idx(content, max_bytes=5)


def test_several_gzip_members() -> None:
    content = gzip.compress(SMALL[:9]) + gzip.compress(SMALL[9:])
    np.testing.assert_array_equal(read_idx(content), read_idx(SMALL))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_devices_are_refused() -> None:
    with pytest.raises(FileFormatError, match="expected a regular file"):
        read_idx(os.devnull)


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint16", "complex64", "U3"])
def test_unknown_dtypes_are_not_encoded(dtype: str) -> None:
    with pytest.raises(DTypeError, match="IDX holds one of uint8, int8, int16"):
        encode_idx(np.zeros(2, dtype))


def test_long_axes_are_not_encoded() -> None:
    array = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (1 << 32,), (0,))
    with pytest.raises(DataError, match="axes up to"):
        encode_idx(array)


def test_a_compressed_file_unfolds_to_four_times_its_size_and_48_mib(
    tmp_path: Path,
) -> None:
    path = tmp_path / "zeros.gz"
    array = np.zeros((64, 1 << 20), np.uint8)
    path.write_bytes(gzip.compress(encode_idx(array), 1))
    with pytest.raises(FileFormatError, match="pass a larger max_bytes"):
        read_idx(path)
    assert read_idx(path, max_bytes=1 << 26).shape == array.shape


def test_writing_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.idx"
    write_idx(path, np.arange(3, dtype=np.uint8))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"a\.idx.*No space left"):
        write_idx(path, np.zeros(9, np.uint8))
    assert read_idx(path).tolist() == [0, 1, 2]
