"""The code that ``docs/runtime.md`` shows runs as it is written there; GPU and TensorRT are fakes."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from fakeruntime import L4, Engine, FakeBackend, FakeEngine
from ignition_hub.engine.errors import Reason
from ignition_hub.runtime import Trust, load_engines

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "runtime.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@dataclass
class Batch:
    """An array."""

    shape: tuple[int, ...]
    dtype: str = "float32"


@pytest.fixture
def contexts(tmp_path, monkeypatch):
    """A pod on an L4 with one injected engine; the profiles that its contexts are set to."""
    chosen: list[int] = []

    class Context:
        def set_optimization_profile_async(self, profile: int, stream: int) -> None:
            chosen.append(profile)

    monkeypatch.setenv("IGNITION_ENGINE_RESNET50", str(Engine().fetched(tmp_path, "resnet50")))
    monkeypatch.setattr("ignition_hub.runtime.machine.device", lambda ordinal: L4)
    monkeypatch.setitem(load_engines.__kwdefaults__, "backends", FakeBackend())
    monkeypatch.setattr(FakeEngine, "create_execution_context", lambda _: Context(), raising=False)
    return chosen


def run(block: str, **names: Any) -> dict[str, Any]:
    exec(block, names)
    return names


def test_the_first_example_loads_what_was_injected_and_checks_every_batch(contexts):
    infer = run(BLOCKS[0])["infer"]

    assert infer(Batch((4, 64))) is None
    assert contexts == [0]
    status, text = infer(Batch((99, 64)))
    assert status == 400
    assert "input 'x'" in text
    assert contexts == [0]


def test_on_a_jetson_module_and_release_are_stated(contexts, tmp_path, monkeypatch):
    asked = {
        "gpu_arch": "sm_87",
        "product": "Jetson-Orin-NX-16GB",
        "compatibility": "Product",
        "platform": "jetpack-6.2",
    }
    orin = L4.__class__(
        name="Orin", capability=(8, 7), memory_bytes=1 << 34, multiprocessors=8, cuda=(12, 6), integrated=True
    )
    monkeypatch.setenv("IGNITION_ENGINE_RESNET50", str(Engine(inputs=asked).fetched(tmp_path / "orin")))
    monkeypatch.setattr("ignition_hub.runtime.machine.device", lambda ordinal: orin)

    assert list(run(BLOCKS[1])["engines"]) == ["resnet"]


def test_kernels_are_kept_as_shown(contexts, tmp_path):
    engines = run(BLOCKS[0])["engines"]
    path = tmp_path / "l4.kernels"

    run(BLOCKS[2].replace("/var/cache/rtx/l4.kernels", str(path)), engines=engines)

    assert not path.exists()


def test_every_reason_and_every_waiver_of_the_page_exists():
    reasons = set(re.findall(r"`([A-Z][A-Za-z]+)`(?= \||,)", PAGE))

    assert reasons >= {"PlanRejected", "UnverifiedEngine", "DriverTooOld"}
    assert {reason for reason in reasons if reason in Reason.__members__} == reasons - {"EngineRefused"}
    waivers = set(re.findall(r'^\| `(\w+)="', PAGE, re.MULTILINE))
    assert waivers == {item.name for item in fields(Trust)}
