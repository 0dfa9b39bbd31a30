"""What a builder is granted besides the model is bounded in bytes, all of it together."""

from dataclasses import replace
from typing import Any

import pytest

from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.pinned import MOST_FILE_BYTES
from ignition_hub.gateway.artifacts.fallback import fallback_of
from ignition_hub.gateway.artifacts.grants import grant_of
from ignition_hub.store.objects import ObjectFacts
from smallmodels import request_for

PIN = {"sha256": "9f" * 32}
SAMPLES, INPUTS = "s3://models/samples.npz", "s3://models/inputs.npz"


class FakeObjects:
    """A bucket in which every object has the same size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def head(self, _key: str, *, bucket: str) -> ObjectFacts:
        return ObjectFacts(etag=bucket, size=self.size, metadata={})

    def presign_get(self, key: str, _seconds: int, *, bucket: str, if_match: str | None = None) -> str:
        return f"https://s3.example.com/{bucket}/{key}?X-Amz-Signature=0&of={if_match}"


class FakeStore:
    """An open store whose namespaces may read everything."""

    def __init__(self, size: int) -> None:
        self.objects = FakeObjects(size)
        everywhere = [{"prefix": "s3://models/", "namespaces": ["*"]}]
        self.spec: dict[str, Any] = {"s3": {"bucket": "engines"}, "modelSources": everywhere}


def granted(size: int) -> list[str]:
    asked = request_for(
        "int8",
        options={"calibration": {"source": {"uri": SAMPLES, **PIN}}},
        verification={"accuracy": {"inputs": {"source": {"uri": INPUTS, **PIN}}}},
        sha256=PIN["sha256"],
    )
    request = replace(asked, model_uri="s3://models/vit.onnx")
    grant = grant_of(FakeStore(size), request, 1 << 33)
    return [file.name for file in grant.files]


def test_files_up_to_the_limit_are_granted() -> None:
    assert granted(MOST_FILE_BYTES // 2) == ["samples.npz", "inputs.npz"]


def test_files_that_are_too_large_together_are_refused_by_the_one_that_is_too_much() -> None:
    with pytest.raises(RequestError, match=r"spec\.verification\.accuracy\.inputs\.source") as caught:
        granted(MOST_FILE_BYTES // 2 + 1)

    assert caught.value.reason is Reason.ModelTooLarge
    assert f"at most {MOST_FILE_BYTES} are accepted" in caught.value.message


def model_of(size: int, most: int = 1 << 33, **source: str) -> Any:
    model = {"source": {"uri": "s3://models/vit.onnx", **source}}
    engine = {"metadata": {"name": "vit", "namespace": "vision"}, "spec": {"model": model}}
    return fallback_of(FakeStore(size), engine, "no target", most)


def test_a_pod_that_falls_back_is_granted_the_model_and_told_its_digest() -> None:
    answer = model_of(7, **PIN)

    assert (answer.name, answer.why, answer.sha256, answer.is_bundle) == (
        "vit", "no target", PIN["sha256"], False
    )  # fmt: skip
    [file] = answer.files
    assert (file.name, file.size) == ("model.onnx", 7)
    assert file.url.startswith("https://s3.example.com/models/vit.onnx?")


@pytest.mark.parametrize(
    ("size", "source", "reason"),
    [
        (9, PIN, Reason.ModelTooLarge),
        (7, {}, Reason.InvalidRequest),
        (7, {"uri": "s3://private/vit.onnx", **PIN}, Reason.SourceForbidden),
        (7, {"uri": "s3://models/bundles/vit/"}, Reason.InvalidRequest),
    ],
)
def test_a_pod_does_not_fall_back_to(size: int, source: dict[str, str], reason: Reason) -> None:
    with pytest.raises(IgnitionError) as refused:
        model_of(size, most=8, **source)

    assert refused.value.reason is reason
