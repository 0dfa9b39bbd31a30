"""One record of every kind that crosses a border as JSON, with every field set and some left out."""

from pathlib import Path
from typing import Any

from ignition_builder.documents import Compiled, Prepared, Proof, Task, TimingCacheTask, Verified
from ignition_builder.files import DataFile, Files
from ignition_hub.engine.identity import BatchRange, EngineInputs, Model, Profile, ShapeRange, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.request import BuildGrant, BuildRequest, GrantedFile
from ignition_hub.engine.timing_cache import StoredTimingCache, TimingCacheUpload

RANGE = ShapeRange((1, 3), (4, 3), (8, 3))
FULL_PROFILE = Profile({"x": RANGE, "a": RANGE}, {"shape": RANGE}, BatchRange(1, 4, 8), 0)
OPTIONS = {"timingCache": "ReadOnly", "plugins": ({"name": "p", "workspace": 2.0},), "größe": None}
INPUTS = EngineInputs(
    model=Model("resnet50", "v1", "sha256:" + "9f" * 32),
    precision="int8",
    profiles=(FULL_PROFILE, Profile({"x": RANGE}), Profile()),
    flavor="TensorRT",
    tensorrt_version="10.13.2.6",
    platform="linux-x86_64",
    gpu_arch="sm_89",
    product="NVIDIA-L4",
    compatibility="Product",
    options=OPTIONS,
    verification={"accuracy": {"rtol": 1e-3}},
    calibration_digest="ab" * 32,
    plugin_digests=("cd" * 32,),
)
REQUEST = BuildRequest(
    identity=identity_of(INPUTS),
    inputs=INPUTS,
    model_sha256="9f" * 32,
    model_uri="s3://models/resnet50.onnx",
    source_size=97,
    options=OPTIONS,
    verification={"accuracy": {"rtol": 1e-3}},
    timeout_seconds=7200,
    low_memory=True,
    name="resnet50.trt",
    namespace="vision",
    engine_resource="resnet50",
    timing_cache="Locked",
)
GRANTED = GrantedFile("plugin", "p", "https://s3.example.com/p.so", 12, "ef" * 32)
FACTS = BuildFacts(
    flavor="TensorRT",
    tensorrt_version="10.13.2.6",
    model={"sha256": "9f" * 32, "inputs": [{"name": "x", "shape": (1, 3)}]},
    tf32={"asked": False, "in_force": False},
    seconds=2.0,
    cuda_version="12.9",
    driver="580.65",
    gpu={"name": "NVIDIA L4", "memory_bytes": 1 << 34},
    parser_messages=("unused weight: é",),
    profiles=(FULL_PROFILE.to_json(),),
    flags=("STRONGLY_TYPED",),
    converter={"path": "AsIs", "proof": {"proven": True}},
    peak_memory_bytes=1 << 29,
    accuracy={"outputs": ({"output": "y", "maxAbsolute": 0.25},)},
    benchmark={"milliseconds": 1.5},
    builder_image="builder:1",
    warnings=({"code": "Int64Clamped", "count": 2},),
    checked="engine",
    typing="Strong",
    settings={"builder_optimization_level": 3},
    engine_io={"inputs": [], "outputs": []},
    plugins=({"name": "p", "creators": ("A:1",)},),
    timing_cache={"misses": 0},
    environment={"cpus": 2},
)
MANIFEST = Manifest(
    identity=identity_of(INPUTS),
    inputs=INPUTS,
    engine=EngineFile("ignition/engines/resnet50/x/y/z.trt", "ab" * 32, 133740),
    provenance_key="ignition/engines/resnet50/x/y/z.trt.intoto.json",
    built_at="2026-08-01T12:00:00Z",
    build=FACTS,
)
PREPARED = Prepared(
    path="/models/model.onnx",
    facts={"opset": 17},
    converter={"path": "AsIs"},
    typing="Strong",
    profiles=(FULL_PROFILE,),
    warnings=({"code": "Int64Clamped", "count": 1},),
    peak_memory_bytes=1,
    weights_bytes=2,
    weight_files=("w.bin",),
)
COMPILED = Compiled(
    path="/models/engine.trt",
    sha256="ab" * 32,
    size=3,
    tensorrt_version="10.13.2.6",
    cuda_version=None,
    gpu={"name": "NVIDIA L4"},
    flags=("REFIT",),
    settings={"a": (1, 2)},
    tf32_in_force=False,
    profiles=(FULL_PROFILE.to_json(),),
    engine_io={"inputs": ()},
    parser_messages=(),
    warnings=(),
    peak_memory_bytes=4,
)
FILES = Files(
    data=(DataFile("weights/a.bin", "ab" * 32, 5),),
    calibration=Path("/models/calibration.npz"),
    plugins={"p": Path("/models/p.so")},
)
TASK = Task(
    stage="compile",
    request=REQUEST,
    model="/models/model.onnx",
    folder="/work",
    log="/models/log",
    files=FILES,
    timing_cache=TimingCacheTask(mode="ReadWrite", path_in="/models/cache", etag="e"),
    prepared=PREPARED,
)
RECORDS: dict[str, Any] = {
    "inputs": INPUTS,
    "request": REQUEST,
    "grant": BuildGrant(REQUEST, "https://s3.example.com/m", 97, 1 << 33, (GRANTED,)),
    "facts": FACTS,
    "manifest": MANIFEST,
    "stored timing cache": StoredTimingCache("k", "https://s3/k", "e", 3),
    "no timing cache": StoredTimingCache("k"),
    "timing cache upload": TimingCacheUpload("https://s3/k", {"If-Match": '"e"', "Content-Length": "3"}),
    "prepared": PREPARED,
    "proof": Proof(record={"proven": False}, warnings=({"code": "x", "count": 1},)),
    "compiled": COMPILED,
    "verified": Verified(
        checked="none", accuracy=None, benchmark={"runs": (1,)}, warnings=(), peak_memory_bytes=1
    ),
    "task": TASK,
    "bare task": Task(stage="inspect", request=REQUEST, model="m", folder="f", log="l"),
}
