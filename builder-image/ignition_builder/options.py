"""
Read ``spec.options`` as this builder understands them; what it cannot honour is refused, never ignored.

An option that is part of an identity and has no effect would make the manifest a lie. What a value may be is
in ``compatibility.options``. Which TensorRT takes which option is not decided here: ``applying`` tells
TensorRT and reads back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.compatibility.option_row import invalid_options
from ignition_hub.compatibility.options import FIELDS, asked_rows, row_of
from ignition_hub.engine.errors import Reason, RequestError

PACKED, EXTERNAL = row_of("plugins").inner["delivery"]


@dataclass(frozen=True, slots=True)
class PluginLibrary:
    """A plugin library by its name; ``delivery`` is Packed or External, ``sha256`` what its source pins."""

    name: str
    sha256: str | None = None
    delivery: str = PACKED


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """
    What TensorRT is told.

    ``asked`` has the value of each row that was asked for, by its name: ``memoryPools.tacticDram`` in bytes.
    What is not in it, and tactic sources that are None, TensorRT decides.
    """

    asked: Mapping[str, Any] = field(default_factory=dict)
    tactic_sources: tuple[str, ...] | None = None
    plugins: tuple[PluginLibrary, ...] = ()
    fail_on_warnings: tuple[str, ...] = ()

    @property
    def version_compatible(self) -> bool:
        """Whether newer releases may load the engine."""
        return "versionCompatible.enabled" in self.asked

    @property
    def exclude_lean_runtime(self) -> bool:
        """Whether a version compatible engine goes without its lean runtime."""
        return "versionCompatible.excludeLeanRuntime" in self.asked


def options_of(document: Mapping[str, Any]) -> BuildOptions:
    """Return the options of a request; raises RequestError (UnsupportedOption) that names the bad one."""
    for name in document:
        if name not in FIELDS:
            raise _refusal(f"options.{name}", "this builder does not know it", f"known: {', '.join(FIELDS)}")
    for found in invalid_options(document, FIELDS):
        raise _refusal(*found)
    sources = document.get("tacticSources")
    return BuildOptions(
        asked={row.name: value for row, value in asked_rows(document)},
        tactic_sources=None if sources is None else tuple(sources),
        plugins=tuple(_plugin(item, index) for index, item in enumerate(document.get("plugins") or ())),
        fail_on_warnings=tuple(document.get("failOnWarnings") or ()),
    )


def _plugin(item: Any, index: int) -> PluginLibrary:
    where = f"plugins[{index}]"
    read = _mapping(item, where, "{name: attention, source: {uri: …, sha256: …}}")
    source = _mapping(read.get("source"), f"{where}.source", "{uri: …, sha256: …}")
    delivery = read.get("delivery", PACKED)
    if delivery not in (PACKED, EXTERNAL):
        raise _refusal(
            f"options.{where}.delivery", f"unknown value {delivery!r}", f"use {PACKED} or {EXTERNAL}"
        )
    return PluginLibrary(str(read.get("name", "")), source.get("sha256"), delivery)


def _mapping(value: Any, name: str, example: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refusal(f"options.{name}", f"{value!r} is not an object", f"for example {example}")
    return value


def _refusal(where: str, why: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedOption, f"{where}: {why}", remedy)
