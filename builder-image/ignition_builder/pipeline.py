"""
Build one engine from one model file: check, convert, compile, look at the result.

The middle of the builder's flow (request → model → precision → compile → verify → publish), and all of it
that needs no cluster: a laptop calls ``build`` with a path.

Weights stay in files and engines are streamed for everybody. With ``lowMemory`` nothing is proven, and no
accuracy check loads, while the engine is compiled.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ignition_builder.documents import (
    COMPILE,
    INSPECT,
    VERIFY,
    Compiled,
    Prepared,
    Task,
    TimingCacheTask,
)
from ignition_builder.facts import FileDigests, Stages, check_warnings, facts_of
from ignition_builder.files import Files
from ignition_builder.kept import processes_with_kept_compiler
from ignition_builder.options import options_of
from ignition_builder.progress import Watcher, part_of
from ignition_builder.proving import proving
from ignition_builder.stage_process import StageProcesses, stage_processes
from ignition_builder.verification import checks_of
from ignition_builder.verifying.header import check_plan
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.identity import TENSORRT
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.request import BuildRequest

LOG_FILE = "build.log"
CHUNK = 1024 * 1024
NO_FILES = Files()


@dataclass(frozen=True, slots=True)
class Built:
    """An engine on disk with its digest (hex) and size in bytes, how it was built, and the log's file."""

    path: Path
    sha256: str
    size: int
    facts: BuildFacts
    log: Path


def build(
    request: BuildRequest,
    model_path: Path,
    work_dir: Path,
    on_progress: Watcher,
    *,
    digests: FileDigests | None = None,
    files: Files = NO_FILES,
    timing_cache: TimingCacheTask | None = None,
    may_build_again: bool = False,
) -> Built:
    """
    Build the engine ``request`` asks for from the ONNX file ``model_path``.

    Files are written below ``work_dir``, which the caller owns. ``on_progress`` hears a phase and a fraction
    from 0 to 1. ``digests`` saves reading the model again when it was hashed on arrival; ``files`` are what
    else the request names, ``timing_cache`` says where one is and where to leave it. Where the program
    ``may_build_again``, the process that loaded NVIDIA's kernels is kept for that (``kept``); otherwise no
    child process is left behind. Raises IgnitionError with the reason.
    """
    # TensorRT-RTX starts in a tenth of a second, and has nothing worth keeping.
    keeps = may_build_again and request.inputs.flavor == TENSORRT
    with (processes_with_kept_compiler if keeps else stage_processes)(work_dir / LOG_FILE) as processes:
        # Read while the processes load what they need.
        digests = digests or digests_of(model_path)
        return build_with(
            processes,
            request,
            model_path,
            work_dir,
            on_progress,
            digests=digests,
            files=files,
            timing_cache=timing_cache,
        )


def build_with(
    processes: StageProcesses,
    request: BuildRequest,
    model_path: Path,
    work_dir: Path,
    on_progress: Watcher,
    *,
    digests: FileDigests,
    files: Files = NO_FILES,
    timing_cache: TimingCacheTask | None = None,
) -> Built:
    """Build as ``build`` does, with child processes that were started before the model was here."""
    started, log = time.monotonic(), work_dir / LOG_FILE
    forbidden = options_of(request.options).fail_on_warnings
    check_digest(request, digests)
    task = Task(
        stage=INSPECT,
        request=request,
        model=str(model_path),
        folder=str(work_dir),
        log=str(log),
        files=files,
        timing_cache=timing_cache,
    )
    stages = _run(processes, task, forbidden, on_progress, deadline=started + request.timeout_seconds)
    facts = facts_of(request, stages, digests, files, time.monotonic() - started)
    compiled = stages.compiled
    return Built(Path(compiled.path), compiled.sha256, compiled.size, facts, log)


def _run(
    processes: StageProcesses, task: Task, forbidden: Sequence[str], on_progress: Watcher, *, deadline: float
) -> Stages:
    """Take ``task`` through every stage; an engine that is not to be given leaves no file."""
    compiles_until = 0.8 if task.request.verification else 1.0
    watch = part_of(on_progress, 0.0, 0.1)
    prepared = Prepared.from_json(processes.inspector.run(task, watch, deadline))
    task, watch = replace(task, stage=COMPILE, prepared=prepared), part_of(on_progress, 0.1, compiles_until)
    with proving(processes.inspector, task, on_progress, deadline) as proven, checks_of(task) as verified:
        compiled = Compiled.from_json(processes.compiler.run(task, watch, deadline))
        try:
            check_warnings(forbidden, prepared, compiled)
            check_plan(Path(compiled.path), compiled.size, task.request.inputs)
            proof = proven()
            task = replace(task, stage=VERIFY, compiled=compiled)
            passed = verified(task, part_of(on_progress, compiles_until, 1.0), deadline)
            stages = Stages(prepared, compiled, passed, proof)
            check_warnings(forbidden, *stages.all)
        except IgnitionError:
            Path(compiled.path).unlink()
            raise
    return stages


def digests_of(path: Path) -> FileDigests:
    """Read a file once for its digests."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
        return FileDigests(sha256.hexdigest(), md5.hexdigest(), file.tell())


def check_digest(request: BuildRequest, digests: FileDigests) -> None:
    """Raise RequestError (ModelDigestMismatch) unless the bytes are those the request pins."""
    if request.model_sha256 is not None and digests.sha256 != request.model_sha256.lower():
        raise RequestError(
            Reason.ModelDigestMismatch,
            f"{request.model_uri} has SHA-256 {digests.sha256}; source.sha256 pins {request.model_sha256}",
            "correct the pin, or restore the model that was pinned",
        )
