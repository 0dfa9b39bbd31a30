"""The truth table: what can be built where, and what each refusal says."""

from dataclasses import replace

import pytest

from ignition_hub.compatibility.gpus import gpu_of
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.compatibility.verdict import Choice, PoolFacts, Unbuildable, choose, verdict
from ignition_hub.engine.identity import PRECISIONS
from pools import A100, ADA, H100, L4, ORIN, RTX, T4, V100, ask


def refused(pools, asked):
    answer = choose(pools, asked)
    assert isinstance(answer, Unbuildable), answer
    return answer


@pytest.mark.parametrize(
    ("pools", "asked", "chosen"),
    [
        ([RTX], ask("sm_86"), Choice("rtx", "TensorRTRTX", "1.7.1.116", "Bulk")),
        ([L4], ask("sm_89"), Choice("l4", "TensorRT", "10.13.2.6", "Bulk")),
        ([L4], ask("sm_89", product="NVIDIA-L4"), Choice("l4", "TensorRT", "10.13.2.6", "Native")),
        ([L4], ask("sm_89", version="10.9"), Choice("l4", "TensorRT", "10.9.0.34", "Bulk")),
        ([L4], ask("sm_89", version="8", product="NVIDIA-L4"), Choice("l4", "TensorRT", "8.6.1.6", "Native")),
        (
            [replace(L4, versions=("8.4.1.5", "8.5.3.1"))],
            ask("sm_89", version="8", product="NVIDIA-L4"),
            Choice("l4", "TensorRT", "8.5.3.1", "Native"),
        ),
        ([L4, RTX], ask("sm_89"), Choice("l4", "TensorRT", "10.13.2.6", "Bulk")),
        ([L4, RTX], ask("sm_89", flavor="TensorRTRTX"), Choice("rtx", "TensorRTRTX", "1.7.1.116", "Bulk")),
        ([L4, RTX], ask("sm_89", version="1.7"), Choice("rtx", "TensorRTRTX", "1.7.1.116", "Bulk")),
        ([L4, RTX], ask("sm_86"), Choice("rtx", "TensorRTRTX", "1.7.1.116", "Bulk")),
        (
            [ADA, L4],
            ask("sm_89", product="NVIDIA-L4", compatibility="SameComputeCapability"),
            Choice("l4", "TensorRT", "10.13.2.6", "Native"),
        ),
        ([A100], ask("sm_80", compatibility="AmperePlus"), Choice("a100", "TensorRT", "10.13.2.6", "Bulk")),
        (
            [A100],
            ask("sm_80", compatibility="AmperePlus", version="8.6"),
            Choice("a100", "TensorRT", "8.6.1.6", "Bulk"),
        ),
        ([T4], ask("sm_75"), Choice("t4", "TensorRT", "10.13.2.6", "Bulk")),
        (
            [ORIN],
            ask("sm_87", product="Jetson-Orin-NX-16GB"),
            Choice("orin", "TensorRT", "10.3.0.26", "Native"),
        ),
        (
            [replace(H100, name="gh200", platform="linux-aarch64", versions=("10.13.2.6",)), H100],
            ask("sm_90", version="10.13"),
            Choice("h100", "TensorRT", "10.13.2.6", "Bulk"),
        ),
        (
            [replace(H100, name="gh200", platform="linux-aarch64", versions=("10.13.2.6",))],
            ask("sm_90"),
            Choice("gh200", "TensorRT", "10.13.2.6", "Bulk"),
        ),
        (
            [replace(A100, product="NVIDIA-A100-SXM4-40GB-MIG-1g.5gb")],
            ask("sm_80", product="NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"),
            Choice("a100", "TensorRT", "10.13.2.6", "Native"),
        ),
        # Volta left TensorRT in 10.5, so the newest version that still builds for it is chosen.
        (
            [V100],
            ask("sm_70", product="Tesla-V100-SXM2-16GB"),
            Choice("v100", "TensorRT", "10.4.0.26", "Native"),
        ),
    ],
)
def test_the_best_pool_that_can_truthfully_build_is_chosen(pools, asked, chosen):
    assert choose(pools, asked) == chosen


@pytest.mark.parametrize(
    ("pools", "asked", "reason", "words"),
    [
        ([], ask("sm_86"), "NoPools", ["no BuildPool"]),
        (
            [RTX],
            ask("sm_90"),
            "FlavorCannotTarget",
            [
                "TensorRT-RTX compiles for sm_75, sm_80, sm_86, sm_89, sm_120, sm_121",
                "add a BuildPool with a Hopper GPU and the TensorRT flavor",
            ],
        ),
        ([RTX], ask("sm_87"), "FlavorCannotTarget", ["not for sm_87", "a Jetson module"]),
        ([RTX], ask("sm_100"), "FlavorCannotTarget", ["not for sm_100", "such as NVIDIA-B200"]),
        (
            [RTX, L4],
            ask("sm_90"),
            "NoPoolForArch",
            ["no BuildPool builds for sm_90", "sm_89 (l4)", "TensorRT-RTX compiles for", "a Hopper GPU"],
        ),
        (
            [replace(A100, name="rtx3090", archs=("sm_86",))],
            ask("sm_75"),
            "NoPoolForArch",
            [
                "sm_86 (rtx3090)",
                "compute capability it runs on",
                "a Turing GPU",
                "CPU pool of flavor TensorRTRTX",
            ],
        ),
        (
            [replace(RTX, archs=("sm_86",))],
            ask("sm_89"),
            "NoPoolForArch",
            ["sm_86 (rtx)", "add sm_89 to the pool's aheadOfTime.archs"],
        ),
        (
            [A100],
            ask("sm_89", compatibility="AmperePlus"),
            "NoPoolForArch",
            ["target sm_80 with AmperePlus: that engine loads on sm_89 too"],
        ),
        (
            [L4],
            ask("sm_86", compatibility="AmperePlus"),
            "NoPoolForArch",
            ["target sm_89 with AmperePlus: that engine loads on sm_86 too"],
        ),
        ([H100], ask("sm_87", product="Jetson-Orin-NX-16GB"), "NoPoolForArch", ["a Jetson module such as"]),
        (
            [replace(H100, archs=("sm_87",), product="Jetson-Orin-NX-16GB")],
            ask("sm_87", product="Jetson-Orin-NX-16GB"),
            "FlavorCannotTarget",
            ["linux-x86_64", "another processor architecture", "Jetson nodes"],
        ),
        (
            [RTX],
            ask("sm_86", flavor="TensorRT"),
            "NoPoolForFlavor",
            ["no BuildPool offers TensorRT", "TensorRTRTX (rtx)", "leave tensorrt.flavor out"],
        ),
        (
            [L4, ADA],
            ask("sm_89", version="10.8"),
            "NoPoolForVersion",
            ["no BuildPool for sm_89 has version 10.8", "TensorRT 8.6.1.6 (l4)", "TensorRT 10.13.2.6 (ada)"],
        ),
        ([L4], ask("sm_89", version="10.1"), "NoPoolForVersion", ["10.13.2.6 (l4)"]),
        (
            [RTX],
            ask("sm_86", flavor="TensorRTRTX", version="1.2"),
            "NoPoolForVersion",
            ["no BuildPool for sm_86 has version 1.2", "there are TensorRT-RTX 1.7.1.116 (rtx)"],
        ),
        (
            [L4, ADA],
            ask("sm_89", product="NVIDIA-L40S"),
            "NoPoolForProduct",
            [
                "no BuildPool has NVIDIA-L40S",
                "NVIDIA-L4 (l4)",
                "several products (ada)",
                "SameComputeCapability",
            ],
        ),
        (
            [RTX],
            ask("sm_86", product="NVIDIA-A10"),
            "CompatibilityUnsupported",
            ["ahead of time", "use compatibility: SameComputeCapability"],
        ),
        (
            [L4],
            ask("sm_89", compatibility="Product"),
            "CompatibilityUnsupported",
            ["but no product", "such as NVIDIA-L4"],
        ),
        (
            [T4],
            ask("sm_75", compatibility="AmperePlus"),
            "CompatibilityUnsupported",
            ["AmperePlus starts at compute capability 8.0", "sm_75 is 7.5"],
        ),
        ([RTX], ask("sm_86", compatibility="AmperePlus"), "CompatibilityUnsupported", ["no AmperePlus"]),
        (
            [V100],
            ask("sm_70"),
            "CompatibilityUnsupported",
            ["SameComputeCapability starts at 7.5", "compatibility: Product"],
        ),
        (
            [L4],
            ask("sm_89", version="8.6"),
            "CompatibilityUnsupported",
            ["exists from TensorRT 10.9 on", "8.6.1.6", "compatibility: Product"],
        ),
        (
            [ORIN],
            ask("sm_87"),
            "CompatibilityUnsupported",
            ["does not exist on Jetson", "Jetson-AGX-Orin-64GB"],
        ),
        (
            [replace(V100, versions=("10.13.2.6",))],
            ask("sm_70", product="Tesla-V100-SXM2-16GB"),
            "VersionCannotTarget",
            ["10.13.2.6 does not build for sm_70 (Volta)", "older than 10.5"],
        ),
        (
            [replace(V100, archs=("sm_61",), versions=("10.4.0.26",), product="Tesla-P4")],
            ask("sm_61", "fp32", product="Tesla-P4"),
            "VersionCannotTarget",
            ["older than 10.0"],
        ),
        (
            [replace(ORIN, versions=("11.1.0.106",))],
            ask("sm_87", product="Jetson-Orin-NX-16GB"),
            "VersionCannotTarget",
            ["is not part of any JetPack", "10.x"],
        ),
        (
            [replace(ORIN, versions=("11.4.1.8",))],
            ask("sm_87", product="Jetson-Orin-NX-16GB"),
            "VersionCannotTarget",
            ["needs JetPack 7", "jetpack-6.2"],
        ),
        (
            [replace(ORIN, platform="linux-aarch64")],
            ask("sm_87", product="Jetson-Orin-NX-16GB"),
            "VersionCannotTarget",
            ["does not support Jetson", "10.16.1"],
        ),
        (
            [replace(RTX, versions=("1.4.0.76",))],
            ask("sm_121"),
            "VersionCannotTarget",
            ["TensorRT-RTX 1.4.0.76", "1.5 or newer"],
        ),
        (
            [replace(L4, versions=("8.4.1.5",))],
            ask("sm_89", product="NVIDIA-L4"),
            "VersionCannotTarget",
            ["TensorRT 8.4.1.5 is older than 8.5", "tensors by name", "a runtime of TensorRT 8.5 or newer"],
        ),
        (
            [replace(L4, versions=("8.5.3.1",))],
            ask("sm_89", compatibility="AmperePlus"),
            "CompatibilityUnsupported",
            ["AmperePlus exists from TensorRT 8.6 on", "8.5.3.1"],
        ),
        (
            [replace(L4, versions=("8.6.1.6",))],
            ask("sm_89", "bf16", product="NVIDIA-L4"),
            "UnsupportedPrecision",
            ["bf16 exists from TensorRT 10.0 on", "8.6.1.6"],
        ),
        (
            [replace(L4, product="NVIDIA-L4-SHARED")],
            ask("sm_89"),
            "SharedGPU",
            ["NVIDIA-L4-SHARED", "choose the wrong kernels", "without time slicing"],
        ),
        (
            [replace(L4, shared_by="nvidia.com/gpu.shared")],
            ask("sm_89"),
            "SharedGPU",
            ["has nvidia.com/gpu.shared", "its GPU is shared"],
        ),
        ([L4], ask("ada"), "UnknownArch", ["'ada'", "sm_89"]),
        ([L4], ask("8.9"), "UnknownArch", ["did you mean sm_89"]),
        (
            [replace(L4, ahead_of_time=True)],
            ask("sm_89"),
            "FlavorCannotTarget",
            ["builds only on the GPU itself", "TensorRTRTX runtime"],
        ),
    ],
)
def test_a_refusal_names_what_was_asked_why_not_and_what_would_work(pools, asked, reason, words):
    answer = refused(pools, asked)

    assert answer.reason == reason
    assert [word for word in words if word not in answer.message] == []


# Compiled, or refused by name, by TensorRT-RTX 1.7.1 on a CPU; tf32 follows NVIDIA's documentation.
RTX_LACKS = {
    "sm_75": {"tf32", "bf16", "fp8", "int4", "fp4"},
    "sm_80": {"fp8", "fp4"},
    "sm_86": {"fp8", "fp4"},
    "sm_89": {"fp4"},
    "sm_120": set(),
    "sm_121": set(),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("arch", RTX_ARCHS)
def test_rtx_is_asked_only_for_precisions_it_compiles(arch, precision):
    answer = verdict(RTX, ask(arch, precision))

    assert answer.ok == (precision not in RTX_LACKS[arch])
    if not answer.ok:
        assert answer.reason == "PrecisionUnsupportedOnArch"
        assert f"has no {precision}" in answer.message
        assert "fp16" in answer.remedy


@pytest.mark.parametrize(
    ("precision", "archs"),
    [
        (
            "fp8",
            "use one of fp32, tf32, fp16, bf16, int8, int4 for sm_86; fp8 works on sm_89, sm_120, sm_121",
        ),
        ("fp4", "fp4 works on sm_120, sm_121"),
    ],
)
def test_a_refused_precision_says_what_works_here_and_where_it_works(precision, archs):
    assert archs in refused([RTX], ask("sm_86", precision)).message


@pytest.mark.parametrize(
    ("arch", "precision", "ok"),
    [
        ("sm_61", "fp16", False),
        ("sm_61", "int8", True),
        ("sm_60", "int8", False),
        ("sm_75", "bf16", False),
        ("sm_80", "tf32", True),
        ("sm_80", "fp8", False),
        ("sm_89", "fp8", True),
        ("sm_90", "fp4", False),
        ("sm_100", "fp4", True),
    ],
)
def test_tensorrt_is_asked_only_for_what_the_hardware_has(arch, precision, ok):
    version = "8.6.1.6" if gpu_of(arch).compute_capability < (7, 0) else "10.13.2.6"
    pool = PoolFacts("p", "TensorRT", (version,), (arch,), "it")

    assert verdict(pool, ask(arch, precision, product="it")).ok is ok


@pytest.mark.parametrize(
    ("options", "ok"),
    [
        ({"optimizationLevel": 5, "workspace": 4 << 30}, True),
        ({"versionCompatible": {"enabled": False, "excludeLeanRuntime": False}}, True),
        ({"versionCompatible": {"enabled": True}}, False),
        ({"versionCompatible": {}}, True),
        ({"stripPlan": True}, False),
        ({"stripPlan": False}, True),
        ({"refit": "RefitIdentical"}, False),
        ({"runtimePlatform": "WindowsAMD64"}, False),
    ],
)
def test_rtx_refuses_the_options_it_would_ignore_or_crash_on(options, ok):
    answer = verdict(RTX, ask("sm_86", options=options))

    assert answer.ok is ok
    if not ok:
        assert answer.reason == "UnsupportedOption"
        assert f"options.{next(iter(options))}" in answer.message


def test_tensorrt_takes_what_rtx_does_not():
    assert verdict(L4, ask("sm_89", options={"versionCompatible": {"enabled": True}, "stripPlan": True})).ok


def test_a_long_list_of_pools_is_cut_with_a_count():
    pools = [replace(L4, name=f"l4-{number:02}") for number in range(20)]

    assert "and 12 more" in refused(pools, ask("sm_90")).message
