"""
An engine on this machine: a file that is also what it says about itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ignition_hub.engine.manifest import Manifest

Source = Literal["local_cache", "remote", "built"]


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """
    An engine file and its manifest; usable wherever a path is.

    ``temporary`` tells that no cache could keep it: the file is gone when this process ends.
    """

    path: Path
    manifest: Manifest
    temporary: bool = False

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def manifest_path(self) -> Path:
        """The manifest as a file."""
        return self.path.parent.parent / f"{self.path.name}.json"
