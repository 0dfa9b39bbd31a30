"""
An engine on this machine: a file that is also what it says about itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ignition_hub.engine.manifest import Manifest

if TYPE_CHECKING:
    from ignition_hub.runtime import LoadedEngine

EngineSource = Literal["local_cache", "remote", "built"]


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """
    An engine file and its manifest; usable wherever a path is.

    ``temporary`` tells that no cache could keep it: the file is gone when this process ends. ``vouched``
    tells that it was built here, or came from a store with a signature that is believed here.
    """

    path: Path
    manifest: Manifest
    temporary: bool = False
    vouched: bool = True

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def load(self, **options: Any) -> "LoadedEngine":
        """Verify and load the engine on this machine's GPU; ``options`` are those of ``load_engines``."""
        # Here and not above: who only wants the file needs no runtime.
        from ignition_hub.runtime import load_engines  # noqa: PLC0415

        alias = self.manifest.inputs.model.name
        return load_engines({alias: self.path}, **options)[alias]

    @property
    def manifest_path(self) -> Path:
        """The manifest as a file."""
        return self.path.parent.parent / f"{self.path.name}.json"
