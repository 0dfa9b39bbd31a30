"""Files of arrays that nobody's numpy wrote: each is refused by name, in no time and in no memory."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ignition_builder.arrays import load_arrays
from ignition_builder.checking.signature import ModelInput
from ignition_builder.precision.calibration import read_samples
from ignition_hub.engine.errors import Reason, RequestError

PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


def npy(header: str, data: bytes = bytes(8)) -> bytes:
    content = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content + data


def npz(folder: Path, content: bytes, name: str = "x.npy") -> Path:
    path = folder / "given.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def changed(path: Path, after: bytes, offset: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    at = data.find(after) + offset
    data[at : at + len(content)] = content
    path.write_bytes(data)
    return path


def refused(path: Path) -> RequestError:
    with pytest.raises(RequestError) as caught:
        load_arrays(path, "options.calibration")
    assert caught.value.reason is Reason.InvalidRequest
    assert caught.value.message.startswith("options.calibration: ")
    return caught.value


@pytest.mark.parametrize(
    "header",
    [
        PLAIN.replace("(2,)", "(1099511627776,)"),
        PLAIN.replace("(2,)", "(True,)"),
        PLAIN.replace("(2,)", "(-1,)"),
        PLAIN.replace("<f4", "|O"),
        "(" * 9000,
        "-" * 9000 + "1",
        "{'descr': '''",
    ],
)
def test_a_header_that_claims_what_is_not_there_is_refused(header: str, tmp_path: Path) -> None:
    assert "cannot be read" in refused(npz(tmp_path, npy(header))).message


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = changed(npz(tmp_path, npy(PLAIN)), b"PK\x03\x04", 6, b"\x01")

    assert "encrypted" in refused(changed(path, b"PK\x01\x02", 8, b"\x01")).message


def test_a_broken_stream_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, npy(PLAIN, np.random.default_rng(0).bytes(4096)))

    assert "cannot be read" in refused(changed(path, b"x.npy", 5, b"\xff" * 20)).message


@pytest.mark.parametrize("name", ["x", "x.npy"])
def test_a_member_that_is_no_array_is_named(name: str, tmp_path: Path) -> None:
    assert "x is not an array" in refused(npz(tmp_path, b"hello", name)).message


def test_one_number_is_no_array_of_samples(tmp_path: Path) -> None:
    path = npz(tmp_path, npy(PLAIN.replace("(2,)", "()")))

    with pytest.raises(RequestError, match="x is a single number"):
        read_samples(path, [ModelInput("x", "float", (1,))])
