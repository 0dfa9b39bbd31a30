"""How long the store keeps what is not used: ``spec.retention`` of the EngineStore, in seconds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.quantities import seconds_of

DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Seconds for each class of ``spec.retention``; None keeps it for ever. The defaults are the schema's."""

    unfinished_uploads: float = 7 * DAY
    superseded_builds: float = 7 * DAY
    deleted_engines: float = DAY
    engines: float | None = None
    models: float | None = None
    logs: float | None = None
    timing_caches: float | None = None

    @classmethod
    def of(cls, store_spec: Mapping[str, Any]) -> "Retention":
        """Return what the spec of an EngineStore says; ValueError for what the schema lets in nowhere."""
        asked = store_spec.get("retention") or {}
        fields = {
            "unfinishedUploads": "unfinished_uploads",
            "supersededBuilds": "superseded_builds",
            "deletedEngines": "deleted_engines",
            "engines": "engines",
            "models": "models",
            "logs": "logs",
            "timingCaches": "timing_caches",
        }
        return cls(**{fields[name]: seconds_of(text) for name, text in asked.items() if name in fields})
