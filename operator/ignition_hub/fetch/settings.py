"""
What the fetcher was told, read from its environment once at start.

The webhook writes this environment; a person who runs the fetcher by hand may do so too, so every
mistake is answered by name.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine import environment
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import ENGINE_FILE, ENGINES_FOLDER, IMAGES_FOLDER, TOKEN_FILE
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_LAYOUT,
    ANNOTATION_ON_MISS,
    AnnotationError,
    LayoutName,
    OnMiss,
    PodAnnotation,
    Value,
)
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.node_source import NodeCache
from ignition_hub.wire.address import Address, tls_context

DEFAULT_DEADLINE = 600.0
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class MountedEngine:
    """An engine that the kubelet mounted as an image: its ``path``, and the ``sha256`` it has to have."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """
    One engine to bring: the folder below the mount, and the TensorRTEngine's name.

    ``mounted`` is there already where the pod has its image.
    """

    alias: str
    resource: str
    mounted: MountedEngine | None = None


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """
    One fetcher run. ``deadline`` is in seconds for everything together.

    ``gateway_tls`` trusts the hub's certificate authority alone when one is given; ``store_tls`` trusts the
    system's too, because a bucket may be a public service. ``node_cache`` is None where the hub runs none.
    """

    gateway: Address
    token_file: Path
    mount: Path
    engines: tuple[FetchRequest, ...]
    deadline: float
    on_miss: OnMiss
    layout: LayoutName
    gateway_tls: ssl.SSLContext
    store_tls: ssl.SSLContext
    node_cache: NodeCache | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "FetchSettings":
        """Read ``environ``; a FetchError with reason InvalidRequest names the variable that is wrong."""
        authorities = _authorities(environ)
        gateway_tls = _tls(authorities, only=True)
        return cls(
            gateway=_address(environ),
            token_file=Path(environ.get(environment.TOKEN_FILE, TOKEN_FILE)),
            mount=Path(environ.get(environment.MOUNT, ENGINES_FOLDER)),
            engines=_engines(environ.get(environment.ENGINES, ""), _mounted(environ)),
            deadline=_seconds(environ.get(environment.DEADLINE_SECONDS, str(DEFAULT_DEADLINE))),
            on_miss=_annotated(ANNOTATION_ON_MISS, environ),
            layout=_annotated(ANNOTATION_LAYOUT, environ),
            gateway_tls=gateway_tls,
            store_tls=_tls(authorities, only=False),
            node_cache=_node_cache(environ, gateway_tls),
        )


def _wrong(variable: str, why: str) -> FetchError:
    return FetchError(
        Reason.InvalidRequest,
        f"{variable}: {why}",
        "The webhook sets this variable; delete the pod so that it is injected again.",
    )


def _address(environ: Mapping[str, str], variable: str = environment.GATEWAY_URL) -> Address:
    url = environ.get(variable, "")
    try:
        return Address.of(url.rstrip("/"))
    except ValueError as error:
        raise _wrong(variable, f"{url!r}: {error}") from error


def _node_cache(environ: Mapping[str, str], tls: ssl.SSLContext) -> NodeCache | None:
    variable = environment.NODE_CACHE_URL
    return NodeCache(_address(environ, variable), tls) if environ.get(variable) else None


def _mounted(environ: Mapping[str, str]) -> dict[str, MountedEngine]:
    """Return the engines that are mounted as images, by alias."""
    found = {}
    for item in filter(None, environ.get(environment.IMAGES, "").split(",")):
        alias, _, sha256 = item.partition("=")
        if not SHA256.fullmatch(sha256) or "/" in alias or alias.startswith("."):
            raise _wrong(environment.IMAGES, f"{item!r:.120} is not alias=SHA-256")
        found[alias] = MountedEngine(Path(IMAGES_FOLDER, alias, ENGINE_FILE), sha256)
    return found


def _engines(text: str, mounted: Mapping[str, MountedEngine]) -> tuple[FetchRequest, ...]:
    engines = []
    for item in filter(None, (piece.strip() for piece in text.split(","))):
        alias, equals, resource = item.partition("=")
        if not (alias and equals and resource) or "/" in item or alias.startswith("."):
            raise _wrong(environment.ENGINES, f"{item!r} is not alias=resource")
        engines.append(FetchRequest(alias, resource, mounted.get(alias)))
    if not engines:
        raise _wrong(environment.ENGINES, "it lists no engines")
    return tuple(engines)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 7 * 24 * 3600:
        raise _wrong(environment.DEADLINE_SECONDS, f"{text!r} is not a number of seconds within a week")
    return seconds


def _annotated(annotation: PodAnnotation[Value], environ: Mapping[str, str]) -> Value:
    if annotation.variable not in environ:
        return annotation.default
    try:
        return annotation.read(environ[annotation.variable])
    except AnnotationError as error:
        raise _wrong(annotation.variable, str(error)) from error


def _authorities(environ: Mapping[str, str]) -> str | None:
    if text := environ.get(environment.CA, "").strip():
        return text
    if not (path := environ.get(environment.CA_FILE, "")):
        return None
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(environment.CA_FILE, f"{path!r} cannot be read: {error}") from error


def _tls(authorities: str | None, *, only: bool) -> ssl.SSLContext:
    try:
        return tls_context(authorities, only=only)
    except ValueError as error:
        raise _wrong(environment.CA, str(error)) from error
