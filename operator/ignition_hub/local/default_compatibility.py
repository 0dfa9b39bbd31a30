"""
How far an engine reaches when nobody says: the widest level that the release has for the GPU.

Below TensorRT 10.9, and on Jetson, that is the product alone, and then the product is this machine's. It is
settled here and not by what happens to be cached, so one request gives one identity.
"""

from collections.abc import Callable

from ignition_hub.compatibility import spelling
from ignition_hub.compatibility.gpus import gpu_of
from ignition_hub.compatibility.support_matrix import SAME_CAPABILITY_SINCE, parse_version
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import (
    COMPATIBILITIES,
    PRODUCT,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT_RTX,
)
from ignition_hub.local.errors import wrong


def widest(flavor: str, version: str, arch: str) -> str:
    """Return the widest level that nobody need ask for; AmperePlus costs speed."""
    if flavor == TENSORRT_RTX:
        return SAME_COMPUTE_CAPABILITY
    has_level = parse_version(version) >= SAME_CAPABILITY_SINCE and not gpu_of(arch).jetson
    return SAME_COMPUTE_CAPABILITY if has_level else PRODUCT


def check_level(compatibility: str | None, product: str | None) -> None:
    """Raise RequestError for a level nobody knows, and for a product that the level has no use for."""
    if compatibility not in (None, *COMPATIBILITIES):
        raise wrong(
            "compatibility", compatibility, "unknown level", f"use one of {', '.join(COMPATIBILITIES)}"
        )
    if product is not None and compatibility not in (None, PRODUCT):
        why = f"{compatibility} covers more than one product"
        raise wrong("product", product, why, f"leave it out, or use compatibility {PRODUCT}")


def product_of(product: str | None, release: str, arch: str, gpu: Callable[[], DeviceFacts | None]) -> str:
    """
    Return the product an engine for one product is for: as asked, else that of this machine's GPU.

    ``release`` names TensorRT in the message. Raises RequestError when nobody says it.
    """
    if product is not None:
        return spelling.product_of(product)
    here = gpu()
    if here is not None and here.arch == arch:
        return here.product
    there = f"{here.product}, {here.arch}" if here else "no usable GPU"
    raise RequestError(
        Reason.InvalidRequest,
        f"product: missing: an engine of {release} with compatibility {PRODUCT} is for one exact product, "
        f"and this machine, with {there}, cannot tell which {arch} product is meant",
        f"give the product, for example {gpu_of(arch).example}",
    )
