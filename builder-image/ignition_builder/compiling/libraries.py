"""
Load plugin libraries before the model is parsed, and say which creators each of them brought.

A library that was made for version compatible engines is loaded by TensorRT's registry; an older one
registers its creators itself as soon as the process has loaded it (NVIDIA documentation; run: NVIDIA's own
plugin library with 8.5.3.1, whose registry loads none).
"""

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignition_builder.journal import Journal
from ignition_builder.options import EXTERNAL, PACKED, BuildOptions, PluginLibrary
from ignition_hub.engine.errors import Reason, RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One library: its option, its file and the creators it registered, as ``name:version``."""

    plugin: PluginLibrary
    path: Path
    creators: tuple[str, ...]

    def to_json(self, *, is_packed: bool) -> dict[str, Any]:
        """Return the entry of the manifest; a library that is not packed is the server's to load."""
        return {
            "name": self.plugin.name,
            "sha256": self.plugin.sha256,
            "delivery": PACKED if is_packed else EXTERNAL,
            "creators": list(self.creators),
        }


def load_standard_plugins(trt: Any, logger: Any) -> None:
    """Register NVIDIA's own plugins, where the product has any."""
    register = getattr(trt, "init_libnvinfer_plugins", None)
    if register is not None:
        register(logger, "")


def load_plugins(
    trt: Any, builder: Any, options: BuildOptions, files: Mapping[str, Path], journal: Journal
) -> list[Loaded]:
    """Load every library of ``options``; RequestError names the one that is missing or registers nothing."""
    loaded: list[Loaded] = []
    registry = _registry_of(trt, builder) if options.plugins else None
    for plugin in options.plugins:
        if plugin.name not in files:
            raise _refusal(plugin, "its library was not delivered with the build", "push it again")
        before = creators_of(registry)
        _load(registry, plugin, files[plugin.name], journal)
        fresh = tuple(sorted(creators_of(registry) - before))
        if not fresh:
            raise _refusal(
                plugin, "its library registers no plugin creator", "build it for this release of TensorRT"
            )
        loaded.append(Loaded(plugin=plugin, path=files[plugin.name], creators=fresh))
    return loaded


def packed_libraries(parser: Any, options: BuildOptions, loaded: Sequence[Loaded]) -> list[str]:
    """
    Return the libraries that a version compatible engine carries: those asked for, and NVIDIA's that it uses.

    No other engine can carry any (NVIDIA documentation).
    """
    if not options.version_compatible:
        return []
    own = [str(item.path) for item in loaded if item.plugin.delivery == PACKED]
    return [*own, *(path for path in parser.get_used_vc_plugin_libraries() if path not in own)]


def creators_of(registry: Any) -> set[str]:
    """Return ``name:version`` of every creator in a registry; 8.6 has them under another name."""
    name = "all_creators" if hasattr(registry, "all_creators") else "plugin_creator_list"
    found: Iterable[Any] = getattr(registry, name)
    return {f"{creator.name}:{creator.plugin_version}" for creator in found}


def _registry_of(trt: Any, builder: Any) -> Any:
    """Return the builder's registry; TensorRT 8.5 has one for the whole process."""
    return (builder if hasattr(builder, "get_plugin_registry") else trt).get_plugin_registry()


def _load(registry: Any, plugin: PluginLibrary, path: Path, journal: Journal) -> None:
    before = len(journal.errors)
    if hasattr(registry, "load_library") and registry.load_library(str(path)) is not None:
        return
    # The registry logs an error for a library that registers itself; only a failure of both is one.
    del journal.errors[before:]
    try:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise _refusal(
            plugin,
            f"its library does not load ({error})",
            "build it for this image: same processor, same TensorRT, no libraries the image lacks",
        ) from error


def _refusal(plugin: PluginLibrary, why: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedOption, f"options.plugins: {plugin.name}: {why}", remedy)
