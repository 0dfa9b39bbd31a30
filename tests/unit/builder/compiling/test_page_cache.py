"""Only pages of the weights are ever given back: what lies beside them, above or below, is left alone."""

import _ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.weights import weight_files
from ignition_builder.compiling.page_cache import MAPS, WORTH_SWEEPING, PageSweeper, clean_mappings, sweeping
from smallmodels import dense, saved

PAGE = mmap.PAGESIZE
WEIGHTS = "/models/net.onnx"
MAPPED = f"""\
7f0000000000-7f0000004000 r--p 00000000 fe:01 11 {WEIGHTS}
7f0000010000-7f0000011000 r--s 00004000 fe:01 11 {WEIGHTS}
"""


def library_in(folder: Path) -> Path:
    """Copy a shared library that has pages which the loader writes and then protects."""
    target = folder / "lib.so"
    target.write_bytes(Path(_ctypes.__file__).read_bytes())
    return target


def resident(path: Path) -> int:
    """Return how many bytes of a file's mappings are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().split("\n")
    starts = [number for number, line in enumerate(lines) if line.endswith(f" {path}")]
    sizes = [next(line for line in lines[start:] if line.startswith("Rss:")) for start in starts]
    return sum(int(size.split()[1]) * 1024 for size in sizes)


def test_the_weights_are_given_back(tmp_path):
    path = tmp_path / "net of\nmine.onnx"
    path.write_bytes(b"w" * (64 * PAGE))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[::PAGE] == b"w" * 64
        before = MAPS.read_text().count("mine.onnx")
        PageSweeper([path]).sweep_once()

        assert before
        assert resident(Path(str(path).replace("\n", "\\012"))) == 0
        assert mapped[::PAGE] == b"w" * 64


def test_a_file_is_found_through_a_link_to_it(tmp_path):
    path, link = tmp_path / "blob", tmp_path / "net.onnx"
    path.write_bytes(b"w" * (64 * PAGE))
    link.symlink_to(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[::PAGE]
        PageSweeper([link]).sweep_once()

        assert resident(path) == 0


def test_every_mapping_of_the_weights_is_found():
    found = clean_mappings(MAPPED, frozenset({WEIGHTS}))

    assert found == [(0x7F0000000000, 0x4000), (0x7F0000010000, 0x1000)]


@pytest.mark.parametrize("beside", ["/models/net.onnx.so", "/models/.venv/lib.so", "/models/net.onnx/lib.so"])
def test_what_lies_beside_or_below_is_not_the_weights(beside):
    maps = f"7f0000020000-7f0000021000 r--p 00000000 fe:01 12 {beside}\n"

    assert clean_mappings(maps, frozenset({WEIGHTS})) == []


@pytest.mark.parametrize("rights", ["r-xp", "rw-p", "rw-s"])
def test_a_file_that_is_written_or_run_as_well_is_left_alone(rights):
    maps = f"{MAPPED}7f0000030000-7f0000031000 {rights} 00005000 fe:01 11 {WEIGHTS}\n"

    assert clean_mappings(maps, frozenset({WEIGHTS})) == []


USE = """
import ctypes, sys
from ignition_builder.compiling.page_cache import PageSweeper
loaded = ctypes.CDLL(sys.argv[1])
PageSweeper(sys.argv[2:]).sweep_once()
ctypes.CDLL(sys.argv[1]).PyInit__ctypes
# Closing it runs what its relocated pages point to.
import _ctypes
_ctypes.dlclose(loaded._handle); _ctypes.dlclose(loaded._handle)
print("alive")
"""


@pytest.mark.parametrize("named", ["the model beside it", "the library itself"])
def test_a_library_below_the_models_folder_lives_on(named, tmp_path):
    library, model = library_in(tmp_path), saved(dense(), tmp_path)
    files = [str(library if named == "the library itself" else model)]
    done = subprocess.run(
        [sys.executable, "-c", USE, str(library), *files],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_the_files_of_a_models_weights_are_itself_and_its_data(tmp_path):
    onnx.save(dense(width=128), tmp_path / "net.onnx", save_as_external_data=True, location="net.data")
    (tmp_path / "other.data").write_bytes(np.zeros(4).tobytes())
    found = weight_files(load_skeleton(tmp_path / "net.onnx"), tmp_path / "net.onnx")

    assert found == (str(tmp_path / "net.data"), str(tmp_path / "net.onnx"))


def test_few_weights_are_not_looked_for():
    assert isinstance(sweeping(WORTH_SWEEPING, []), PageSweeper)
    assert not isinstance(sweeping(WORTH_SWEEPING - 1, []), PageSweeper)
