"""A pod that waits does not wait in a circle: for a GPU that it does not select, or for nodes to come."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ignition_hub.compatibility.gpus import GPUS, arch_of_product
from ignition_hub.compatibility.pinned_gpus import MOST_CHOICES
from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    chosen_gpus,
    has_place,
    narrowed,
    release_of,
    required_terms,
    seconds_held,
)
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.compatibility.stuck import reasons_to_wait
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT
from nodeaffinity import admits, requiring

MAJOR, MINOR, PRODUCT = (f"nvidia.com/gpu.{name}" for name in ("compute.major", "compute.minor", "product"))
GH200 = "NVIDIA-GH200-480GB"
NOW = 1_767_225_600.0
ONE_CARD = {"limits": {"nvidia.com/gpu": "1"}}


def engine(*archs, name="resnet", product=None, reach="SameComputeCapability", is_settled=True):
    reach = "Product" if product else reach
    targets = tuple(ReadyTarget(arch, product, reach, "TensorRT") for arch in archs)
    return EngineView(name, targets, is_settled=is_settled)


def pod(*, resources=ONE_CARD, **spec):
    return {"metadata": {}, "spec": {"containers": [{"name": "app", "resources": resources}], **spec}}


def expression(key, operator, *values):
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def required(*expressions):
    return requiring({"matchExpressions": list(expressions)})


@pytest.mark.parametrize(
    ("selected", "words"),
    [
        ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, "GPUs on arm64"),
        ({"affinity": required(expression("kubernetes.io/arch", "In", "arm64"))}, "GPUs on arm64"),
        ({"affinity": required(expression("kubernetes.io/arch", "NotIn", "amd64"))}, "GPUs on arm64"),
        ({"nodeSelector": {"kubernetes.io/arch": "arm64", MAJOR: "9", MINOR: "0"}}, "sm_90 on arm64"),
        ({"nodeSelector": {PRODUCT: GH200}}, f"{GH200} (sm_90) on arm64"),
        ({"affinity": required(expression(PRODUCT, "In", f"{GH200}-SHARED"))}, f"{GH200} (sm_90) on arm64"),
    ],
)
def test_a_pod_that_selects_machines_of_another_platform_waits_for_an_engine_of_theirs(selected, words):
    x86, arm = (
        EngineView("resnet", (ReadyTarget("sm_90", None, "SameComputeCapability", "TensorRT", platform=one),))
        for one in ("linux-x86_64", "linux-aarch64")
    )

    assert not has_place(pod(**selected), [x86])
    [why] = reasons_to_wait(pod(**selected), [x86])
    assert f"leave {words}, and resnet is ready for sm_90" in why
    assert has_place(pod(**selected), [arm])
    assert has_place(pod(nodeSelector={"kubernetes.io/arch": "riscv64"}), [x86])


@pytest.mark.parametrize(
    "gpu", [GH200, "NVIDIA-GB200", "NVIDIA-GB300", "NVIDIA-GB10", "Jetson-AGX-Thor", "Jetson-Orin-NX-16GB"]
)
def test_a_gpu_that_arm64_machines_alone_have_is_not_served_by_an_engine_for_x86(gpu):
    ready = ReadyTarget(arch_of_product(gpu), gpu, "Product", "TensorRT", platform="linux-x86_64")
    asked = pod(nodeSelector={LABEL_GPU_PRODUCT: gpu})

    assert not has_place(asked, [EngineView("resnet", (ready,), is_settled=True)])
    assert release_of(asked, [EngineView("resnet", (ready,), is_settled=True)], NOW) is None


def test_one_of_the_gpus_that_a_pod_selects_is_served_on_a_machine_that_has_it():
    x86, arm = (
        ReadyTarget(arch, None, "SameComputeCapability", "TensorRT", platform=platform)
        for arch, platform in (("sm_90", "linux-x86_64"), ("sm_89", "linux-aarch64"))
    )

    for other, is_served in (("NVIDIA-H100-PCIe", True), ("NVIDIA-A10", False)):
        asked = pod(affinity=required(expression(PRODUCT, "In", GH200, other)))
        assert has_place(asked, [EngineView("resnet", (x86, arm), is_settled=True)]) is is_served


L4_ALONE = {"nodeSelector": {PRODUCT: "NVIDIA-L4"}}
A10_ALONE = {"nodeSelector": {PRODUCT: "NVIDIA-A10"}}


@pytest.mark.parametrize(
    "selected",
    [
        A10_ALONE,
        {"nodeSelector": {LABEL_GPU_ARCH: "8.6"}},
        {"nodeSelector": {MAJOR: "8", MINOR: "6"}},
        {"affinity": required(expression(PRODUCT, "In", "NVIDIA-A10", "NVIDIA-A40"))},
        {"affinity": required(expression(PRODUCT, "In", "NVIDIA-L4")), **A10_ALONE},
        {"affinity": affinity_to_wait_with(required(expression(LABEL_GPU_ARCH, "In", "sm_86")))},
        {"affinity": affinity_to_wait_with(required(expression(PRODUCT, "In", "NVIDIA-A10")))},
    ],
)
def test_a_pod_that_selects_another_gpu_than_its_engine_has_waits_for_its_own(selected):
    asked = pod(**selected)

    assert not has_place(asked, [engine("sm_89")])
    assert release_of(asked, [engine("sm_89")], NOW) is None
    assert seconds_held(asked, [engine("sm_89")], NOW) is None


@pytest.mark.parametrize(
    "selected",
    [
        {},
        L4_ALONE,
        {"nodeSelector": {PRODUCT: "NVIDIA-L4-SHARED"}},
        {"nodeSelector": {PRODUCT: "NVIDIA-Of-Tomorrow"}},
        {"nodeSelector": {MAJOR: "8"}},
        {"nodeSelector": {"zone": "a"}},
        {"affinity": required(expression(PRODUCT, "In", "NVIDIA-A10", "NVIDIA-L4"))},
        {"affinity": required(expression(PRODUCT, "NotIn", "NVIDIA-L4"))},
        {"affinity": requiring({"matchExpressions": [expression("zone", "In", "a")]}, {"matchFields": []})},
    ],
)
def test_a_pod_goes_where_its_selectors_leave_a_gpu_that_its_engine_has(selected):
    assert has_place(pod(**selected), [engine("sm_89")])


def test_an_exact_product_has_no_place_on_another_of_its_architecture():
    l4 = engine("sm_89", product="NVIDIA-L4")

    assert has_place(pod(**L4_ALONE), [l4])
    assert not has_place(pod(nodeSelector={PRODUCT: "NVIDIA-L40S"}), [l4])


@pytest.mark.parametrize("selected", [{MAJOR: "13", MINOR: "0"}, {LABEL_GPU_ARCH: "sm_130"}])
def test_a_pod_that_selects_a_gpu_that_no_table_has_waits_for_an_engine_of_ampere_plus_alone(selected):
    asked = pod(nodeSelector=selected)

    assert has_place(asked, [engine("sm_80", reach="AmperePlus")])
    assert not has_place(asked, [engine("sm_80")])


def test_what_a_pod_gets_by_a_slice_or_a_claim_is_not_told_by_the_node_that_it_selects():
    a100 = {"nodeSelector": {PRODUCT: "NVIDIA-A100-SXM4-40GB"}}
    slices = engine("sm_80", product="NVIDIA-A100-SXM4-40GB-MIG-1g.5gb")
    claim = {"claims": [{"name": "gpu"}]}

    assert has_place(pod(resources={"limits": {"nvidia.com/mig-1g.5gb": "1"}}, **a100), [slices])
    assert has_place(pod(resources=claim, resourceClaims=[{"name": "gpu"}], **A10_ALONE), [engine("sm_89")])


def test_a_claim_beside_a_requested_card_does_not_hide_that_the_pod_selects_another_gpu():
    card_and_nic = {**ONE_CARD, "claims": [{"name": "nic"}]}

    assert not has_place(
        pod(resources=card_and_nic, resourceClaims=[{"name": "nic"}], **A10_ALONE), [engine("sm_89")]
    )


def test_how_many_gpus_a_pod_may_choose_from_does_not_depend_on_whether_it_waits():
    theirs = required(expression(PRODUCT, "In", *(product for gpu in GPUS for product in gpu.products)))
    waiting = pod(affinity=affinity_to_wait_with(theirs))

    assert chosen_gpus(waiting) == chosen_gpus(pod(affinity=theirs))
    assert len(chosen_gpus(waiting)) > MOST_CHOICES / len(required_terms(waiting["spec"]["affinity"]))


def test_a_pod_that_leaves_very_many_gpus_has_chosen_none():
    many = [f"NVIDIA-{number}" for number in range(MOST_CHOICES + 1)]

    assert chosen_gpus(pod(affinity=required(expression(PRODUCT, "In", *many)))) is None


def test_why_a_pod_waits_is_said_with_what_would_help():
    [reason] = reasons_to_wait(pod(**A10_ALONE), [engine("sm_89")])

    assert reason == (
        "its node selector and node affinity leave NVIDIA-A10 (sm_86), and resnet is ready for sm_89: "
        "add a target for that GPU, or select nodes of a GPU that has one"
    )
    assert reasons_to_wait(pod(**L4_ALONE), [engine("sm_89")]) == []
    assert reasons_to_wait(pod(**A10_ALONE), [EngineView("resnet")]) == []


@pytest.mark.parametrize("label", ["sm_89", "8.9", "sm89", "89"])
def test_a_node_pool_at_zero_is_scaled_up_where_its_template_has_the_platform_teams_label(label):
    # An autoscaler knows of a node that does not exist what its pool's template says; discovery has not run.
    template = {LABEL_GPU_ARCH: label, "zone": "a"}
    theirs = required(expression("zone", "In", "a"))

    for affinity in (None, theirs):
        assert admits(affinity_for([engine("sm_89")], affinity), template)
        assert admits(narrowed(affinity_to_wait_with(affinity), [engine("sm_89")]), template)
        assert not admits(affinity_for([engine("sm_90")], affinity), template)


KEYS = ("zone", LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, MAJOR, MINOR, PRODUCT)
VALUES = ("a", "8", "9", "6", "13", "sm_89", "8.6", "sm_130", "NVIDIA-L4", "NVIDIA-A10")
EXPRESSIONS = st.builds(
    lambda key, operator, values: expression(key, operator, *(values if "In" in operator else ())),
    st.sampled_from(KEYS),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=3, unique=True),
)
TERMS = st.lists(
    st.builds(lambda some: {"matchExpressions": some}, st.lists(EXPRESSIONS, max_size=3)), max_size=3
)
NODES = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
SERVED = [gpu.arch for gpu in GPUS if has_place(pod(), [engine(gpu.arch)])]
ARCHS = st.lists(st.sampled_from(SERVED), min_size=1, max_size=3, unique=True)
ENGINES = ARCHS.map(lambda archs: engine(*archs)) | st.just(engine("sm_80", reach="AmperePlus"))


@settings(max_examples=300, deadline=None)
@given(terms=TERMS, ready=ENGINES, node=NODES)
def test_no_node_is_admitted_that_the_pod_itself_does_not_admit(terms, ready, node):
    theirs = requiring(*terms) if terms else None
    engines = [ready]

    for ours in (affinity_for(engines, theirs), narrowed(affinity_to_wait_with(theirs), engines)):
        assert admits(theirs, node) or not admits(ours, node)
        # Labels that speak of two GPUs are weighed by each term on its own: a coarse one sees one of them.
        assert not (admits(ours, node) and is_consistent(node)) or admits(affinity_for(engines, None), node)


@settings(max_examples=300, deadline=None)
@given(terms=TERMS, ready=ENGINES, node=NODES, selector=NODES)
def test_a_pod_is_held_only_where_no_node_of_a_known_gpu_would_do(terms, ready, node, selector):
    theirs = requiring(*terms) if terms else None
    asked, engines = pod(affinity=theirs, nodeSelector=selector), [ready]
    fits = all(node.get(key) == value for key, value in selector.items())

    if fits and admits(affinity_for(engines, theirs), node) and is_consistent(node):
        assert has_place(asked, engines)


def is_consistent(node):
    """Tell whether all labels of a node speak of one GPU, as they do on a node that exists."""
    told = [{key: node[key] for key in keys if key in node} for keys in (
        (LABEL_GPU_ARCH,), (LABEL_GPU_PRODUCT,), (MAJOR, MINOR), (PRODUCT,)
    )]  # fmt: skip
    known = [chosen_gpus(pod(nodeSelector=labels)) for labels in told if labels]
    archs = {gpu.arch for gpus in known if gpus for gpu in gpus}
    return len(archs) <= 1 and None not in known and all(arch.startswith("sm_") for arch in archs)
