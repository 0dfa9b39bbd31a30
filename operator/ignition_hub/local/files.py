"""
The files a request names besides its model, by path: calibration data, accuracy inputs, plugin libraries.

In a resource their ``source`` is an address with a digest; on one machine it is a path, and the digest is
taken here. From then on the documents have the resource's shape, so an identity covers the files' bytes.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ignition_hub.local.digests import DigestCache
from ignition_hub.local.errors import wrong


@dataclass(slots=True)
class NamedFiles:
    """Where the files lie, and their SHA-256 (hex); ``plugins`` maps the name of a plugin to its library."""

    calibration: Path | None = None
    inputs: Path | None = None
    plugins: dict[str, Path] = field(default_factory=dict)
    calibration_digest: str | None = None
    plugin_digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pinned:
    """Options and verification with every path replaced by name and digest, and the files themselves."""

    options: dict[str, Any]
    verification: dict[str, Any]
    files: NamedFiles


def pinned(options: Mapping[str, Any], verification: Mapping[str, Any], digests: DigestCache) -> Pinned:
    """Return what was asked with its files pinned; RequestError names a file that cannot be read."""
    named, settled, checks = NamedFiles(), dict(options), dict(verification)
    if calibration := options.get("calibration"):
        where = "options.calibration"
        settled["calibration"], named.calibration = _pin(calibration, where, digests)
        named.calibration_digest = settled["calibration"]["source"]["sha256"]
    accuracy = verification.get("accuracy")
    if isinstance(accuracy, Mapping) and accuracy.get("inputs"):
        document, named.inputs = _pin(accuracy["inputs"], "verification.accuracy.inputs", digests)
        checks["accuracy"] = {**accuracy, "inputs": document}
    if plugins := options.get("plugins"):
        settled["plugins"] = list(_plugins(plugins, named, digests))
        named.plugin_digests = tuple(sorted(plugin["source"]["sha256"] for plugin in settled["plugins"]))
    return Pinned(settled, checks, named)


def _plugins(plugins: Any, named: NamedFiles, digests: DigestCache) -> Iterator[dict[str, Any]]:
    for index, plugin in enumerate(plugins):
        name = plugin.get("name") if isinstance(plugin, Mapping) else None
        if not name or name in named.plugins:
            why = "every plugin needs a unique name"
            raise wrong(
                f"options.plugins[{index}]", plugin, why, 'for example {"name": "nms", "source": "nms.so"}'
            )
        document, named.plugins[str(name)] = _pin(plugin, f"options.plugins[{name}]", digests)
        yield document


def _pin(document: Any, where: str, digests: DigestCache) -> tuple[dict[str, Any], Path]:
    source = document.get("source") if isinstance(document, Mapping) else None
    if not source or not isinstance(source, str | os.PathLike):
        raise wrong(f"{where}.source", source, "not the path of a file", "give the path of a local file")
    path = Path(source).expanduser().absolute()
    try:
        sha256 = digests.sha256(path)
    except OSError as error:
        raise wrong(f"{where}.source", str(source), error.strerror or str(error), "give a file") from error
    return {**document, "source": {"uri": path.name, "sha256": sha256}}, path
