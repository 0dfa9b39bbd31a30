"""The base image's sources, the pins an image gets, and the records of what is built."""

import io
import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from images.base import base_key, sources_of
from images.errors import ImagesError
from images.records import Record, digest_of_archive, read_record
from images.wheels import pins_for_image

PINS = """
# a comment
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
pywin32==3 ; sys_platform == 'win32' \\
    --hash=sha256:dd
cffi==2.1.1 ; implementation_name != 'PyPy' and platform_python_implementation != 'PyPy' \\
    --hash=sha256:ee
"""


def test_pins_are_those_of_the_image_and_keep_their_hashes():
    assert pins_for_image(PINS).splitlines() == [
        "numpy==2.5.5 --hash=sha256:bb --hash=sha256:cc",
        "cffi==2.1.1 --hash=sha256:ee",
    ]


def test_the_base_is_bootstrapped_from_the_machines_own_mirrors():
    sites = [
        ("http://mirror.example/debian", "bookworm"),
        ("http://mirror.example/debian", "bookworm-updates"),
        ("http://mirror.example/debian-security", "bookworm-security"),
    ]

    assert sources_of(sites) == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian-security trixie-security main",
    ]


def test_a_machine_without_a_mirror_is_told_to_name_a_base():
    with pytest.raises(ImagesError, match="no Debian mirror") as caught:
        sources_of([])

    assert "--base IMAGE" in str(caught.value)


def test_the_base_is_made_anew_each_week():
    monday, sunday = datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)

    assert base_key(monday) == base_key(sunday)
    assert base_key(monday) != base_key(datetime(2026, 11, 23, tzinfo=UTC))


def test_a_record_counts_only_while_its_archive_is_there(tmp_path: Path):
    archive = tmp_path / "fetcher-1.tar"
    record = Record("localhost/ignition-hub/fetcher:dev", str(archive), "sha256:1", "1")
    record.write(tmp_path)
    assert read_record(tmp_path, "fetcher") is None

    archive.touch()
    assert read_record(tmp_path, "fetcher") == record

    replace(record, key="2").write(tmp_path)
    assert read_record(tmp_path, "fetcher") == replace(record, key="2")


def test_a_damaged_record_counts_as_none(tmp_path: Path):
    (tmp_path / "fetcher.json").write_text('{"name": "half')

    assert read_record(tmp_path, "fetcher") is None


def test_the_digest_is_the_image_id_inside_the_archive(tmp_path: Path):
    archive = tmp_path / "image.tar"
    content = json.dumps([{"Config": "ab12.json", "Layers": []}]).encode()
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))

    assert digest_of_archive(archive) == "sha256:ab12"
