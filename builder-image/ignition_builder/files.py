"""
The files a build is given besides its model: calibration data, inputs to compare on, plugin libraries.

External data lies beside the model under the names the model uses; here it is only accounted for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ignition_hub.engine.codec import Whole


@dataclass(frozen=True, slots=True)
class DataFile(Whole):
    """External data of the model: its path relative to the model, and what identifies its bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Files(Whole):
    """Where they lie; ``plugins`` maps the name of a plugin to its library."""

    data: tuple[DataFile, ...] = ()
    calibration: Path | None = None
    inputs: Path | None = None
    plugins: Mapping[str, Path] = field(default_factory=dict, hash=False)
