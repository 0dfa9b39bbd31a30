"""What a refusal to build proposes works when it is done."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.gpus import GPUS, NodeGpu, gpu_of
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.options import OPTION_ROWS
from ignition_hub.compatibility.verdict import Choice, PoolFacts, Unbuildable, choose, verdict
from ignition_hub.engine.identity import COMPATIBILITIES, PRECISIONS
from pools import A100, ADA, H100, L4, ORIN, RTX, T4, V100, ask

VERSIONS = ("8.6.1.6", "10.4.0.26", "10.9.0.34", "10.16.1.11", "11.4.1.8")
POOLS = [A100, ADA, H100, L4, ORIN, RTX, T4, V100]
ASKED_FOR_A_POOL = {"NoPoolForArch", "NoPoolForProduct", "FlavorCannotTarget", "NoPools", "SharedGPU"}
EVERY_ARCH = [gpu.arch for gpu in GPUS]


def pool_of_its_own(asked, versions=VERSIONS):
    gpu = gpu_of(asked.target.gpu_arch)
    platform = "jetpack-7.2" if gpu.jetson else "linux-x86_64"
    product = asked.target.product or gpu.example
    return PoolFacts("own", "TensorRT", versions, (gpu.arch,), product, platform=platform)


@given(
    st.lists(st.sampled_from(POOLS), max_size=4, unique_by=lambda pool: pool.name),
    st.builds(
        ask,
        st.sampled_from(EVERY_ARCH),
        st.sampled_from(PRECISIONS),
        compatibility=st.sampled_from(COMPATIBILITIES),
        product=st.sampled_from([None, "NVIDIA-L4"]),
    ),
)
def test_the_pool_that_a_refusal_asks_for_ends_it(pools, asked):
    refused = choose(pools, asked)

    if isinstance(refused, Unbuildable) and refused.reason in ASKED_FOR_A_POOL:
        answer = choose([*pools, pool_of_its_own(asked)], asked)
        assert isinstance(answer, Choice) or answer.reason not in ASKED_FOR_A_POOL


@pytest.mark.parametrize("arch", EVERY_ARCH)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_precisions_that_a_refusal_names_work_there(arch, precision):
    product = gpu_of(arch).example
    asked = ask(arch, precision, product=product)
    answer = verdict(pool_of_its_own(asked, ("8.6.1.6", "10.16.1.11")), asked)

    if answer.reason == "PrecisionUnsupportedOnArch":
        named = re.search(r"use one of ([\w, ]+) for", answer.remedy)[1].split(", ")
        own = pool_of_its_own(asked, VERSIONS)
        assert named
        assert {name: verdict(own, replace(asked, precision=name)).reason for name in named} == dict.fromkeys(
            named, ""
        )


@pytest.mark.parametrize(
    ("pool", "arch"), [(A100, "sm_89"), (A100, "sm_120"), (L4, "sm_86"), (H100, "sm_100")]
)
def test_the_ampere_plus_engine_that_a_refusal_names_loads_there(pool, arch):
    refused = choose([pool], ask(arch, compatibility="AmperePlus"))
    reaching = re.search(r"target (sm_\d+) with AmperePlus", refused.message)[1]
    chosen = choose([pool], ask(reaching, compatibility="AmperePlus"))
    engine = EngineFacts(flavor=chosen.flavor, arch=reaching, compatibility="AmperePlus")

    assert loads(engine, NodeGpu(arch, None, mig=None)).is_vouched_for


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row.name)
def test_the_version_that_a_refused_option_asks_for_takes_it(row, version):
    asked = ask("sm_89", "int8", product="NVIDIA-L4", options={row.option: row.example})
    answer = verdict(pool_of_its_own(asked, (version,)), asked)

    if not answer.ok:
        since = re.search(r"ask for TensorRT ([\d.]+) or newer", answer.remedy)[1]
        until = re.search(r"older than ([\d.]+)", answer.remedy)
        if until:
            assert verdict(pool_of_its_own(asked, (f"{since}.0.1",)), asked).ok
        else:
            assert verdict(pool_of_its_own(asked, ("11.4.1.8", f"{since}.9.9")), asked).ok
        assert verdict(pool_of_its_own(asked, (version,)), replace(asked, options={})).ok
