"""
From an uploaded object to a published engine. Synchronous: it runs in a worker thread.

Read ``complete`` from top to bottom as what makes an engine count: it lies where this build may write, it has
the size and the header that were asked for, its bytes were hashed here, and only then it is signed. The
builder runs tenants' models, so nothing it says is believed where it can be looked at.
"""

import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.plan_header import PlanHeader, read_plan_header
from ignition_hub.engine.protocol import Completion
from ignition_hub.gateway.artifacts.grants import check_model
from ignition_hub.gateway.artifacts.stores import OpenStore
from ignition_hub.gateway.callers import Build
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.find import find
from ignition_hub.store.publish import Publication, publish
from ignition_hub.store.trust import PublicKeys, SigningKey

HEADER_BYTES = 4096


class UploadRejected(RequestError):
    """The uploaded object is not what the builder said, or not what was asked for."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.UploadRejected, message, remedy)


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs new engines, and the keys that older ones may be signed with."""

    key: SigningKey
    keys: PublicKeys


def complete(store: OpenStore, signer: Signer, build: Build, upload: Completion) -> Publication:
    """
    Check what was uploaded, sign it and publish it; again and again with the same answer.

    Raise UploadRejected or PlanError when it is not the engine that was asked for (the object is deleted),
    and the store's errors.
    """
    inputs = build.request.inputs
    paths = StorePaths(store.prefix, inputs, build.request.identity)
    if upload.key != paths.engine(upload.sha256):
        raise UploadRejected(f"this build may not write to key {upload.key!r}", "use the upload's key")
    if (there := published(store, signer.keys, build, upload, paths)) is not None:
        return there
    store.objects.complete_upload(upload.key, upload.upload_id, upload.etags)
    try:
        check_object(store, build, upload)
    except RequestError:
        store.objects.delete(upload.key)
        raise
    # Not every text that JSON can carry can be written: a lone surrogate in a layer's name is none.
    store.objects.put(paths.log(upload.sha256), upload.log.encode(errors="backslashreplace"))
    return publish(
        store.objects,
        signer.key,
        signer.keys,
        manifest_of(build, upload, paths, datetime.now(UTC)),
        replace=build.rebuild,
    )


def published(
    store: OpenStore, keys: PublicKeys, build: Build, upload: Completion, paths: StorePaths
) -> Publication | None:
    """Return what makes this publication unnecessary: the identity's, or in a rebuild that of these bytes."""
    try:
        manifest = find(store.objects, keys, build.request.inputs, build.request.identity)
    except ManifestRefused:
        return None  # not believed: publishing replaces it
    # By key, which holds 16 digits of the digest: what lies there counts and is not to be touched, whatever
    # the other 48 digits of a claim are.
    if manifest is None or (build.rebuild and manifest.engine.key != upload.key):
        return None
    return Publication(manifest, paths.manifest, is_new=False)


def check_object(store: OpenStore, build: Build, upload: Completion) -> None:
    """Raise UploadRejected unless the object is the plan that was asked for, with the claimed digest."""
    facts = store.objects.head(upload.key)
    if facts is None:
        raise UploadRejected("the upload is unknown and there is no object", "upload the engine again")
    if facts.size != upload.size:
        raise UploadRejected(f"the object has {facts.size} bytes; the builder reported {upload.size}")
    check_facts(build, upload.facts)
    # Again, after the build: the builder downloaded in between.
    check_model(store, build.request)
    header = plan_header(store, upload.key)
    check_header(header, build.request.inputs, facts.size)
    sha256, size = store.objects.digest(upload.key)
    if (sha256, size) != (upload.sha256, upload.size):
        raise UploadRejected(
            f"the object has the SHA-256 {sha256}; the builder reported {upload.sha256}", "upload it again"
        )


def plan_header(store: OpenStore, key: str) -> PlanHeader:
    """Return the header of a stored plan; raise UploadRejected with what was found instead."""
    try:
        return read_plan_header(io.BytesIO(store.objects.read_range(key, 0, HEADER_BYTES)))
    except IgnitionError as error:
        if error.reason is not Reason.PlanRejected:
            raise
        raise UploadRejected(error.message, error.remedy) from error


def check_header(header: PlanHeader, inputs: EngineInputs, size: int) -> None:
    """Raise UploadRejected unless a plan's own header agrees with what was asked for."""
    found = f"{header.flavor} {header.version}"
    asked = f"{inputs.flavor} {inputs.tensorrt_version}"
    if header.flavor != inputs.flavor or not header.is_of(inputs.tensorrt_version):
        raise UploadRejected(f"the plan was built with {found}; {asked} was requested")
    if inputs.flavor == TENSORRT_RTX and header.capabilities != (inputs.gpu_arch,):
        covers = ", ".join(header.capabilities) or "no architecture"
        raise UploadRejected(f"the plan contains code for {covers}; {inputs.gpu_arch} was requested")
    if header.ultralytics_prefix:
        raise UploadRejected("the plan is preceded by metadata, which TensorRT cannot load")
    if header.size != size:
        raise UploadRejected(f"the plan's header says {header.size} bytes; the object has {size}")


def check_facts(build: Build, facts: BuildFacts) -> None:
    """Raise UploadRejected when the builder's own account contradicts the request."""
    inputs = build.request.inputs
    if (facts.flavor, facts.tensorrt_version) != (inputs.flavor, inputs.tensorrt_version):
        raise UploadRejected(
            f"built with {facts.flavor} {facts.tensorrt_version}; "
            f"{inputs.flavor} {inputs.tensorrt_version} was requested"
        )
    pinned, used = build.request.model_sha256, facts.model.get("sha256")
    if pinned and used != pinned:
        raise UploadRejected(f"built from a model with the SHA-256 {used}; {pinned} is pinned")


def manifest_of(build: Build, upload: Completion, paths: StorePaths, now: datetime) -> Manifest:
    """Return the manifest of a checked upload; the builder's image is the one the kubelet saw."""
    facts = upload.facts
    if build.builder_image:
        facts = replace(facts, builder_image=build.builder_image)
    return Manifest(
        identity=build.request.identity,
        inputs=build.request.inputs,
        engine=EngineFile(upload.key, upload.sha256, upload.size),
        provenance_key=paths.provenance(upload.sha256),
        built_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        build=facts,
    )
