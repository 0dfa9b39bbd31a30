"""
The runtime on a real GPU: engines for this GPU load, others are refused before TensorRT sees them.

TensorRT-RTX compiles for GPUs that this machine does not have; on compute capability 9.0, which it does not
know, all of its engines are for another GPU. Whatever loads does so in a process of its own: NVIDIA's logger
is one for a process, and the first wins.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakeruntime import Engine, FakeBackend, machine
from gpubuilds import Bench, damaged
from ignition_builder.compiling.lean import lean_runtime
from ignition_hub.compatibility.options import row_of
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import TENSORRT_RTX
from ignition_hub.engine.manifest import EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.runtime import EngineRefused, load_engines, this_machine
from smallmodels import dense, shape_range

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

DYNAMIC = {"x": shape_range([1, 64], [4, 64], [8, 64])}

LOAD = """
import json, sys
from types import SimpleNamespace
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.runtime import Trust, load_engines
try:
    (loaded,) = load_engines([sys.argv[1]], trust=Trust(**json.loads(sys.argv[2]))).values()
    told = {"inputs": [str(tensor) for tensor in loaded.inputs.tensors], "warnings": loaded.warnings}
    for size in (8, 9):
        try:
            told[size] = loaded.inputs.check({"x": SimpleNamespace(shape=(size, 64), dtype="float32")})
        except IgnitionError as error:
            told[size] = str(error)
except IgnitionError as error:
    told = error.to_json()
print(json.dumps(told))
"""

HEAR = """
import json, sys
from pathlib import Path
from ignition_hub.compatibility.load_errors import cause_of
from ignition_hub.runtime.backend import open_backend
with memoryview(Path(sys.argv[1]).read_bytes()) as plan:
    engine, said = open_backend(sys.argv[2]).deserialize(plan, host_code=False, lean_runtime=None)
cause = cause_of(said)
print(json.dumps({"loaded": engine is not None, "said": said, "reason": cause.reason if cause else None}))
"""


def told(code: str, *words: object) -> dict[str, Any]:
    """Run ``code`` in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def published(bench: Bench, precision: str = "fp32", *, model: Any = None, **asked: Any) -> Path:
    """Build an engine and write the manifest beside it that the gateway would write."""
    request = bench.request(precision, **asked)
    built = bench.build(model or dense(), precision, **asked)
    paths = StorePaths("", request.inputs, request.identity)
    manifest = Manifest(
        identity=request.identity,
        inputs=request.inputs,
        engine=EngineFile(paths.engine(built.sha256), built.sha256, built.size),
        provenance_key=paths.provenance(built.sha256),
        built_at="2026-01-02T03:04:05Z",
        build=built.facts,
    )
    built.path.with_name(f"{built.path.name}.json").write_bytes(manifest.to_bytes())
    return built.path


def test_the_machine_is_told_as_the_table_needs_it(gpu: DeviceFacts) -> None:
    found = this_machine().node_gpu

    assert (found.arch, found.memory_bytes) == (gpu.arch, gpu.memory_bytes)
    assert found.platform in {"linux-x86_64", "linux-aarch64"}


def test_an_engine_of_this_gpu_loads_and_knows_its_inputs(full: Bench) -> None:
    path = published(full, model=dense(batch="n"), profiles=[DYNAMIC])

    answer = told(LOAD, path, "{}")

    assert answer["inputs"] == ["x float32 [?, 64]"]
    assert answer["8"] == 0
    assert "the nearest that fits: x shape [8, 64]" in answer["9"]


def test_a_flipped_byte_never_reaches_tensorrt(full: Bench) -> None:
    path = published(full)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    assert told(LOAD, path, "{}")["reason"] == Reason.DigestMismatch


def test_host_code_runs_only_where_it_is_trusted(full: Bench) -> None:
    if not row_of("versionCompatible.enabled").exists_in(full.release):
        pytest.skip(f"TensorRT {full.version} has no version compatible engines")
    if lean_runtime(full.trt) is None:
        pytest.skip(f"no lean runtime is installed beside TensorRT {full.version}: its engines embed none")
    path = published(full, options={"versionCompatible": {"enabled": True}})

    assert told(LOAD, path, "{}")["reason"] == Reason.HostCodeNotTrusted
    assert told(LOAD, path, json.dumps({"host_code": "built by this test"}))["inputs"]


def test_what_tensorrt_says_is_heard_by_the_runtimes_own_logger(full: Bench) -> None:
    path = damaged(published(full), at=0)

    answer = told(HEAR, path, "TensorRT")

    assert (answer["loaded"], answer["reason"]) == (False, Reason.PlanRejected), answer["said"]


def test_an_engine_of_another_version_never_reaches_tensorrt(full: Bench) -> None:
    path = damaged(published(full), at=full.place_of_version)
    path.with_name(f"{path.name}.json").unlink()

    answer = told(LOAD, path, json.dumps({"unverified": "by this test", "warned": "by this test"}))

    assert answer["reason"] == Reason.WrongTensorRT
    assert "without version compatibility all four parts must be equal" in answer["message"]


@pytest.mark.parametrize("arch", RTX_ARCHS)
def test_a_tensorrt_rtx_engine_loads_on_its_own_gpu_alone(
    arch: str, bench_of: Callable[[str], Bench], gpu: DeviceFacts
) -> None:
    path = published(bench_of(TENSORRT_RTX), "fp16", arch=arch)

    answer = told(LOAD, path, "{}")

    if arch == gpu.arch:
        assert answer["inputs"] == ["x float32 [2, 64]"]
        return
    assert answer["reason"] == Reason.WrongGPU
    assert f"the engine is for {arch}, and the node has {gpu.product}" in answer["message"]


def test_an_engine_for_a_newer_cuda_is_refused_by_the_drivers_own_number(
    tmp_path: Path, gpu: DeviceFacts
) -> None:
    newer = f"{gpu.cuda[0] + 1}.0"
    engine = Engine(facts={"cuda_version": newer}, inputs={"gpu_arch": gpu.arch})
    backend = FakeBackend()

    with pytest.raises(EngineRefused, match=f"for CUDA {newer}") as refused:
        load_engines([engine.classic(tmp_path)], machine=machine(gpu), backends=backend)
    assert refused.value.reason is Reason.DriverTooOld
    assert backend.given == []

    driver = replace(gpu, cuda=(gpu.cuda[0] + 1, 0))
    load_engines([tmp_path / "resnet50.engine"], machine=machine(driver), backends=backend)
    assert len(backend.given) == 1
