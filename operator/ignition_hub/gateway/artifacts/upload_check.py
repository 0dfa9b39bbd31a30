"""
What was uploaded, held against what was asked for. Synchronous: it reads a whole engine in a worker thread.

The builder runs tenants' models, so nothing it says is believed where it can be looked at: the size, the
header and the digest of the object are read here.
"""

import io

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.plan_header import PlanHeader, read_plan_header
from ignition_hub.engine.protocol import Completion
from ignition_hub.gateway.artifacts.grants import check_model
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.store.errors import ObjectMissing

HEADER_BYTES = 4096


class UploadRejected(RequestError):
    """The uploaded object is not what the builder said, or not what was asked for."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.UploadRejected, message, remedy)


class ObjectRejected(UploadRejected):
    """The object is not what its key promises: no build of this identity can publish it."""


def check_claims(store: OpenStore, build: Build, upload: Completion) -> None:
    """Raise UploadRejected when what the builder says of its build contradicts what was asked for."""
    check_facts(build, upload.facts)
    # Again, after the build: the builder downloaded in between.
    check_model(store, build.request)


def check_object(store: OpenStore, build: Build, upload: Completion) -> None:
    """Raise UploadRejected unless the object is the plan that was asked for, with the claimed digest."""
    try:
        header = plan_header(store, upload.key)
    except ObjectMissing as error:
        message = "the upload is unknown and there is no object"
        raise UploadRejected(message, "upload the engine again") from error
    check_target(header, build.request.inputs)
    sha256, size = store.objects.digest(upload.key)
    check_size(header, size)
    if size != upload.size:
        raise UploadRejected(f"the object has {size} bytes; the builder reported {upload.size}")
    if sha256 != upload.sha256:
        raise ObjectRejected(
            f"the object has the SHA-256 {sha256}; the builder reported {upload.sha256}", "upload it again"
        )


def plan_header(store: OpenStore, key: str) -> PlanHeader:
    """Return the header of a stored plan; raise ObjectRejected with what was found instead."""
    try:
        return read_plan_header(io.BytesIO(store.objects.read_range(key, 0, HEADER_BYTES)))
    except IgnitionError as error:
        if error.reason is not Reason.PlanRejected:
            raise
        raise ObjectRejected(error.message, error.remedy) from error


def check_target(header: PlanHeader, inputs: EngineInputs) -> None:
    """Raise ObjectRejected unless a plan's own header agrees with what was asked for."""
    found = f"{header.flavor} {header.version}"
    asked = f"{inputs.flavor} {inputs.tensorrt_version}"
    if header.flavor != inputs.flavor or not header.is_of(inputs.tensorrt_version):
        raise ObjectRejected(f"the plan was built with {found}; {asked} was requested")
    if inputs.flavor == TENSORRT_RTX and header.capabilities != (inputs.gpu_arch,):
        covers = ", ".join(header.capabilities) or "no architecture"
        raise ObjectRejected(f"the plan contains code for {covers}; {inputs.gpu_arch} was requested")
    if header.ultralytics_prefix:
        raise ObjectRejected("the plan is preceded by metadata, which TensorRT cannot load")


def check_size(header: PlanHeader, size: int) -> None:
    """Raise ObjectRejected unless the object has the bytes that its plan's header tells of."""
    if header.size != size:
        raise ObjectRejected(f"the plan's header says {header.size} bytes; the object has {size}")


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
