"""The wire format and the check sum, against protobuf and against each other."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.errors import FileFormatError
from nervure.tblog import wire
from nervure.tblog.crc32c import crc32c, masked_crc32c

summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")


def by_bits(data):
    """CRC-32C as its definition says, bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_known_sums():  # RFC 3720, appendix B.4
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@given(st.binary(max_size=300))
def test_short_sums(data):
    assert crc32c(data) == by_bits(data)


@pytest.mark.parametrize("size", [2047, 2048, 2049, 3071, 3072, 5000, 100_003])
def test_long_sums(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == by_bits(data)


@given(st.binary(max_size=5000))
def test_masked_sums_are_those_of_tensorboard(data):
    stub = pytest.importorskip("tensorboard.compat.tensorflow_stub.pywrap_tensorflow")
    assert masked_crc32c(data) == stub.masked_crc32c(data)


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints(number):
    data = wire.varint(number)
    assert len(data) <= 10
    assert wire.read_varint(data + b"rest", 0) == (number % 2**64, len(data))


@given(
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.lists(st.floats(allow_nan=False), max_size=5),
)
def test_protobuf_reads_what_we_write(small, number, wide, text, listed):
    text = text.encode("utf-8", "replace").decode()
    value = wire.text_field(1, text) + wire.float_field(2, small)
    histogram = wire.double_field(1, wide) + wire.doubles_field(6, listed)
    value += wire.bytes_field(5, histogram)
    data = wire.double_field(1, wide) + wire.int_field(2, number)
    data += wire.bytes_field(5, wire.bytes_field(1, value))
    event = event_pb2.Event.FromString(data)
    assert (event.wall_time, event.step) == (wide, number)
    (found,) = event.summary.value
    assert found.tag == text
    # The last member of the one-of that was written counts.
    assert found.WhichOneof("value") == "histo"
    assert list(found.histo.bucket_limit) == listed and found.histo.min == wide
    assert event.SerializeToString() and len(list(wire.fields(data))) == 3


@given(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=50)
)
def test_we_read_what_protobuf_writes(step, wall_time, version):
    version = version.encode("utf-8", "replace").decode()
    event = event_pb2.Event(step=step, wall_time=wall_time, file_version=version)
    found = {one.number: one for one in wire.fields(event.SerializeToString())}
    assert wire.as_int(found[2]) == step if step else 2 not in found
    assert wire.as_text(found[3]) == version
    if wall_time:
        assert wire.as_number(found[1]) == wall_time


def test_numbers_too_large_for_32_bits():
    assert struct.unpack("<f", wire.float_field(1, 1e300)[1:])[0] == float("inf")
    assert struct.unpack("<f", wire.float_field(1, -1e300)[1:])[0] == -float("inf")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        for field in wire.fields(data):
            assert 0 < field.number < 2**29
    except FileFormatError:
        pass


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x80" * 11, "does not end"),
        (b"\x08", "does not end"),
        (b"\x0a\x05ab", "ends within a field"),
        (b"\x09\0\0", "ends within a field"),
        (b"\x00\x00", "no field 0"),
        (b"\x0b", "unknown kind 3"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends within a field"),
    ],
)
def test_damaged_messages(data, message):
    with pytest.raises(FileFormatError, match=message):
        list(wire.fields(data))


def test_fields_of_the_wrong_kind():
    (field,) = wire.fields(wire.int_field(1, 5))
    for read in (wire.as_bytes, wire.as_text, wire.as_number, wire.as_doubles):
        with pytest.raises(FileFormatError, match="field 1 should hold"):
            read(field)
    (field,) = wire.fields(wire.bytes_field(1, b"abc"))
    for read in (wire.as_int, wire.as_number, wire.as_doubles):
        with pytest.raises(FileFormatError, match="field 1 should hold"):
            read(field)
