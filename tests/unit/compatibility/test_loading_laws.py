"""What holds of loading whatever the engine, the GPU and the runtime are."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.gpus import GPUS, NodeGpu, is_jetson
from ignition_hub.compatibility.loading import EngineFacts, Runtime, loads
from ignition_hub.compatibility.support_matrix import capability_of
from ignition_hub.engine.identity import COMPATIBILITIES, FLAVORS

PRODUCTS = {gpu.arch: gpu.products for gpu in GPUS}
ARCHS = st.sampled_from([gpu.arch for gpu in GPUS])
PLATFORMS = st.sampled_from([None, "linux-x86_64", "linux-aarch64", "jetpack-6.2"])
VERSIONS = {
    "TensorRT": ("8.6.1.6", "10.3.0.26", "10.13.2.6", "11.1.0.106"),
    "TensorRTRTX": ("1.4.0.76", "1.7.1.116"),
}


def engines_of(flavor, arch, level):
    product = st.sampled_from(PRODUCTS[arch]) if level == "Product" else st.none()
    return st.builds(
        EngineFacts,
        flavor=st.just(flavor),
        arch=st.just(arch),
        compatibility=st.just(level),
        product=product,
        version=st.sampled_from(VERSIONS[flavor]),
        platform=PLATFORMS,
        version_compatible=st.booleans(),
        multiprocessors=st.sampled_from([None, 14, 108]),
        memory_bytes=st.sampled_from([None, 8 << 30]),
        power_mode=st.sampled_from([None, "MAXN", "15W"]),
    )


def nodes_of(arch):
    return st.builds(
        NodeGpu,
        arch=st.just(arch),
        product=st.sampled_from(PRODUCTS[arch]),
        mig=st.sampled_from([None, None, "1g.5gb"]),
        platform=PLATFORMS,
        multiprocessors=st.sampled_from([None, 14, 108]),
        memory_bytes=st.sampled_from([None, 4 << 30, 8 << 30]),
        power_mode=st.sampled_from([None, "MAXN"]),
    )


ENGINES = st.tuples(st.sampled_from(FLAVORS), ARCHS, st.sampled_from(COMPATIBILITIES)).flatmap(
    lambda drawn: engines_of(*drawn)
)
NODES = ARCHS.flatmap(nodes_of)
# Engine and node of one architecture, or little would ever load.
PAIRS = st.tuples(st.sampled_from(FLAVORS), ARCHS, st.sampled_from(COMPATIBILITIES)).flatmap(
    lambda drawn: st.tuples(engines_of(*drawn), nodes_of(drawn[1]) | NODES)
)
RUNTIMES = st.sampled_from(FLAVORS).flatmap(
    lambda flavor: st.builds(Runtime, st.just(flavor), st.sampled_from(VERSIONS[flavor]))
)


@given(PAIRS, st.none() | RUNTIMES)
def test_whatever_is_not_handed_out_has_a_reason_and_a_remedy(pair, runtime):
    loading = loads(*pair, runtime)

    assert loading.message
    assert loading.is_vouched_for is (loading.reason is None)
    assert loading.is_vouched_for is not bool(loading.remedy)


@given(PAIRS, RUNTIMES)
def test_knowing_the_runtime_never_makes_it_better(pair, runtime):
    if loads(*pair, runtime).is_vouched_for:
        assert loads(*pair).is_vouched_for


@given(PAIRS)
def test_knowing_less_of_the_node_never_makes_it_worse(pair):
    engine, node = pair
    vague = replace(node, platform=None, multiprocessors=None, memory_bytes=None, power_mode=None)

    if loads(engine, node).is_vouched_for:
        assert loads(engine, vague).level == loads(engine, node).level


@given(ENGINES, NODES, NODES)
def test_a_newer_gpu_is_never_worse_for_ampere_plus(engine, older, newer):
    engine = replace(engine, flavor="TensorRT", compatibility="AmperePlus", product=None, platform=None)
    goes_up = capability_of(newer.arch) >= capability_of(older.arch) and not is_jetson(newer.arch)

    if goes_up and loads(engine, older).is_vouched_for:
        assert loads(engine, newer).is_vouched_for


@given(PAIRS)
def test_what_is_built_on_the_product_would_load_with_less_asked_of_it(pair):
    engine, node = pair
    found = loads(engine, node)

    if found.level == "Exact" and not is_jetson(node.arch):
        assert loads(
            replace(engine, compatibility="SameComputeCapability", product=None), node
        ).is_vouched_for


@given(PAIRS)
def test_another_compute_capability_needs_ampere_plus(pair):
    engine, node = pair

    if engine.arch != node.arch and loads(engine, node).is_vouched_for:
        assert (engine.flavor, engine.compatibility) == ("TensorRT", "AmperePlus")


@given(PAIRS)
def test_on_jetson_only_the_exact_module_is_served(pair):
    engine, node = pair

    if is_jetson(node.arch) and loads(engine, node).is_vouched_for:
        assert engine.flavor == "TensorRTRTX" or engine.product == node.exact_product


@given(PAIRS)
def test_the_target_that_a_refusal_names_is_served(pair):
    engine, node = pair
    found = loads(replace(engine, platform=None), node)

    if found.reason == "WrongGPU" and "build for a target" in found.remedy:
        needs_product = is_jetson(node.arch) or capability_of(node.arch) < (7, 5)
        product = node.exact_product if needs_product else None
        assert f"gpuArch: {node.arch}" in found.remedy
        assert (product or "") in found.remedy
        level = "Product" if product else "SameComputeCapability"
        remedied = EngineFacts(flavor="TensorRT", arch=node.arch, product=product, compatibility=level)
        assert loads(remedied, node).is_vouched_for
