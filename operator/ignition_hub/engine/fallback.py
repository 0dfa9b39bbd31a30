"""
The ONNX model that a pod gets where no engine fits its GPU: what the gateway answers, and what proves it.

The answer to ``resolve`` of an init container that asks for ``OnMiss.FALLBACK``. The digest comes from the
resource, and the init container finds it in the bytes themselves; no store has to be believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.codec import Record

ON_MISS = "on-miss"
"""Parameter of the request: what the init container does where no engine fits, one of ``OnMiss``."""
MODEL = "Model"
"""What ``delivered`` says in an answer, and in ``engine.json``, of a model; an engine's does not have it."""

PUSHED_BUNDLE = re.compile(r"s3://.+/(?P<digest>[0-9a-f]{64})/")
"""A bundle in a folder that is named by the digest of its files, as ``ignition push`` stores it."""
HOW_TO_PIN = "pin its SHA-256 in spec.model.source.sha256, or push the model: kubectl ignition push"


@dataclass(frozen=True, slots=True)
class FallbackFile(Record):
    """One file of a model: ``name`` is its path relative to the model's folder, ``size`` in bytes."""

    name: str
    url: str
    size: int


@dataclass(frozen=True, slots=True)
class FallbackAnswer(Record):
    """
    A model in place of an engine.

    ``name`` is the TensorRTEngine, ``why`` tells why no engine fits. ``sha256`` is of the one file, or with
    ``is_bundle`` of the names, digests and sizes of all (``bundle_digest``).
    """

    name: str
    delivered: str
    why: str
    sha256: str
    is_bundle: bool
    files: tuple[FallbackFile, ...]


def digest_of(source: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 that a model source has to have; None where the resource names none."""
    if sha256 := source.get("sha256"):
        return str(sha256).lower()
    pushed = PUSHED_BUNDLE.fullmatch(source.get("uri") or "")
    return pushed["digest"] if pushed else None
