"""What a GPU machine without a package index is given, and the program that runs there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gpupack import cli
from gpupack.archives import put_archive, sums_of
from gpupack.errors import PackError
from gpupack.releases import wheel_of
from gpupack.stubs import functions_of

SYMBOLS = """
                 U cublasCreate_v2@libcublas.so.12
                 U cublasLtCreate@libcublasLt.so.12
                 U cudnnCreate@libcudnn.so.8
                 U malloc@GLIBC_2.2.5
                 U cublasDestroy_v2@libcublas.so.12
"""

PYTHON = """#!/bin/sh
echo "$LD_LIBRARY_PATH" | sed 's/.*tensorrt-\\([^/]*\\).*/\\1/' | tr '\\n' ' '; echo "$*"
case "$*" in *bench*) exit 3 ;; esac
"""


def test_a_stub_has_the_functions_that_are_asked_of_it_and_no_others():
    assert functions_of("libcublas.so.12", SYMBOLS) == ["cublasCreate_v2", "cublasDestroy_v2"]
    assert functions_of("libcudnn.so.8", SYMBOLS) == ["cudnnCreate"]


def test_a_release_without_libraries_on_the_index_is_refused_with_those_that_have_them():
    with pytest.raises(PackError, match=r"use one of 8\.5\.1\.7, .*8\.6\.0"):
        wheel_of("10.13.3.9")


def test_parts_are_no_larger_than_asked_and_are_the_archive_together(tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    (folder / "file").write_bytes(os.urandom(10_000))
    whole = put_archive(folder, tmp_path, None)[0].read_bytes()
    parts = put_archive(folder, tmp_path, 3000)

    assert [part.name[-4:] for part in parts] == [".000", ".001", ".002", ".003"]
    assert max(part.stat().st_size for part in parts) == 3000
    assert b"".join(part.read_bytes() for part in sorted(parts))[:100] == whole[:100]
    assert not (tmp_path / "noise.tar.xz").exists()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack of two releases with a Python that says what it was asked, and a driver."""
    out, driver = tmp_path / "pack", tmp_path / "bin"
    for folder in (out, driver):
        folder.mkdir()
    smi = driver / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA Imaginary 1, 580.1'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{driver}:{os.environ['PATH']}")
    files = []
    for name in ("project", "networks", "python", "tensorrt-8.6.0", "tensorrt-8.5.3.1"):
        folder = tmp_path / name
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin" / "python3.10"
        program.write_text(PYTHON)
        program.chmod(0o755)
        files += put_archive(folder, out, 300)
    (out / "SHA256SUMS").write_text(sums_of(files))
    shutil.copy2(cli.RUN, out / "run.sh")
    return out


def run(pack: Path, *what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(pack / "run.sh"), *what], capture_output=True, text=True, check=False, timeout=60
    )


def test_every_part_is_run_for_every_release_and_one_that_fails_stops_nothing(machine):
    done = run(machine)
    said = {path.name: path.read_text().split() for path in (machine / "results").glob("*.log")}

    assert done.returncode == 1
    assert set(said) == {
        f"tensorrt-{release}-{part}.log"
        for release in ("8.5.3.1", "8.6.0")
        for part in ("tests", "networks", "speed")
    }
    assert said["tensorrt-8.6.0-tests.log"][:4] == ["8.6.0", "-m", "pytest", "-q"]
    assert said["tensorrt-8.5.3.1-networks.log"][:4] == ["8.5.3.1", "-m", "accuracy_checks", "engines"]
    assert (machine / "results" / "gpu.txt").read_text() == "NVIDIA Imaginary 1, 580.1\n"


def test_one_part_may_be_asked_for(machine):
    done = run(machine, "tests")

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (machine / "results").glob("*.log")) == [
        "tensorrt-8.5.3.1-tests.log",
        "tensorrt-8.6.0-tests.log",
    ]


def test_a_file_that_did_not_arrive_whole_is_noticed_before_anything_runs(machine):
    part = next(machine.glob("tensorrt-8.6.0.tar.xz*"))
    part.write_bytes(part.read_bytes()[:-1])
    done = run(machine)

    assert done.returncode == 1
    assert "did not arrive whole" in done.stderr
    assert not list((machine / "results").glob("*.log"))


def test_a_machine_without_a_driver_is_told_so(machine, monkeypatch):
    tools = machine.parent / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat"):
        (tools / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tools))

    assert "no NVIDIA driver" in run(machine).stderr
