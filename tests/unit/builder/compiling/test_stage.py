"""
The compile stage for TensorRT from task to manifest facts, on every kept release, over a fake GPU and module.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bindings.inventory import Inventory, inventories
from faketensorrt import fake_tensorrt
from faketensorrt.plans import four_numbers
from ignition_builder.compiling import gpu
from ignition_builder.compiling import stage as compiling
from ignition_builder.documents import COMPILE, STRONG, WEAK, Compiled, Prepared, Task, TimingCacheTask
from ignition_builder.facts import Stages, facts_of
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import digests_of
from ignition_builder.report import Report
from ignition_builder.verifying.header import check_plan
from ignition_hub.compatibility.support_matrix import is_strongly_typed
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.identity import PRODUCT, identity_of
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.request import BuildRequest
from smallmodels import dense, request_for, saved

FULL = [item for item in inventories() if item.release.flavor == "TensorRT"]
OPTIONS = {"profilingVerbosity": "Detailed", "workspace": 1 << 30, "tacticSources": ["JIT_CONVOLUTIONS"]}
A10 = DeviceFacts(
    name="NVIDIA A10",
    capability=(8, 6),
    memory_bytes=24 << 30,
    multiprocessors=72,
    cuda=(12, 8),
    driver="570.124.06",
    mps=False,
)


def request(version: str) -> BuildRequest:
    plain = request_for("fp16", flavor="TensorRT", version=version, options=OPTIONS)
    inputs = replace(plain.inputs, compatibility=PRODUCT, product="NVIDIA-A10")
    return replace(plain, inputs=inputs, identity=identity_of(inputs))


def prepared(path: Path, version: str) -> Prepared:
    strong = is_strongly_typed("TensorRT", version)
    return Prepared(
        path=str(path),
        facts={"opset": 17, "inputs": [], "outputs": []},
        converter={"path": "Converted" if strong else "Flags"},
        typing=STRONG if strong else WEAK,
        profiles=(),
        warnings=(),
        peak_memory_bytes=1,
    )


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def run(inventory: Inventory) -> tuple[BuildRequest, Prepared, Compiled, Path]:
        fake = fake_tensorrt(inventory.release.version)
        monkeypatch.setitem(sys.modules, "tensorrt", fake)
        monkeypatch.setattr(gpu, "device", lambda: A10)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setenv("CUDA_VERSION", "12.8.1")
        version = ".".join(map(str, four_numbers(inventory.release.version)))
        path = saved(dense(), tmp_path)
        task = Task(
            stage=COMPILE,
            request=request(version),
            model=str(path),
            folder=str(tmp_path),
            log=str(tmp_path / "log"),
            timing_cache=TimingCacheTask(mode="ReadWrite", path_out=str(tmp_path / "timing.cache")),
            prepared=prepared(path, version),
        )
        task = Task.from_json(task.to_json())
        with Journal(tmp_path / "log") as journal, (tmp_path / "pipe").open("wb") as pipe:
            compiled = Compiled.from_json(compiling.run(task, Report(pipe.fileno()), journal))
        assert task.prepared is not None
        return task.request, task.prepared, compiled, path

    return run


@pytest.mark.parametrize("inventory", [pytest.param(item, id=item.release.version) for item in FULL])
def test_a_build_for_tensorrt_says_what_it_was(inventory, build, tmp_path):
    asked, ready, compiled, path = build(inventory)
    check_plan(Path(compiled.path), compiled.size, asked.inputs)
    facts = facts_of(asked, Stages(ready, compiled, None), digests_of(path), Files(), 1.0)

    assert BuildFacts.from_json(facts.to_json()) == facts
    assert facts.tensorrt_version == asked.inputs.tensorrt_version
    assert (facts.driver, facts.cuda_version) == ("570.124.06", "12.8.1")
    assert facts.gpu is not None
    assert facts.gpu["sm_count"] == 72
    assert facts.flags == (() if facts.typing == STRONG else ("FP16",))
    assert facts.settings is not None
    assert facts.settings["profilingVerbosity"] == "DETAILED"
    assert facts.settings["tacticSources"] == ["JIT_CONVOLUTIONS"]
    has_levels = inventory.has("IBuilderConfig.hardware_compatibility_level")
    assert facts.settings.get("hardwareCompatibilityLevel") == ("NONE" if has_levels else None)
    assert facts.timing_cache is not None
    assert (facts.timing_cache["used"], facts.timing_cache["missed"]) == (False, True)
    assert (tmp_path / "timing.cache").stat().st_size > 0
