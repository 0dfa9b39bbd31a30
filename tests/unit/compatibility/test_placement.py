"""Which nodes a pod may go to: exact, never wider than it asked, within what a gated pod may change."""

import itertools

import pytest

from ignition_hub.compatibility.gpus import GPUS, arch_labels, node_gpu, product_labels
from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    can_be_placed,
    narrowed,
    release_of,
    required_terms,
    seconds_to_release,
)
from ignition_hub.compatibility.readiness import GRACE, EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_WAITING, SCHEDULING_GATE
from nodeaffinity import admits, requiring

PAIRS = list(itertools.combinations([gpu for gpu in GPUS if not gpu.jetson], 2))
NOW = 1_767_225_600.0
GATED = {"metadata": {}, "spec": {"schedulingGates": [{"name": SCHEDULING_GATE}]}}
MAJOR, MINOR, PRODUCT = (f"nvidia.com/gpu.{name}" for name in ("compute.major", "compute.minor", "product"))


def engine(*archs, name="resnet", compatibility="SameComputeCapability", product=None, flavor="TensorRT"):
    targets = tuple(ReadyTarget(arch, product, compatibility, flavor) for arch in archs)
    return EngineView(name, targets, is_settled=True)


def moving(*archs, since=(0.0,), name="resnet"):
    """An engine with ready targets and one that is on its way."""
    times = itertools.cycle(since)
    reach = "SameComputeCapability"
    return EngineView(name, tuple(ReadyTarget(arch, None, reach, "TensorRT", next(times)) for arch in archs))


def term(key, operator, *values):
    return {
        "matchExpressions": [
            {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        ]
    }


def gfd(major, minor, product="NVIDIA-Some-Card"):
    return {MAJOR: str(major), MINOR: str(minor), PRODUCT: product}


def test_the_compute_capability_decides_and_not_the_product():
    affinity = affinity_for([engine("sm_89")])

    assert admits(affinity, gfd(8, 9, "NVIDIA-L4"))
    assert admits(affinity, gfd(8, 9, "NVIDIA-L40S-SHARED"))
    assert not admits(affinity, gfd(8, 6, "NVIDIA-A10"))
    assert not admits(affinity, {})


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_targets_admit_their_two_architectures_and_no_third(one, other):
    affinity = affinity_for([engine(one.arch, other.arch)])

    admitted = {gpu.arch for gpu in GPUS if admits(affinity, gfd(*gpu.compute_capability))}

    assert admitted == {one.arch, other.arch}


def test_an_exact_product_admits_that_product_alone_shared_or_not():
    affinity = affinity_for([engine("sm_89", compatibility="Product", product="NVIDIA-L4")])

    assert admits(affinity, gfd(8, 9, "NVIDIA-L4"))
    assert admits(affinity, gfd(8, 9, "NVIDIA-L4-SHARED"))
    assert admits(affinity, {LABEL_GPU_PRODUCT: "NVIDIA-L4"})
    assert not admits(affinity, gfd(8, 9, "NVIDIA-L40S"))


def test_a_slice_of_a_gpu_is_a_product_of_its_own():
    slice_of_a100 = "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"
    affinity = affinity_for([engine("sm_80", compatibility="Product", product=slice_of_a100)])

    assert admits(affinity, gfd(8, 0, slice_of_a100))
    assert not admits(affinity, gfd(8, 0, "NVIDIA-A100-SXM4-40GB"))


def test_ampere_plus_admits_newer_gpus_but_neither_older_ones_nor_jetson():
    affinity = affinity_for([engine("sm_80", compatibility="AmperePlus")])

    admitted = {gpu.arch for gpu in GPUS if admits(affinity, gfd(*gpu.compute_capability))}

    assert admitted == {gpu.arch for gpu in GPUS if gpu.compute_capability >= (8, 0) and not gpu.jetson}


@pytest.mark.parametrize("theirs", [None, requiring(term("zone", "In", "a"))])
def test_ampere_plus_admits_gpus_that_no_table_has_yet_from_ampere_on(theirs):
    ready = [engine("sm_80", compatibility="AmperePlus")]

    for affinity in (affinity_for(ready, theirs), narrowed(affinity_to_wait_with(theirs), ready)):
        for later in ((8, 8), (9, 1), (10, 7), (11, 2), (12, 9), (13, 0)):
            assert admits(affinity, {"zone": "a", **gfd(*later)}), later
        for older in ((3, 7), (5, 2), (6, 3), (7, 3), (7, 5), (8, 7), (11, 0)):
            assert not admits(affinity, {"zone": "a", **gfd(*older)}), older
        for label in ("sm_130", "13.0", "130", "sm_88"):
            assert admits(affinity, {"zone": "a", LABEL_GPU_ARCH: label})
        for label in ("sm_75", "8.7", "sm110"):
            assert not admits(affinity, {"zone": "a", LABEL_GPU_ARCH: label, **gfd(13, 0)})


def test_engines_that_are_not_all_for_later_gpus_do_not_go_there():
    plus = engine("sm_80", compatibility="AmperePlus")

    assert admits(affinity_for([plus, plus]), gfd(13, 0))
    assert not admits(affinity_for([plus, engine("sm_90", name="other")]), gfd(13, 0))


def test_the_platform_teams_label_wins_over_what_discovery_found():
    affinity = affinity_for([engine("sm_89")])

    assert admits(affinity, {LABEL_GPU_ARCH: "sm_89"})
    assert admits(affinity, {LABEL_GPU_PRODUCT: "NVIDIA-L4"})
    assert not admits(affinity, {LABEL_GPU_ARCH: "sm_86", **gfd(8, 9)})


def labels_about(gpu):
    """Yield what people and GPU Feature Discovery write on a node with this GPU, and what neither should."""
    major, minor = gpu.compute_capability
    odd = (gpu.arch.upper(), f"compute_{major}{minor}", f"sm-{major}{minor}", gpu.family)
    yield from ({LABEL_GPU_ARCH: label} for label in (*arch_labels(gpu.arch), *odd))
    for product in gpu.products:
        odd = (product.upper(), f"{product.lower()}-SHARED", product.replace("-", "_"))
        for key in (LABEL_GPU_PRODUCT, PRODUCT):
            yield from ({key: label} for label in (*product_labels(product), *odd))
    yield {MAJOR: str(major), MINOR: str(minor)}


@pytest.mark.parametrize("gpu", [gpu for gpu in GPUS if not gpu.jetson], ids=lambda gpu: gpu.arch)
def test_the_gateway_believes_of_a_node_exactly_what_the_scheduler_admits(gpu):
    affinity = affinity_for([engine(gpu.arch)])

    for labels in labels_about(gpu):
        found = node_gpu(labels)
        assert (found is not None and found.arch == gpu.arch) == admits(affinity, labels), labels


@pytest.mark.parametrize("label", ["NVIDIA-L4", "NVIDIA-L4-SHARED", "nvidia-l4"])
def test_an_exact_product_is_served_under_every_label_that_admits_it(label):
    affinity = affinity_for([engine("sm_89", compatibility="Product", product="NVIDIA-L4")])

    assert admits(affinity, {LABEL_GPU_PRODUCT: label})
    assert node_gpu({LABEL_GPU_PRODUCT: label}).exact_product == "NVIDIA-L4"


def test_several_engines_admit_only_what_all_of_them_serve():
    engines = [engine("sm_86", "sm_89"), engine("sm_89", "sm_90", name="yolo")]
    affinity = affinity_for(engines)

    assert admits(affinity, gfd(8, 9))
    assert not admits(affinity, gfd(8, 6))
    assert not admits(affinity, gfd(9, 0))


def test_an_exact_product_narrows_another_engines_architecture():
    engines = [engine("sm_89"), engine("sm_89", name="yolo", compatibility="Product", product="NVIDIA-L4")]
    affinity = affinity_for(engines)

    assert admits(affinity, gfd(8, 9, "NVIDIA-L4"))
    assert not admits(affinity, gfd(8, 9, "NVIDIA-L40S"))


def test_engines_without_a_common_gpu_cannot_be_placed():
    assert not can_be_placed([engine("sm_86"), engine("sm_89", name="yolo")])
    assert not can_be_placed([engine("sm_86"), EngineView("yolo")])
    assert not can_be_placed([])
    assert can_be_placed([engine("sm_86"), engine("sm_86", name="yolo")])


def test_every_term_of_the_pod_stays_required():
    affinity = affinity_for([engine("sm_89")], requiring(term("zone", "In", "a"), term("disk", "Exists")))

    assert admits(affinity, {"zone": "a", **gfd(8, 9)})
    assert admits(affinity, {"disk": "nvme", LABEL_GPU_ARCH: "sm_89"})
    assert not admits(affinity, gfd(8, 9))
    assert not admits(affinity, {"zone": "a", **gfd(8, 6)})


def test_preferences_and_pod_affinity_of_the_pod_are_kept():
    theirs = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]},
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]
        },
    }

    affinity = affinity_for([engine("sm_89")], theirs)

    assert affinity["podAntiAffinity"] == theirs["podAntiAffinity"]
    kept = affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert kept == theirs["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]


def test_a_term_that_matches_no_node_does_not_begin_to_match_one():
    affinity = affinity_for([engine("sm_89")], requiring({}))

    assert not admits(affinity, gfd(8, 9))


@pytest.mark.parametrize(
    "theirs", [requiring(term("zone", "In", "a")), requiring(term("a", "Exists"), term("b", "Exists"))]
)
@pytest.mark.parametrize("archs", [("sm_89",), ("sm_80", "sm_89"), ("sm_86", "sm_120")])
def test_lifting_a_gate_adds_expressions_and_neither_terms_nor_changes(theirs, archs):
    before = affinity_to_wait_with(theirs)
    after = narrowed(before, [engine(*archs)])

    old, new = required_terms(before), required_terms(after)
    assert len(new) == len(old)
    for one, other in zip(old, new, strict=True):
        assert other["matchExpressions"][: len(one["matchExpressions"])] == one["matchExpressions"]
        assert len(other["matchExpressions"]) > len(one["matchExpressions"])


def test_waiting_terms_admit_the_same_nodes_as_the_pods_own():
    theirs = requiring(term("zone", "In", "a"), term("disk", "Exists"))
    waiting = affinity_to_wait_with(theirs)

    for zone, disk, arch in itertools.product((None, "a", "b"), (None, "nvme"), (None, "sm_89")):
        labels = {
            key: value for key, value in (("zone", zone), ("disk", disk), (LABEL_GPU_ARCH, arch)) if value
        }
        assert admits(waiting, labels) == admits(theirs, labels)


def test_a_pod_without_terms_needs_none_to_wait():
    assert affinity_to_wait_with(None) is None
    assert affinity_to_wait_with({"podAffinity": {}}) is None


@pytest.mark.parametrize("archs", [("sm_89",), ("sm_80", "sm_89"), ("sm_86", "sm_120")])
def test_a_lifted_pod_with_terms_of_its_own_goes_only_where_a_target_serves(archs):
    lifted = narrowed(affinity_to_wait_with(requiring(term("zone", "In", "a"))), [engine(*archs)])

    for gpu in GPUS:
        for labels in (gfd(*gpu.compute_capability, gpu.products[0]), {LABEL_GPU_ARCH: gpu.arch}):
            assert admits(lifted, {"zone": "a", **labels}) == (gpu.arch in archs), (gpu.arch, labels)
            assert not admits(lifted, labels)


def test_lifting_keeps_other_gates_and_removes_the_waiting_label():
    pod = {
        "metadata": {},
        "spec": {"schedulingGates": [{"name": "example.com/quota"}, {"name": SCHEDULING_GATE}]},
    }

    patch = release_of(pod, [engine("sm_89")], NOW)

    assert patch["spec"]["schedulingGates"] == [{"name": "example.com/quota"}]
    assert patch["metadata"]["labels"] == {LABEL_WAITING: None}
    assert patch["spec"]["affinity"] == affinity_for([engine("sm_89")])


def test_the_last_gate_is_removed_altogether():
    patch = release_of(GATED, [engine("sm_89")], NOW)

    assert patch["spec"]["schedulingGates"] is None


def test_a_pod_is_not_released_while_one_of_its_engines_has_nothing_ready():
    engines = [engine("sm_89"), EngineView("yolo")]

    assert release_of(GATED, engines, NOW) is None
    assert seconds_to_release(engines, NOW) is None


def test_a_pod_waits_for_the_targets_that_are_on_their_way():
    engines = [moving("sm_86", since=[NOW - 10.0])]

    assert release_of(GATED, engines, NOW) is None
    assert seconds_to_release(engines, NOW) == GRACE - 10.0


def test_a_settled_engine_releases_its_pods_at_once_to_all_its_gpus():
    patch = release_of(GATED, [engine("sm_86", "sm_89")], NOW)

    assert admits(patch["spec"]["affinity"], gfd(8, 6))
    assert admits(patch["spec"]["affinity"], gfd(8, 9))
    assert seconds_to_release([engine("sm_86", "sm_89")], NOW) == 0.0


def test_the_grace_counts_from_the_first_target_that_was_ready():
    first, second = NOW - GRACE, NOW - 1.0

    patch = release_of(GATED, [moving("sm_86", "sm_89", since=[second, first])], NOW)

    assert admits(patch["spec"]["affinity"], gfd(8, 9))
    assert release_of(GATED, [moving("sm_86", "sm_89", since=[second])], NOW) is None


def test_every_engine_of_a_pod_has_its_own_grace():
    long_ready = moving("sm_89", since=[NOW - 10 * GRACE])
    just_ready = moving("sm_89", since=[NOW], name="yolo")

    assert seconds_to_release([long_ready, just_ready], NOW) == GRACE
    assert seconds_to_release([long_ready, engine("sm_89", name="bert")], NOW) == 0.0


def test_settled_engines_without_a_common_gpu_release_nothing():
    assert release_of(GATED, [engine("sm_86"), engine("sm_89", name="yolo")], NOW) is None
