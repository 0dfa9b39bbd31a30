"""From resources to the contract: names, units, and that equal meanings give equal identities."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ignition_hub.api import convert
from ignition_hub.api.v1alpha1 import BuildPool, EngineStore, TensorRTEngine
from ignition_hub.compatibility.tenants import Tenant
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange, Target

DIGEST, OTHER = "9f2c" * 16, "1a2b" * 16


def make_engine(**spec: Any) -> TensorRTEngine:
    least = {
        "model": {"name": "arcface_r100", "version": "v1.0", "source": {"uri": "s3://models/a.onnx"}},
        "precision": "fp16",
        "targets": [{"gpuArch": "sm_89"}],
    }
    return TensorRTEngine.model_validate({"metadata": {"name": "arcface"}, "spec": least | spec})


def make_pool(**spec: Any) -> BuildPool:
    runtime = {"flavor": "TensorRT", "version": "10.13.2.6", "image": "builder"}
    least = {"gpu": {"arch": "sm_89"}, "runtimes": [runtime]}
    return BuildPool.model_validate({"metadata": {"name": "ada"}, "spec": least | spec})


def options(**values: Any) -> dict[str, Any]:
    return convert.options_of(make_engine(options=values))


def test_a_target_is_named_after_its_architecture_or_product() -> None:
    targets = [
        {"gpuArch": "sm_89"},
        {"gpuArch": "sm_80", "product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "compatibility": "Product"},
        {"gpuArch": "sm_86", "name": "mine"},
    ]

    assert convert.targets_of(make_engine(targets=targets)) == (
        Target("sm-89", "sm_89", None, "SameComputeCapability"),
        Target("nvidia-a100-sxm4-40gb-mig-1g-5gb", "sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "Product"),
        Target("mine", "sm_86", None, "SameComputeCapability"),
    )


def test_profiles_keep_their_order_and_shapes() -> None:
    shape = {"min": [1, 3], "opt": [2, 3], "max": [4, 3]}

    profiles = convert.profiles_of(make_engine(profiles=[{"shapes": {"data": shape}}]))

    assert profiles == (Profile({"data": ShapeRange((1, 3), (2, 3), (4, 3))}),)


def test_a_profile_may_be_nothing_but_shorthand() -> None:
    written = {
        "batchSize": {"min": 1, "opt": 8, "max": 32},
        "maxSequenceLength": 512,
        "values": {"size": {"min": [-1], "opt": [64], "max": [128]}},
    }

    assert convert.profiles_of(make_engine(profiles=[written])) == (
        Profile(
            values={"size": ShapeRange((-1,), (64,), (128,))},
            batch_size=BatchRange(1, 8, 32),
            max_sequence_length=512,
        ),
    )


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"optimizationLevel": 3},
        {"versionCompatible": {"enabled": False}},
        {"failOnWarnings": []},
        {"memoryPools": {}, "sparseWeights": False, "stripPlan": False, "weightStreaming": False},
        {"tilingOptimizationLevel": "None", "avgTimingIterations": 1, "profilingVerbosity": "LayerNamesOnly"},
        {"runtimePlatform": "SameAsBuild"},
    ],
)
def test_a_default_written_out_is_the_same_engine_as_one_left_out(written: dict[str, Any]) -> None:
    assert options(**written) == {}


@pytest.mark.parametrize("written", ["4Gi", "4096Mi", 4294967296, "4294967296"])
def test_a_workspace_is_a_number_of_bytes_however_it_is_written(written: Any) -> None:
    assert options(workspace=written) == {"workspace": 4294967296}


def test_the_order_of_a_set_changes_nothing() -> None:
    plugins = [{"name": name, "source": {"uri": "s3://m/x.so", "sha256": DIGEST}} for name in ("b", "a")]

    one = options(failOnWarnings=["B", "A"], plugins=plugins)
    other = options(failOnWarnings=["A", "B"], plugins=plugins[::-1])

    assert one == other
    assert one["failOnWarnings"] == ["A", "B"]


VALUES = {
    "optimizationLevel": (3, 0, 5),
    "memoryPools": ({}, {"tacticDram": "2Gi"}),
    "versionCompatible": ({}, {"enabled": True}, {"enabled": True, "excludeLeanRuntime": True}),
    "sparseWeights": (False, True),
    "stripPlan": (False, True),
    "weightStreaming": (False, True),
    "tilingOptimizationLevel": ("None", "Fast", "Full"),
    "avgTimingIterations": (1, 8),
    "profilingVerbosity": ("LayerNamesOnly", "Detailed", "None"),
    "runtimePlatform": ("SameAsBuild", "WindowsAMD64"),
    "plugins": ([], [{"name": "a", "source": {"uri": "s3://m/a.so", "sha256": DIGEST}}]),
    "failOnWarnings": ([], ["Int64Clamped"]),
}
"""Options with a default that can be written: it comes first."""


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}))
def test_writing_defaults_out_never_changes_what_is_asked_for(written: dict[str, Any]) -> None:
    short = {name: value for name, value in written.items() if value != VALUES[name][0]}

    assert options(**written) == options(**short)
    assert options(**short).keys() == short.keys()


def test_tactic_sources_are_a_set_and_none_at_all_is_not_the_default() -> None:
    assert options(tacticSources=["JIT_CONVOLUTIONS", "CUDNN"]) == {
        "tacticSources": ["CUDNN", "JIT_CONVOLUTIONS"]
    }
    assert options(tacticSources=[]) == {"tacticSources": []}


def test_every_pool_of_memory_is_a_number_of_bytes() -> None:
    assert options(memoryPools={"tacticSharedMemory": "48Ki", "tacticDram": "2Gi"}) == {
        "memoryPools": {"tacticSharedMemory": 49152, "tacticDram": 2147483648}
    }


def test_a_packed_plugin_is_the_default_and_an_external_one_another_engine() -> None:
    plugin = {"name": "a", "source": {"uri": "s3://m/a.so", "sha256": DIGEST}}

    assert options(plugins=[plugin | {"delivery": "Packed"}]) == {"plugins": [plugin]}
    assert options(plugins=[plugin | {"delivery": "External"}]) == {
        "plugins": [plugin | {"delivery": "External"}]
    }


def test_options_keep_the_names_of_the_api() -> None:
    assert options(optimizationLevel=5, versionCompatible={"enabled": True}) == {
        "optimizationLevel": 5,
        "versionCompatible": {"enabled": True},
    }


def test_no_verification_is_empty_and_an_asked_one_has_every_figure() -> None:
    gates = {"accuracy": {}, "benchmark": {"maxLatency": "4ms"}}

    assert convert.verification_of(make_engine()) == {}
    assert convert.verification_of(make_engine(verification=gates)) == {
        "accuracy": {"against": "onnxruntime", "rtol": 0.005, "atol": 0.005, "quantile": 1.0},
        "benchmark": {"seconds": 5, "maxLatency": 0.004},
    }


def test_digests_of_calibration_and_plugins_come_from_their_pins() -> None:
    given = {
        "calibration": {"source": {"uri": "s3://m/c.npz", "sha256": DIGEST}},
        "plugins": [
            {"name": "a", "source": {"uri": "s3://m/a.so", "sha256": DIGEST}},
            {"name": "b", "source": {"uri": "s3://m/b.so", "sha256": OTHER}},
        ],
    }

    engine = make_engine(precision="int8", options=given)

    assert convert.calibration_digest_of(engine) == DIGEST
    assert convert.plugin_digests_of(engine) == (OTHER, DIGEST)
    assert convert.calibration_digest_of(make_engine()) is None


@pytest.mark.parametrize(("written", "seconds"), [("2h", 7200), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400)])
def test_a_timeout_is_a_number_of_seconds(written: str, seconds: int) -> None:
    assert convert.timeout_seconds_of(make_engine(build={"timeout": written})) == seconds


def test_a_pool_with_two_flavors_gives_two_facts() -> None:
    runtimes = [
        {"flavor": "TensorRT", "version": "10.13.2.6", "image": "a"},
        {"flavor": "TensorRTRTX", "version": "1.7.1.116", "image": "b"},
        {"flavor": "TensorRT", "version": "10.15.1.29", "image": "c"},
    ]

    facts = convert.pool_facts(make_pool(gpu={"arch": "sm_89", "product": "NVIDIA-L4"}, runtimes=runtimes))

    assert facts == [
        PoolFacts("ada", "TensorRT", ("10.13.2.6", "10.15.1.29"), ("sm_89",), "NVIDIA-L4", False),
        PoolFacts("ada", "TensorRTRTX", ("1.7.1.116",), ("sm_89",), "NVIDIA-L4", False),
    ]


@pytest.mark.parametrize(
    ("pool", "shared_by"),
    [
        ({"nodeSelector": {"nvidia.com/gpu.product": "Tesla-T4"}}, ""),
        ({"nodeSelector": {"nvidia.com/gpu.sharing-strategy": "none"}}, ""),
        ({"nodeSelector": {"nvidia.com/gpu.sharing-strategy": ""}}, ""),
        (
            {"nodeSelector": {"nvidia.com/gpu.sharing-strategy": "time-slicing"}},
            "nvidia.com/gpu.sharing-strategy: time-slicing",
        ),
        (
            {"nodeSelector": {"nvidia.com/mig-1g.10gb.sharing-strategy": "mps"}},
            "nvidia.com/mig-1g.10gb.sharing-strategy: mps",
        ),
        (
            {"nodeSelector": {"nvidia.com/gpu.product": "Tesla-T4-SHARED"}},
            "nvidia.com/gpu.product: Tesla-T4-SHARED",
        ),
        ({"resources": {"limits": {"nvidia.com/gpu.shared": 1}}}, "nvidia.com/gpu.shared"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, ""),
    ],
)
def test_a_pool_is_shared_by_its_product_its_selector_or_its_resource(pool, shared_by) -> None:
    runtimes = [{"flavor": "TensorRT", "version": "10.13.2.6", "image": "a"}]

    [facts] = convert.pool_facts(make_pool(gpu={"arch": "sm_75"}, runtimes=runtimes, **pool))

    assert facts.shared_by == shared_by


def test_tenants_keep_their_order_in_every_flavor() -> None:
    runtimes = [
        {"flavor": "TensorRT", "version": "10.13.2.6", "image": "a"},
        {"flavor": "TensorRTRTX", "version": "1.7.1.116", "image": "b"},
    ]
    tenants = [
        {
            "namespaces": ["vision"],
            "queueName": "gold",
            "priorityClassName": "high",
            "mayName": ["queueName"],
            "weight": 3,
        },
        {"namespaces": ["*"]},
    ]

    facts = convert.pool_facts(make_pool(gpu={"arch": "sm_89"}, runtimes=runtimes, tenants=tenants))

    first = Tenant(frozenset({"vision"}), "gold", "high", may_name=frozenset({"queueName"}), weight=3)
    assert [one.tenants for one in facts] == [(first, Tenant(frozenset({"*"})))] * 2


def test_a_pool_without_a_gpu_compiles_ahead_of_time() -> None:
    runtime = {"flavor": "TensorRTRTX", "version": "1.7.1.116", "image": "b"}

    facts = convert.pool_facts(
        make_pool(gpu=None, aheadOfTime={"archs": ["sm_86", "sm_89"]}, runtimes=[runtime])
    )

    assert facts == [PoolFacts("ada", "TensorRTRTX", ("1.7.1.116",), ("sm_86", "sm_89"), None, True)]


@pytest.mark.parametrize(
    ("labels", "platform"),
    [
        ({}, "linux-x86_64"),
        ({"kubernetes.io/arch": "amd64"}, "linux-x86_64"),
        ({"kubernetes.io/arch": "arm64"}, "linux-aarch64"),
        ({"kubernetes.io/arch": "arm64", "ignitionhub.io/jetpack": "6.2"}, "jetpack-6.2"),
    ],
)
def test_the_platform_of_a_pool_is_told_by_the_nodes_it_selects(
    labels: dict[str, str], platform: str
) -> None:
    assert convert.platform_of(make_pool(nodeSelector=labels)) == platform


def test_fields_of_a_newer_release_are_left_out() -> None:
    body = {
        "metadata": {"name": "a", "managedFields": []},
        "spec": make_engine().spec.model_dump(by_alias=True) | {"future": 1},
        "status": {
            "observedGeneration": 2,
            "future": {},
            "targets": [{"name": "a", "state": "Ready", "x": 1}],
        },
    }

    engine = TensorRTEngine.model_validate(body)

    assert engine.spec == make_engine().spec
    assert engine.status.observed_generation == 2
    assert engine.status.targets[0].state == "Ready"


def test_an_engine_that_was_never_looked_at_says_so() -> None:
    assert make_engine().status.observed_generation == -1


def test_an_invalid_resource_names_the_field() -> None:
    with pytest.raises(ValidationError, match="targets"):
        make_engine(targets=[])


def test_a_store_reads_its_settings() -> None:
    s3 = {"endpoint": "http://s3", "bucket": "engines", "credentialsSecretRef": {"name": "keys"}}

    store = EngineStore.model_validate({"metadata": {"name": "default"}, "spec": {"s3": s3}})

    assert (store.spec.s3.region, store.spec.s3.prefix) == ("us-east-1", "")
    assert store.spec.s3.credentials_secret_ref.name == "keys"
