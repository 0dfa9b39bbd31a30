"""
TensorRT's timing cache on one machine: what builds measured here, in the store's tree below the local cache.

One user's builds are one owner, so they share it. Of two that end at once the later one's is kept, whole.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import TENSORRT, EngineInputs
from ignition_hub.engine.naming import Tree, timing_cache_key
from ignition_hub.local.resolution import machine_gpu

log = logging.getLogger("ignition_hub.library")

OWNER = "namespaces/local"


@dataclass(frozen=True, slots=True)
class TimingFiles:
    """Where the cache is kept, where a build leaves what it measured, and the key that the manifest names."""

    kept: Path
    measured: Path
    key: str


@contextmanager
def timing_files(
    root: Path, inputs: EngineInputs, folder: Path, cuda: str | None
) -> Iterator[TimingFiles | None]:
    """
    Give a build in ``folder`` the timing cache below ``root``; what it measured is kept if it ends well.

    None where there is none: another flavor, no GPU, or nothing that tells the release of CUDA.
    """
    files = _files(root, inputs, folder, cuda)
    yield files
    if files is None or not files.measured.exists():
        return
    try:
        files.kept.parent.mkdir(parents=True, exist_ok=True)
        # From one folder of the cache to another: nothing half-written is ever visible.
        files.measured.replace(files.kept)
    except OSError as error:
        log.warning("the timing cache was not saved in %s (%s)", root, error.strerror or error)


def clear_timing_caches(root: Path) -> None:
    """Remove every timing cache of this machine, and no other file."""
    for path in (root / Tree.TIMING_CACHES).glob(f"*/*/{OWNER}/*.cache"):
        path.unlink(missing_ok=True)
        for folder in path.relative_to(root).parents:
            with suppress(OSError):  # not empty, or somebody keeps something of their own in it
                (root / folder).rmdir()


def _files(root: Path, inputs: EngineInputs, folder: Path, cuda: str | None) -> TimingFiles | None:
    gpu = machine_gpu() if inputs.flavor == TENSORRT else None
    if gpu is None or cuda is None:
        return None
    try:
        key = timing_cache_key("", inputs, product=gpu.product, owner=OWNER, cuda=cuda)
    except ContractError as error:
        log.warning("not using a timing cache: %s", error)
        return None
    return TimingFiles(root / key, folder / "measured.cache", key)
