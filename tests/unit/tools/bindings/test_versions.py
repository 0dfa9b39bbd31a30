"""
A builder image of any release accepts a request for that release, and no other.

The Python modules tell three numbers up to 10.7 and once ``10.14.1.48.post1``; pools and plans tell four.
"""

import sys
from dataclasses import replace
from typing import Any

import pytest

from bindings.inventory import Inventory, inventories
from bindings.releases import TENSORRT
from faketensorrt import fake_tensorrt
from faketensorrt.plans import four_numbers
from ignition_builder.compiling.backend import open_backend
from ignition_hub.engine.errors import NodeError, Reason
from smallmodels import request_for

FULL = [item for item in inventories() if item.release.flavor == TENSORRT]


def of_full() -> Any:
    return pytest.mark.parametrize(
        "inventory", [pytest.param(item, id=item.release.version) for item in FULL]
    )


@pytest.fixture
def image(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """An image that holds the release."""
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(inventory.release.version))
    return inventory


def open_for(version: str) -> None:
    inputs = request_for(flavor=TENSORRT, version=version).inputs
    open_backend(replace(inputs, flavor=TENSORRT))


def in_full(inventory: Inventory) -> str:
    return ".".join(map(str, four_numbers(inventory.release.version)))


@of_full()
def test_an_image_accepts_its_own_release(inventory: Inventory, image: Inventory) -> None:
    open_for(in_full(inventory))


def test_an_image_of_a_release_that_is_too_old_is_refused_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake_tensorrt("8.5.3.1")
    module.__version__ = "8.4.1.5"
    monkeypatch.setitem(sys.modules, "tensorrt", module)

    with pytest.raises(NodeError, match=r"8\.4\.1\.5, which does not address tensors by name") as caught:
        open_for("8.4.1.5")
    assert caught.value.reason is Reason.WrongTensorRT
    assert "TensorRT 8.5 or newer" in caught.value.remedy


@of_full()
def test_an_image_refuses_every_other_release(inventory: Inventory, image: Inventory) -> None:
    for other in FULL:
        if other is not inventory:
            with pytest.raises(NodeError) as caught:
                open_for(in_full(other))
            assert caught.value.reason is Reason.WrongTensorRT
            assert in_full(other) in caught.value.message
