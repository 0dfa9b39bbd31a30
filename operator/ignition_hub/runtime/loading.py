"""
Load engines: every one checked before the first is touched, then largest first, one mapping at a time.

Largest first, because the memory that a mapping takes is then needed while the GPU is still empty and the
others are not there yet. For each: header, what vouches for it, the truth table, then SHA-256 and
deserialising from one and the same mapping.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ignition_hub.engine.environment import ENGINE_OF_ALIAS
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.names import ENGINE_FILE
from ignition_hub.runtime.backend import Backends, RuntimeBackend, open_backend
from ignition_hub.runtime.errors import EngineRefused
from ignition_hub.runtime.fitting import LoadRequirements, load_requirements
from ignition_hub.runtime.inputs import InputChecker
from ignition_hub.runtime.machine import Machine, this_machine
from ignition_hub.runtime.mapped import GET_ANEW, PlanFile, header_of, mapped, require_digest
from ignition_hub.runtime.refusals import refusal_of
from ignition_hub.runtime.trust import NO_TRUST, Trust
from ignition_hub.runtime.vouched import voucher_of

Paths = Mapping[str, str | os.PathLike[str]] | Iterable[str | os.PathLike[str]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """
    An engine that was verified and loaded; ``engine`` is TensorRT's ``ICudaEngine``.

    ``inputs`` checks what is about to be enqueued; ``warnings`` are what the truth table or TensorRT said
    about running it here; ``manifest`` is None for an engine that was loaded unverified.
    """

    alias: str
    path: Path
    engine: Any = field(repr=False)
    inputs: InputChecker = field(repr=False)
    manifest: Manifest | None = field(repr=False)
    warnings: tuple[str, ...] = ()


def load_engines(
    engines: Paths | None = None,
    *,
    trust: Trust = NO_TRUST,
    lean_runtime: str | os.PathLike[str] | None = None,
    machine: Machine | None = None,
    backends: Backends = open_backend,
) -> dict[str, LoadedEngine]:
    """
    Load engines and return them by alias, in the order in which they were named.

    ``engines`` maps aliases to files, or lists files; without it, what the hub injected into this pod.
    ``lean_runtime`` is the library for version compatible engines that carry none. ``machine`` says which
    GPU and platform this is; by default the first GPU of this process. Raises EngineRefused for the first
    engine that is not to be loaded, before any is; NoGPU without a driver.
    """
    named = engines_injected() if engines is None else _named(engines)
    found = {alias: look_at(path, trust) for alias, path in named.items()}
    here = machine or this_machine() if found else None
    backend_of = cache(backends)
    loader = _Loader(trust, Path(lean_runtime) if lean_runtime else None)
    required = {
        alias: loader.requirements(one, here, backend_of(one.header.flavor))
        for alias, one in found.items()
        if here is not None
    }
    largest_first = sorted(found, key=lambda alias: -found[alias].size)
    loaded = {
        alias: loader.load(alias, found[alias], required[alias], backend_of(found[alias].header.flavor))
        for alias in largest_first
    }
    return {alias: loaded[alias] for alias in named}


def look_at(path: Path, trust: Trust = NO_TRUST) -> PlanFile:
    """Return what a file is, by its header and by what lies beside it; nothing of it is executed."""
    size, header = header_of(path)
    voucher = voucher_of(path)
    if voucher is None and trust.unverified is None:
        raise EngineRefused(
            Reason.UnverifiedEngine,
            f"{path}: there is no manifest or engine.json beside it, so its code cannot be verified",
            "fetch it through Ignition Hub, or state a reason: trust=Trust(unverified='...')",
        )
    if voucher is not None and voucher.size != size:
        raise EngineRefused(
            Reason.DigestMismatch,
            f"{path} has {size} bytes, but {voucher.document} says {voucher.size}",
            GET_ANEW,
        )
    return PlanFile(path, size, header, voucher)


def engines_injected(environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Return the engines of this pod by alias, from the variables ``IGNITION_ENGINE_<ALIAS>``."""
    known = os.environ if environ is None else environ
    paths = [Path(value) for name, value in sorted(known.items()) if name.startswith(ENGINE_OF_ALIAS)]
    return {path.parent.name: path for path in paths}


def _named(engines: Paths) -> dict[str, Path]:
    if isinstance(engines, Mapping):
        return {alias: Path(path) for alias, path in engines.items()}
    paths = [Path(path) for path in engines]
    named = {_alias_of(path): path for path in paths}
    if len(named) != len(paths):
        raise ValueError("two engines have the same alias; pass a mapping of alias to path")
    return named


def _alias_of(path: Path) -> str:
    """Return the folder's name for what the fetcher placed, else the file's."""
    return path.parent.name if path.name == ENGINE_FILE else path.stem


@dataclass(frozen=True, slots=True)
class _Loader:
    trust: Trust
    lean_runtime: Path | None

    def requirements(self, found: PlanFile, machine: Machine, backend: RuntimeBackend) -> LoadRequirements:
        """Return how the engine fits this machine; EngineRefused when it does not."""
        required = load_requirements(found, machine, backend.version)
        return required.accepted(self.trust, self.lean_runtime)

    def load(
        self, alias: str, found: PlanFile, required: LoadRequirements, backend: RuntimeBackend
    ) -> LoadedEngine:
        """Hash and deserialise one engine from one mapping, which is gone afterwards."""
        with mapped(found.path) as whole:
            require_digest(whole, found)
            with whole[found.header.ultralytics_prefix :] as plan:
                engine, messages = backend.deserialize(
                    plan,
                    host_code=required.host_code and self.trust.host_code is not None,
                    lean_runtime=self.lean_runtime if required.lean_runtime else None,
                )
        if engine is None:
            raise refusal_of(found.path, messages)
        self._tell(alias, found, required)
        manifest = found.voucher.manifest if found.voucher else None
        return LoadedEngine(
            alias=alias,
            path=found.path,
            engine=engine,
            inputs=InputChecker.of_engine(engine, backend.trt, manifest),
            manifest=manifest,
            warnings=(*required.warnings, *messages),
        )

    def _tell(self, alias: str, found: PlanFile, required: LoadRequirements) -> None:
        if found.voucher is None:
            log.warning("%s: loaded unverified: %s", alias, self.trust.unverified)
        if required.host_code:
            log.warning("%s: may run host code: %s", alias, self.trust.host_code)
        for warning in required.warnings:
            log.warning("%s: %s", alias, warning)
