"""
One run of the builder in its pod: request → model → precision → compile → verify → publish.

The outermost edge: whatever happens becomes one line on stderr, one JSON in the termination message, one
word to the gateway and one exit code from the contract's table.
"""

import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ignition_builder.hub.download import DownloadSource
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.inputs import download_all
from ignition_builder.hub.progress_reporter import ProgressReporter
from ignition_builder.hub.publishing import log_of, publish
from ignition_builder.hub.timing_store import TimingStore
from ignition_builder.memory import NEEDED, Memory, mebibytes, read_memory
from ignition_builder.pipeline import LOG_FILE, build_with
from ignition_builder.progress import Watcher, part_of
from ignition_builder.report import disk_error
from ignition_builder.settings import Settings
from ignition_builder.stage_process import StageProcesses, stage_processes
from ignition_hub.engine.environment import termination_log
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError

DOWNLOADING = "Downloading model"
TAIL_BYTES = 16 * 1024
FAREWELL_SECONDS = 10.0
"""How long the gateway may take to hear of a failure; the termination message says the same."""
MESSAGE_BYTES = 3072
"""The kubelet keeps 4096 bytes of a termination message, JSON and escapes included."""


def main(environ: Mapping[str, str]) -> int:
    """Run and return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    gateway: GatewayClient | None = None
    try:
        settings = Settings.from_environment(environ)
        gateway = GatewayClient(settings.gateway, settings.token_file, settings.gateway_tls)
        with last_words(termination_log(environ), read_memory()):
            uri = run(settings, gateway)
    except IgnitionError as error:
        return fail(error, gateway, environ)
    except OSError as error:
        return fail(disk_error(error), gateway, environ)
    except Exception as error:  # noqa: BLE001  (the edge of the program: no traceback reaches a user)
        message = f"the builder failed ({type(error).__name__}: {error})"
        return fail(RequestError(Reason.BuildFailed, message, "report it"), gateway, environ)
    sys.stdout.write(f"published {uri}\n")
    return 0


def run(settings: Settings, gateway: GatewayClient) -> str:
    """Build what the gateway grants and return the URI under which it was published."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=settings.work_dir) as folder:
        try:
            with stage_processes(Path(folder) / LOG_FILE) as processes, ProgressReporter(gateway) as reporter:
                return _build_in(Path(folder), settings, gateway, processes, _noted(reporter.tell))
        except IgnitionError:
            # The folder goes; the pod's log is where its log can still be read.
            sys.stdout.write(log_of(Path(folder) / LOG_FILE, TAIL_BYTES))
            raise


def _build_in(
    folder: Path, settings: Settings, gateway: GatewayClient, processes: StageProcesses, watch: Watcher
) -> str:
    grant = gateway.grant()
    arriving, building = part_of(watch, 0.0, 0.1), part_of(watch, 0.1, 0.9)
    source = DownloadSource(grant, gateway.grant, settings.store_tls)
    here = download_all(source, folder, lambda part: arriving(DOWNLOADING, part))
    store = TimingStore(gateway, grant, settings.store_tls, folder)
    timing_cache = store.fetched()
    built = build_with(
        processes,
        grant.request,
        here.model,
        folder,
        building,
        digests=here.digests,
        files=here.files,
        timing_cache=timing_cache,
    )
    uri = publish(built, gateway, settings.store_tls, part_of(watch, 0.9, 1.0))
    if trouble := store.kept(timing_cache):
        sys.stdout.write(f"{trouble}\n")
    return uri


@contextlib.contextmanager
def last_words(path: Path, memory: Memory) -> Iterator[None]:
    """
    Say beforehand what there will be no time to say: where memory runs out, the whole container may die.

    Since Kubernetes 1.28 the kernel ends all processes of a container together (``memory.oom.group``).
    Whoever leaves the block alive takes the words back.
    """
    if not memory.kills_all:
        yield
        return
    limit = f" of {mebibytes(memory.limit)}" if memory.limit else ""
    _leave_message(
        path,
        TransientError(
            Reason.OutOfMemory,
            f"the builder was killed without reporting a reason, most likely at its memory limit{limit}",
            f"raise resources of the BuildPool; {NEEDED}",
        ),
    )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.write_text("")


def _leave_message(path: Path, error: IgnitionError) -> None:
    words = {"reason": str(error.reason), "message": _short(str(error))}
    # Outside Kubernetes there may be no such file to write.
    with contextlib.suppress(OSError):
        path.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")


def fail(error: IgnitionError, gateway: GatewayClient | None, environ: Mapping[str, str]) -> int:
    """Tell everybody who listens why there is no engine; return the exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write(f"{error.reason}: {error}\n")
    _leave_message(termination_log(environ), error)
    if gateway is not None:
        # The exit code and the termination message still say it when the gateway does not hear.
        with contextlib.suppress(IgnitionError):
            gateway.failed(error, FAREWELL_SECONDS)
    return error.exit_code


def _noted(tell: Watcher) -> Watcher:
    """Return a watcher that also writes each new phase to the pod's log."""
    seen: set[str] = set()

    def watch(phase: str, fraction: float) -> None:
        if phase not in seen:
            seen.add(phase)
            sys.stdout.write(f"{phase}\n")
            sys.stdout.flush()
        tell(phase, fraction)

    return watch


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once: what follows is cleaning up, and must not be interrupted itself.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise TransientError(Reason.Interrupted, "the pod was terminated before the engine was published")


def _short(message: str) -> str:
    data = message.encode()
    return message if len(data) <= MESSAGE_BYTES else data[:MESSAGE_BYTES].decode(errors="ignore") + "…"
