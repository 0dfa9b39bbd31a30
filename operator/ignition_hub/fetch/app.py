"""
One run of the fetcher: settings, the answers for all engines, room for all of them, then every engine in
turn, then an exit code that says what to do.

This is the outermost edge: whatever goes wrong below becomes one line for people (on stderr and in the
container's termination message) and one exit code from ``engine/errors.py``. Where all went well, that
message says which engines there are now.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType

from ignition_hub.engine.environment import termination_log
from ignition_hub.engine.errors import Reason, exit_code_of
from ignition_hub.engine.fetch_report import FAILED, FELL_BACK, FETCHED, PRESENT, FetchAccount
from ignition_hub.engine.quoting import on_one_line, shortened
from ignition_hub.engine.running_engines import DIGITS, RunningEngines
from ignition_hub.fetch.beside import files_beside, lay_out, served_engine
from ignition_hub.fetch.budget import FetchBudget, fetch_budget
from ignition_hub.fetch.delivery import Found, deliver, missing_bytes_of
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.folder_lock import alone_in
from ignition_hub.fetch.gateway import Resolved, ResolvedModel, resolve
from ignition_hub.fetch.lines import say
from ignition_hub.fetch.mounted import another_than_mounted
from ignition_hub.fetch.place import EnginePaths, is_mounted, require_room
from ignition_hub.fetch.reporting import Stopwatch, tell_gateway
from ignition_hub.fetch.settings import FetchRequest, FetchSettings
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.wire.outcomes import LinkExpired

LONGEST_MESSAGE = 4096  # bytes, what the kubelet keeps
FALLBACK_CHARACTERS = 400
"""Of why there is no engine: as many bytes as fit beside sixteen digests, however JSON writes them."""
LINKS_WITHOUT_PROGRESS = 3
SECONDS_BETWEEN_LINES = 5.0
MIB = 1024 * 1024


def main(environ: Mapping[str, str]) -> int:
    """Fetch what ``environ`` asks for; 0, or the exit code of the first thing that failed."""
    # As process 1 of its container it would ignore SIGTERM unless it says otherwise.
    signal.signal(signal.SIGTERM, _leave)
    try:
        found = bring(FetchSettings.from_environment(environ))
    except FetchError as error:
        report(f"{error.reason}: {error.message}. {error.remedy}", environ)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  (the outermost edge: no traceback reaches a user)
        report(f"{Reason.Crashed}: {type(error).__name__}: {error}. Please report this.", environ)
        return exit_code_of(Reason.Crashed, "fetcher")
    if words := in_place_of_engines(found):
        sys.stderr.write(f"{words}\n")
    leave_word(what_runs(found), environ)
    return 0


def bring(settings: FetchSettings) -> list[Found]:
    """Bring every engine in turn, tell the gateway how that went, and return what is there now."""
    accounts: list[FetchAccount] = []
    try:
        with fetch_budget(settings.deadline, settings.store_tls, settings.node_cache) as budget:
            fetches = [EngineFetch(wanted, settings, budget) for wanted in settings.engines]
            # Nothing is downloaded for a pod that cannot start: every answer first, and room for all.
            for fetch in fetches:
                with failure_told(fetch, accounts):
                    fetch.ask()
            missing = 0
            for fetch in fetches:
                with failure_told(fetch, accounts):
                    missing += missing_bytes_of(fetch.found, fetch.paths)
                    require_room(settings.mount, missing)
            for fetch in fetches:
                with failure_told(fetch, accounts):
                    accounts.append(fetch.bring())
            return [fetch.found for fetch in fetches]
    finally:
        tell_gateway(settings, accounts)


class EngineFetch:
    """The fetch of one engine: ``ask`` which it is, then ``bring`` it."""

    found: Found
    served: ServedEngine | None = None

    def __init__(self, wanted: FetchRequest, settings: FetchSettings, budget: FetchBudget) -> None:
        self.paths = EnginePaths(settings.mount / wanted.alias, mounted=wanted.mounted)
        self.watch = Stopwatch()
        self._wanted, self._settings, self._budget = wanted, settings, budget

    def ask(self) -> None:
        """Wait for the gateway's answer."""
        with self.watch.waiting():
            self.found = resolve(self._wanted.resource, self._settings, self._budget.deadline, say)
        if isinstance(self.found, Resolved):
            if self.paths.mounted and not is_mounted(self.found, self.paths):
                say(f"{self._wanted.alias}: {another_than_mounted(self.found, self.paths.mounted)}")
            self.served = served_engine(self.found, self._wanted.alias, self._settings.layout)

    def bring(self) -> FetchAccount:
        """Download, while no other pod writes into the same folder."""
        self.watch.begin()
        with alone_in(self.paths, self._budget.deadline):
            return self._download()

    def _download(self) -> FetchAccount:
        """Download, and ask again whenever the URL's time was over."""
        expired = 0
        progress = DownloadProgress(self._wanted.alias)
        while True:
            progress.begin(self.found)
            before = progress.done
            try:
                fetched = deliver(self.found, self.paths, self._budget, progress)
            except LinkExpired as error:
                expired = 0 if progress.done > before else expired + 1
                if expired == LINKS_WITHOUT_PROGRESS:
                    raise refused_by_store(error) from error
                self._budget.deadline.pause(expired or 1)
                self.ask()
            else:
                lay_out(files_beside(self.served, self._settings.layout, self.paths), self.paths)
                size, name = self.found.size, self.found.file_name
                say(f"{self._wanted.alias}: {name}, {size} bytes, {progress.summary(fetched)}")
                outcome = FETCHED if fetched else PRESENT
                if isinstance(self.found, ResolvedModel):
                    outcome = FELL_BACK
                return self.watch.account(outcome, size if fetched else 0)


@contextlib.contextmanager
def failure_told(fetch: EngineFetch, accounts: list[FetchAccount]) -> Iterator[None]:
    """Add to ``accounts`` what the fetch of an engine failed of."""
    try:
        yield
    except FetchError as error:
        accounts.append(fetch.watch.account(FAILED, 0, str(error.reason)))
        raise


class DownloadProgress:
    """Tells people, every few seconds, how much of one engine has arrived."""

    def __init__(self, alias: str) -> None:
        self.total = 0
        self.done = 0
        self._alias = alias
        self._chosen = ""
        self._started = self._said = time.monotonic()

    def begin(self, found: Found) -> None:
        """Note how large the engine is, and say which was chosen; once, however often its URL expires."""
        self.total = found.size
        selection = found.selection if isinstance(found, Resolved) else None
        chosen = f"{self._alias}: {selection.in_words()}" if selection else ""
        if chosen and chosen != self._chosen:
            say(chosen)
        self._chosen = chosen

    def __call__(self, done: int, _without_gap: int) -> None:
        """Note that ``done`` bytes are in the file."""
        self.done = max(done, self.done)
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            say(f"{self._alias}: {done // MIB} of {self.total // MIB} MiB, {self._rate(now)}")

    def summary(self, fetched: bool) -> str:
        """Say how it went, for the last line."""
        if not fetched:
            return "already here, digest verified"
        return f"digest verified, {self._rate(time.monotonic())}"

    def _rate(self, now: float) -> str:
        return f"{self.done / MIB / max(now - self._started, 0.001):.0f} MiB/s"


def refused_by_store(error: LinkExpired) -> FetchError:
    """Build the error for a store that refuses every fresh URL."""
    return FetchError(
        Reason.StoreUnavailable,
        f"{error} to {LINKS_WITHOUT_PROGRESS} fresh URLs in a row",
        "Check the hub's bucket credentials and the clocks of the hub and the store.",
    )


def report(line: str, environ: Mapping[str, str]) -> None:
    """Put the one line where people look: stderr and the container's termination message."""
    line = on_one_line(line)
    sys.stderr.write(f"{line}\n")
    leave_word(line, environ)


def in_place_of_engines(found: Sequence[Found]) -> str:
    """Say which models there are instead, and why."""
    return on_one_line(" ".join(each.in_words() for each in found if isinstance(each, ResolvedModel)))


def what_runs(found: Sequence[Found]) -> str:
    """Return what the pod's containers find, as JSON; without a GPU only that it is no engine, in words."""
    words = in_place_of_engines(found)
    gpu = found[-1].record.get("gpu")
    told = gpu if isinstance(gpu, Mapping) else {}
    arch, product, platform = (
        value if isinstance(value := told.get(name), str) else None
        for name in ("arch", "product", "platform")
    )
    if arch is None:
        return words
    digests = tuple(each.sha256[:DIGITS] if isinstance(each, Resolved) else "" for each in found)
    fallback = shortened(words, FALLBACK_CHARACTERS) if words else None
    running = RunningEngines(arch, product, digests, fallback, platform)
    return json.dumps(running.to_json(), separators=(",", ":"))


def leave_word(line: str, environ: Mapping[str, str]) -> None:
    """Write the container's termination message."""
    path = termination_log(environ)
    # The kubelet made the file; outside Kubernetes there is none, and none is made.
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.truncate()
        file.write(line.encode()[:LONGEST_MESSAGE])


def _leave(number: int, _frame: FrameType | None) -> None:
    # At once and without joining threads: what has arrived is in the journal.
    os._exit(128 + number)
