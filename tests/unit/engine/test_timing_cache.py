"""Whose timing cache a build uses, and what its key may hold."""

from dataclasses import replace

import pytest

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import timing_cache_key
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.timing_cache import StoredTimingCache, TimingCacheUpload, owner_of
from smallmodels import request_for


def asked_by(request: BuildRequest, namespace: str) -> BuildRequest:
    return replace(request, namespace=namespace)


def owner(request: BuildRequest, *, alone: bool = False) -> str:
    return owner_of(request, reads_alone=alone)


def sample(sha256: str) -> dict[str, object]:
    return {"calibration": {"source": {"uri": "s3://models/a.npz", "sha256": sha256}}}


def key(**changes: str) -> str:
    inputs = request_for(flavor="TensorRT", version="10.13.2.6").inputs
    words = {"product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "owner": "namespaces/vision", "cuda": "12.9"}
    return timing_cache_key("ignition", inputs, **{**words, **changes})


def test_models_that_only_one_namespace_reads_share_its_cache():
    assert owner(request_for(), alone=True) == "namespaces/demo"
    assert owner(request_for("int8"), alone=True) == "namespaces/demo"


@pytest.mark.parametrize(("sha256", "alone"), [(None, False), ("ab" * 32, True), ("ab" * 32, False)])
def test_an_engine_that_others_can_come_by_is_made_with_its_own_models_cache(sha256, alone):
    # Both ask for one identity: whoever asks first must not decide with whose kernels it is made.
    request = request_for(sha256=sha256)
    first, second = asked_by(request, "red"), asked_by(request, "blue")

    assert owner(first, alone=alone) == owner(second, alone=alone)
    assert owner(first, alone=alone).startswith("models/")
    assert identity_of(first.inputs) == identity_of(second.inputs)


def test_files_that_a_tenant_chose_keep_a_shared_models_cache_apart():
    plain, ours, theirs = (
        request_for("int8", options=options) for options in ({}, sample("aa" * 32), sample("bb" * 32))
    )

    assert len({owner(plain), owner(ours), owner(theirs)}) == 3


def test_a_key_tells_product_slice_release_platform_and_cuda():
    assert key() == (
        "ignition/timing-caches/NVIDIA-A100-SXM4-40GB-MIG-1g.5gb/10.13.2.6/namespaces/vision/"
        "linux-x86_64-cuda12.9.cache"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"product": "../engines"},
        {"product": "A/B"},
        {"product": ""},
        {"owner": "vision"},
        {"owner": "namespaces/../x"},
        {"cuda": "12.9/x"},
        {"cuda": ""},
        {"cuda": "12.9\n"},
    ],
)
def test_nothing_leaves_its_place_in_a_key(changes):
    with pytest.raises(ContractError, match=f"^{next(iter(changes))}: "):
        key(**changes)


def test_what_the_gateway_answers_is_read_strictly():
    stored = StoredTimingCache("k", "https://s3/k", "e", 3)
    upload = TimingCacheUpload("https://s3/k", {"If-Match": '"e"', "Content-Length": "3"})

    assert StoredTimingCache.from_json(stored.to_json()) == stored
    assert TimingCacheUpload.from_json(upload.to_json()) == upload
    with pytest.raises(ContractError, match=r"headers\.If-Match: expected a string"):
        TimingCacheUpload.from_json({"url": "u", "headers": {"If-Match": 1}})
