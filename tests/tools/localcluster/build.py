"""
Build the recipe's components into the cache, each once.

A component is built under a temporary name and renamed when it is whole, so an interrupted build is
continued where it stopped and two builds at once only wait for each other.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.paths import bin_folder, cache_folder
from localcluster.recipe import GO_SOURCES, Component, components_of
from localcluster.toolchain import find_go, go_environment

_REPORT_EVERY_SECONDS = 20.0
_TAIL_LINES = 30


def build(set_name: str = "all", *, jobs: int | None = None) -> Path:
    """
    Build every component of the set that is missing; return the folder that holds them.

    Args:
        set_name: ``control-plane``, ``cluster-tests`` or ``all``.
        jobs: packages compiled at once; Go's own default (one per core) when None.

    Raises:
        LocalClusterError: no Go, or a component that does not compile, with the end of its output.
    """
    target = bin_folder()
    wanted = components_of(set_name)
    if not any(_is_missing(component, target) for component in wanted):
        return target
    target.mkdir(parents=True, exist_ok=True)
    with _only_one_build():
        _build_missing(wanted, target, find_go(), jobs)
    return target


def _build_missing(wanted: tuple[Component, ...], target: Path, go: Path, jobs: int | None) -> None:
    started = time.monotonic()
    for number, component in enumerate(wanted, start=1):
        label = f"[{number}/{len(wanted)}] {component.name}"
        if _is_missing(component, target):
            _build_component(component, target, go, jobs, label)
        else:
            _say(f"{label}: already built")
    _say(f"all of {len(wanted)} built in {time.monotonic() - started:.0f} s: {target}")


def _is_missing(component: Component, target: Path) -> bool:
    return not all((target / name).exists() for name in (component.name, *component.aliases))


@contextmanager
def _only_one_build() -> Iterator[None]:
    lock = cache_folder() / "build.lock"
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_component(component: Component, target: Path, go: Path, jobs: int | None, label: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target) as unfinished:
        made = Path(unfinished) / component.name
        _compile(component, made, go, jobs, label)
        for alias in component.aliases:
            link = Path(unfinished) / alias
            link.symlink_to(component.name)
        made.replace(target / component.name)
        for alias in component.aliases:
            (Path(unfinished) / alias).replace(target / alias)


def _compile(component: Component, made: Path, go: Path, jobs: int | None, label: str) -> None:
    environment = go_environment(go)
    flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", component.linker_flags]
    flags += ["-p", str(jobs)] if jobs else []
    if component.is_ours:
        command = [str(go), "build", *flags, "-o", str(made), component.package]
    else:
        command = [str(go), "install", *flags, component.package]
        environment["GOBIN"] = str(made.parent)
    _follow(command, environment, label)


def _follow(command: list[str], environment: dict[str, str], label: str) -> None:
    """Run Go and tell how far it is: it prints one line per package as it compiles it."""
    started = told = time.monotonic()
    compiled = 0
    tail: list[str] = []
    _say(f"{label}: building …")
    with subprocess.Popen(
        command, cwd=GO_SOURCES, env=environment, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        for line in process.stderr or ():
            tail = [*tail[-_TAIL_LINES:], line.rstrip()]
            compiled += not line.startswith("go: ")
            if time.monotonic() - told >= _REPORT_EVERY_SECONDS:
                told = time.monotonic()
                _say(f"{label}: {compiled} packages compiled, {told - started:.0f} s")
    if process.returncode != 0:
        raise LocalClusterError(
            f"{label}: go ended with status {process.returncode}:\n" + "\n".join(tail),
            remedy="what compiled is kept: repeat the build once the cause is gone",
        )
    _say(f"{label}: done, {compiled} packages, {time.monotonic() - started:.0f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
