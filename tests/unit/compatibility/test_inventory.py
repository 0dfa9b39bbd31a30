"""Which GPU a pod got, in every situation that NVIDIA's own components were seen to make; never a guess."""

from dataclasses import replace

import pytest

from gpusituations import SITUATIONS, labels_of, node_of, slices_of
from ignition_hub.compatibility.cloud_labels import CLOUD_GPUS
from ignition_hub.compatibility.devices import DeviceId, allotted, find, slice_view
from ignition_hub.compatibility.gpus import GPUS, NodeGpu, arch_of_product, node_gpu
from ignition_hub.compatibility.inventory import believed, node_facts
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.pod_request import ClaimedRequest, PodRequest, request_of

H100, T4, L4 = "NVIDIA-H100-80GB-HBM3", "Tesla-T4", "NVIDIA-L4"
PRO, MAX_Q = ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
              "NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition")  # fmt: skip
CARDS, NOTHING = PodRequest(cards=True), PodRequest()
MIG_INVALID = "cut every GPU of the node into the same profile"
SEVERAL = "keep one product to a node"


def sliced(profile):
    return PodRequest(profiles=frozenset([profile]))


WHOLE = {
    "card-a10g": ("sm_86", "NVIDIA-A10G"),
    "card-b200": ("sm_100", "NVIDIA-B200"),
    "card-b300": ("sm_103", "NVIDIA-B300-SXM6-AC"),
    "card-gb10": ("sm_121", "NVIDIA-GB10"),
    "card-gh200": ("sm_90", "NVIDIA-GH200-480GB"),
    "card-l4": ("sm_89", L4),
    "card-l40s": ("sm_89", "NVIDIA-L40S"),
    "card-rtx-pro-6000": ("sm_120", PRO),
    "card-v100": ("sm_70", "Tesla-V100-SXM2-16GB"),
    "gb200-fabric": ("sm_100", "NVIDIA-GB200"),
    "mig-single": ("sm_90", f"{H100}-MIG-1g.10gb"),
    "mig-single-rtx-pro-server": ("sm_120", f"{PRO}-MIG-1g.24gb.me"),
    "mig-single-time-sliced": ("sm_90", f"{H100}-MIG-1g.10gb"),
    "mps": ("sm_89", L4),
    "mps-renamed": ("sm_89", L4),
    "time-sliced": ("sm_75", T4),
    "time-sliced-renamed": ("sm_75", T4),
    "vgpu-guest": ("sm_86", "NVIDIA-A10-24Q"),
    "whole-cards": ("sm_90", H100),
    "whole-cards-strategy-mixed": ("sm_90", H100),
}
"""What every pod of these nodes has, whether it asks for ``nvidia.com/gpu`` or for nothing."""

MIXED = [
    ("mig-mixed-all-cut", sliced("1g.10gb"), "sm_90", f"{H100}-MIG-1g.10gb"),
    ("mig-mixed-all-cut", sliced("1g.10gb.me"), "sm_90", f"{H100}-MIG-1g.10gb.me"),
    ("mig-mixed-all-cut", sliced("3g.40gb"), "sm_90", f"{H100}-MIG-3g.40gb"),
    ("mig-mixed-all-cut", CARDS, "sm_90", None),
    ("mig-mixed-all-cut", NOTHING, "sm_90", None),
    ("mig-mixed-enabled-empty", CARDS, "sm_90", None),
    ("mig-mixed-enabled-empty", NOTHING, "sm_90", None),
    ("mig-mixed-label-too-long", sliced("1g.24gb"), "sm_120", f"{MAX_Q}-MIG-1g.24gb"),
    ("mig-mixed-slices-time-sliced", NOTHING, "sm_90", None),
    ("mig-mixed-label-too-long", NOTHING, "sm_120", None),
    ("mig-mixed-slices-time-sliced", sliced("1g.10gb"), "sm_90", f"{H100}-MIG-1g.10gb"),
    ("mig-mixed-whole-and-cut", CARDS, "sm_90", H100),
    ("mig-mixed-whole-and-cut", sliced("1g.10gb"), "sm_90", f"{H100}-MIG-1g.10gb"),
    ("mig-mixed-whole-and-cut", sliced("1g.10gb.me"), "sm_90", f"{H100}-MIG-1g.10gb.me"),
    ("mig-mixed-whole-and-cut", sliced("3g.40gb"), "sm_90", f"{H100}-MIG-3g.40gb"),
    ("mig-mixed-whole-and-cut", NOTHING, "sm_90", None),
    ("mig-mixed-whole-and-cut", replace(sliced("1g.10gb"), cards=True), "sm_90", None),
    ("mig-mixed-whole-time-sliced", CARDS, "sm_90", H100),
    ("mig-mixed-whole-time-sliced", sliced("1g.10gb"), "sm_90", f"{H100}-MIG-1g.10gb"),
    ("mig-none-all-cut", CARDS, "sm_90", None),
    ("mig-none-all-cut", NOTHING, "sm_90", None),
    ("mig-single-label-too-long", CARDS, "sm_120", None),
    ("two-products-cut-and-whole", CARDS, "sm_75", T4),
    ("two-products-cut-and-whole", sliced("1g.5gb"), "sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"),
    ("jetson-agx-orin", NOTHING, "sm_87", None),
    ("jetson-orin-nano", NOTHING, "sm_87", None),
    ("jetson-thor", NOTHING, "sm_110", None),
]
"""Where the pod's own request decides, or the product is not told."""

UNKNOWN = [
    ("mig-single-invalid-two-profiles", CARDS, MIG_INVALID),
    ("mig-single-invalid-whole-and-cut", CARDS, MIG_INVALID),
    ("passthrough", NOTHING, "virtual machine"),
    ("two-products", CARDS, SEVERAL),
    ("two-products", NOTHING, SEVERAL),
    ("two-products-same-architecture", CARDS, SEVERAL),
    ("two-products-one-without-memory", CARDS, SEVERAL),
    ("two-products-cut-and-whole", NOTHING, "request one kind of GPU"),
    ("cloud-k3s", CARDS, "ignitionhub.io/gpu-arch"),
]
"""What cannot be known, and the remedy that is named."""


CLOUDS = {
    "cloud-gke": ("sm_90", H100, ""),
    "cloud-gke-mig": ("sm_80", None, "is cut: cloud.google.com/gke-gpu-partition-size=1g.5gb"),
    "cloud-gke-time-sharing": ("sm_89", L4, ""),
    "cloud-eks-karpenter": ("sm_89", L4, ""),
    "cloud-eks-karpenter-h100": ("sm_90", H100, ""),
    "cloud-aks": ("sm_80", None, "instance-type=Standard_NC24ads_A100_v4 does not tell of which product"),
    "cloud-oke": ("sm_90", None, "instance-type=BM.GPU.H100.8 does not tell of which product"),
}
"""What managed clusters tell without feature discovery: architecture, product, doubt."""
KARPENTER, KARPENTER_MEMORY = "karpenter.k8s.aws/instance-gpu-name", "karpenter.k8s.aws/instance-gpu-memory"


def of_a_cloud(name, labels=None, capacity=None):
    body = node_of(name)
    body["metadata"]["labels"] |= labels or {}
    body["status"]["capacity"] |= capacity or {}
    return believed(node_facts(body), CARDS)


@pytest.mark.parametrize("name", CLOUDS)
def test_labels_of_clouds_tell_the_gpu_where_feature_discovery_does_not_run(name):
    arch, product, doubt = CLOUDS[name]
    belief = of_a_cloud(name)

    assert (belief.gpu.arch, belief.gpu.exact_product) == (arch, product)
    assert belief.gpu.platform == "linux-x86_64"
    assert doubt in belief.doubt
    assert bool(belief.doubt) == bool(belief.remedy) == bool(doubt)
    assert belief.source.startswith("the node's label ")


@pytest.mark.parametrize(
    ("name", "labels", "capacity", "doubt"),
    [
        ("cloud-eks-karpenter", {KARPENTER_MEMORY: "11444"}, {}, "is a part of a card"),
        ("cloud-eks-karpenter", {KARPENTER: "a100"}, {}, "does not tell of which product"),
        ("cloud-eks-karpenter-h100", {}, {"nvidia.com/gpu": "56"}, "is cut or shared: there are 56"),
    ],
)
def test_a_cloud_that_may_mean_several_products_tells_the_architecture_alone(name, labels, capacity, doubt):
    belief = of_a_cloud(name, labels, capacity)

    assert belief.gpu.arch
    assert belief.gpu.product is None
    assert doubt in belief.doubt


@pytest.mark.parametrize("label", CLOUD_GPUS)
def test_a_value_of_a_cloud_that_no_row_has_is_not_guessed(label):
    labels = {label: "nvidia-h100"}

    assert of_a_cloud("cloud-k3s", labels).gpu is None


def test_the_platform_teams_label_and_feature_discovery_win_over_a_clouds():
    gke = labels_of("cloud-gke")

    assert of_a_cloud("cloud-gke", {"ignitionhub.io/gpu-arch": "sm_89"}).gpu.arch == "sm_89"
    assert of_a_cloud("card-l4", gke).gpu.product == L4
    assert "vfio-pci" in of_a_cloud("passthrough", gke).doubt
    assert of_a_cloud("cloud-gke", {"nvidia.com/gpu.product": "NVIDIA-X1"}).gpu is None


def test_every_product_of_a_cloud_is_one_that_feature_discovery_writes():
    rows = [gpu for values in CLOUD_GPUS.values() for gpu in values.values()]

    assert all(gpu.arch in {one.arch for one in GPUS} for gpu in rows)
    assert all(arch_of_product(gpu.product) == gpu.arch for gpu in rows if gpu.product)


def asked_of(name, request):
    """Return what is believed of a pod in every pass of feature discovery."""
    passes = range(len(SITUATIONS[name]["nodes"]))
    return [believed(node_facts(node_of(name, index)), request) for index in passes]


def serves(product, gpu, compatibility="Product"):
    facts = EngineFacts(flavor="TensorRT", arch=gpu.arch, product=product, compatibility=compatibility)
    return loads(facts, gpu).is_vouched_for


def test_every_situation_has_its_place_here():
    told = {*WHOLE, *CLOUDS, *(row[0] for row in MIXED), *(row[0] for row in UNKNOWN), "dra-dynamic-mig"}

    assert told == set(SITUATIONS)


@pytest.mark.parametrize("request_", [CARDS, NOTHING], ids=["a card", "nothing"])
@pytest.mark.parametrize("name", WHOLE)
def test_a_uniform_node_has_one_gpu_whatever_the_pod_asks_for(name, request_):
    [belief] = asked_of(name, request_)

    assert (belief.gpu.arch, belief.gpu.exact_product) == WHOLE[name]
    assert belief.source == "the node's label nvidia.com/gpu.product"
    assert not belief.doubt
    assert serves(WHOLE[name][1], belief.gpu)


@pytest.mark.parametrize(("name", "request_", "arch", "product"), MIXED)
def test_the_pods_own_request_decides_where_the_node_has_several_gpus(name, request_, arch, product):
    [belief] = asked_of(name, request_)

    assert (belief.gpu.arch, belief.gpu.exact_product) == (arch, product)
    assert belief.source
    assert (belief.doubt == "", belief.remedy == "") == (product is not None, product is not None)


@pytest.mark.parametrize(("name", "request_", "arch", "product"), MIXED)
def test_an_engine_of_one_product_goes_to_no_other_slice_and_to_no_other_card(name, request_, arch, product):
    [belief] = asked_of(name, request_)
    products = {value for key, value in labels_of(name).items() if key.endswith(".product")}

    assert {one for one in {*products, product} - {None} if serves(one, belief.gpu)} == {product} - {None}


@pytest.mark.parametrize(("name", "request_", "remedy"), UNKNOWN)
def test_what_cannot_be_known_is_said_with_what_would_tell(name, request_, remedy):
    for belief in asked_of(name, request_):
        assert belief.gpu is None
        assert belief.doubt
        assert remedy in belief.remedy


@pytest.mark.parametrize(("name", "request_", "remedy"), UNKNOWN)
def test_a_remedy_that_names_a_label_works(name, request_, remedy):
    body = node_of(name)
    body["metadata"]["labels"]["ignitionhub.io/gpu-arch"] = "sm_90"
    belief = believed(node_facts(body), request_)

    if "ignitionhub.io/gpu-arch" in asked_of(name, request_)[0].remedy:
        assert belief.gpu.arch == "sm_90"


def test_a_label_for_the_product_tells_a_jetson_module_and_the_slice_of_a_node_without_discovery():
    orin = {**labels_of("jetson-agx-orin"), "ignitionhub.io/gpu-product": "Jetson-AGX-Orin-64GB"}
    bare = {"ignitionhub.io/gpu-product": H100}

    assert node(orin, NOTHING).exact_product == "Jetson-AGX-Orin-64GB"
    assert node(bare, sliced("1g.10gb")).exact_product == f"{H100}-MIG-1g.10gb"
    assert node({**bare, "ignitionhub.io/gpu-product": "nvidia-h200"}, sliced("1g.18gb")) == NodeGpu(
        "sm_90", "NVIDIA-H200", "1g.18gb"
    )


def test_a_label_that_names_a_card_does_not_make_a_card_of_slices():
    for name in ("mig-single-label-too-long", "mig-single", "mig-none-all-cut"):
        labels = {**labels_of(name), "ignitionhub.io/gpu-product": H100}

        assert node(labels, CARDS).exact_product is None


def node(labels, request, **capacity):
    return believed(
        node_facts({"metadata": {"labels": labels}, "status": {"capacity": capacity}}), request
    ).gpu


def test_memory_and_multiprocessors_are_the_slices_own():
    [belief] = asked_of("mig-mixed-whole-and-cut", sliced("1g.10gb"))

    assert (belief.gpu.memory_bytes, belief.gpu.multiprocessors) == (9984 << 20, 16)
    whole = EngineFacts(flavor="TensorRT", arch="sm_90", compatibility="SameComputeCapability",
                        memory_bytes=81559 << 20)  # fmt: skip
    assert "81559 MiB" in loads(whole, belief.gpu).message


def test_cards_that_are_cut_are_counted_and_hide_no_second_product():
    labels = {**labels_of("mig-mixed-whole-and-cut"), "nvidia.com/gpu.count": "4"}
    capacity = {"nvidia.com/gpu": "4"}

    found = believed(node_facts({"metadata": {"labels": labels}, "status": {"capacity": capacity}}), CARDS)

    assert found.gpu is None
    assert "several products" in found.doubt


@pytest.mark.parametrize("card", ["NVIDIA-H800", "NVIDIA-H100-80GB-HBM2e"])
def test_a_slice_of_a_card_that_no_table_lists_is_known_beside_whole_cards_that_are_shared(card):
    labels = renamed(labels_of("mig-mixed-whole-time-sliced"), H100, card)

    assert node(labels, sliced("1g.10gb")).exact_product == f"{card}-MIG-1g.10gb"
    assert node_gpu(labels) == NodeGpu("sm_90", None, None, "linux-x86_64")


def test_a_slice_whose_label_is_too_long_is_of_the_card_and_not_of_the_shared_card():
    card = "NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition"
    labels = {**labels_of("mig-mixed-label-too-long"), "nvidia.com/gpu.product": f"{card}-SHARED"}

    assert node(labels, sliced("1g.24gb")).exact_product == f"{card}-MIG-1g.24gb"


def test_cards_that_are_cut_are_counted_beside_whole_cards_that_are_shared():
    labels = labels_of("mig-mixed-whole-time-sliced")

    assert node(labels, CARDS, **{"nvidia.com/gpu": "2"}).exact_product == H100
    assert node(labels, CARDS, **{"nvidia.com/gpu": "3"}) is None


def renamed(labels, old, new):
    return {key: value.replace(old, new) for key, value in labels.items()}


def test_without_a_pod_a_node_of_cut_and_whole_cards_is_an_architecture():
    assert node_gpu(labels_of("mig-mixed-whole-and-cut")) == NodeGpu("sm_90", None, None, "linux-x86_64")
    assert node_gpu(labels_of("two-products-cut-and-whole")) is None
    assert node_gpu(labels_of("whole-cards-strategy-mixed")).exact_product == H100


def pod(*containers, claims=(), annotations=None, status=None):
    return {
        "metadata": {"annotations": annotations or {}},
        "spec": {"containers": list(containers), "resourceClaims": list(claims)},
        "status": status or {},
    }


def container(name="main", claims=(), **limits):
    return {"name": name, "resources": {"limits": limits, "claims": list(claims)}}


@pytest.mark.parametrize(
    ("of", "asked"),
    [
        (pod(container()), NOTHING),
        (pod(container(**{"nvidia.com/gpu": "1"})), CARDS),
        (pod(container(**{"nvidia.com/gpu": 2})), CARDS),
        (pod(container(**{"nvidia.com/gpu.shared": "1"})), CARDS),
        (pod(container(**{"nvidia.com/gpu": "0"})), NOTHING),
        (pod(container(**{"nvidia.com/pgpu": "1", "cpu": "1"})), NOTHING),
        (pod(container(**{"nvidia.com/mig-1g.10gb.me": "1"})), sliced("1g.10gb.me")),
        (pod(container(**{"nvidia.com/mig-1g.10gb.shared": "1"})), sliced("1g.10gb")),
        (pod({"name": "main"}), NOTHING),
        (
            pod(container("a", **{"nvidia.com/gpu": "1"}), container("b", **{"nvidia.com/mig-1g.5gb": "1"})),
            replace(sliced("1g.5gb"), cards=True),
        ),
        (
            pod(
                container("a", **{"nvidia.com/gpu": "1"}),
                container("b", **{"nvidia.com/mig-1g.5gb": "1"}),
                annotations={"ignitionhub.io/containers": "b"},
            ),
            sliced("1g.5gb"),
        ),
    ],
)
def test_a_pod_asks_for_what_its_containers_with_engines_ask_for(of, asked):
    assert request_of(of) == asked


NAMED = {"name": "gpu", "resourceClaimName": "mine"}
TEMPLATE = {"name": "gpu", "resourceClaimTemplateName": "one-gpu"}
MADE = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "pod-gpu-x7"}]}
USE = {"name": "gpu"}


@pytest.mark.parametrize(
    ("of", "claims"),
    [
        (pod(container(claims=[USE]), claims=[NAMED]), {ClaimedRequest("mine")}),
        (pod(container(claims=[USE]), claims=[TEMPLATE], status=MADE), {ClaimedRequest("pod-gpu-x7")}),
        (pod(container(claims=[USE]), claims=[TEMPLATE]), set()),
        (pod(container(claims=[{**USE, "request": "big"}]), claims=[NAMED]), {ClaimedRequest("mine", "big")}),
        (pod(container("a"), container("b", claims=[USE]), claims=[NAMED],
             annotations={"ignitionhub.io/containers": "a"}), None),
    ],
)  # fmt: skip
def test_the_claims_of_a_pod_are_followed_by_name_or_from_their_template(of, claims):
    request = request_of(of)

    assert request.has_claims == (claims is not None)
    assert request.claims == (claims or set())


def test_a_resource_that_the_scheduler_took_from_a_dra_driver_is_a_claim():
    mapping = {
        "containerName": "main",
        "resourceName": "nvidia.com/gpu",
        "requestName": "container-0-request-0",
    }
    status = {"extendedResourceClaimStatus": {"resourceClaimName": "made", "requestMappings": [mapping]}}

    request = request_of(pod(container(**{"nvidia.com/gpu": "1"}), status=status))

    assert request == PodRequest(
        claims=frozenset({ClaimedRequest("made", "container-0-request-0")}), has_claims=True
    )


def claim(*devices, driver="gpu.nvidia.com"):
    results = [{"request": "gpu", "driver": driver, "pool": "gpu-node", "device": name} for name in devices]
    return {"status": {"allocation": {"devices": {"results": results}}}}


def devices_of(name, *devices):
    views = [slice_view(body) for body in slices_of(name)]
    return {one.id.device: find(one.id, views) for one in allotted(claim(*devices))}


@pytest.mark.parametrize(
    ("name", "device", "product"),
    [
        ("card-gb10", "gpu-0", "NVIDIA-GB10"),
        ("card-gh200", "gpu-0", "NVIDIA-GH200-480GB"),
        ("card-l4", "gpu-0", L4),
        ("whole-cards", "gpu-1", H100),
        ("mig-mixed-whole-and-cut", "gpu-0", H100),
        ("mig-mixed-whole-and-cut", "gpu-1-mig-1g10gb-19-0", f"{H100}-MIG-1g.10gb"),
        ("mig-mixed-whole-and-cut", "gpu-1-mig-1g10gb-me-20-1", f"{H100}-MIG-1g.10gb.me"),
        ("mig-mixed-whole-and-cut", "gpu-1-mig-3g40gb-9-4", f"{H100}-MIG-3g.40gb"),
        ("dra-dynamic-mig", "gpu-0", H100),
        ("dra-dynamic-mig", "gpu-0-mig-1g10gb-me-20-0", f"{H100}-MIG-1g.10gb.me"),
        ("dra-dynamic-mig", "gpu-0-mig-7g80gb-0-0", f"{H100}-MIG-7g.80gb"),
        ("two-products", "gpu-0", T4),
        ("two-products", "gpu-1", "NVIDIA-A100-SXM4-40GB"),
    ],
)
def test_a_claims_device_is_the_gpu_whatever_the_labels_say(name, device, product):
    bodies = [node_of(name, index) for index in range(len(SITUATIONS[name]["nodes"]))]
    bare = {"metadata": {"labels": {"kubernetes.io/arch": "amd64"}}}

    for body in (bare, *bodies):
        belief = believed(node_facts(body), PodRequest(has_claims=True), devices_of(name, device))
        assert belief.gpu.exact_product == product
        assert belief.gpu.platform in ("linux-x86_64", "linux-aarch64")
        assert device in belief.source


def test_two_claimed_slices_of_a_kind_are_one_gpu_and_of_two_kinds_an_architecture():
    facts = node_facts({"metadata": {}})
    both = devices_of("mig-mixed-whole-and-cut", "gpu-0", "gpu-1-mig-1g10gb-19-0")
    alike = devices_of("whole-cards", "gpu-0", "gpu-1")

    assert believed(facts, PodRequest(has_claims=True), alike).gpu.exact_product == H100
    mixed = believed(facts, PodRequest(has_claims=True), both)
    assert (mixed.gpu.arch, mixed.gpu.exact_product) == ("sm_90", None)
    assert "cannot be known" in mixed.doubt


def test_a_device_that_no_slice_tells_of_is_not_guessed_from_the_label():
    belief = believed(node_facts(node_of("whole-cards")), PodRequest(has_claims=True), {"gpu-9": None})

    assert belief.gpu is None
    assert "gpu-9" in belief.doubt


def test_an_older_generation_of_a_pool_and_other_drivers_tell_nothing():
    old, new = slices_of("two-products")
    new["spec"]["pool"]["generation"] = 2
    other = {**old, "spec": {**old["spec"], "driver": "gpu.example.com"}}
    views = [slice_view(body) for body in (old, new, other)]

    assert views[2] is None
    assert find(DeviceId("gpu-node", "gpu-0"), views) is None
    assert find(DeviceId("gpu-node", "gpu-1"), views).product == "NVIDIA-A100-SXM4-40GB"
    assert allotted(claim("gpu-0", driver="gpu.example.com")) == ()
    assert allotted({"status": {}}) == ()


def test_memory_of_a_device_is_a_quantity_or_not_told():
    [gb10] = slices_of("card-gb10")
    [l4] = slices_of("card-l4")

    assert slice_view(gb10).gpus["gpu-0"].memory_bytes is None
    assert slice_view(l4).gpus["gpu-0"].memory_bytes == 23034 << 20
