"""
The seeds of trouble: what goes wrong with engines in the field, each recognised before anything is loaded.

Every row has the remedy that its refusal names carried out, and then the engine loads. The TensorRT runtime
is a fake one; what it would have been given is what "loaded" means here.
"""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakeruntime import L4, Engine, FakeBackend, gpu, machine, plan
from ignition_hub.engine.errors import Reason
from ignition_hub.runtime import EngineRefused, Trust, load_engines

FULL = "10.13.2.6"
VC = {"versionCompatible": {"enabled": True}}
WINDOWS = {"runtimePlatform": "WindowsAMD64"}
TRUSTED = Trust(host_code="built by our own farm")

T4 = gpu("Tesla T4", (7, 5))
H200 = gpu("NVIDIA H200", (9, 0))
SLICE = gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb", (8, 0))
ORIN = gpu("Orin", (8, 7))
NEW_DRIVER = replace(L4, cuda=(13, 0), driver="580.65.06")


@dataclass(frozen=True)
class Place:
    """Where an engine is loaded: GPU, platform, what a Jetson cannot tell, TensorRT."""

    facts: object = L4
    platform: str | None = "linux-x86_64"
    product: str | None = None
    version: str = FULL

    @property
    def machine(self):
        return machine(self.facts, self.platform, self.product)


@dataclass(frozen=True)
class Seed:
    """One trouble: the engine and the place; the refusal; and what its remedy comes down to."""

    engine: Engine
    place: Place
    reason: Reason
    says: str
    remedy: str
    cured_engine: Engine | None = None
    cured_place: Place | None = None
    trust: Trust = field(default_factory=Trust)


def engine(**inputs):
    facts = inputs.pop("facts", {})
    mask = inputs.pop("mask", 0x08)
    return Engine(inputs=inputs, facts=facts, mask=mask)


def product(name, arch):
    return engine(gpu_arch=arch, product=name, compatibility="Product")


def rtx(arch, mask, version="1.7.1.116"):
    return engine(flavor="TensorRTRTX", gpu_arch=arch, tensorrt_version=version, mask=mask)


GPU = {
    "another compute capability": Seed(
        engine(gpu_arch="sm_86"),
        Place(),
        Reason.WrongGPU,
        "the engine is for sm_86, and the node has NVIDIA-L4 (sm_89)",
        "gpuArch: sm_89",
        cured_engine=engine(),
    ),
    "another product of the same compute capability": Seed(
        product("NVIDIA-L40S", "sm_89"),
        Place(),
        Reason.WrongGPU,
        "for NVIDIA-L40S alone, and the node has NVIDIA-L4",
        "SameComputeCapability",
        cured_engine=engine(),
    ),
    "AmperePlus on a Turing": Seed(
        engine(gpu_arch="sm_80", compatibility="AmperePlus"),
        Place(T4),
        Reason.WrongGPU,
        "starts at compute capability 8.0",
        "gpuArch: sm_75",
        cured_engine=engine(gpu_arch="sm_75"),
    ),
    "a slice of the product it was built on": Seed(
        product("NVIDIA-A100-SXM4-40GB", "sm_80"),
        Place(SLICE),
        Reason.WrongGPU,
        "the node has NVIDIA-A100-SXM4-40GB-MIG-1g.5gb (sm_80)",
        "gpuArch: sm_80",
        cured_engine=engine(gpu_arch="sm_80"),
    ),
    "another Jetson module": Seed(
        product("Jetson-Orin-NX-16GB", "sm_87"),
        Place(ORIN, None, "Jetson-AGX-Orin-64GB"),
        Reason.WrongGPU,
        "for Jetson-Orin-NX-16GB alone, and the node has Jetson-AGX-Orin-64GB",
        "product: Jetson-AGX-Orin-64GB, compatibility: Product",
        cured_engine=product("Jetson-AGX-Orin-64GB", "sm_87"),
    ),
    "TensorRT-RTX code for another architecture": Seed(
        rtx("sm_86", 0x04),
        Place(version="1.7.1.116"),
        Reason.WrongGPU,
        "the engine is for sm_86, and the node has NVIDIA-L4",
        "gpuArch: sm_89",
        cured_engine=rtx("sm_89", 0x08),
    ),
    "TensorRT-RTX on a Hopper, which it does not know": Seed(
        rtx("sm_89", 0x08),
        Place(H200, version="1.7.1.116"),
        Reason.WrongGPU,
        "the engine is for sm_89, and the node has NVIDIA-H200 (sm_90)",
        "gpuArch: sm_90} with tensorrt.flavor: TensorRT",
        cured_engine=engine(gpu_arch="sm_90"),
        cured_place=Place(H200),
    ),
}

VERSION = {
    "another build of the same release": Seed(
        engine(),
        Place(version="10.13.2.7"),
        Reason.WrongTensorRT,
        "all four parts must be equal",
        'tensorrt.version: "10.13.2.7"',
        cured_engine=engine(tensorrt_version="10.13.2.7"),
    ),
    "another patch release": Seed(
        engine(),
        Place(version="10.13.3.9"),
        Reason.WrongTensorRT,
        f"built by TensorRT {FULL}, and the runtime is TensorRT 10.13.3.9",
        f"load it with TensorRT {FULL}",
        cured_place=Place(version=FULL),
    ),
    "an older runtime": Seed(
        engine(),
        Place(version="8.6.1.6"),
        Reason.WrongTensorRT,
        "the runtime is TensorRT 8.6.1.6",
        'tensorrt.version: "8.6.1.6"',
        cured_engine=engine(tensorrt_version="8.6.1.6"),
    ),
    "another major version": Seed(
        engine(),
        Place(version="11.1.0.106"),
        Reason.WrongTensorRT,
        "the runtime is TensorRT 11.1.0.106",
        'tensorrt.version: "11.1.0.106"',
        cured_engine=engine(tensorrt_version="11.1.0.106"),
    ),
    "version compatible, on an older runtime": Seed(
        engine(options=VC),
        Place(version="10.3.0.26"),
        Reason.WrongTensorRT,
        "compatibility covers newer releases only",
        'tensorrt.version: "10.3.0.26"',
        cured_engine=engine(options=VC, tensorrt_version="10.3.0.26"),
        trust=TRUSTED,
    ),
    "version compatible, two majors ahead": Seed(
        engine(options=VC, tensorrt_version="8.6.1.6"),
        Place(version="11.1.0.106"),
        Reason.WrongTensorRT,
        "8 to 11 is not supported",
        "TensorRT 10 or newer",
        cured_engine=engine(options=VC),
        trust=TRUSTED,
    ),
    "another release of TensorRT-RTX": Seed(
        rtx("sm_89", 0x08, "1.6.1.72"),
        Place(version="1.7.1.116"),
        Reason.WrongTensorRT,
        "TensorRT-RTX engines need their own release",
        'tensorrt.version: "1.7.1.116"',
        cured_engine=rtx("sm_89", 0x08),
    ),
    "host code that nobody said to trust": Seed(
        engine(options=VC),
        Place(version="10.15.1.29"),
        Reason.HostCodeNotTrusted,
        "embeds a lean runtime, which is host code",
        "build it without options.versionCompatible",
        cured_engine=engine(tensorrt_version="10.15.1.29"),
    ),
    "a driver older than the engine's CUDA": Seed(
        engine(facts={"cuda_version": "13.0"}),
        Place(),
        Reason.DriverTooOld,
        "for CUDA 13.0, and the driver runs CUDA up to 12.8",
        "update the driver to 580.65.06 or newer",
        cured_place=Place(NEW_DRIVER),
    ),
    "another product, and an older driver": Seed(
        replace(product("NVIDIA-L40S", "sm_89"), facts={"cuda_version": "13.0"}),
        Place(),
        Reason.WrongGPU,
        "warns of speed, errors and deadlock; the engine's TensorRT is for CUDA 13.0",
        "SameComputeCapability; update the driver to 580.65.06 or newer",
        cured_engine=engine(facts={"cuda_version": "13.0"}),
        cured_place=Place(NEW_DRIVER),
    ),
    "a driver older than a CUDA without minor version": Seed(
        engine(facts={"cuda_version": "13"}),
        Place(),
        Reason.DriverTooOld,
        "for CUDA 13, and the driver",
        "build the engine with a TensorRT for CUDA 12",
        cured_engine=engine(facts={"cuda_version": "12.9"}),
    ),
}

PLATFORM = {
    "built for Windows": Seed(
        engine(options=WINDOWS),
        Place(),
        Reason.WrongPlatform,
        "for windows-x86_64, and the node is linux-x86_64",
        "without options.runtimePlatform",
        cured_engine=engine(),
    ),
    "built on x86, loaded on Arm": Seed(
        engine(),
        Place(platform="linux-aarch64"),
        Reason.WrongPlatform,
        "for linux-x86_64, and the node is linux-aarch64",
        "a BuildPool of linux-aarch64 nodes",
        cured_engine=engine(platform="linux-aarch64"),
    ),
    "built on Arm, loaded on x86": Seed(
        engine(platform="linux-aarch64"),
        Place(),
        Reason.WrongPlatform,
        "for linux-aarch64, and the node is linux-x86_64",
        "a BuildPool of linux-x86_64 nodes",
        cured_engine=engine(),
    ),
    "built for another JetPack": Seed(
        engine(
            gpu_arch="sm_87",
            product="Jetson-AGX-Orin-64GB",
            compatibility="Product",
            platform="jetpack-6.1",
        ),
        Place(ORIN, "jetpack-6.2", "Jetson-AGX-Orin-64GB"),
        Reason.WrongPlatform,
        "for jetpack-6.1, and the node is jetpack-6.2",
        "a BuildPool of jetpack-6.2 nodes",
        cured_engine=engine(
            gpu_arch="sm_87",
            product="Jetson-AGX-Orin-64GB",
            compatibility="Product",
            platform="jetpack-6.2",
        ),
    ),
    "built for a server, loaded on a Jetson": Seed(
        product("Jetson-AGX-Orin-64GB", "sm_87"),
        Place(ORIN, "jetpack-6.2", "Jetson-AGX-Orin-64GB"),
        Reason.WrongPlatform,
        "for linux-x86_64, and the node is jetpack-6.2",
        "a BuildPool of jetpack-6.2 nodes",
        cured_engine=replace(
            product("Jetson-AGX-Orin-64GB", "sm_87"),
            inputs={
                **product("Jetson-AGX-Orin-64GB", "sm_87").inputs,
                "platform": "jetpack-6.2",
            },
        ),
    ),
}

SEEDS = {**GPU, **VERSION, **PLATFORM}


def load(path, place, trust, backend):
    return load_engines([path], machine=place.machine, trust=trust, backends=backend)


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_it_is_recognised_before_loading_and_the_remedy_works(seed, tmp_path):
    backend = FakeBackend(seed.engine.asked.flavor, seed.place.version)

    with pytest.raises(EngineRefused) as refused:
        load(seed.engine.fetched(tmp_path / "seed"), seed.place, seed.trust, backend)

    assert refused.value.reason is seed.reason
    assert seed.says in refused.value.message
    assert seed.remedy in refused.value.remedy
    assert backend.given == []

    cured, place = seed.cured_engine or seed.engine, seed.cured_place or seed.place
    backend = FakeBackend(cured.asked.flavor, place.version)
    load(cured.fetched(tmp_path / "cured"), place, seed.trust, backend)
    assert [call["plan"] for call in backend.given] == [cured.data]


GOOD = Engine(body=b"kernels" * 20)
FILES = {
    "a flipped byte": (GOOD.data[:60] + b"\x00" + GOOD.data[61:], Reason.DigestMismatch, "has SHA-256"),
    "another version in the header": (
        plan(version="10.13.3.6", body=b"kernels" * 20),
        Reason.PlanRejected,
        "is a TensorRT 10.13.3.6 plan, but its manifest is about TensorRT 10.13.2.6",
    ),
    "another flavor": (
        plan("TensorRTRTX", "1.7.1.116", body=bytes(len(GOOD.data) - 64)),
        Reason.PlanRejected,
        "is a TensorRTRTX 1.7.1.116 plan",
    ),
    "a cut file": (GOOD.data[:-1], Reason.PlanRejected, "171 bytes but its header says 172: it is truncated"),
    "a file cut in its header": (GOOD.data[:20], Reason.PlanRejected, "20 bytes are fewer"),
    "an empty file": (b"", Reason.PlanRejected, "0 bytes are fewer"),
    "a padded file": (GOOD.data + bytes(100), Reason.PlanRejected, "truncated or padded"),
    "an ONNX model": (b"\x08\x07\x12\x07pytorch" * 20, Reason.PlanRejected, "not a TensorRT plan"),
    "a Python pickle": (b"PK\x03\x04" + bytes(200), Reason.PlanRejected, "not a TensorRT plan"),
    "a plan older than 8.5": (b"ptrt" + bytes(200), Reason.PlanRejected, "older than 8.5"),
    "another engine of the same size": (
        Engine(body=b"kernelz" * 20).data,
        Reason.DigestMismatch,
        "has SHA-256",
    ),
    "another whole engine": (
        Engine(body=b"more").data,
        Reason.DigestMismatch,
        "has 36 bytes, but",
    ),
}


@pytest.mark.parametrize(("data", "reason", "says"), FILES.values(), ids=FILES)
def test_a_file_that_is_not_the_engine_is_never_loaded(data, reason, says, tmp_path):
    path, backend = GOOD.fetched(tmp_path), FakeBackend()
    if reason is Reason.PlanRejected and "TensorRTRTX" in says:
        backend.flavor = "TensorRTRTX"
    path.write_bytes(data)

    with pytest.raises(EngineRefused) as refused:
        load(path, Place(), Trust(), backend)

    assert refused.value.reason is reason
    assert says in refused.value.message
    assert refused.value.remedy
    assert backend.given == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(GOOD.data) - 1), st.integers(0, 7))
def test_no_bit_of_an_engine_can_be_flipped_unseen(tmp_path_factory, position, bit):
    path = GOOD.fetched(tmp_path_factory.mktemp("flipped"))
    changed = bytearray(GOOD.data)
    changed[position] ^= 1 << bit
    path.write_bytes(changed)
    backend = FakeBackend()

    with pytest.raises(EngineRefused):
        load(path, Place(), Trust(), backend)
    assert backend.given == []


def test_an_older_driver_may_be_tried_when_a_reason_is_stated(tmp_path):
    path, backend = engine(facts={"cuda_version": "13.0"}).fetched(tmp_path), FakeBackend()

    (loaded,) = load(path, Place(), Trust(warned="this TensorRT is for CUDA 12"), backend).values()

    assert "its kernels may not load" in loaded.warnings[0]


def test_a_file_nobody_vouches_for_is_refused_until_a_reason_is_stated(tmp_path):
    path = GOOD.fetched(tmp_path)
    (path.parent / "engine.json").unlink()

    with pytest.raises(EngineRefused, match="its code cannot be verified") as refused:
        load(path, Place(), Trust(), FakeBackend())
    assert refused.value.reason is Reason.UnverifiedEngine
    assert "trust=Trust(unverified=" in refused.value.remedy

    backend = FakeBackend()
    load(path, Place(), Trust(unverified="built here", warned="on this GPU"), backend)
    assert len(backend.given) == 1


DOCUMENTS = {
    "no JSON": ("{", "not JSON"),
    "another document": ("{}", "missing"),
    "too deep": ("[" * 100_000, "not JSON"),
    "a record that contradicts its manifest": (None, "not those of the manifest"),
}


@pytest.mark.parametrize(("text", "says"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_that_cannot_be_believed_vouches_for_nothing(text, says, tmp_path):
    path = GOOD.fetched(tmp_path)
    record = path.parent / "engine.json"
    record.write_text(
        text if text is not None else record.read_text().replace('"size": 172', '"size": 173', 1)
    )

    with pytest.raises(EngineRefused, match=says) as refused:
        load(path, Place(), Trust(unverified="does not help here"), FakeBackend())
    assert refused.value.reason is Reason.ManifestRefused


@pytest.mark.parametrize(
    "odd",
    [
        engine(options={"versionCompatible": True}),
        engine(facts={"gpu": {"memory_bytes": "much"}}),
        engine(facts={"gpu": {"sm_count": [58]}}),
    ],
    ids=["options", "memory", "multiprocessors"],
)
def test_a_manifest_of_a_shape_nobody_knows_is_refused(odd, tmp_path):
    with pytest.raises(EngineRefused, match=r"the manifest's \S+ cannot be read") as refused:
        load(odd.fetched(tmp_path), Place(), Trust(), FakeBackend())
    assert refused.value.reason is Reason.ManifestRefused


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EngineRefused, match=r"nowhere\.engine cannot be read: No such file") as refused:
        load(tmp_path / "nowhere.engine", Place(), Trust(), FakeBackend())
    assert refused.value.reason is Reason.EngineNotFound


SAID = {
    "version": (
        "The engine plan file is not compatible with this version of TensorRT, expecting library version "
        "10.13.3.9 got 10.13.2.6, please rebuild.",
        Reason.WrongTensorRT,
    ),
    "device": (
        "The engine plan file is generated on an incompatible device, expecting compute 8.9 got compute 8.6, "
        "please rebuild.",
        Reason.WrongGPU,
    ),
    "host code": (
        "Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed() is false.",
        Reason.HostCodeNotTrusted,
    ),
    "something new": ("the flux capacitor is missing", Reason.LoadFailed),
    "nothing": (None, Reason.LoadFailed),
}


@pytest.mark.parametrize(("text", "reason"), SAID.values(), ids=SAID)
def test_what_only_tensorrt_can_tell_is_quoted_with_its_meaning(text, reason, tmp_path):
    backend = FakeBackend(refuses=(text,) if text else ())

    with pytest.raises(EngineRefused) as refused:
        load(GOOD.fetched(tmp_path), Place(), Trust(), backend)

    assert refused.value.reason is reason
    assert (text or "logged no error") in refused.value.message
    assert refused.value.remedy
