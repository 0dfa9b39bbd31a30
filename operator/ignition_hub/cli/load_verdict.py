"""
Whether an engine loads on one GPU with one TensorRT: those that were named, else those of this machine.
"""

from dataclasses import dataclass

from ignition_hub.cli.errors import CliError
from ignition_hub.compatibility.gpus import NodeGpu, arch_of_product, gpu_of, node_gpu
from ignition_hub.compatibility.loading import EngineFacts, Loading, Runtime, described, loads
from ignition_hub.compatibility.runtimes import runtime_refusal
from ignition_hub.compatibility.spelling import product_of
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.device import DeviceFacts, probe
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT
from ignition_hub.local.installed import installed
from ignition_hub.runtime.fitting import with_driver
from ignition_hub.runtime.machine import Machine, platform_here

REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadVerdict:
    """The verdict for ``place``, which names a GPU, a TensorRT, or both; ``level`` only with a GPU."""

    place: str
    verdict: str
    message: str
    level: str | None = None
    reason: str | None = None
    remedy: str = ""

    @classmethod
    def of(cls, place: str, loading: Loading) -> "LoadVerdict":
        """Return the truth table's verdict."""
        return cls(
            place=place,
            verdict=loading.words,
            message=loading.message,
            level=loading.level,
            reason=loading.reason,
            remedy=loading.remedy,
        )

    @property
    def refused(self) -> bool:
        """Whether the engine does not load there."""
        return self.verdict == REFUSED

    def to_json(self) -> dict[str, str]:
        """Return the JSON object, without what there is nothing to say about."""
        known = {
            "place": self.place,
            "verdict": self.verdict,
            "level": self.level,
            "reason": self.reason,
            "message": self.message,
            "remedy": self.remedy,
        }
        return {name: str(value) for name, value in known.items() if value}


def load_verdict(
    engine: EngineFacts, cuda_version: str | None, gpu: str | None, version: str | None
) -> LoadVerdict | None:
    """
    Return the verdict for a GPU (``sm_89``, ``NVIDIA-L4``) and a TensorRT version, either may be None.

    Without a GPU it is this machine's, if it has one; None when there is nothing to judge by. Raises CliError
    or UnknownArch for a name that is not known.
    """
    runtime = _runtime(engine, version)
    if gpu is not None:
        return _on(named_gpu(gpu), engine, runtime)
    here = probe()
    if here is not None:
        return _here(here, engine, cuda_version, runtime or _installed(engine))
    return _by_version(engine, runtime) if runtime else None


def named_gpu(name: str) -> NodeGpu:
    """Return the GPU that ``sm_89``, ``NVIDIA-L4`` or ``NVIDIA L4`` names."""
    product = product_of(name)
    arch = arch_of_product(product)
    if arch is None:
        if name.startswith(("sm", "compute")) or name[:1].isdecimal():
            return NodeGpu(gpu_of(name).arch, None, None)
        raise CliError(f"--gpu {name}: unknown product. Give its architecture, for example --gpu sm_89")
    found = node_gpu({LABEL_GPU_ARCH: arch, LABEL_GPU_PRODUCT: product})
    if found is None:
        raise CliError(f"--gpu {name}: its MIG state is not valid")
    return found


def _runtime(engine: EngineFacts, version: str | None) -> Runtime | None:
    if version is None:
        return None
    if not parse_version(version):
        raise CliError(f"--tensorrt {version}: not a version such as 10.13.2.6")
    return Runtime(engine.flavor, version)


def _installed(engine: EngineFacts) -> Runtime | None:
    found = installed(engine.flavor)
    return Runtime(engine.flavor, found.version) if found else None


def _on(gpu: NodeGpu, engine: EngineFacts, runtime: Runtime | None) -> LoadVerdict:
    place = f"{described(gpu)}, {runtime}" if runtime else described(gpu)
    return LoadVerdict.of(place, loads(engine, gpu, runtime))


def _here(
    facts: DeviceFacts, engine: EngineFacts, cuda_version: str | None, runtime: Runtime | None
) -> LoadVerdict:
    gpu = Machine(gpu=facts, platform=platform_here()).node_gpu
    loading = with_driver(loads(engine, gpu, runtime), cuda_version, facts.cuda)
    place = f"{described(gpu)} of this machine"
    return LoadVerdict.of(f"{place}, {runtime}" if runtime else place, loading)


def _by_version(engine: EngineFacts, runtime: Runtime) -> LoadVerdict:
    """Judge by the version alone: no GPU was named and none is here."""
    refusal = runtime_refusal(engine, runtime)
    if refusal is None:
        return LoadVerdict(
            place=str(runtime), verdict="loads", message="by its version only; no GPU was given"
        )
    return LoadVerdict(
        place=str(runtime),
        verdict=REFUSED,
        message=refusal.message,
        reason=refusal.reason,
        remedy=refusal.remedy,
    )
