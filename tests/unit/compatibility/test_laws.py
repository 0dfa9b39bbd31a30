"""What holds of the truth table whatever the pools and the asks are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.description import where_it_loads
from ignition_hub.compatibility.gpus import GPUS, NodeGpu
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.compatibility.verdict import Ask, Choice, PoolFacts, Unbuildable, choose, verdict
from ignition_hub.engine.identity import COMPATIBILITIES, FLAVORS, Target
from pools import ask

# Few values each, so that pools and asks meet often.
VERSIONS = {
    "TensorRT": ("8.6.1.6", "10.3.0.26", "10.13.2.6", "11.1.0.106"),
    "TensorRTRTX": ("1.4.0.76", "1.7.1.116"),
}
ARCHS = st.sampled_from(["sm_75", "sm_89", "sm_89", "sm_87"])
PRODUCTS = st.sampled_from([None, "NVIDIA-L4"])
POOLS = st.sampled_from(FLAVORS).flatmap(
    lambda flavor: st.builds(
        PoolFacts,
        name=st.sampled_from(["a", "b", "c", "d"]),
        flavor=st.just(flavor),
        versions=st.lists(st.sampled_from(VERSIONS[flavor]), min_size=1, max_size=3).map(tuple),
        archs=st.lists(ARCHS, min_size=1, max_size=4).map(tuple),
        product=PRODUCTS,
        ahead_of_time=st.booleans() if flavor == "TensorRTRTX" else st.just(False),
        platform=st.sampled_from(["linux-x86_64", "linux-aarch64"]),
    )
)
ASKS = st.builds(
    Ask,
    precision=st.sampled_from(["fp32", "fp16", "fp8"]),
    flavor=st.sampled_from([None, None, *FLAVORS]),
    version_prefix=st.sampled_from([None, None, None, "10"]),
    options=st.sampled_from([{}, {}, {"stripPlan": True}, {"maxNumTactics": 4, "tacticSources": ["CUDNN"]}]),
    target=st.builds(
        Target,
        name=st.just("one"),
        gpu_arch=ARCHS | st.just("sm_999"),
        product=PRODUCTS,
        compatibility=st.sampled_from(COMPATIBILITIES),
    ),
)


@given(POOLS, ASKS)
def test_every_no_has_a_reason_and_a_remedy_and_every_yes_a_version(pool, asked):
    answer = verdict(pool, asked)

    if answer.ok:
        assert answer.version in pool.versions
        assert asked.target.gpu_arch in pool.archs
        assert answer.tier
    else:
        assert answer.reason
        assert answer.message
        assert answer.remedy
        assert answer.version is None


@given(st.lists(POOLS, max_size=4, unique_by=lambda pool: pool.name), ASKS)
def test_a_choice_does_not_depend_on_the_order_of_the_pools(pools, asked):
    answer = choose(pools, asked)

    assert choose(pools[::-1], asked) == answer
    assert isinstance(answer, Choice) == any(verdict(pool, asked).ok for pool in pools)
    if isinstance(answer, Unbuildable):
        assert ": " in answer.message


MORE = st.lists(POOLS, min_size=1, max_size=4, unique_by=lambda pool: pool.name)


def is_buildable(pools, asked):
    return isinstance(choose(pools, asked), Choice)


@given(MORE, POOLS, ASKS)
def test_a_pool_more_never_makes_a_target_unbuildable(pools, added, asked):
    if is_buildable(pools, asked):
        assert is_buildable([*pools, replace(added, name="added")], asked)


@given(MORE, st.sampled_from(VERSIONS["TensorRT"]), ASKS)
def test_a_version_more_never_makes_a_target_unbuildable(pools, version, asked):
    richer = [
        replace(pool, versions=(*pool.versions, version)) if pool.flavor == "TensorRT" else pool
        for pool in pools
    ]

    if is_buildable(pools, asked):
        assert is_buildable(richer, asked)


@given(MORE, ARCHS, ASKS)
def test_an_architecture_more_never_makes_a_target_unbuildable(pools, arch, asked):
    richer = [replace(pool, archs=(*pool.archs, arch)) for pool in pools]

    if is_buildable(pools, asked):
        assert is_buildable(richer, asked)


@given(MORE, ASKS)
def test_asking_for_less_never_makes_a_target_unbuildable(pools, asked):
    less = [
        replace(asked, flavor=None),
        replace(asked, version_prefix=None),
        *(
            replace(asked, options={name: value for name, value in asked.options.items() if name != dropped})
            for dropped in asked.options
        ),
    ]

    if is_buildable(pools, asked):
        assert all(is_buildable(pools, one) for one in less)


@given(MORE, ASKS)
def test_what_was_chosen_is_chosen_again_when_it_is_pinned(pools, asked):
    chosen = choose(pools, asked)

    if isinstance(chosen, Choice):
        pinned = replace(asked, flavor=chosen.flavor, version_prefix=chosen.version)
        assert choose(pools, pinned) == chosen


@given(POOLS, ASKS)
def test_what_is_built_loads_where_it_was_asked_for(pool, asked):
    answer, target = verdict(pool, asked), asked.target

    if answer.ok:
        engine = EngineFacts(
            flavor=pool.flavor,
            arch=target.gpu_arch,
            product=target.product if target.compatibility == "Product" else None,
            compatibility=target.compatibility,
            version=answer.version,
            platform=pool.platform,
        )
        assert target.gpu_arch in where_it_loads(engine).archs


def everything_that_can_be_built():
    for gpu in GPUS:
        platform = "jetpack-6.2" if gpu.jetson else "linux-x86_64"
        for flavor, versions in VERSIONS.items():
            pool = PoolFacts("own", flavor, versions, (gpu.arch,), gpu.example, platform=platform)
            for level in COMPATIBILITIES:
                asked = ask(gpu.arch, "fp32", product=gpu.example, compatibility=level)
                if verdict(pool, asked).ok:
                    yield gpu, flavor, level


@pytest.mark.parametrize(("gpu", "flavor", "level"), list(everything_that_can_be_built()))
def test_what_a_pool_builds_loads_on_the_gpu_it_was_asked_for(gpu, flavor, level):
    product = gpu.example if level == "Product" else None
    node = NodeGpu(gpu.arch, gpu.example, mig=None)

    engine = EngineFacts(flavor=flavor, arch=gpu.arch, product=product, compatibility=level)

    assert loads(engine, node).is_vouched_for


def test_each_level_of_compatibility_starts_and_ends_where_nvidia_says():
    built = {(flavor, level): [] for flavor in FLAVORS for level in COMPATIBILITIES}
    for gpu, flavor, level in everything_that_can_be_built():
        built[flavor, level].append(gpu.arch)

    servers = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_103", "sm_120", "sm_121"]
    assert built == {
        ("TensorRT", "Product"): [gpu.arch for gpu in GPUS],
        ("TensorRT", "SameComputeCapability"): servers,
        ("TensorRT", "AmperePlus"): servers[1:],
        ("TensorRTRTX", "Product"): list(RTX_ARCHS),
        ("TensorRTRTX", "SameComputeCapability"): list(RTX_ARCHS),
        ("TensorRTRTX", "AmperePlus"): [],
    }
