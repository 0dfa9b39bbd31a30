"""Builders of the store's test data: engine inputs, facts, manifests."""

from typing import Any

from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import EngineInputs, Model, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths

SHA = "ab" * 32


def make_inputs(**changes: Any) -> EngineInputs:
    """Return inputs of a small RTX engine."""
    values: dict[str, Any] = {
        "model": Model("resnet50", "v1", fingerprint("s3://models/resnet50.onnx", etag="e1", size=9)),
        "precision": "fp16",
        "profiles": (),
        "flavor": "TensorRTRTX",
        "tensorrt_version": "1.7.1.116",
        "platform": "linux-x86_64",
        "gpu_arch": "sm_89",
        "product": None,
        "compatibility": "SameComputeCapability",
        "options": {},
        "verification": {},
    }
    return EngineInputs(**{**values, **changes})


def make_facts(**changes: Any) -> BuildFacts:
    """Return facts of a build of ``make_inputs``."""
    values: dict[str, Any] = {
        "flavor": "TensorRTRTX",
        "tensorrt_version": "1.7.1.116",
        "model": {"sha256": "cd" * 32, "size": 9, "opset": 9},
        "tf32": {"asked": False, "in_force": False},
        "seconds": 1.5,
    }
    return BuildFacts(**{**values, **changes})


def make_manifest(
    *,
    prefix: str = "ignition",
    sha256: str = SHA,
    size: int = 3,
    built_at: str = "2026-01-02T03:04:05Z",
    inputs: EngineInputs | None = None,
) -> Manifest:
    """Return the manifest of one engine in its own place."""
    inputs = inputs or make_inputs()
    identity = identity_of(inputs)
    paths = StorePaths(prefix, inputs, identity)
    return Manifest(
        identity=identity,
        inputs=inputs,
        engine=EngineFile(paths.engine(sha256), sha256, size),
        provenance_key=paths.provenance(sha256),
        built_at=built_at,
        build=make_facts(),
    )
