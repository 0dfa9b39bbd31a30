"""
What the controller needs of the world outside Kubernetes, as protocols.

``adapters.bucket`` fulfils them with S3 and the gateway; a test with dictionaries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ignition_hub.controller.policy.store_status import Heard, Probe
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.manifest import Manifest


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the store tells about a model, sizes in bytes; of a bundle, ``files`` are (ETag, size) by name."""

    etag: str
    size: int
    files: Mapping[str, tuple[str, int]] | None = None


class Store(Protocol):
    """One bucket, asked with deadlines; every failure is an ``IgnitionError``."""

    @property
    def bucket(self) -> str:
        """Name of the bucket."""

    def refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a namespace may not have ``uri`` read for it, with what would work; None when it may."""

    def plugin_refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a namespace may not have a plugin library loaded, with what would work."""

    def is_pushed(self, namespace: str, uri: str, sha256: str) -> bool:
        """Tell whether this namespace pushed ``uri``: the gateway checked that its key is its digest."""

    def quota(self, namespace: str) -> int | None:
        """Return the bytes that a namespace may keep here; None is no limit."""

    async def pushed_bytes(self, namespace: str) -> int:
        """Return the bytes of all that a namespace pushed, by a listing of it."""

    async def model(self, uri: str) -> ModelFacts | None:
        """Look at a model or a bundle; None when it does not exist."""

    async def exists(self, uri: str) -> bool:
        """Tell whether there is an object."""

    async def find(self, inputs: EngineInputs, identity: str) -> Manifest | None:
        """Return the verified manifest of an identity; None when there is none."""

    async def digest(self, namespace: str, uri: str) -> str:
        """Return the SHA-256 of a model by reading all of it, in minutes, in a turn of ``namespace``."""


class World(Protocol):
    """Where the store comes from."""

    async def store(self) -> Store:
        """Return the default store; raise ``IgnitionError`` when there is none that can be used."""

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        """Return whether the bucket of an EngineStore opens with its Secret."""

    async def heard(self, store: Mapping[str, Any]) -> Heard:
        """Return what the gateways found of the bucket of the EngineStore in use."""
