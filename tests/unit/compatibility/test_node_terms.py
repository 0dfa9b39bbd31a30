"""Where pods are admitted is where the gateway would serve them, on every node that was seen."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusituations import SITUATIONS, labels_of, node_of
from ignition_hub.compatibility.cloud_labels import CLOUD_GPUS
from ignition_hub.compatibility.gpus import GPUS, KUBERNETES_ARCH, arch_of_product
from ignition_hub.compatibility.inventory import believed, node_facts, profiles_of
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.node_terms import BEFORE_THE_TABLE, both, terms_for
from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    can_be_placed,
    narrowed,
    release_of,
    required_terms,
)
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.compatibility.spelling import product_of
from ignition_hub.compatibility.waiting_terms import COARSE, FINE, FINER, FINEST
from nodeaffinity import admits, holds, requiring

ZONE = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
CARDS, NOTHING, CLAIM = PodRequest(cards=True), PodRequest(), PodRequest(has_claims=True)
H100 = "NVIDIA-H100-80GB-HBM3"
SLICE = PodRequest(profiles=frozenset(["1g.10gb"]))
PASSES = [(name, index, {}) for name, one in SITUATIONS.items() for index in range(len(one["nodes"]))]
ARCH, PRODUCT = "ignitionhub.io/gpu-arch", "ignitionhub.io/gpu-product"
LABELLED = [
    *((name, 0, own) for name in SITUATIONS if name.startswith("cloud-")
      for own in ({ARCH: "sm_90"}, {ARCH: "8.9"}, {PRODUCT: H100}, {PRODUCT: "nvidia-h200"})),
    *((name, 0, own) for name in ("whole-cards", "mig-mixed-whole-and-cut", "mig-mixed-all-cut", "mig-single",
                                  "mig-none-all-cut") for own in ({ARCH: "sm_90"}, {PRODUCT: H100})),
    ("card-l4", 0, {ARCH: "sm89"}),
    ("jetson-agx-orin", 0, {PRODUCT: "Jetson-AGX-Orin-64GB"}),
    ("two-products-same-architecture", 0, {ARCH: "sm_80"}),
    ("mig-mixed-label-too-long", 0, {ARCH: "12.0"}),
    ("mig-single-label-too-long", 0, {ARCH: "120"}),
]  # fmt: skip
"""Nodes that a platform team labelled too, with what is true."""


def requests_on(labels):
    slices = [PodRequest(profiles=frozenset([profile])) for profile in profiles_of(labels)]
    return [NOTHING, CARDS, *slices, *(replace(asked, has_claims=True) for asked in (CARDS, *slices))]


def targets_about(labels, gpu):
    """Return an engine for every architecture, and for every product that is named or believed."""
    yield from (ReadyTarget(one.arch, None, "SameComputeCapability", "TensorRT") for one in GPUS)
    yield ReadyTarget("sm_80", None, "AmperePlus", "TensorRT")
    named = {product_of(value) for key, value in labels.items() if key.endswith("product")}
    for product in {*named, H100, f"{H100}-MIG-1g.10gb", *([gpu.exact_product] if gpu else [])} - {None}:
        arch = arch_of_product(product) or (gpu.arch if gpu else "sm_90")
        yield ReadyTarget(arch, product, "Product", "TensorRT")


def serves(target, belief):
    facts = EngineFacts(flavor="TensorRT", arch=target.arch, product=target.product,
                        compatibility=target.compatibility)  # fmt: skip
    return belief.gpu is not None and loads(facts, belief.gpu).is_vouched_for


def admitted(engine, request, labels):
    """Tell where a new pod goes, one that waited, and one that waited and has terms of its own."""
    if not can_be_placed([engine], request):
        return {False}
    there = {**labels, "zone": "a"}
    waited = [narrowed(affinity_to_wait_with(own), [engine], request) for own in (None, requiring(ZONE))]
    return {admits(one, there) for one in (affinity_for([engine], None, request), *waited)}


@pytest.mark.parametrize(("name", "index", "own"), [*PASSES, *LABELLED])
def test_a_pod_is_admitted_where_it_is_served_and_elsewhere_there_is_a_reason(name, index, own):
    body = node_of(name, index)
    labels = body["metadata"]["labels"]
    labels |= own
    for request in requests_on(labels):
        belief = believed(node_facts(body), request)
        for target in targets_about(labels, belief.gpu):
            goes = admitted(EngineView("det", (target,), None, True), request, labels)
            if serves(target, belief):
                assert goes == {True}, (request, target)
            elif True in goes:
                assert belief.doubt, (request, target)


SERVERS = [gpu.arch for gpu in GPUS if gpu.compute_capability >= (7, 5) and not gpu.jetson]
TARGETS = st.lists(
    st.builds(ReadyTarget, st.sampled_from(SERVERS), st.none(), st.just("SameComputeCapability"),
              st.just("TensorRT"))
    | st.just(ReadyTarget("sm_80", None, "AmperePlus", "TensorRT")),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip


@given(TARGETS, st.integers(3, 15), st.integers(0, 9), st.booleans(), st.booleans())
def test_of_a_capability_that_a_table_may_lack_the_nodes_that_are_served_are_admitted(
    targets, major, minor, is_labelled, is_sliced
):
    card = "NVIDIA-Of-Tomorrow"
    labels = {"nvidia.com/gpu.product": card, "nvidia.com/gpu.compute.major": str(major),
              "nvidia.com/gpu.compute.minor": str(minor), "nvidia.com/mig-1g.10gb.count": "7",
              "nvidia.com/mig-1g.10gb.product": f"{card}-MIG-1g.10gb"}  # fmt: skip
    exists = major >= 8 or f"sm_{major}{minor}" in (*BEFORE_THE_TABLE, *(gpu.arch for gpu in GPUS))
    labels |= {ARCH: f"{major}.{minor}"} if is_labelled and exists else {}
    request = SLICE if is_sliced else CARDS
    belief = believed(node_facts({"metadata": {"labels": labels}}), request)

    goes = admitted(EngineView("det", tuple(targets), None, True), request, labels)

    assert goes == {any(serves(target, belief) for target in targets)}


A100, SLICE_OF_A100 = "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"
UNLISTED = [("sm_80", "NVIDIA-A800-SXM4-80GB"), ("sm_80", SLICE_OF_A100), ("sm_89", "NVIDIA-RTX-5000-Ada")]
PRODUCTS = [
    *((gpu.arch, product) for gpu in GPUS if gpu.arch in SERVERS for product in gpu.products),
    *UNLISTED,
]
OF_A_PRODUCT = st.sampled_from(
    [("sm_80", A100), ("sm_89", "NVIDIA-L4"), ("sm_86", "NVIDIA-A10"), *UNLISTED]
).map(lambda named: ReadyTarget(*named, "Product", "TensorRT"))


@settings(max_examples=300, deadline=None)
@given(
    TARGETS,
    st.lists(OF_A_PRODUCT, max_size=2),
    st.sampled_from(PRODUCTS),
    st.sampled_from(["", ARCH, PRODUCT]),
)
def test_a_product_that_one_target_means_does_not_close_what_another_serves(targets, products, node, own):
    arch, product = node
    major, minor = arch[3:-1], arch[-1]
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.compute.major": major,
              "nvidia.com/gpu.compute.minor": minor}  # fmt: skip
    labels |= {ARCH: arch} if own else {}
    labels |= {PRODUCT: product} if own == PRODUCT else {}
    belief = believed(node_facts({"metadata": {"labels": labels}}), CARDS)

    targets = (*targets, *products)
    goes = admitted(EngineView("det", targets, None, True), CARDS, labels)

    is_served = any(serves(target, belief) for target in targets)
    assert goes == {is_served} or (own and node in UNLISTED and not is_served)


def one(arch="sm_90", product=None, compatibility="Product"):
    compatibility = compatibility if product else "SameComputeCapability"
    return EngineView("det", (ReadyTarget(arch, product, compatibility, "TensorRT"),), None, True)


AMD, ARM = "linux-x86_64", "linux-aarch64"
OF_H100 = {**labels_of("whole-cards"), "kubernetes.io/arch": "amd64"}
OF_GH200 = {**OF_H100, "nvidia.com/gpu.product": "NVIDIA-GH200-480GB", "kubernetes.io/arch": "arm64"}
ON_BOTH = [OF_H100, OF_GH200]


def on(*platforms, arch="sm_90", product=None):
    """An engine with a target for each of some platforms, or of some architectures on one."""
    compatibility = "Product" if product else "SameComputeCapability"
    ready = [ReadyTarget(arch, product, compatibility, "TensorRT", platform=one) for one in platforms]
    return EngineView("det", tuple(ready), None, True)


@pytest.mark.parametrize(
    ("platforms", "machines"),
    [
        ([AMD], ["amd64"]),
        ([ARM], ["arm64"]),
        ([AMD, ARM], ["amd64", "arm64"]),
        ([None], ["amd64", "arm64"]),
        ([AMD, None], ["amd64", "arm64"]),
    ],
)
@pytest.mark.parametrize("request_", [CARDS, NOTHING, CLAIM])
def test_a_pod_goes_to_machines_of_its_engines_platform_alone(platforms, machines, request_):
    for labels in ON_BOTH:
        is_served = labels["kubernetes.io/arch"] in machines
        assert admitted(on(*platforms), request_, labels) == {is_served}


@pytest.mark.parametrize("other", ["riscv64", None])
def test_a_node_whose_platform_the_gateway_does_not_know_is_not_left_out(other):
    labels = {key: value for key, value in OF_H100.items() if key != "kubernetes.io/arch"}

    assert admitted(on(AMD), CARDS, labels | ({"kubernetes.io/arch": other} if other else {})) == {True}


def test_jetson_modules_are_arm64():
    labels = {**labels_of("jetson-agx-orin"), PRODUCT: "Jetson-AGX-Orin-64GB"}
    engine = on("jetpack-6.2", arch="sm_87", product="Jetson-AGX-Orin-64GB")

    assert admitted(engine, CARDS, labels | {"kubernetes.io/arch": "arm64"}) == {True}
    assert admitted(engine, CARDS, labels | {"kubernetes.io/arch": "amd64"}) == {False}


def test_gpus_of_several_platforms_are_told_apart_for_a_pod_without_terms_of_its_own():
    ready = (*on(AMD).ready, *on(ARM, arch="sm_121").ready)
    affinity = affinity_for([EngineView("det", ready, None, True)])
    of_gb10 = {**OF_GH200, "nvidia.com/gpu.compute.major": "12", "nvidia.com/gpu.compute.minor": "1"}

    assert [admits(affinity, labels) for labels in (OF_H100, OF_GH200, of_gb10)] == [True, False, True]
    waited = narrowed(affinity_to_wait_with(requiring(ZONE)), [EngineView("det", ready, None, True)])
    assert [admits(waited, {**each, "zone": "a"}) for each in (OF_H100, of_gb10)] == [True, True]


def test_a_pod_that_waited_goes_to_what_is_served_on_the_machine_that_it_selects():
    engines = [EngineView("det", (*on(AMD).ready, *on(ARM, arch="sm_121").ready), None, True)]
    of_gb10 = {**OF_GH200, "nvidia.com/gpu.compute.major": "12", "nvidia.com/gpu.compute.minor": "1"}
    nodes = [{**labels, "zone": "a"} for labels in (OF_H100, OF_GH200, of_gb10)]
    arm, amd = (
        both(ZONE, {"matchExpressions": [{"key": KUBERNETES_ARCH, "operator": "In", "values": [one]}]})
        for one in ("arm64", "amd64")
    )
    pod = {
        "metadata": {},
        "spec": {
            "containers": [{"name": "app"}],
            "nodeSelector": {KUBERNETES_ARCH: "arm64"},
            "affinity": affinity_to_wait_with(requiring(ZONE)),
        },
    }

    lifted = narrowed(affinity_to_wait_with(requiring(arm, amd)), engines)
    assert [admits(lifted, node) for node in nodes] == [True, False, True]
    lifted = release_of(pod, engines, 0.0)["spec"]["affinity"]
    assert [admits(lifted, node) for node in nodes[1:]] == [False, True]


def test_a_term_of_a_machine_that_no_engine_is_for_is_closed():
    arm = {"matchExpressions": [{"key": KUBERNETES_ARCH, "operator": "In", "values": ["arm64"]}]}
    waiting = affinity_to_wait_with(requiring(both(ZONE, arm), both(ZONE, {"matchExpressions": []})))
    lifted = narrowed(waiting, [on(AMD)])

    assert [admits(lifted, {**labels, "zone": "a"}) for labels in ON_BOTH] == [True, False]


def test_engines_of_two_platforms_have_no_node_in_common():
    assert not can_be_placed([on(AMD), on(ARM)])
    assert can_be_placed([on(AMD), on(AMD, ARM)])
    assert not admits(affinity_for([on(AMD), on(AMD, ARM)]), OF_GH200)


def test_a_platform_costs_no_further_terms_where_there_is_one_alone():
    assert len(required_terms(affinity_for([on(AMD)]))) == len(required_terms(affinity_for([on(None)])))


def test_a_pod_that_requests_a_slice_goes_where_its_slice_is():
    affinity = affinity_for([one(product=f"{H100}-MIG-1g.10gb")], None, SLICE)

    assert admits(affinity, labels_of("mig-mixed-whole-and-cut"))
    assert not admits(affinity, labels_of("whole-cards"))


def test_a_pod_that_requests_a_slice_cannot_be_placed_with_the_engine_of_the_card():
    assert not can_be_placed([one(product=H100)], SLICE)
    assert can_be_placed([one(product=H100)], CARDS)
    assert not can_be_placed([one(product=f"{H100}-MIG-3g.40gb")], SLICE)


def test_without_a_request_an_engine_of_a_slice_reaches_its_node_too():
    assert admits(affinity_for([one(product=f"{H100}-MIG-1g.10gb")]), labels_of("mig-mixed-whole-and-cut"))


def test_a_slice_of_another_architecture_than_the_whole_card_of_its_node_is_reached():
    labels = labels_of("two-products-cut-and-whole")
    slice_ = PodRequest(profiles=frozenset(["1g.5gb"]))

    assert admits(affinity_for([one("sm_80")], None, slice_), labels)
    assert not admits(affinity_for([one("sm_75")], None, slice_), labels)


def test_a_pod_with_a_claim_reaches_a_node_without_labels_and_others_do_not():
    bare = {"kubernetes.io/arch": "amd64"}

    for engine in (one("sm_90"), one("sm_90", H100)):
        assert admits(affinity_for([engine], None, CLAIM), bare)
        assert admits(
            narrowed(affinity_to_wait_with(requiring(ZONE)), [engine], CLAIM), {**bare, "zone": "a"}
        )
        assert not admits(affinity_for([engine], None, CARDS), bare)
        assert not admits(affinity_for([engine], None, CLAIM), labels_of("card-l4"))


@pytest.mark.parametrize(
    ("product", "major", "minor"),
    [
        (H100, "9", "0"),
        (f"{H100}-MIG-1g.10gb", "9", "0"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition", "12", "0"),
        ("NVIDIA-RTX-2000-Ada-Generation", "8", "9"),
    ],
)
def test_a_pod_that_waited_goes_to_slices_and_to_cards_that_no_table_lists(product, major, minor):
    targets = tuple(
        ReadyTarget(arch, None, "SameComputeCapability", "TensorRT") for arch in ("sm_89", "sm_90", "sm_120")
    )
    lifted = narrowed(affinity_to_wait_with(requiring(ZONE)), [EngineView("det", targets, None, True)])
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.compute.major": major}

    assert admits(lifted, {"zone": "a", **labels, "nvidia.com/gpu.compute.minor": minor})
    assert not admits(lifted, {"zone": "a", **labels, "nvidia.com/gpu.compute.minor": "6"})


@pytest.mark.parametrize("asked", [CARDS, SLICE, PodRequest(profiles=frozenset(["1g.10gb", "3g.40gb"]))])
def test_a_claim_beside_a_request_of_cards_or_slices_changes_nothing_of_where_a_pod_goes(asked):
    both, own = replace(asked, has_claims=True), requiring(ZONE)

    for engine in (one("sm_90"), one("sm_90", H100), one("sm_90", f"{H100}-MIG-1g.10gb")):
        assert can_be_placed([engine], both) == can_be_placed([engine], asked)
        assert affinity_for([engine], own, both) == affinity_for([engine], own, asked)
        waiting = affinity_to_wait_with(own)
        assert narrowed(waiting, [engine], both) == narrowed(waiting, [engine], asked)


TOO_LONG = "NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition-MIG-1g.24gb"


@pytest.mark.parametrize("product", [None, H100, TOO_LONG])
@pytest.mark.parametrize("asked", [CARDS, NOTHING, CLAIM, SLICE, PodRequest(profiles=frozenset(["1g.24gb"]))])
def test_no_value_is_longer_than_a_label_and_no_list_is_empty(asked, product):
    targets = [*(ReadyTarget(gpu.arch, None, "SameComputeCapability", "TensorRT") for gpu in GPUS)]
    targets = [ReadyTarget("sm_120", product, "Product", "TensorRT")] if product else targets
    engine = EngineView("det", tuple(targets), None, True)
    waited = [narrowed(affinity_to_wait_with(own), [engine], asked) for own in (None, requiring(ZONE))]

    for affinity in (affinity_for([engine], None, asked), *waited):
        for expression in (one for term in required_terms(affinity) for one in term["matchExpressions"]):
            assert all(len(value) <= 63 for value in expression.get("values", ())), expression
            assert expression.get("values") != []


def test_every_node_belongs_to_one_part_of_a_waiting_pods_term():
    keys = ("ignitionhub.io/gpu-arch", "ignitionhub.io/gpu-product", "nvidia.com/gpu.product", *CLOUD_GPUS)
    for present in itertools.product((False, True), repeat=len(keys)):
        for major in (None, "5", "6", "7", "8", "9", "10", "11", "12", "13"):
            labels = {key: "x" for key, is_there in zip(keys, present, strict=True) if is_there}
            labels |= {"nvidia.com/gpu.compute.major": major} if major else {}
            for minor in (None, "0", "5", "9"):
                told = labels | ({"nvidia.com/gpu.compute.minor": minor} if minor else {})
                for parts in (FINEST, FINER, FINE, COARSE):
                    assert sum(holds(part, told) for part in parts) == 1, told


def test_a_pod_with_many_terms_is_split_less_finely():
    few = (9, 17, 23, 24)
    lengths = [len(required_terms(affinity_to_wait_with(requiring(*[ZONE] * terms)))) for terms in few]

    sizes = [len(parts) for parts in (FINEST, FINER, FINE, COARSE)]
    assert lengths == [terms * size for terms, size in zip(few, sizes, strict=True)] == [252, 255, 253, 48]


def test_a_pod_with_many_terms_of_its_own_goes_to_no_node_that_only_a_cloud_labels():
    few, many = (affinity_for([one()], requiring(*[ZONE] * terms)) for terms in (36, 64))
    gke = {**labels_of("cloud-gke"), "zone": "a"}

    assert admits(few, gke)
    assert not admits(many, gke)
    assert len(required_terms(many)) == 256


def test_a_pod_that_began_to_wait_in_an_earlier_release_goes_to_no_node_that_only_a_cloud_labels():
    earlier = {
        "matchExpressions": [
            {"key": key, "operator": "DoesNotExist"}
            for key in (ARCH, PRODUCT, "nvidia.com/gpu.compute.major")
        ]
    }
    lifted = narrowed(requiring(earlier), [one("sm_90")], CARDS)

    assert not admits(lifted, labels_of("cloud-gke"))
    assert admits(lifted, {"nvidia.com/gpu.product": H100})


def test_products_of_one_capability_do_not_close_the_nodes_of_another():
    targets = (
        ReadyTarget("sm_80", "NVIDIA-A100-SXM4-40GB", "Product", "TensorRT"),
        ReadyTarget("sm_90", None, "SameComputeCapability", "TensorRT"),
    )
    lifted = narrowed(affinity_to_wait_with(requiring(ZONE)), [EngineView("det", targets, None, True)])
    labels = {"zone": "a", "nvidia.com/gpu.compute.minor": "0"}

    assert admits(lifted, {**labels, "nvidia.com/gpu.compute.major": "9", "nvidia.com/gpu.product": "New"})
    assert admits(lifted, {**labels, "nvidia.com/gpu.compute.major": "8",
                           "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"})  # fmt: skip
    assert not admits(
        lifted, {**labels, "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.product": "New"}
    )


@pytest.mark.parametrize("own", [{}, {ARCH: "sm_89"}, {ARCH: "sm_89", PRODUCT: "NVIDIA-RTX-5000-Ada"}])
def test_a_product_of_one_capability_does_not_close_a_card_of_another_of_the_same_major(own):
    targets = (
        ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT"),
        ReadyTarget("sm_80", A100, "Product", "TensorRT"),
    )
    lifted = narrowed(affinity_to_wait_with(requiring(ZONE)), [EngineView("det", targets, None, True)])
    ada, a100 = (
        {"zone": "a", "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": minor,
         "nvidia.com/gpu.product": product}
        for minor, product in (("9", "NVIDIA-RTX-5000-Ada"), ("0", A100))
    )  # fmt: skip

    assert admits(lifted, {**ada, **own})
    assert admits(lifted, {**a100, **({ARCH: "sm_80"} if own else {})})
    for other in ("NVIDIA-A100-SXM4-80GB", SLICE_OF_A100):
        assert not admits(lifted, {**a100, "nvidia.com/gpu.product": other})


def test_a_part_that_a_release_with_another_table_made_is_narrowed_to_what_it_leaves():
    minor = "nvidia.com/gpu.compute.minor"
    part = [
        *({"key": key, "operator": "DoesNotExist"} for key in (ARCH, PRODUCT)),
        {"key": "nvidia.com/gpu.compute.major", "operator": "In", "values": ["8"]},
        {"key": minor, "operator": "NotIn", "values": ["0", "6"]},
        {"key": minor, "operator": "Gt", "values": ["8"]},
    ]
    gated = requiring({"matchExpressions": part})

    def added(arch):
        [lifted] = required_terms(narrowed(gated, [one(arch)]))
        return lifted["matchExpressions"][len(part) :]

    assert holds({"matchExpressions": added("sm_89")}, {"nvidia.com/gpu.compute.major": "8", minor: "9"})
    assert added("sm_80") == added("sm_90")


def test_no_selectors_are_no_terms():
    assert terms_for([]) == []
