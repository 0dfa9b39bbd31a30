"""
Why something did not work: one enumeration of reasons, one table of exit codes, one tree of errors.

An error travels contract error -> exit code -> Job failure policy -> condition reason, and each step reads
this page. ::

    IgnitionError             .reason .message .remedy .exit_code
    |- RequestError           the request is wrong; the same request fails again   (10-19)
    |- NodeError              this node cannot do it, another can                   (20-29)
    |- TransientError         try again                                             (30-39)
    `- ContractError          a document does not have the shape this contract fixes
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
    UnknownArch = "UnknownArch"
    """The GPU architecture is not one the hub knows."""

    # States of a target or an engine.
    Pending = "Pending"
    """Nothing is decided yet."""
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
    SourceForbidden = "SourceForbidden"
    """The namespace may not read the model's source."""
    SourceNotFound = "SourceNotFound"
    """The model's source does not exist."""
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


class Exit(NamedTuple):
    """How a program ends for one reason: its code, and whether the same run can succeed later."""

    builder: int | None
    fetcher: int | None
    retry: bool
    meaning: str


EXITS: Mapping[Reason, Exit] = MappingProxyType(
    {
        Reason.InvalidModel: Exit(10, None, False, "the file is not a usable ONNX model"),
        Reason.UnsupportedOperator: Exit(11, None, False, "TensorRT cannot express an operator of the model"),
        Reason.ModelDigestMismatch: Exit(12, None, False, "the model's bytes are not those that were pinned"),
        Reason.InvalidProfile: Exit(13, None, False, "a profile is missing or does not fit the model"),
        Reason.UnsupportedPrecision: Exit(14, None, False, "the GPU architecture lacks the precision"),
        Reason.UnsupportedOption: Exit(15, None, False, "this TensorRT does not take an option"),
        Reason.ModelTooLarge: Exit(16, None, False, "the model is larger than allowed"),
        Reason.VerificationFailed: Exit(17, None, False, "an accuracy or benchmark check failed"),
        Reason.BuildFailed: Exit(18, None, False, "TensorRT refused to build"),
        Reason.InvalidRequest: Exit(19, 47, False, "the request is malformed"),
        Reason.WrongGPU: Exit(20, None, False, "the GPU is not the one that was asked for"),
        Reason.WrongTensorRT: Exit(
            21, None, False, "the image holds another TensorRT than the pool promises"
        ),
        Reason.SharedGPU: Exit(22, None, False, "the GPU is shared"),
        Reason.InsufficientDisk: Exit(23, 46, False, "not enough disk space"),
        Reason.GatewayUnavailable: Exit(30, 43, True, "the gateway did not answer"),
        Reason.StoreUnavailable: Exit(31, 44, True, "the object store did not answer"),
        Reason.PublishConflict: Exit(32, None, True, "the same engine is being published by another builder"),
        Reason.TokenRejected: Exit(33, None, True, "the gateway refused the pod's token"),
        Reason.NoEngineForGPU: Exit(None, 40, False, "no target covers this node's GPU"),
        Reason.DigestMismatch: Exit(None, 41, True, "the downloaded bytes are not the signed engine"),
        Reason.NotPermitted: Exit(None, 42, False, "the pod may not have this engine"),
        Reason.DeadlineExceeded: Exit(None, 45, True, "the time allowed is over"),
        Reason.ManifestRefused: Exit(None, 48, False, "the manifest's signature does not hold"),
        Reason.EngineNotReady: Exit(None, 49, True, "the engine is not built yet"),
        Reason.OutOfMemory: Exit(137, 137, True, "the memory limit was reached"),
        Reason.Interrupted: Exit(143, 143, True, "the pod was asked to stop"),
    }
)
"""The one table of exit codes; the Job's ``podFailurePolicy`` and the status reasons are read from it."""

# A reason outside the table must still end the program with a code that is not retried.
_CATCH_ALL: Mapping[str, Reason] = {"builder": Reason.BuildFailed, "fetcher": Reason.InvalidRequest}


def exit_of(reason: Reason, program: Program = "builder") -> Exit:
    """Return how ``program`` ends for ``reason``; where the table has no code of it, as for its catch-all."""
    row = EXITS.get(reason)
    return row if row and getattr(row, program) is not None else EXITS[_CATCH_ALL[program]]


def exit_code_of(reason: Reason, program: Program = "builder") -> int:
    """Return the code with which ``program`` ends for ``reason``; never 0."""
    return int(getattr(exit_of(reason, program), program))


def reason_of_exit(code: int, program: Program = "builder") -> Reason:
    """Return what an exit code of ``program`` means; ``Crashed`` for a code outside the table."""
    rows = (reason for reason, row in EXITS.items() if getattr(row, program) == code)
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
