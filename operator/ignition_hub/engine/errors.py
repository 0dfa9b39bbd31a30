"""
Why something did not work: one enumeration of reasons, one table of how they end, one tree of errors.

An error travels contract error -> exit code -> Job failure policy -> condition reason, and each step reads
this page. ::

    IgnitionError             .reason .message .remedy .exit_code
    |- RequestError           the request is wrong; the same request fails again   (10-19)
    |- NodeError              this node cannot do it, another can                   (20-29)
    |- TransientError         try again                                             (30-39)
    `- ContractError          a document does not have the shape this contract fixes
       |- UnknownWord         a word is none of those that this release knows
       `- NewerRelease        another release wrote the document; transient too
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from ignition_hub.engine.enums import StrEnum

Program = Literal["builder", "fetcher"]


class Reason(StrEnum):
    """Reasons of conditions, targets, events, Job failures and HTTP errors, spelled as users see them."""

    # The request is wrong.
    InvalidModel = "InvalidModel"
    """The file is not ONNX, has no layers or outputs, or does not pass the ONNX checker."""
    UnsupportedOperator = "UnsupportedOperator"
    """TensorRT has neither a layer nor a plugin for a node of the model."""
    ModelDigestMismatch = "ModelDigestMismatch"
    """The model's bytes are not those that the request pins."""
    InvalidProfile = "InvalidProfile"
    """An optimization profile is missing, names an unknown input, or does not fit it."""
    UnsupportedPrecision = "UnsupportedPrecision"
    """The GPU architecture lacks a data type that the precision or the model needs."""
    UnsupportedOption = "UnsupportedOption"
    """The flavor or version of TensorRT does not know or rejects an option."""
    ModelTooLarge = "ModelTooLarge"
    """The model is larger than the hub or the builder accepts."""
    VerificationFailed = "VerificationFailed"
    """The engine was built and did not pass the accuracy or benchmark check; nothing was published."""
    BuildFailed = "BuildFailed"
    """TensorRT refused to build the engine; its own message is quoted."""
    InvalidRequest = "InvalidRequest"
    """A request or document does not have the shape that the contract fixes."""

    # The node is wrong.
    WrongGPU = "WrongGPU"
    """The GPU is not the one that the target, or the engine, is for."""
    WrongTensorRT = "WrongTensorRT"
    """The TensorRT here is not the version that the pool promises, or the engine needs."""
    SharedGPU = "SharedGPU"
    """The GPU is time-sliced or under MPS; timing on it would choose the wrong kernels."""
    InsufficientDisk = "InsufficientDisk"
    """The work or engine volume has not enough free space."""

    # Try again.
    GatewayUnavailable = "GatewayUnavailable"
    """The gateway did not answer in time."""
    StoreUnavailable = "StoreUnavailable"
    """The object store did not answer in time."""
    PublishConflict = "PublishConflict"
    """Somebody else publishes the same engine at this moment."""
    TokenRejected = "TokenRejected"
    """The gateway did not accept the pod's token."""
    Interrupted = "Interrupted"
    """The pod was asked to stop (eviction, node drain) before it was done."""
    OutOfMemory = "OutOfMemory"
    """The kernel ended the process because the container's memory limit was reached."""
    NewerRelease = "NewerRelease"
    """A later release wrote a document that this one cannot read; it is left as it is until the upgrade."""

    # Fetching.
    EngineNotFound = "EngineNotFound"
    """No TensorRTEngine has this name in the pod's namespace."""
    EngineNotReady = "EngineNotReady"
    """The engine for this GPU is not built yet."""
    NoEngineForGPU = "NoEngineForGPU"
    """No target of the TensorRTEngine covers the GPU of the pod's node."""
    DigestMismatch = "DigestMismatch"
    """The engine's bytes are not those that its manifest names."""
    NotPermitted = "NotPermitted"
    """The caller may not read or write this."""
    DeadlineExceeded = "DeadlineExceeded"
    """The time allowed for it is over."""
    ManifestRefused = "ManifestRefused"
    """The manifest's signature or content does not hold; the engine is not used."""
    UnsupportedLayout = "UnsupportedLayout"
    """The engine cannot be served from the layout that the pod's annotation names."""

    # Loading in a serving process.
    NoGPU = "NoGPU"
    """The machine has no NVIDIA driver, or the driver shows no GPU."""
    WrongPlatform = "WrongPlatform"
    """The engine is for another operating system, CPU architecture or JetPack release."""
    DriverTooOld = "DriverTooOld"
    """The GPU's driver is older than the CUDA that the engine's TensorRT was made for."""
    UnverifiedEngine = "UnverifiedEngine"
    """Nothing beside the engine names its digest, so nobody vouches for what is code."""
    HostCodeNotTrusted = "HostCodeNotTrusted"
    """The engine carries host code, and the caller did not say that it trusts it."""
    LoadFailed = "LoadFailed"
    """TensorRT refused to load the engine; its own message is quoted."""
    InvalidInput = "InvalidInput"
    """An input's name, type or shape is not one that the engine was built for."""

    # Unbuildable: no pool can truthfully build the target.
    NoPools = "NoPools"
    """The cluster has no BuildPool."""
    NoPoolForArch = "NoPoolForArch"
    """No BuildPool builds for the target's GPU architecture."""
    NoPoolForProduct = "NoPoolForProduct"
    """The target wants the exact product, and no BuildPool has it."""
    NoPoolForFlavor = "NoPoolForFlavor"
    """No BuildPool offers the flavor of TensorRT that was asked for."""
    NoPoolForVersion = "NoPoolForVersion"
    """No BuildPool offers a TensorRT version with the prefix that was asked for."""
    FlavorCannotTarget = "FlavorCannotTarget"
    """The flavor of TensorRT does not compile for the target's architecture."""
    VersionCannotTarget = "VersionCannotTarget"
    """This TensorRT version does not support the target's architecture, or is too old for any."""
    PrecisionUnsupportedOnArch = "PrecisionUnsupportedOnArch"
    """The target's architecture cannot run the precision."""
    CompatibilityUnsupported = "CompatibilityUnsupported"
    """The compatibility level does not exist for the flavor, version or architecture."""
    SchedulingForbidden = "SchedulingForbidden"
    """The BuildPool does not let the namespace name the queue or the priority class that the spec names."""
    UnknownArch = "UnknownArch"
    """The GPU architecture is not one the hub knows."""

    # States of a target or an engine.
    Pending = "Pending"
    """Nothing is decided yet."""
    EngineMissing = "EngineMissing"
    """The engine was in the store and no longer is; it is built again."""
    Queued = "Queued"
    """The build waits for a free place in its pool or queue."""
    Building = "Building"
    """A builder is at work."""
    Verifying = "Verifying"
    """The engine is built and is being checked."""
    Built = "Built"
    """The engine was built and published for this resource."""
    Reused = "Reused"
    """The engine was already in the store; nothing was built."""
    Suspended = "Suspended"
    """``spec.suspend`` is true."""
    AllTargetsReady = "AllTargetsReady"
    """Every target has a published engine."""
    TargetsFailed = "TargetsFailed"
    """At least one target failed or cannot be built."""
    TargetsAdded = "TargetsAdded"
    """A BuildPool builds for GPUs of pods that no target of the specification serves."""
    AutoBuildRefused = "AutoBuildRefused"
    """A pod is on a GPU that no target serves, and no BuildPool may, or can, build for it by itself."""
    SourceForbidden = "SourceForbidden"
    """The namespace may not read the model's source."""
    SourceNotFound = "SourceNotFound"
    """The model's source does not exist."""
    TooManyEngines = "TooManyEngines"
    """The namespace has more TensorRTEngines than the hub works on, and this is not one of the oldest."""
    StorageQuotaExceeded = "StorageQuotaExceeded"
    """What the namespace keeps in the store, with what is asked for, is more than its quota."""
    StoreMisconfigured = "StoreMisconfigured"
    """There is no default EngineStore, its bucket is missing, or its credentials are wrong."""
    ImageUnavailable = "ImageUnavailable"
    """The builder image cannot be pulled."""
    Unschedulable = "Unschedulable"
    """The scheduler finds no node for the builder pod."""
    PlanRejected = "PlanRejected"
    """The bytes are not a TensorRT plan, or not the plan that was asked for."""
    BuildNotFound = "BuildNotFound"
    """The pod of the token belongs to no build."""
    UploadRejected = "UploadRejected"
    """The uploaded object is not what the builder said it would be."""
    Crashed = "Crashed"
    """A program ended with a code outside the table, by a signal or before it could say why."""


class Ending(NamedTuple):
    """
    How a program or a request ends for one reason.

    ``builder`` and ``fetcher`` are exit codes, ``http`` is the status of the gateway's answer; None where
    neither ends so. ``retry``: whether the same run can succeed later. ``meaning``: what an exit code says.
    ``remedy``: what the init container adds where the gateway's answer ends it.
    """

    builder: int | None = None
    fetcher: int | None = None
    http: int | None = None
    retry: bool = False
    meaning: str = ""
    remedy: str = ""


STATED = Ending()
"""Of a reason in a status, an event or a message alone."""

ENDINGS: Mapping[Reason, Ending] = MappingProxyType(
    {
        # The request is wrong.
        Reason.InvalidModel: Ending(builder=10, meaning="the file is not a usable ONNX model"),
        Reason.UnsupportedOperator: Ending(
            builder=11, meaning="TensorRT cannot express an operator of the model"
        ),
        Reason.ModelDigestMismatch: Ending(
            builder=12, http=422, meaning="the model's bytes are not those that were pinned"
        ),
        Reason.InvalidProfile: Ending(builder=13, meaning="a profile is missing or does not fit the model"),
        Reason.UnsupportedPrecision: Ending(builder=14, meaning="the GPU architecture lacks the precision"),
        Reason.UnsupportedOption: Ending(builder=15, meaning="this TensorRT does not take an option"),
        Reason.ModelTooLarge: Ending(builder=16, http=413, meaning="the model is larger than allowed"),
        Reason.VerificationFailed: Ending(builder=17, meaning="an accuracy or benchmark check failed"),
        Reason.BuildFailed: Ending(builder=18, meaning="TensorRT refused to build"),
        Reason.InvalidRequest: Ending(
            builder=19,
            fetcher=47,
            http=400,
            meaning="the request is malformed",
            remedy="Apply the TensorRTEngine in this namespace, or correct the pod's annotation.",
        ),
        # The node is wrong.
        Reason.WrongGPU: Ending(builder=20, meaning="the GPU is not the one that was asked for"),
        Reason.WrongTensorRT: Ending(
            builder=21, http=422, meaning="the image holds another TensorRT than the pool promises"
        ),
        Reason.SharedGPU: Ending(builder=22, meaning="the GPU is shared"),
        Reason.InsufficientDisk: Ending(builder=23, fetcher=46, meaning="not enough disk space"),
        # Try again.
        Reason.GatewayUnavailable: Ending(
            builder=30,
            fetcher=43,
            http=503,
            retry=True,
            meaning="the gateway did not answer",
            remedy="See the gateway's log for this request; a redirect is not followed.",
        ),
        Reason.StoreUnavailable: Ending(
            builder=31,
            fetcher=44,
            http=502,
            retry=True,
            meaning="the object store did not answer",
            remedy="The gateway cannot read the bucket; see kubectl describe enginestore.",
        ),
        Reason.PublishConflict: Ending(
            builder=32,
            http=409,
            retry=True,
            meaning="the same engine is being published by another builder",
        ),
        Reason.TokenRejected: Ending(
            builder=33, http=401, retry=True, meaning="the gateway refused the pod's token"
        ),
        Reason.Interrupted: Ending(builder=143, fetcher=143, retry=True, meaning="the pod was asked to stop"),
        Reason.OutOfMemory: Ending(
            builder=137, fetcher=137, retry=True, meaning="the memory limit was reached"
        ),
        Reason.NewerRelease: Ending(
            builder=34, http=503, retry=True, meaning="a later release wrote what has to be read"
        ),
        # Fetching.
        Reason.EngineNotFound: Ending(http=404),
        Reason.EngineNotReady: Ending(
            fetcher=49,
            http=409,
            retry=True,
            meaning="the engine is not built yet",
            remedy="Its status shows what the targets wait for (kubectl describe tensorrtengine).",
        ),
        Reason.NoEngineForGPU: Ending(
            fetcher=40,
            http=422,
            meaning="no target covers this node's GPU",
            remedy="Add a target for this GPU to the TensorRTEngine, or run the pod elsewhere.",
        ),
        Reason.DigestMismatch: Ending(
            fetcher=41, retry=True, meaning="the downloaded bytes are not the signed engine"
        ),
        Reason.NotPermitted: Ending(
            fetcher=42,
            http=403,
            meaning="the pod may not have this engine",
            remedy="A pod may only use engines of its own namespace, with its own token.",
        ),
        Reason.DeadlineExceeded: Ending(fetcher=45, retry=True, meaning="the time allowed is over"),
        Reason.ManifestRefused: Ending(
            fetcher=48,
            http=422,
            meaning="the manifest's signature does not hold",
            remedy="The engine in the bucket was changed: rebuild it and check who can write there.",
        ),
        Reason.UnsupportedLayout: Ending(
            fetcher=50, meaning="the engine cannot be served from the layout that was asked for"
        ),
        # Loading in a serving process.
        Reason.NoGPU: STATED,
        Reason.WrongPlatform: STATED,
        Reason.DriverTooOld: STATED,
        Reason.UnverifiedEngine: STATED,
        Reason.HostCodeNotTrusted: STATED,
        Reason.LoadFailed: STATED,
        Reason.InvalidInput: STATED,
        # Unbuildable.
        Reason.NoPools: STATED,
        Reason.NoPoolForArch: STATED,
        Reason.NoPoolForProduct: STATED,
        Reason.NoPoolForFlavor: STATED,
        Reason.NoPoolForVersion: STATED,
        Reason.FlavorCannotTarget: STATED,
        Reason.VersionCannotTarget: STATED,
        Reason.PrecisionUnsupportedOnArch: STATED,
        Reason.CompatibilityUnsupported: STATED,
        Reason.SchedulingForbidden: STATED,
        Reason.UnknownArch: STATED,
        # States of a target or an engine.
        Reason.Pending: STATED,
        Reason.EngineMissing: STATED,
        Reason.Queued: STATED,
        Reason.Building: STATED,
        Reason.Verifying: STATED,
        Reason.Built: STATED,
        Reason.Reused: STATED,
        Reason.Suspended: STATED,
        Reason.AllTargetsReady: STATED,
        Reason.TargetsFailed: STATED,
        Reason.TargetsAdded: STATED,
        Reason.AutoBuildRefused: STATED,
        Reason.SourceForbidden: Ending(http=403),
        Reason.SourceNotFound: Ending(http=404),
        Reason.TooManyEngines: STATED,
        Reason.StorageQuotaExceeded: Ending(http=403),
        Reason.StoreMisconfigured: Ending(http=502),
        Reason.ImageUnavailable: STATED,
        Reason.Unschedulable: STATED,
        Reason.PlanRejected: Ending(http=422),
        Reason.BuildNotFound: Ending(http=404),
        Reason.UploadRejected: Ending(http=422),
        Reason.Crashed: STATED,
    }
)
"""
The one table of how reasons end: exit codes, the gateway's statuses and what the init container advises.

The Job's ``podFailurePolicy`` and the status reasons are read from it. Every reason has a row.
"""

# A reason without a code of its own must still end the program with one that is not retried.
_CATCH_ALL: Mapping[str, Reason] = {"builder": Reason.BuildFailed, "fetcher": Reason.InvalidRequest}


def exit_of(reason: Reason, program: Program = "builder") -> Ending:
    """Return how ``program`` ends for ``reason``; where the table has no code of it, as for its catch-all."""
    row = ENDINGS[reason]
    return row if getattr(row, program) is not None else ENDINGS[_CATCH_ALL[program]]


def exit_code_of(reason: Reason, program: Program = "builder") -> int:
    """Return the code with which ``program`` ends for ``reason``; never 0."""
    return int(getattr(exit_of(reason, program), program))


def reason_of_exit(code: int, program: Program = "builder") -> Reason:
    """Return what an exit code of ``program`` means; ``Crashed`` for a code outside the table."""
    rows = (reason for reason, row in ENDINGS.items() if getattr(row, program) == code)
    return next(rows, Reason.Crashed)


class IgnitionError(Exception):
    """Something did not work, for a reason with a name; ``message`` says what, ``remedy`` what would work."""

    def __init__(self, reason: Reason, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message

    @property
    def exit_code(self) -> int:
        """The builder's exit code; the fetcher asks ``exit_code_of(reason, "fetcher")``."""
        return exit_code_of(self.reason)

    def to_json(self) -> dict[str, str]:
        """Return ``{"reason", "message"}``, the body of every HTTP error and termination message."""
        return {"reason": str(self.reason), "message": str(self)}


class RequestError(IgnitionError):
    """The request is wrong: the same request fails the same way on every node (exit codes 10-19)."""


class NodeError(IgnitionError):
    """This node cannot do it; another one can (exit codes 20-29)."""


class TransientError(IgnitionError):
    """Something is away for now; the same attempt can succeed later (exit codes 30-39)."""


class ContractError(IgnitionError):
    """A document does not have the shape the contract fixes; the message names the field and the value."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.InvalidRequest, message, remedy)


class UnknownWord(ContractError):
    """A word is none of those that this release knows; in a document of ours, a later release wrote it."""


class NewerRelease(ContractError, TransientError):
    """
    A document of ours says what this release does not know: it is neither used nor replaced nor deleted.

    It passes by itself when what reads it is upgraded.
    """

    def __init__(
        self, message: str, remedy: str = "a later release wrote it; upgrade what reads it to that release"
    ) -> None:
        super().__init__(message, remedy)
        self.reason = Reason.NewerRelease
