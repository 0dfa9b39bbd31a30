"""What must agree with an upload before anything is signed, and what becomes of unfinished uploads."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.plan_header import PlanHeader
from ignition_hub.engine.protocol import Completion
from ignition_hub.engine.request import BuildRequest
from ignition_hub.gateway.artifacts.publishing import manifest_of
from ignition_hub.gateway.artifacts.upload_check import UploadRejected, check_facts, check_header
from ignition_hub.gateway.artifacts.uploads import abort_uploads
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.store.errors import AccessDenied
from ignition_hub.store.objects import UnfinishedUpload
from storefixtures import SHA, make_facts, make_inputs

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEADER = PlanHeader("TensorRTRTX", "1.7.1.116", 100, ("sm_89",), 0)


def make_build(*, model_sha256=None, builder_image=None):
    inputs = make_inputs()
    request = BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=model_sha256,
        model_uri="s3://models/resnet50.onnx",
        source_size=9,
        options={},
        verification={},
        timeout_seconds=60,
        low_memory=False,
        name="x.trt",
        namespace="vision",
        engine_resource="resnet50",
    )
    return Build(request, "job", "uid", builder_image, rebuild=False)


def test_the_header_that_was_asked_for_passes():
    check_header(HEADER, make_inputs(), 100)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            HEADER._replace(flavor="TensorRT"),
            "was built with TensorRT 1.7.1.116; TensorRTRTX 1.7.1.116 was requested",
        ),
        (HEADER._replace(version="1.7.2.116"), "was built with TensorRTRTX 1.7.2.116"),
        (HEADER._replace(capabilities=()), "contains code for no architecture"),
        (HEADER._replace(capabilities=("sm_86", "sm_89")), "contains code for sm_86, sm_89"),
        (HEADER._replace(size=99), "plan's header says 99 bytes; the object has 100"),
        (HEADER._replace(ultralytics_prefix=8), "preceded by metadata"),
    ],
)
def test_another_header_is_rejected_with_what_was_found(header, words):
    with pytest.raises(UploadRejected) as refused:
        check_header(header, make_inputs(), 100)

    assert words in refused.value.message


def test_a_tensorrt_plan_says_nothing_about_architectures():
    inputs = make_inputs(flavor="TensorRT", tensorrt_version="10.13.2.6")

    check_header(PlanHeader("TensorRT", "10.13.2.6", 7, (), 0), inputs, 7)


def test_an_account_of_another_tensorrt_is_rejected():
    with pytest.raises(UploadRejected, match=r"built with TensorRTRTX 1\.6\.0\.1"):
        check_facts(make_build(), make_facts(tensorrt_version="1.6.0.1"))


def test_a_pinned_model_must_be_the_one_that_was_built_from():
    check_facts(make_build(model_sha256="cd" * 32), make_facts())
    with pytest.raises(UploadRejected, match="is pinned"):
        check_facts(make_build(model_sha256="ab" * 32), make_facts())


def test_the_manifest_names_the_image_the_kubelet_saw_not_the_one_the_builder_claims():
    build = make_build(builder_image="registry.example.com/builder@sha256:1234")
    paths = StorePaths("ignition", build.request.inputs, build.request.identity)
    facts = make_facts(builder_image="registry.example.com/lie@sha256:0000")
    upload = Completion("u", paths.engine(SHA), SHA, 3, ("e",), facts, "")

    manifest = manifest_of(build, upload, paths, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert manifest.build.builder_image == "registry.example.com/builder@sha256:1234"
    assert manifest.built_at == "2026-01-02T03:04:05Z"
    assert manifest.inputs.model.fingerprint == fingerprint("s3://models/resnet50.onnx", etag="e1", size=9)


class Objects:
    """Unfinished uploads of one folder, in no order."""

    def __init__(self, *ages, refuses=False):
        self.uploads = [UnfinishedUpload("folder/x", str(age), NOON - timedelta(seconds=age)) for age in ages]
        self.refuses, self.aborted = refuses, []

    def unfinished_uploads(self, prefix):
        assert prefix == "folder/"
        if self.refuses:
            raise AccessDenied("the bucket does not permit list_multipart_uploads with these credentials")
        return self.uploads

    def abort_upload(self, key, upload_id):
        assert key == "folder/x"
        self.aborted.append(upload_id)


def aborted(objects, keep):
    abort_uploads(SimpleNamespace(objects=objects), "folder", keep=keep)
    return objects.aborted


def test_the_latest_uploads_stay():
    assert aborted(Objects(5, 1, 9), keep=1) == ["9", "5"]
    assert aborted(Objects(5), keep=1) == []
    assert aborted(Objects(), keep=1) == []
    assert aborted(Objects(5, 1), keep=0) == ["5", "1"]


def test_a_store_that_lists_no_uploads_stops_no_build(caplog):
    assert aborted(Objects(5, refuses=True), keep=0) == []

    assert "unfinished uploads of folder cannot be aborted" in caplog.text
