"""
The runtime against the names of every kept release of NVIDIA's bindings, 8.5.1 to 11.4 and RTX 1.4 to 1.7.

The modules are fakes that have exactly what the real bindings have: what a release lacks raises
AttributeError.
"""

import sys
from pathlib import Path

import pytest

from bindings.releases import RELEASES, Release, release_of
from fakeruntime import L4, Engine, machine
from faketensorrt import fake_tensorrt, plan_bytes
from faketensorrt.plans import four_numbers
from ignition_hub.engine.errors import Reason
from ignition_hub.runtime import EngineRefused, InputRefused, Trust, load_engines
from ignition_hub.runtime.backend import KEPT_MESSAGES, TensorRTRuntime, open_backend
from ignition_hub.runtime.tensors import Given

CONTENT = {
    "flags": [],
    "network": {
        "inputs": [{"name": "x", "type": "HALF", "shape": [-1, 64]}],
        "outputs": [{"name": "y", "type": "FLOAT", "shape": [-1, 10]}],
    },
    "profiles": [{"shapes": {"x": [[1, 64], [4, 64], [8, 64]]}}],
}
BACKEND = "ignition_hub.runtime.backend"


def built(release: Release, *, flags=(), **options) -> Engine:
    """Return an engine file whose plan the fake of ``release`` can open."""
    return Engine(
        inputs={
            "flavor": release.flavor,
            "tensorrt_version": ".".join(map(str, four_numbers(release.version))),
            "options": options,
        },
        whole=plan_bytes(release.flavor, release.version, {**CONTENT, "flags": list(flags)}, ("SM89",)),
    )


@pytest.fixture(autouse=True)
def an_l4(monkeypatch):
    monkeypatch.setattr(f"{BACKEND}.device", lambda: L4)


def backend_of(release: Release) -> TensorRTRuntime:
    return TensorRTRuntime(release.flavor, fake_tensorrt(release.version, release.flavor))


def load(path: Path, backend: TensorRTRuntime, **options):
    return load_engines([path], machine=machine(), backends=lambda _: backend, **options)


every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda item: f"{item.flavor}-{item.version}")
TENSORRT = [release for release in RELEASES if release.flavor == "TensorRT"]
has_host_code = pytest.mark.parametrize(
    "release", [item for item in TENSORRT if item.numbers >= (8, 6)], ids=lambda item: item.version
)


@every_release
def test_an_engine_of_the_same_release_loads_and_tells_its_inputs(release, tmp_path):
    (loaded,) = load(built(release).classic(tmp_path), backend_of(release)).values()

    assert [str(tensor) for tensor in loaded.inputs.tensors] == ["x float16 [?, 64]"]
    with pytest.raises(InputRefused) as refused:
        loaded.inputs.profile_for({"x": Given("float16", (9, 64))})
    assert refused.value.nearest == {"x": (8, 64)}


@has_host_code
def test_what_it_logs_when_it_refuses_is_heard_and_recognised(release, tmp_path):
    engine = built(release, flags=["VERSION_COMPATIBLE"])  # which its manifest does not tell

    with pytest.raises(EngineRefused) as refused:
        load(engine.classic(tmp_path), backend_of(release))

    assert refused.value.reason is Reason.HostCodeNotTrusted
    assert "getEngineHostCodeAllowed() is false" in refused.value.message


@has_host_code
def test_trusted_host_code_is_allowed_for_that_engine_alone(release, tmp_path):
    compatible = built(release, flags=["VERSION_COMPATIBLE"], versionCompatible={"enabled": True})
    backend = backend_of(release)

    load(compatible.classic(tmp_path), backend, trust=Trust(host_code="built by our own farm"))
    with pytest.raises(EngineRefused):
        load(built(release, flags=["VERSION_COMPATIBLE"]).classic(tmp_path / "other"), backend)


def test_a_release_that_is_too_old_to_run_an_engine_is_refused_as_such(monkeypatch):
    module = fake_tensorrt("8.5.3.1")
    module.__version__ = "8.4.1.5"
    monkeypatch.setitem(sys.modules, "tensorrt", module)

    with pytest.raises(EngineRefused, match=r"8\.4\.1\.5, which does not address tensors by name") as refused:
        open_backend.__wrapped__("TensorRT")
    assert refused.value.reason is Reason.WrongTensorRT
    assert "TensorRT 8.5 or newer" in refused.value.remedy


def test_a_lean_runtime_cannot_be_loaded_where_there_is_none():
    backend = backend_of(release_of("TensorRT", "8.5.3.1"))

    with memoryview(b"plan") as plan:
        assert backend.deserialize(plan, host_code=False, lean_runtime=Path("lean.so")) == (None, ())


def test_messages_of_one_load_are_not_those_of_the_next(tmp_path):
    release = TENSORRT[-1]
    backend = backend_of(release)
    with pytest.raises(EngineRefused):
        load(built(release, flags=["VERSION_COMPATIBLE"]).classic(tmp_path / "bad"), backend)

    (loaded,) = load(built(release).classic(tmp_path / "good"), backend).values()

    assert loaded.warnings == ()


@pytest.mark.parametrize("severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
def test_chatter_is_not_kept(severity, tmp_path):
    release = TENSORRT[-1]
    backend = backend_of(release)
    runtime = backend.trt.Runtime
    plain = runtime.deserialize_cuda_engine

    def chatty(self, plan):
        for _ in range(1000):
            self._module.log(severity, "something")
        return plain(self, plan)

    runtime.deserialize_cuda_engine = chatty
    (loaded,) = load(built(release).classic(tmp_path), backend).values()

    assert len(loaded.warnings) == (0 if severity in {"INFO", "VERBOSE"} else KEPT_MESSAGES)
