"""
The other half of the truth table: does an engine load on that GPU, with that runtime?

Pure. The gateway asks before it hands out an engine, the runtime before it deserializes one, the command
line when it explains. What TensorRT itself would load with a warning is a level of its own, ``Warned``:
nothing hands it out, everything says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ignition_hub.compatibility import support_matrix
from ignition_hub.compatibility.gpus import NodeGpu, is_jetson
from ignition_hub.compatibility.runtimes import Runtime, duties_of, runtime_refusal
from ignition_hub.compatibility.support_matrix import capability_of
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import AMPERE_PLUS, PRODUCT, TENSORRT, TENSORRT_RTX, Target, is_for_windows
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.names import LABEL_JETPACK
from ignition_hub.engine.plan_header import PlanHeader

__all__ = ["EngineFacts", "Loading", "LoadingLevel", "Runtime", "loads"]

LoadingLevel = Literal["Exact", "SameCapability", "AmperePlus", "Warned", "No"]
VOUCHED: tuple[LoadingLevel, ...] = ("Exact", "SameCapability", "AmperePlus")
"""Levels at which an engine is handed out, best first."""

WINDOWS = "windows-x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """
    An engine as far as loading goes; None and empty stand for what nobody knows.

    ``platform`` is where it loads; ``archs`` are those a TensorRT-RTX plan holds code for.
    ``memory_bytes``, ``multiprocessors`` and ``power_mode`` are those of the GPU that built it.
    """

    flavor: str
    arch: str | None = None
    product: str | None = None
    compatibility: str | None = None
    version: str | None = None
    platform: str | None = None
    archs: tuple[str, ...] = ()
    version_compatible: bool = False
    excludes_lean_runtime: bool = False
    memory_bytes: int | None = None
    multiprocessors: int | None = None
    power_mode: str | None = None

    @classmethod
    def of_target(
        cls, target: Target, options: Mapping[str, Any], *, platform: str, **more: Any
    ) -> "EngineFacts":
        """Read what ``target`` and ``spec.options`` ask for, when it is built on ``platform``."""
        compatible = options.get("versionCompatible") or {}
        return cls(
            arch=target.gpu_arch,
            product=target.product if target.compatibility == PRODUCT else None,
            compatibility=target.compatibility,
            platform=WINDOWS if is_for_windows(options) else platform,
            version_compatible=bool(compatible.get("enabled")),
            excludes_lean_runtime=bool(compatible.get("excludeLeanRuntime")),
            **more,
        )

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "EngineFacts":
        """Read what an engine was asked to be and on what GPU it was built."""
        inputs, gpu = manifest.inputs, manifest.build.gpu or {}
        return cls.of_target(
            inputs.target,
            inputs.options,
            platform=inputs.platform,
            flavor=inputs.flavor,
            version=inputs.tensorrt_version,
            memory_bytes=gpu.get("memory_bytes"),
            multiprocessors=gpu.get("sm_count"),
            power_mode=gpu.get("power_mode"),
        )

    @classmethod
    def of_header(cls, header: PlanHeader) -> "EngineFacts":
        """Read what a plan says of itself: a TensorRT plan does not tell its GPU, nor its level."""
        return cls(flavor=header.flavor, version=header.version, archs=header.capabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """
    How well an engine loads, best first: Exact, SameCapability, AmperePlus, Warned, No.

    ``reason`` and ``remedy`` belong to Warned and No; ``caveats`` do not change the level; ``duties`` are
    what the loading process must do.
    """

    level: LoadingLevel
    message: str
    reason: Reason | None = None
    remedy: str = ""
    caveats: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()

    @property
    def is_vouched_for(self) -> bool:
        """Tell whether the hub hands the engine out for this GPU."""
        return self.level in VOUCHED

    @property
    def words(self) -> str:
        """The verdict in one word or three, for people."""
        return {"Warned": "loads with a warning", "No": "refused"}.get(self.level, "loads")


def loads(engine: EngineFacts, gpu: NodeGpu, runtime: Runtime | None = None) -> Loading:
    """
    Tell how ``engine`` loads on ``gpu`` and, when it is known, with ``runtime``.

    What is unknown on either side is not held against the engine, except its GPU: a plan that does not
    tell it is ``Warned``.
    """
    if refusal := _platform_refusal(engine, gpu):
        return refusal
    if runtime and (unread := runtime_refusal(engine, runtime)):
        return Loading(level="No", message=unread.message, reason=unread.reason, remedy=unread.remedy)
    return _with_caveats(_on_gpu(engine, gpu), engine, gpu)


def described(gpu: NodeGpu) -> str:
    """Return a GPU in words: ``NVIDIA-L4 (sm_89)``."""
    return f"{gpu.exact_product} ({gpu.arch})" if gpu.exact_product else gpu.arch


def sized(gpu: NodeGpu) -> str:
    """Return a GPU in words with what else is known of it: ``NVIDIA-L4 (sm_89), 23034 MiB``."""
    memory = f"{gpu.memory_bytes >> 20} MiB" if gpu.memory_bytes else ""
    count = f"{gpu.multiprocessors} multiprocessors" if gpu.multiprocessors else ""
    return ", ".join(filter(None, (described(gpu), memory, count)))


def _platform_refusal(engine: EngineFacts, gpu: NodeGpu) -> Loading | None:
    # A node whose labels do not tell its platform still runs Linux.
    here = gpu.platform or ("linux" if engine.platform == WINDOWS else None)
    if engine.platform is None or here is None or engine.platform == here:
        return None
    return Loading(
        level="No",
        message=f"the engine is for {engine.platform}, and the node is {here}",
        reason=Reason.WrongPlatform,
        remedy=_platform_remedy(engine.platform, here),
    )


def _platform_remedy(built: str, here: str) -> str:
    if built == WINDOWS:
        return "load it on Windows, or build it without options.runtimePlatform"
    remedy = f"build it on a BuildPool of {here} nodes"
    release = built.removeprefix("jetpack-")
    if release != built and here == "linux-aarch64":
        return f"{remedy}; if the node is a Jetson with JetPack {release}, label it {LABEL_JETPACK}={release}"
    return remedy


def _on_gpu(engine: EngineFacts, gpu: NodeGpu) -> Loading:
    if engine.compatibility == AMPERE_PLUS and engine.flavor == TENSORRT:
        return _as_ampere_plus(engine, gpu)
    archs = engine.archs or ((engine.arch,) if engine.arch else ())
    if not archs:
        return _unknown_gpu(gpu)
    if gpu.arch not in archs:
        return _wrong_gpu(
            f"the engine is for {', '.join(archs)}, and the node has {described(gpu)}", engine, gpu
        )
    if engine.compatibility == PRODUCT:
        return _as_product(engine, gpu)
    if engine.flavor == TENSORRT and is_jetson(gpu.arch):
        return _wrong_gpu(
            f"on Jetson only an engine built on the exact module loads, not {engine.compatibility}",
            engine,
            gpu,
        )
    return Loading(level="SameCapability", message=f"built for every {gpu.arch}")


def _as_product(engine: EngineFacts, gpu: NodeGpu) -> Loading:
    if engine.product is not None and engine.product == gpu.exact_product:
        return _on_its_product(engine, gpu)
    message = f"the engine is for {engine.product} alone, and the node has {described(gpu)}"
    if is_jetson(gpu.arch):
        return _wrong_gpu(message, engine, gpu)
    if gpu.mig and engine.flavor == TENSORRT:
        return _wrong_gpu(f"{message}, where TensorRT says deadlocking is likely", engine, gpu)
    says = "TensorRT loads it and warns of speed, errors and deadlock"
    return Loading(
        level="Warned",
        message=f"{message}; {says if engine.flavor == TENSORRT else 'its code is compatible'}",
        reason=Reason.WrongGPU,
        remedy=f"{_a_target(engine, gpu)}, or build with compatibility: SameComputeCapability",
    )


def _on_its_product(engine: EngineFacts, gpu: NodeGpu) -> Loading:
    built, here = engine.multiprocessors, gpu.multiprocessors
    if built and here and here < built:
        return Loading(
            level="Warned",
            message=f"built on {engine.product} with {built} multiprocessors, and there are {here} here: "
            "TensorRT says deadlocking is likely",
            reason=Reason.WrongGPU,
            remedy="give the process the whole GPU, or build on a GPU cut the same way",
        )
    if engine.power_mode and gpu.power_mode and engine.power_mode != gpu.power_mode:
        return Loading(
            level="Warned",
            message=f"built on {engine.product} in power mode {engine.power_mode}, and the module is in "
            f"{gpu.power_mode}: the kernels were chosen at other clocks",
            reason=Reason.WrongGPU,
            remedy=f"set the module to power mode {engine.power_mode}, or build in {gpu.power_mode}",
        )
    return Loading(level="Exact", message=f"built on {engine.product}")


def _as_ampere_plus(engine: EngineFacts, gpu: NodeGpu) -> Loading:
    capability = capability_of(gpu.arch)
    if capability is None or capability < support_matrix.AMPERE:
        return _wrong_gpu(
            f"AmperePlus starts at compute capability 8.0, and the node has {described(gpu)}", engine, gpu
        )
    if is_jetson(gpu.arch) or is_jetson(engine.arch or ""):
        return _wrong_gpu(
            f"AmperePlus does not exist on Jetson, and the node has {described(gpu)}", engine, gpu
        )
    return Loading(
        level="AmperePlus", message=f"built on {engine.arch} for every GPU of compute capability 8.0 or newer"
    )


def _unknown_gpu(gpu: NodeGpu) -> Loading:
    return Loading(
        level="Warned",
        message=f"a TensorRT plan does not say which GPU it is for, and it has no manifest; the node has "
        f"{described(gpu)}",
        reason=Reason.UnverifiedEngine,
        remedy="keep the manifest beside the engine, or build it with Ignition Hub",
    )


def _wrong_gpu(message: str, engine: EngineFacts, gpu: NodeGpu) -> Loading:
    return Loading(level="No", message=message, reason=Reason.WrongGPU, remedy=_a_target(engine, gpu))


def _a_target(engine: EngineFacts, gpu: NodeGpu) -> str:
    """Name the target that would serve ``gpu``."""
    # SameComputeCapability starts at Turing and leaves Jetson out.
    if is_jetson(gpu.arch) or (capability_of(gpu.arch) or support_matrix.TURING) < support_matrix.TURING:
        product = gpu.exact_product or "the exact product"
        return f"build for a target {{gpuArch: {gpu.arch}, product: {product}, compatibility: Product}}"
    remedy = f"build for a target {{gpuArch: {gpu.arch}}}"
    is_beyond_rtx = engine.flavor == TENSORRT_RTX and gpu.arch not in support_matrix.RTX_ARCHS
    return f"{remedy} with tensorrt.flavor: TensorRT" if is_beyond_rtx else remedy


def _with_caveats(loading: Loading, engine: EngineFacts, gpu: NodeGpu) -> Loading:
    if loading.level == "No":
        return loading
    said = tuple(
        filter(None, (_newer(loading, engine, gpu), _a_slice(loading, gpu), _less_memory(engine, gpu)))
    )
    return Loading(
        level=loading.level,
        message="; ".join((loading.message, *said)),
        reason=loading.reason,
        remedy=loading.remedy,
        caveats=said,
        duties=duties_of(engine),
    )


def _newer(loading: Loading, engine: EngineFacts, gpu: NodeGpu) -> str:
    built, here = (
        capability_of(engine.arch or "") or support_matrix.AMPERE,
        capability_of(gpu.arch) or support_matrix.AMPERE,
    )
    is_newer = loading.level == "AmperePlus" and here > built
    return "a GPU newer than the builder's relies on CUDA's forward compatibility" if is_newer else ""


def _a_slice(loading: Loading, gpu: NodeGpu) -> str:
    is_cut = gpu.mig is not None and loading.level != "Exact"
    return "the node has a slice of a GPU, with fewer multiprocessors" if is_cut else ""


def _less_memory(engine: EngineFacts, gpu: NodeGpu) -> str:
    built, here = engine.memory_bytes, gpu.memory_bytes
    if not built or not here or here >= built:
        return ""
    return f"the builder had {built >> 20} MiB of GPU memory and this GPU has {here >> 20}: it may not fit"
