"""The command line: ``python -m gpupack FOLDER RELEASE … [--part-mib N]``."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from gpupack.archives import put_archive, sums_of
from gpupack.errors import PackError
from gpupack.libraries import put_release
from gpupack.project import put_networks, put_project
from gpupack.python import put_python
from gpupack.releases import WHOLE
from images.errors import ImagesError

Put = Callable[[Path], Path]
"""Makes one folder of the pack inside another, and returns it."""
RUN = Path(__file__).with_name("run.sh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack and say what lies where; the exit status is 1 when something could not be had."""
    parser = argparse.ArgumentParser(
        prog="gpupack", description="Pack the GPU tests for a machine without an index."
    )
    parser.add_argument("folder", type=Path, help="where the pack is written")
    parser.add_argument("release", nargs="+", help=f"of full TensorRT: {', '.join(WHOLE)}")
    parser.add_argument("--part-mib", type=int, help="the largest file, where a transfer takes no more")
    given = parser.parse_args(arguments)
    try:
        files = pack(given.folder, given.release, given.part_mib)
    except (PackError, ImagesError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{given.folder}: {len(files)} files, {size:,.0f} MB; carry them over and run there: sh run.sh")
    return 0


def pack(out: Path, releases: Sequence[str], part_mib: int | None) -> list[Path]:
    """Write everything into ``out``, which is emptied first; return the files."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    part_bytes = None if part_mib is None else part_mib << 20
    files = []
    for what in (put_project, put_networks, put_python):
        files += _archived(what, out, part_bytes)
    for version in releases:
        files += _archived(partial(put_release, version), out, part_bytes)
    sums = out / "SHA256SUMS"
    sums.write_text(sums_of(files), encoding="ascii")
    return [*files, sums, Path(shutil.copy2(RUN, out / RUN.name))]


def _archived(put: Put, out: Path, part_bytes: int | None) -> list[Path]:
    started = time.monotonic()
    with TemporaryDirectory(dir=out.parent, prefix="gpupack-") as name:
        files = put_archive(put(Path(name)), out, part_bytes)
    print(f"{files[0].name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return files
