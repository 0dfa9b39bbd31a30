"""Engines are verified, loaded largest first and one mapping at a time; the TensorRT runtime is a fake."""

import logging

import pytest

from fakeruntime import Engine, FakeBackend, engines_mapped, machine
from ignition_hub.device import NoGPU
from ignition_hub.engine.errors import Reason
from ignition_hub.runtime import EngineRefused, InputRefused, Trust, load_engines
from ignition_hub.runtime.backend import MODULES, open_backend
from ignition_hub.runtime.loading import engines_injected

SMALL, MIDDLE, LARGE = (Engine(body=b"k" * (size * 100_000)) for size in (1, 5, 9))


def load(engines, backend=None, **options):
    backend = backend or FakeBackend()
    return load_engines(engines, machine=machine(), backends=backend, **options), backend


@pytest.fixture
def three(tmp_path):
    return {
        "small": SMALL.fetched(tmp_path, "small"),
        "large": LARGE.fetched(tmp_path, "large"),
        "middle": MIDDLE.fetched(tmp_path, "middle"),
    }


def test_the_largest_comes_first_and_the_callers_order_is_kept(three):
    loaded, backend = load(three)

    assert [len(call["plan"]) for call in backend.given] == [
        len(engine.data) for engine in (LARGE, MIDDLE, SMALL)
    ]
    assert list(loaded) == ["small", "large", "middle"]
    assert loaded["middle"].engine.plan == MIDDLE.data


def test_one_engine_is_mapped_at_a_time_and_none_afterwards(three):
    _, backend = load(three)

    assert [call["mapped"] for call in backend.given] == [
        {str(three[alias])} for alias in ("large", "middle", "small")
    ]
    assert engines_mapped() == set()


def test_nothing_stays_mapped_after_a_refusal(three):
    with pytest.raises(EngineRefused):
        load(three, FakeBackend(refuses=()))

    assert engines_mapped() == set()


@pytest.mark.parametrize("layout", ["fetched", "cached", "classic"])
def test_every_layout_is_verified_by_what_lies_beside_the_engine(layout, tmp_path):
    path = getattr(SMALL, layout)(tmp_path)

    (loaded,) = load([path])[0].values()

    assert loaded.path == path
    assert loaded.manifest == SMALL.manifest


def test_files_are_named_by_their_folder_or_their_stem(tmp_path):
    loaded, _ = load([SMALL.fetched(tmp_path, "detector"), LARGE.classic(tmp_path)])

    assert list(loaded) == ["detector", "resnet50"]


def test_two_files_of_one_name_need_a_mapping(tmp_path):
    paths = [SMALL.classic(tmp_path / "a"), LARGE.classic(tmp_path / "b")]

    with pytest.raises(ValueError, match="same alias"):
        load(paths)


def test_without_a_list_the_engines_of_the_pod_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("IGNITION_ENGINE_MY_NET", str(SMALL.fetched(tmp_path, "my-net")))

    loaded, _ = load(None)

    assert list(loaded) == ["my-net"]
    assert engines_injected({"PATH": "/bin"}) == {}


def test_no_engines_need_no_gpu():
    assert load_engines({}) == {}


def test_every_engine_is_judged_before_the_first_is_loaded(tmp_path):
    other = Engine(inputs={"gpu_arch": "sm_86"}, body=b"small")
    backend = FakeBackend()

    with pytest.raises(EngineRefused, match="sm_86"):
        load([LARGE.fetched(tmp_path, "a"), other.fetched(tmp_path, "b")], backend)
    assert backend.given == []


def test_a_loaded_engine_checks_its_inputs(tmp_path):
    (loaded,) = load([SMALL.classic(tmp_path)])[0].values()

    class Batch:
        shape, dtype = (9, 64), "float32"

    with pytest.raises(InputRefused, match=r"\[9, 64\] is outside every profile") as refused:
        loaded.inputs.check({"x": Batch})
    assert refused.value.nearest == {"x": (8, 64)}


def test_what_a_shape_tensor_may_hold_is_taken_from_the_manifest(tmp_path):
    limits = {"min": [1], "opt": [4], "max": [8]}
    profile = {"shapes": {}, "values": {"x": limits}}

    (loaded,) = load([Engine(facts={"profiles": (profile,)}).classic(tmp_path)])[0].values()

    assert loaded.inputs.profiles[0].values["x"].max == (8,)
    assert loaded.inputs.profiles[0].shapes["x"].max == (8, 64)


def test_what_ultralytics_puts_in_front_is_not_given_to_tensorrt(tmp_path):
    path = tmp_path / "yolo.engine"
    path.write_bytes(b"\x02\x00\x00\x00{}" + SMALL.data)

    loaded, backend = load([path], trust=Trust(unverified="exported on this desk", warned="same desk"))

    assert backend.given[0]["plan"] == SMALL.data
    assert loaded["yolo"].manifest is None


def test_a_waived_guard_is_logged_with_its_reason(tmp_path, caplog):
    path = tmp_path / "mine.engine"
    path.write_bytes(SMALL.data)

    with caplog.at_level(logging.WARNING, logger="ignition_hub.runtime"):
        load([path], trust=Trust(unverified="built a minute ago", warned="on this GPU"))

    assert "mine: loaded unverified: built a minute ago" in caplog.text


def test_a_guard_is_not_waived_without_a_reason():
    with pytest.raises(ValueError, match="say why"):
        Trust(unverified=" ")


def test_what_tensorrt_warns_of_is_kept(tmp_path):
    loaded, _ = load([SMALL.classic(tmp_path)], FakeBackend(says=("weights are slow here",)))

    assert loaded["resnet50"].warnings == ("weights are slow here",)


def test_host_code_is_allowed_only_when_it_is_trusted(tmp_path):
    compatible = Engine(inputs={"options": {"versionCompatible": {"enabled": True}}})
    path = compatible.classic(tmp_path)

    with pytest.raises(EngineRefused) as refused:
        load([path])
    assert refused.value.reason is Reason.HostCodeNotTrusted
    _, backend = load([path], trust=Trust(host_code="built by our own farm"))
    assert [call["host_code"] for call in backend.given] == [True]


def test_trusting_host_code_gives_it_to_no_engine_that_carries_none(tmp_path):
    _, backend = load([SMALL.classic(tmp_path)], trust=Trust(host_code="built by our own farm"))

    assert [call["host_code"] for call in backend.given] == [False]


def test_an_engine_without_its_lean_runtime_is_given_one(tmp_path):
    options = {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}}
    path = Engine(inputs={"options": options}).classic(tmp_path)

    newer = FakeBackend(version="10.16.1.11")
    with pytest.raises(EngineRefused, match="without its lean runtime") as refused:
        load([path], newer)
    assert "libnvinfer_lean.so.10" in refused.value.remedy
    _, backend = load([path], newer, lean_runtime=tmp_path / "libnvinfer_lean.so.10")
    assert backend.given[0]["lean_runtime"] == tmp_path / "libnvinfer_lean.so.10"
    assert backend.given[0]["host_code"] is False


def test_the_tensorrt_that_built_an_engine_without_lean_runtime_needs_none(tmp_path):
    options = {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}}
    _, backend = load([Engine(inputs={"options": options}).classic(tmp_path)])

    assert (backend.given[0]["lean_runtime"], backend.given[0]["host_code"]) == (None, False)


def test_on_a_machine_without_a_driver_nothing_of_tensorrt_is_called(tmp_path):
    with pytest.raises(NoGPU):
        load_engines([SMALL.classic(tmp_path)])


def test_the_real_runtime_is_not_created_without_a_driver():
    pytest.importorskip("tensorrt_rtx")
    backend = open_backend("TensorRTRTX")

    with memoryview(b"plan") as plan, pytest.raises(NoGPU):
        backend.deserialize(plan, host_code=False, lean_runtime=None)


def test_a_missing_module_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(MODULES, "TensorRT", ("no_such_tensorrt",))
    open_backend.cache_clear()

    with pytest.raises(
        EngineRefused, match="module no_such_tensorrt, which loads TensorRT engines, is not installed"
    ) as refused:
        open_backend("TensorRT")
    assert refused.value.reason is Reason.WrongTensorRT
