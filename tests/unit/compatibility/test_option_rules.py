"""The truth table's rules about options and checks: each refusal, and that its remedy works."""

from dataclasses import replace

import pytest

from ignition_hub.compatibility.options import OPTION_ROWS
from ignition_hub.compatibility.verdict import PoolFacts, verdict
from pools import A100, L4, ORIN, RTX, ask

CACHE = {"calibration": {"source": {"uri": "s3://models/int8.cache"}}}
WINDOWS = {"runtimePlatform": "WindowsAMD64"}
VERSIONS = (
    "8.5.3.1",
    "8.6.1.6",
    "10.0.1.6",
    "10.3.0.26",
    "10.9.0.34",
    "10.11.0.33",
    "10.12.0.36",
    "10.16.1.11",
    "11.4.0.106",
)


def pool(*versions):
    return PoolFacts("p", "TensorRT", versions, ("sm_89",), "NVIDIA-L4")


def native(options, **more):
    return ask("sm_89", more.pop("precision", "int8"), options=options, product="NVIDIA-L4", **more)


@pytest.mark.parametrize(
    ("row", "version"),
    [(row, version) for row in OPTION_ROWS for version in VERSIONS],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_version_takes_exactly_the_options_it_has(row, version):
    answer = verdict(pool(version), native({row.option: row.example}))

    release = tuple(map(int, version.split(".")))
    typed_early = row.name == "weightStreaming" and release < (10, 12)
    typed_late = row.name == "calibration.cache" and release >= (10, 12)
    assert answer.ok is (row.exists_in(release) and not typed_early and not typed_late)
    if not answer.ok:
        assert answer.reason == "UnsupportedOption"
        assert row.option in answer.message
        assert version in answer.message


@pytest.mark.parametrize(
    ("row"), [row for row in OPTION_ROWS if row.since > (8, 6) or row.until], ids=lambda row: row.name
)
def test_the_newest_version_that_has_an_option_is_chosen(row):
    answer = verdict(pool(*VERSIONS), native({row.option: row.example}))

    assert answer.ok
    last = "10.11.0.33" if row.name == "calibration.cache" else "10.16.1.11"
    assert answer.version == (last if row.until else "11.4.0.106")


@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row.name)
def test_rtx_takes_exactly_what_its_column_says(row):
    answer = verdict(RTX, ask("sm_86", "int8", options={row.option: row.example}))

    assert answer.ok is (row.rtx.verdict == "Takes")
    if not answer.ok:
        assert row.rtx.why in answer.message
        assert verdict(RTX, ask("sm_86", "int8")).ok


@pytest.mark.parametrize(
    ("where", "asked", "words"),
    [
        (L4, native({"fastMath": True}), ["options.fastMath", "unknown option", "stripPlan"]),
        (L4, native({"optimizationLevel": 9}), ["options.optimizationLevel: 9", "use 0 to 5"]),
        (L4, native({"optimizationLevel": True}), ["True", "0 to 5"]),
        (L4, native({"maxAuxStreams": -1}), ["-1", "0 to 64"]),
        (L4, native({"refit": "Sometimes"}), ["'Sometimes'", "RefitIdentical"]),
        (L4, native({"tacticSources": ["NCCL"]}), ["'NCCL'", "JIT_CONVOLUTIONS"]),
        (L4, native({"failOnWarnings": ["Int64Clampd"]}), ["'Int64Clampd'", "Int64Clamped"]),
        (
            pool("11.1.0.106"),
            native({"tacticSources": ["CUDNN"]}),
            ["options.tacticSources: CUDNN", "until 11, which removed it", "11.1.0.106", "older than 11"],
        ),
        (pool("8.6.1.6"), native({"stripPlan": True}), ["exists from TensorRT 10.0 on", "10.0 or newer"]),
        (
            pool("10.3.0.26"),
            native({"weightStreaming": True}),
            ["strongly typed", "10.12 or newer", "10.3.0.26"],
        ),
        (
            L4,
            native({"stripPlan": True}, verification={"benchmark": {"seconds": 5}}),
            ["verification.benchmark", "no weights to run with", "options.stripPlan out"],
        ),
        (
            pool("10.12.0.36"),
            native(CACHE),
            ["calibration cache", "strongly typed", "older than 10.12", ".npz", "10.12.0.36"],
        ),
        (
            A100,
            ask("sm_80", options={"tacticSources": ["CUDNN"]}, version="10"),
            ["CUDNN", "SameComputeCapability has no tactics", "compatibility: Product"],
        ),
        (
            L4,
            native({**WINDOWS, "versionCompatible": {"enabled": True}}),
            ["would be for Linux", "excludeLeanRuntime: true"],
        ),
        (
            L4,
            native({"versionCompatible": {"excludeLeanRuntime": True}}),
            ["excludeLeanRuntime", "versionCompatible.enabled"],
        ),
        (
            replace(L4, platform="linux-aarch64"),
            native(WINDOWS),
            ["pool l4 is linux-aarch64", "linux-x86_64 nodes"],
        ),
        (
            ORIN,
            ask("sm_87", options=WINDOWS, product="Jetson-Orin-NX-16GB"),
            ["pool orin is jetpack-6.2", "linux-x86_64 nodes"],
        ),
        (pool("11.1.0.106"), native(CACHE), ["a calibration cache as options.calibration", "until 11"]),
        (L4, native(CACHE, precision="fp16"), ["fp16", "use precision int8"]),
        (
            RTX,
            ask("sm_86", verification={"benchmark": {"seconds": 5}}),
            ["verification.benchmark", "without a GPU to measure on", "leave verification.benchmark out"],
        ),
        (
            L4,
            native(WINDOWS, verification={"benchmark": {"seconds": 5}}),
            ["cannot run where it is built"],
        ),
    ],
)
def test_a_refused_option_says_what_why_and_what_would_work(where, asked, words):
    answer = verdict(where, asked)

    assert answer.reason == "UnsupportedOption"
    assert [word for word in words if word not in f"{answer.message}: {answer.remedy}"] == []


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (L4, native(WINDOWS)),
        (L4, native({**WINDOWS, "versionCompatible": {"enabled": True, "excludeLeanRuntime": True}})),
        (pool("10.12.0.36"), native({"weightStreaming": True})),
        (A100, ask("sm_80", options={"tacticSources": ["JIT_CONVOLUTIONS"]}, version="10")),
        (L4, native({"tacticSources": ["CUDNN"]})),
        (pool("10.11.0.33"), native(CACHE)),
        (L4, native({}, verification={"benchmark": {"seconds": 5}})),
        (RTX, ask("sm_86", verification={"accuracy": {"rtol": 0.1}})),
    ],
)
def test_what_the_remedies_name_is_taken(where, asked):
    assert verdict(where, asked).ok, verdict(where, asked)


def test_the_remedy_for_several_options_is_a_release_that_has_them_all():
    options = {"tilingOptimizationLevel": "Full", "maxNumTactics": 4}
    answer = verdict(pool("10.3.0.26"), native(options))

    assert not answer.ok
    assert "10.8 or newer" in answer.remedy
    assert not verdict(pool("10.7.0.23"), native(options)).ok
    assert verdict(pool("10.8.0.43"), native(options)).ok
