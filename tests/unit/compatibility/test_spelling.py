"""One product has one name, whoever tells it: the pairs are those of NVIDIA's own components."""

import pytest

from gpusituations import SITUATIONS, labels_of
from ignition_hub.compatibility.spelling import product_of, split
from ignition_hub.device import DeviceFacts

WITH_DEVICES = [name for name, one in SITUATIONS.items() if one["devices"] and one["nodes"]]


def products_in(labels):
    """Return the products that labels name: of whole cards and of slices."""
    return {value for key, value in labels.items() if key.endswith(".product")}


def spelt(device):
    attributes = device["attributes"]
    return product_of(attributes["productName"]["string"], attributes.get("profile", {}).get("string"))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA-H100-80GB-HBM3"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.24gb-me", "NVIDIA-H100-80GB-HBM3-MIG-1g.24gb-me"),
        ("Quadro RTX 6000/8000", "Quadro-RTX-60008000"),
        ("NVIDIA RTX A4000 (Laptop GPU)", "NVIDIA-RTX-A4000-Laptop-GPU"),
        ("Orin (nvgpu)", "Orin-nvgpu"),
        ("NVIDIA  Two   Blanks", "NVIDIA-Two-Blanks"),
    ],
)
def test_a_process_spells_its_gpu_as_the_label_does(name, label):
    facts = DeviceFacts(name=name, capability=(9, 0), memory_bytes=1, multiprocessors=1, cuda=(13, 0))

    assert facts.product == label == product_of(label)


@pytest.mark.parametrize("name", WITH_DEVICES)
def test_a_resource_slice_and_the_labels_of_its_node_name_the_same_products(name):
    labelled = {product for index in range(len(SITUATIONS[name]["nodes"]))
                for product in products_in(labels_of(name, index))}  # fmt: skip

    assert {spelt(device) for device in SITUATIONS[name]["devices"]} == labelled


@pytest.mark.parametrize("name", [name for name, one in SITUATIONS.items() if one["nodes"]])
def test_every_label_is_spelt_as_it_is_and_loses_its_sharing_alone(name):
    for index in range(len(SITUATIONS[name]["nodes"])):
        for product in products_in(labels_of(name, index)):
            assert product_of(product) == product.removesuffix("-SHARED")


@pytest.mark.parametrize(
    ("product", "parts"),
    [
        ("NVIDIA-H100-80GB-HBM3", ("NVIDIA-H100-80GB-HBM3", None)),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb-SHARED", ("NVIDIA-H100-80GB-HBM3", "1g.10gb")),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", ("NVIDIA-H100-80GB-HBM3", "1g.10gb+me")),
        ("", ("", None)),
    ],
)
def test_a_product_is_a_card_and_a_profile(product, parts):
    assert split(product) == parts
