"""
A store of dictionaries for tests of the controller, and builders of the objects it reads.

``FakeWorld`` fulfils ``policy.ports``: what is put in is found, and ``trouble`` makes every call fail.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.controller.policy.ports import ModelFacts
from ignition_hub.controller.policy.store_status import Heard, Probe
from ignition_hub.engine.errors import IgnitionError, NewerRelease, Reason
from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths, pushed_model_key
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.store_findings import StoreReason
from storefixtures import make_inputs

MODEL_URI = "s3://models/resnet50.onnx"
MODEL = b"a model"
MODEL_SHA256 = hashlib.sha256(MODEL).hexdigest()
RTX_VERSION = "1.7.1.116"
IMAGE = "localhost/ignition-hub/builder-rtx:dev"


@dataclass
class FakeStore:
    """One bucket, in memory."""

    models: dict[str, bytes] = field(default_factory=lambda: {MODEL_URI: MODEL})
    manifests: dict[str, Manifest] = field(default_factory=dict)
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    bundles: dict[str, dict[str, tuple[str, int]]] = field(default_factory=dict)
    no_plugins_for: set[str] = field(default_factory=set)
    quotas: dict[str, int] = field(default_factory=dict)
    pushed: Counter[str] = field(default_factory=Counter)
    bucket: str = "engines"

    def refusal(self, namespace: str, uri: str) -> str | None:
        if (namespace, uri) in self.forbidden:
            return f"namespace {namespace} may not read {uri}"
        return None

    def plugin_refusal(self, namespace: str, uri: str) -> str | None:
        return f"namespace {namespace} may not load {uri}" if namespace in self.no_plugins_for else None

    def is_pushed(self, namespace: str, uri: str, sha256: str) -> bool:
        return uri == f"s3://{self.bucket}/{pushed_model_key('ignition', namespace, sha256)}"

    def quota(self, namespace: str) -> int | None:
        return self.quotas.get(namespace)

    async def pushed_bytes(self, namespace: str) -> int:
        self.asked["pushed_bytes"] += 1
        return self.pushed[namespace]

    async def model(self, uri: str) -> ModelFacts | None:
        self.asked["model"] += 1
        if files := self.bundles.get(uri):
            return ModelFacts("", sum(size for _, size in files.values()), files)
        data = self.models.get(uri)
        return None if data is None else ModelFacts(hashlib.md5(data).hexdigest(), len(data))

    async def exists(self, uri: str) -> bool:
        self.asked["exists"] += 1
        return uri in self.models

    async def find(self, inputs: EngineInputs, identity: str) -> Manifest | None:
        self.asked["find"] += 1
        if identity in self.refused:
            raise IgnitionError(Reason.ManifestRefused, "the manifest is signed by nobody we know")
        if identity in self.later:
            raise NewerRelease("Manifest.schema: 'ignitionhub.io/manifest/v2' is not known")
        return self.manifests.get(identity)

    async def digest(self, namespace: str, uri: str) -> str:
        self.asked["digest"] += 1
        return hashlib.sha256(self.models[uri]).hexdigest()

    def publish(self, request: BuildRequest) -> Manifest:
        """Put the manifest of a request in, as the gateway does when a build is complete."""
        manifest = make_manifest(request.inputs, request.identity)
        self.manifests[request.identity] = manifest
        return manifest


@dataclass
class FakeWorld:
    """Gives its one store, or its trouble."""

    bucket: FakeStore = field(default_factory=FakeStore)
    trouble: IgnitionError | None = None

    async def store(self) -> FakeStore:
        if self.trouble is not None:
            raise self.trouble
        return self.bucket

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        return Probe(StoreReason.BUCKET_REACHABLE)

    async def heard(self, store: Mapping[str, Any]) -> Heard:
        return Heard()


def make_manifest(inputs: EngineInputs, identity: str) -> Manifest:
    """Return the manifest of an engine of 1,000 bytes."""
    paths = StorePaths("ignition", inputs, identity)
    sha256 = hashlib.sha256(identity.encode()).hexdigest()
    return Manifest(
        identity=identity,
        inputs=inputs,
        engine=EngineFile(paths.engine(sha256), sha256, 1000),
        provenance_key=paths.provenance(sha256),
        built_at="2026-01-01T00:00:00Z",
        build=BuildFacts(
            flavor=inputs.flavor,
            tensorrt_version=inputs.tensorrt_version,
            model={"sha256": MODEL_SHA256},
            tf32={"asked": False, "in_force": False},
            seconds=12.5,
            warnings=({"code": "Int64Clamped", "count": 2},),
        ),
    )


def make_engine(name: str = "resnet50", namespace: str = "vision", **spec: Any) -> dict[str, Any]:
    """Return a TensorRTEngine for sm_86; keywords replace parts of its spec."""
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"name": "resnet50", "version": "v1", "source": {"uri": MODEL_URI}},
            "precision": "fp16",
            "targets": [{"gpuArch": "sm_86"}],
            **spec,
        },
    }


def make_pool(name: str = "rtx", *, builds: int = 1000, **spec: Any) -> dict[str, Any]:
    """Return a BuildPool that compiles ahead of time for every architecture."""
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "BuildPool",
        "metadata": {"name": name},
        "spec": {
            "aheadOfTime": {"archs": ["sm_75", "sm_80", "sm_86", "sm_89", "sm_120"]},
            "runtimes": [{"flavor": "TensorRTRTX", "version": RTX_VERSION, "image": IMAGE}],
            "maxConcurrentBuilds": builds,
            **spec,
        },
    }


def make_request() -> BuildRequest:
    """Return what namespace vision asks a builder for: resnet50 for sm_86."""
    inputs = make_inputs(gpu_arch="sm_86")
    return BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=None,
        model_uri=MODEL_URI,
        source_size=100,
        options={},
        verification={},
        timeout_seconds=600,
        low_memory=False,
        name="resnet50.trt",
        namespace="vision",
        engine_resource="resnet50",
    )
