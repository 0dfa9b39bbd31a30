"""What the gateway answers, the fetcher places and the store keeps is what the runtime believes."""

import json

import pytest

from fakeruntime import Engine
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.gateway import read_resolved
from ignition_hub.fetch.place import EnginePaths, write_record
from ignition_hub.runtime import EngineRefused
from ignition_hub.runtime.fitting import require_same_plan
from ignition_hub.runtime.loading import look_at
from ignition_hub.runtime.vouched import LARGEST_DOCUMENT, voucher_of
from resolvedanswers import resolved

ENGINE = Engine()


@pytest.fixture
def paths(tmp_path):
    """An alias as the fetcher leaves it: the gateway's answer went through the fetcher's own code."""
    paths = EnginePaths(tmp_path / "resnet")
    paths.folder.mkdir()
    gpu = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
    answer = json.loads(json.dumps(resolved("resnet", gpu, ENGINE.manifest)))
    write_record(read_resolved("resnet", answer), paths)
    paths.engine.write_bytes(ENGINE.data)
    return paths


def test_what_the_fetcher_places_is_vouched_for_by_its_record(paths):
    voucher = voucher_of(paths.engine)

    assert voucher is not None
    assert voucher.document == paths.record
    assert (voucher.sha256, voucher.size) == (ENGINE.manifest.engine.sha256, len(ENGINE.data))
    assert voucher.manifest == ENGINE.manifest


def test_what_lies_nearest_to_the_file_counts(paths):
    manifest = Engine(body=b"another").manifest
    paths.engine.with_name("model.engine.json").write_bytes(manifest.to_bytes())

    assert voucher_of(paths.engine).manifest == manifest


def test_a_folder_without_documents_vouches_for_nothing(tmp_path):
    assert voucher_of(tmp_path / "model.engine") is None


def test_a_document_that_is_too_large_is_not_read(paths):
    paths.record.chmod(0o644)
    with paths.record.open("wb") as file:
        file.truncate(LARGEST_DOCUMENT + 1)

    with pytest.raises(EngineRefused, match="larger than 16777216 bytes") as refused:
        voucher_of(paths.engine)
    assert refused.value.reason is Reason.ManifestRefused


def test_a_manifest_of_a_newer_hub_says_what_to_upgrade(paths):
    record = json.loads(paths.record.read_text())
    record["manifest"]["build"]["quantumness"] = 1
    record["manifest"]["build"]["checked"] = "twice"
    paths.record.chmod(0o644)
    paths.record.write_text(json.dumps(record))

    with pytest.raises(EngineRefused, match="checked: 'twice' is not known") as refused:
        voucher_of(paths.engine)
    assert "upgrade ignition-hub here" in refused.value.remedy


def test_a_digest_that_is_none_is_refused(tmp_path):
    manifest = ENGINE.manifest.to_json()
    manifest["engine"]["sha256"] = "sha256:abc"
    (tmp_path / "a.trt.json").write_text(json.dumps(manifest))

    with pytest.raises(EngineRefused, match="'sha256:abc' is not a SHA-256"):
        voucher_of(tmp_path / "a.trt")


def test_a_plan_whose_build_number_does_not_fit_into_its_header_is_still_its_manifests(tmp_path):
    large = Engine(inputs={"tensorrt_version": "10.13.2.300"})
    found = look_at(large.fetched(tmp_path))

    assert found.header.version == "10.13.2.44"
    require_same_plan(found.path, found.header, large.manifest)
    with pytest.raises(EngineRefused, match=r"10\.13\.2\.44 plan"):
        require_same_plan(found.path, found.header, ENGINE.manifest)
