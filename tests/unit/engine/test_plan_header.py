"""Plan headers of both flavors, read without TensorRT."""

import contextlib
import io
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.plan_header import PlanError, PlanHeader, read_plan_header

# The first 64 bytes of a real engine: TensorRT-RTX 1.7.1.116 on a CPU, one Relu, compiled for SM86 and SM120.
REAL_RTX = bytes.fromhex(
    "767472740000000002000000000000006c0a0200000000000107017476747274"
    "1400000000000000000000000000000000000000000000000000000000000000"
)


# The first 96 bytes of a real engine: TensorRT 8.6.0.12 on an H200.
REAL_860 = bytes.fromhex(
    "667472740000000001000000000000004c490100000000000806000c00000000"
    "4e474e450000000038000000000000000c490100000000007074727400000000"
    "ec00000000000000f44801000000000002800100080280010006028001000002"
)


def plan(magic=b"ftrt", *, version=(10, 13, 2, 6), tag=b"rtrt", size=32, serialization=0, rest=b""):
    return struct.pack("<4sIQQ4B4s", magic, serialization, 1, size, *version, tag) + rest


def old_plan(*, serialization=0, kind=232, rest=bytes(100)):
    return struct.pack("<4sIIIQ", b"ptrt", serialization, kind, 0, len(rest)) + rest


def numbers(*parts):
    return b"".join(struct.pack("<IB", 0x00018002, part) for part in parts)


class Trickle(io.BytesIO):
    """A stream that gives at most seven bytes at once, as a socket may."""

    def read(self, size=-1, /):
        return super().read(min(size, 7))


def test_a_real_rtx_engine_is_recognised():
    assert read_plan_header(io.BytesIO(REAL_RTX)) == PlanHeader(
        flavor="TensorRTRTX",
        version="1.7.1.116",
        size=133740,
        capabilities=("sm_86", "sm_120"),
        ultralytics_prefix=0,
    )


@pytest.mark.parametrize(
    ("version", "tag", "text"),
    [
        ((8, 6, 1, 6), bytes(4), "8.6.1.6"),
        ((10, 0, 1, 6), b"rtrt", "10.0.1.6"),
        ((10, 15, 1, 29), b"rtrt", "10.15.1.29"),
    ],
)
def test_a_tensorrt_plan_tells_its_version(version, tag, text):
    header = read_plan_header(io.BytesIO(plan(version=version, tag=tag, size=4096)))

    assert header == PlanHeader("TensorRT", text, 4096, (), 0)


def test_a_plan_of_8_5_tells_its_format_and_what_follows():
    header = read_plan_header(io.BytesIO(old_plan(rest=bytes(1000))))

    assert header == PlanHeader("TensorRT", "8.5", 1024, (), 0)


@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_the_engine_of_a_plan_of_8_5_begins_with_its_version(stream):
    plan = old_plan(rest=numbers(8, 5, 3, 1) + bytes(80))

    assert read_plan_header(stream(plan)).version == "8.5.3.1"
    assert read_plan_header(stream(plan[:40])).version == "8.5"


def test_the_engine_within_a_real_plan_of_8_6_0_begins_with_its_version():
    assert REAL_860[56:60] == b"ptrt"
    assert REAL_860[80:95] == numbers(8, 6, 0)
    assert read_plan_header(io.BytesIO(REAL_860)) == PlanHeader("TensorRT", "8.6.0.12", 84300, (), 0)


@pytest.mark.parametrize(
    ("version", "release", "fits"),
    [
        ("10.13.2.6", "10.13.2.6", True),
        ("10.13.2.6", "10.13.2", True),
        ("10.13.2.44", "10.13.2.300", True),
        ("10.13.2.6", "10.13.2.7", False),
        ("8.5", "8.5.3.1", True),
        ("8.5", "8.6.0.12", False),
    ],
)
def test_a_header_fits_the_release_that_wrote_it(version, release, fits):
    assert PlanHeader("TensorRT", version, 1, (), 0).is_of(release) is fits


def test_each_bit_of_the_mask_is_one_architecture():
    archs = [
        read_plan_header(
            io.BytesIO(plan(b"vtrt", tag=b"vtrt", rest=(1 << bit).to_bytes(4, "little")))
        ).capabilities
        for bit in range(7)
    ]

    assert archs == [("sm_75",), ("sm_80",), ("sm_86",), ("sm_89",), ("sm_120",), ("sm_121",), ()]


@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
@pytest.mark.parametrize("metadata", [b"{}", b'{"names": {"0": "person"}}', b"{" + b" " * 5000 + b"}"])
def test_what_ultralytics_puts_in_front_is_skipped(metadata, stream):
    data = len(metadata).to_bytes(4, "little") + metadata + REAL_RTX

    header = read_plan_header(stream(data))

    assert header.version == "1.7.1.116"
    assert header.capabilities == ("sm_86", "sm_120")
    assert header.ultralytics_prefix == 4 + len(metadata)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "0 bytes are fewer"),
        (b"ftrt", "4 bytes are fewer"),
        (old_plan(kind=213), "older than 8.5"),
        (old_plan(serialization=1), "older than 8.5"),
        (old_plan()[:24], "24 bytes are fewer"),
        (plan(magic=b"\x08\x07\x12\x07"), "not a TensorRT plan"),
        (plan(magic=b"vtrt", tag=b"rtrt"), "not a TensorRT plan"),
        (plan(serialization=3), "serialization version 3"),
        (plan(b"vtrt", tag=b"vtrt", rest=b"\x04"), "cut off"),
        (b"PK\x03\x04" + bytes(60), "not a TensorRT plan"),
        (b"\x02\0\0\0{}" + REAL_RTX[:20], "26 bytes are fewer"),
        (b"\xff\0\0\0{" + bytes(40), "45 bytes are fewer"),
        (b"\x02\0\0\0{}" + bytes(60), "starts with b'.x00"),
        (b"\x02\0\0\0{}PK\x03\x04" + bytes(60), "it is a zip archive"),
    ],
)
def test_what_is_no_plan_is_refused_and_said_what_it_is(data, named):
    with pytest.raises(PlanError, match=named) as refused:
        read_plan_header(io.BytesIO(data))

    assert refused.value.reason is Reason.PlanRejected


@given(st.binary(max_size=200))
def test_bytes_without_a_magic_are_never_taken_for_a_plan(data):
    assume(data[:4] not in {b"ftrt", b"vtrt", b"ptrt"} and data[4:5] != b"{")

    with pytest.raises(PlanError):
        read_plan_header(io.BytesIO(data))


@given(st.sampled_from([b"ftrt", b"vtrt", b"ptrt"]), st.binary(max_size=80))
def test_damage_behind_the_magic_is_a_plan_error_or_a_header(magic, data):
    stream = io.BytesIO(magic + data)

    with contextlib.suppress(PlanError):
        assert read_plan_header(stream).flavor in {"TensorRT", "TensorRTRTX"}


@given(st.sampled_from([REAL_RTX, plan(size=64)]), st.integers(0, 39))
def test_a_plan_cut_anywhere_in_its_header_is_refused(data, length):
    whole = 36 if data is REAL_RTX else 32
    if length >= whole:
        assert read_plan_header(io.BytesIO(data[:length])).version
    else:
        with pytest.raises(PlanError):
            read_plan_header(io.BytesIO(data[:length]))
