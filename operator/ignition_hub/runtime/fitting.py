"""
Does a file load on this machine? The truth table's answer, and what it takes to go on.

Pure. ``loading`` asks before it maps the file, ``ignition inspect`` when it explains.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from ignition_hub.compatibility.loading import EngineFacts, Loading, Runtime, loads
from ignition_hub.compatibility.runtimes import is_own_runtime
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.plan_header import PlanHeader
from ignition_hub.runtime.errors import EngineRefused
from ignition_hub.runtime.machine import Machine
from ignition_hub.runtime.mapped import GET_ANEW, PlanFile
from ignition_hub.runtime.trust import Trust

DRIVERS_OF_CUDA = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""
Oldest Linux driver for a major version of CUDA (NVIDIA documentation of minor version compatibility; whether
an engine needs more of the driver than its TensorRT does is unverified).
"""


@dataclass(frozen=True, slots=True)
class LoadRequirements:
    """How an engine loads on a machine: the table's verdict, and what the loading process has to do."""

    path: Path
    engine: EngineFacts
    loading: Loading
    is_own_runtime: bool = False
    """Whether the TensorRT here is the one that built the engine."""

    @property
    def host_code(self) -> bool:
        """Whether the engine carries a runtime of its own, which is host code."""
        return self.engine.version_compatible and not self.engine.excludes_lean_runtime

    @property
    def lean_runtime(self) -> bool:
        """Whether the engine is loaded through a lean runtime from a file, where one is given."""
        return self.engine.version_compatible and self.engine.excludes_lean_runtime

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell people although the engine is loaded."""
        warned = (self.loading.message,) if self.loading.level == "Warned" else ()
        return warned or self.loading.caveats

    def accepted(self, trust: Trust, lean_runtime: Path | None) -> "LoadRequirements":
        """Return these requirements; raise EngineRefused when the engine is not to be loaded so."""
        loading = self.loading
        if loading.level == "No" or (loading.level == "Warned" and trust.warned is None):
            own_risk = "; or state a reason: trust=Trust(warned='...')" if loading.level == "Warned" else ""
            reason = loading.reason or Reason.WrongGPU
            raise EngineRefused(reason, f"{self.path}: {loading.message}", f"{loading.remedy}{own_risk}")
        if self.host_code and trust.host_code is None:
            raise EngineRefused(
                Reason.HostCodeNotTrusted,
                f"{self.path}: the engine embeds a lean runtime, which is host code that would be executed",
                "if you trust who built it, say so: trust=Trust(host_code='...'); or build it without "
                "options.versionCompatible",
            )
        if self.lean_runtime and lean_runtime is None and not self.is_own_runtime:
            raise EngineRefused(
                Reason.WrongTensorRT,
                f"{self.path}: the engine was built without its lean runtime",
                f"give the library as lean_runtime=...: {'; '.join(loading.duties)}",
            )
        return self


def load_requirements(found: PlanFile, machine: Machine, runtime_version: str) -> LoadRequirements:
    """
    Return how a file loads on ``machine`` with the TensorRT of its flavor in ``runtime_version``.

    Raises EngineRefused when the plan is not the one its manifest is about.
    """
    manifest = found.voucher.manifest if found.voucher else None
    if manifest is not None:
        require_same_plan(found.path, found.header, manifest)
    facts = facts_of(found.header, manifest)
    runtime = Runtime(found.header.flavor, runtime_version)
    loading = loads(facts, machine.node_gpu, runtime)
    cuda_version = manifest.build.cuda_version if manifest else None
    fitting = with_driver(loading, cuda_version, machine.gpu.cuda)
    return LoadRequirements(found.path, facts, fitting, is_own_runtime(facts, runtime))


def facts_of(header: PlanHeader | None, manifest: Manifest | None) -> EngineFacts:
    """
    Return what header and manifest, one of which may be None, tell about where an engine loads.

    Raises EngineRefused (ManifestRefused) for a manifest whose options or GPU are of no known shape.
    """
    if manifest is None:
        if header is None:
            raise ValueError("neither a header nor a manifest")
        return EngineFacts.of_header(header)
    try:
        facts = EngineFacts.of_manifest(manifest)
    except AttributeError as error:
        raise _unknown_shape("inputs.options", error) from error
    if not all(isinstance(figure, int | None) for figure in (facts.memory_bytes, facts.multiprocessors)):
        raise _unknown_shape("build.gpu", "memory_bytes and sm_count are numbers")
    return replace(facts, archs=header.capabilities) if header and header.capabilities else facts


def _unknown_shape(where: str, why: object) -> EngineRefused:
    return EngineRefused(Reason.ManifestRefused, f"the manifest's {where} cannot be read: {why}", GET_ANEW)


def require_same_plan(where: Path | str, header: PlanHeader, manifest: Manifest) -> None:
    """Raise EngineRefused (PlanRejected) when flavor or version of a plan are not what its manifest says."""
    build = manifest.build
    if header.flavor != build.flavor or not header.is_of(build.tensorrt_version):
        raise EngineRefused(
            Reason.PlanRejected,
            f"{where} is a {header.flavor} {header.version} plan, but its manifest is about "
            f"{build.flavor} {build.tensorrt_version}",
            GET_ANEW,
        )


def with_driver(loading: Loading, cuda_version: str | None, driver_runs: tuple[int, int]) -> Loading:
    """
    Return ``loading``, Warned when a driver that runs CUDA up to ``driver_runs`` is too old for the engine.

    A driver runs programs of every minor version of the CUDA majors it knows (NVIDIA documentation), so only
    the major version decides. It is a warning and not a refusal, because some releases of TensorRT exist for
    two majors of CUDA, and what one builds for the other was not tried.
    """
    needed = parse_version(cuda_version or "")[:1]
    if loading.level == "No" or not needed or needed[0] <= driver_runs[0]:
        return loading
    driver = DRIVERS_OF_CUDA.get(needed[0], f"one of CUDA {needed[0]}")
    message = (
        f"the engine's TensorRT is for CUDA {cuda_version}, and the driver runs CUDA up to "
        f"{driver_runs[0]}.{driver_runs[1]}: its kernels may not load"
    )
    remedy = (
        f"update the driver to {driver} or newer, or build the engine with a TensorRT for "
        f"CUDA {driver_runs[0]}"
    )
    if loading.level != "Warned":
        return replace(loading, level="Warned", message=message, reason=Reason.DriverTooOld, remedy=remedy)
    return replace(loading, message=f"{loading.message}; {message}", remedy=f"{loading.remedy}; {remedy}")
