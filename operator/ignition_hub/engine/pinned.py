"""
The files a request names besides its model: calibration data, accuracy inputs, plugin libraries.

Controller and gateway both ask here, the one to judge whether the namespace may read them, the other to
grant them; so neither can forget one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.request import CALIBRATION, INPUTS, PLUGIN

MOST_FILE_BYTES = 4 * 1024**3
"""What all of them may have together; a model has a limit of its own."""


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file: what it is for, its name there, where it is, its SHA-256, and the field that names it."""

    role: str
    name: str
    uri: str
    sha256: str
    field: str


def pinned_files(options: Mapping[str, Any], verification: Mapping[str, Any]) -> tuple[PinnedFile, ...]:
    """Return the files that options and verification name (as ``EngineInputs`` has them), by field."""
    return tuple(_files(options, verification))


def _files(options: Mapping[str, Any], verification: Mapping[str, Any]) -> Iterator[PinnedFile]:
    if calibration := options.get("calibration"):
        yield _pinned(CALIBRATION, calibration, "options.calibration")
    accuracy = verification.get("accuracy") or {}
    if inputs := accuracy.get("inputs"):
        yield _pinned(INPUTS, inputs, "verification.accuracy.inputs")
    for plugin in options.get("plugins") or ():
        # By name: the contract has plugins in another order than the resource.
        yield _pinned(PLUGIN, plugin, f"options.plugins[{plugin['name']}]")


def _pinned(role: str, named: Mapping[str, Any], field: str) -> PinnedFile:
    source = named.get("source")
    uri, sha256 = (source.get("uri"), source.get("sha256")) if isinstance(source, Mapping) else (None, None)
    if not isinstance(uri, str) or not isinstance(sha256, str):
        raise ContractError(f"{field}.source: {source!r:.80} is not a pinned source", "give uri and sha256")
    name = str(named["name"]) if role == PLUGIN else uri.rsplit("/", 1)[-1]
    return PinnedFile(role, name, uri, sha256, f"{field}.source")
