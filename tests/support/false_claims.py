"""
What circulates about TensorRT and is not so: each claim with the question that shows it, and what works.

The tests put every question to the truth table, and docs/compatibility.md prints the answers.
"""

from dataclasses import dataclass, replace

from ignition_hub.compatibility.case import Ask, PoolFacts
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.loading import EngineFacts, Runtime, loads
from ignition_hub.compatibility.verdict import Unbuildable, choose
from ignition_hub.engine.identity import (
    AMPERE_PLUS,
    PRODUCT,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT,
    TENSORRT_RTX,
)
from pools import A100, H100, L4, ORIN, RTX, T4, V100, ask


@dataclass(frozen=True)
class Answer:
    """What the truth table says, in its own words."""

    yes: bool
    reason: str
    message: str


@dataclass(frozen=True)
class Build:
    """Can one of these pools build it?"""

    pools: tuple[PoolFacts, ...]
    ask: Ask

    def answer(self) -> Answer:
        chosen = choose(self.pools, self.ask)
        if isinstance(chosen, Unbuildable):
            return Answer(False, chosen.reason, chosen.message)
        return Answer(True, "", f"pool {chosen.pool} builds it with {chosen.flavor} {chosen.version}")


@dataclass(frozen=True)
class Load:
    """Does the hub vouch that this engine loads there?"""

    engine: EngineFacts
    gpu: NodeGpu
    runtime: Runtime | None = None

    def answer(self) -> Answer:
        found = loads(self.engine, self.gpu, self.runtime)
        words = f"{found.message}: {found.remedy}" if found.remedy else found.message
        return Answer(found.is_vouched_for, str(found.reason or ""), words)


@dataclass(frozen=True)
class FalseClaim:
    """A claim, the question that shows it false, what is true, and the question that the remedy asks."""

    claim: str
    truth: str
    shown: Build | Load
    says: bool
    """What the truth table answers to ``shown``."""
    reason: str
    word: str
    """What the answer has to say."""
    remedy: str
    works: Build | Load


RTX3090 = PoolFacts("rtx-3090", TENSORRT, ("10.13.2.6",), ("sm_86",), "NVIDIA-GeForce-RTX-3090")
H100_11 = replace(H100, versions=("11.1.0.106",))
NODE_L4 = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
NODE_T4 = NodeGpu("sm_75", "Tesla-T4", mig=None)
NODE_NX8 = NodeGpu("sm_87", "Jetson-Orin-NX-8GB", mig=None, platform="jetpack-6.2")
NODE_SLICE = NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", mig="1g.5gb")


def engine(arch: str, level: str, product: str | None = None, **more: object) -> EngineFacts:
    facts = {"flavor": TENSORRT, "version": "10.13.2.6", **more}
    return EngineFacts(arch=arch, compatibility=level, product=product, **facts)  # type: ignore[arg-type]


ON_L4 = engine("sm_89", PRODUCT, "NVIDIA-L4")
FROM_8 = engine("sm_89", PRODUCT, "NVIDIA-L4", version="8.6.1.6", version_compatible=True)
CACHE = {"calibration": {"source": {"uri": "s3://models/int8.cache"}}}
INPUTS = {"calibration": {"source": {"uri": "s3://models/inputs.npz"}}}

FALSE_CLAIMS = (
    FalseClaim(
        claim="An RTX 3090 can build an engine for a T4 (sm_75)",
        truth="TensorRT builds for the compute capability it runs on; TensorRT-RTX compiles for others",
        shown=Build((RTX3090,), ask("sm_75")),
        says=False,
        reason="NoPoolForArch",
        word="CPU pool of flavor TensorRTRTX",
        remedy="add a pool with that GPU, or a CPU pool of flavor TensorRTRTX",
        works=Build((RTX3090, RTX), ask("sm_75")),
    ),
    FalseClaim(
        claim="An x86 H100 can build for Jetson",
        truth="the processor architecture must match, and on Jetson only the exact module will do",
        shown=Build((H100,), ask("sm_87", product="Jetson-Orin-NX-16GB")),
        says=False,
        reason="NoPoolForArch",
        word="a Jetson module",
        remedy="add a pool of Jetson nodes with that module",
        works=Build((H100, ORIN), ask("sm_87", product="Jetson-Orin-NX-16GB")),
    ),
    FalseClaim(
        claim="An engine runs on every product of its compute capability",
        truth="TensorRT loads it and warns of errors and deadlock, unless it was built for that",
        shown=Load(engine("sm_89", PRODUCT, "NVIDIA-L40S"), NODE_L4),
        says=False,
        reason="WrongGPU",
        word="warns of speed, errors and deadlock",
        remedy="build with compatibility: SameComputeCapability",
        works=Load(engine("sm_89", SAME_COMPUTE_CAPABILITY), NODE_L4),
    ),
    FalseClaim(
        claim="An AmperePlus engine covers the T4",
        truth="AmperePlus starts at compute capability 8.0, and a T4 has 7.5",
        shown=Load(engine("sm_80", AMPERE_PLUS), NODE_T4),
        says=False,
        reason="WrongGPU",
        word="starts at compute capability 8.0",
        remedy="build for a target with gpuArch sm_75",
        works=Load(engine("sm_75", SAME_COMPUTE_CAPABILITY), NODE_T4),
    ),
    FalseClaim(
        claim="Patch releases of TensorRT read each other's engines",
        truth="all four parts of the version must be equal, the build too",
        shown=Load(ON_L4, NODE_L4, Runtime(TENSORRT, "10.13.3.9")),
        says=False,
        reason="WrongTensorRT",
        word="all four parts must be equal",
        remedy="build with the version that serves, or with options.versionCompatible",
        works=Load(replace(ON_L4, version_compatible=True), NODE_L4, Runtime(TENSORRT, "10.13.3.9")),
    ),
    FalseClaim(
        claim="A version compatible engine of TensorRT 8.6 runs on 11",
        truth="version compatibility reaches from 8 to 10 and from 10 to 11, never further, never back",
        shown=Load(FROM_8, NODE_L4, Runtime(TENSORRT, "11.1.0.106")),
        says=False,
        reason="WrongTensorRT",
        word="8 to 11 is not supported",
        remedy="build it with a TensorRT 10 or newer",
        works=Load(replace(FROM_8, version="10.13.2.6"), NODE_L4, Runtime(TENSORRT, "11.1.0.106")),
    ),
    FalseClaim(
        claim="TensorRT 10 dropped Turing",
        truth="Turing works up to 11; it was Volta that went, in 10.5",
        shown=Build((replace(T4, versions=("11.4.0.106",)),), ask("sm_75")),
        says=True,
        reason="",
        word="11.4.0.106",
        remedy="for a V100 take a TensorRT older than 10.5",
        works=Build((V100,), ask("sm_70", product="Tesla-V100-SXM2-16GB")),
    ),
    FalseClaim(
        claim="A calibration cache works in TensorRT 11",
        truth="calibrators are gone in 11; a cache never was portable between versions",
        shown=Build((H100_11,), ask("sm_90", "int8", options=CACHE)),
        says=False,
        reason="UnsupportedOption",
        word="until 11, which removed it",
        remedy="give calibration inputs (.npz): the model is quantized before TensorRT sees it",
        works=Build((H100_11,), ask("sm_90", "int8", options=INPUTS)),
    ),
    FalseClaim(
        claim="TensorRT-RTX serves H100 and H200",
        truth="TensorRT-RTX compiles for 7.5, 8.0, 8.6, 8.9, 12.0 and 12.1 alone",
        shown=Build((RTX,), ask("sm_90")),
        says=False,
        reason="FlavorCannotTarget",
        word="a Hopper GPU and the TensorRT flavor",
        remedy="add a pool with a Hopper GPU and the TensorRT flavor",
        works=Build((RTX, H100), ask("sm_90")),
    ),
    FalseClaim(
        claim="A plan, or its hash, says what it is",
        truth="a TensorRT plan names neither model nor GPU, and two builds of one model differ in bytes",
        shown=Load(EngineFacts(flavor=TENSORRT, version="10.13.2.6"), NODE_L4),
        says=False,
        reason="UnverifiedEngine",
        word="does not say which GPU it is for",
        remedy="keep the manifest beside the engine; the identity is the key",
        works=Load(ON_L4, NODE_L4),
    ),
    FalseClaim(
        claim="All Orin modules are 8.7, so one engine serves them",
        truth="the check passes and the engine is still unsupported: clocks, cores and memory differ",
        shown=Load(engine("sm_87", PRODUCT, "Jetson-Orin-NX-16GB", platform="jetpack-6.2"), NODE_NX8),
        says=False,
        reason="WrongGPU",
        word="product: Jetson-Orin-NX-8GB",
        remedy="one target for each module",
        works=Load(engine("sm_87", PRODUCT, "Jetson-Orin-NX-8GB", platform="jetpack-6.2"), NODE_NX8),
    ),
    FalseClaim(
        claim="An engine of the whole GPU runs on a slice of it",
        truth="a MIG slice has fewer multiprocessors, and deadlocking is likely",
        shown=Load(engine("sm_80", PRODUCT, "NVIDIA-A100-SXM4-40GB"), NODE_SLICE),
        says=False,
        reason="WrongGPU",
        word="deadlocking is likely",
        remedy="build on the slice, or with compatibility: SameComputeCapability",
        works=Load(engine("sm_80", SAME_COMPUTE_CAPABILITY), NODE_SLICE),
    ),
    FalseClaim(
        claim="A TensorRT-RTX engine outlives its release",
        truth="every release of TensorRT-RTX needs its own engines",
        shown=Load(
            engine("sm_89", SAME_COMPUTE_CAPABILITY, flavor=TENSORRT_RTX, version="1.6.1.120"),
            NODE_L4,
            Runtime(TENSORRT_RTX, "1.7.1.116"),
        ),
        says=False,
        reason="WrongTensorRT",
        word="need their own release",
        remedy="build it with the release that serves",
        works=Load(
            engine("sm_89", SAME_COMPUTE_CAPABILITY, flavor=TENSORRT_RTX, version="1.7.1.116"),
            NODE_L4,
            Runtime(TENSORRT_RTX, "1.7.1.116"),
        ),
    ),
    FalseClaim(
        claim="An engine built on a small Ampere card reaches older cards too",
        truth="nothing reaches below 8.0, and without AmperePlus nothing leaves its compute capability",
        shown=Build((A100,), ask("sm_75", compatibility="AmperePlus")),
        says=False,
        reason="NoPoolForArch",
        word="a Turing GPU",
        remedy="add a pool with a Turing GPU",
        works=Build((A100, T4), ask("sm_75")),
    ),
    FalseClaim(
        claim="Weights can be streamed with any TensorRT 10",
        truth="weight streaming needs a strongly typed network, which is built from 10.12 on",
        shown=Build((L4,), ask("sm_89", version="10.9", options={"weightStreaming": True})),
        says=False,
        reason="UnsupportedOption",
        word="10.12 or newer",
        remedy="ask for TensorRT 10.12 or newer",
        works=Build((L4,), ask("sm_89", version="10.13", options={"weightStreaming": True})),
    ),
)  # fmt: skip
"""The first ten are NVIDIA's documentation against what is often repeated; the rest follow from it."""
