"""
The files a build is given besides its model: calibration data, inputs to compare on, plugin libraries.

External data lies beside the model under the names the model uses; here it is only accounted for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ignition_hub.engine.fields import Fields


@dataclass(frozen=True, slots=True)
class DataFile:
    """External data of the model: its path relative to the model, and what identifies its bytes."""

    name: str
    sha256: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, as the manifest has it."""
        return {"name": self.name, "sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, document: Any) -> "DataFile":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(read.text("name"), read.text("sha256"), read.integer("size"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where they lie; ``plugins`` maps the name of a plugin to its library."""

    data: tuple[DataFile, ...] = ()
    calibration: Path | None = None
    inputs: Path | None = None
    plugins: Mapping[str, Path] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "data": [file.to_json() for file in self.data],
            "calibration": _text(self.calibration),
            "inputs": _text(self.inputs),
            "plugins": {name: str(path) for name, path in self.plugins.items()},
        }

    @classmethod
    def from_json(cls, document: Any) -> "Files":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            data=read.nested_items("data", DataFile.from_json),
            calibration=_path(read.optional_text("calibration")),
            inputs=_path(read.optional_text("inputs")),
            plugins={name: Path(path) for name, path in read.mapping("plugins").items()},
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
