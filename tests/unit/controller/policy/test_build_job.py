"""The builder Job, as it is built from a pool and a request."""

import json
from dataclasses import replace

import pytest

from fakeworld import IMAGE, make_pool, make_request
from ignition_builder.report import kind_of
from ignition_hub.compatibility.tenants import Scheduling
from ignition_hub.controller.policy.build_job import (
    GIB,
    JobSettings,
    build_job,
    failure_policy,
    work_bytes,
)
from ignition_hub.controller.policy.job_status import view_of
from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.ports import ModelFacts
from ignition_hub.controller.policy.resolution import build_request, resolved_inputs
from ignition_hub.controller.policy.views import BuildParameters, Patience, ResolvedTarget, TensorRTRequest
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ENDINGS, TransientError
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
)
from ignition_hub.engine.pinned import MOST_FILE_BYTES
from largestengine import largest_engine

SETTINGS = JobSettings(gateway_url="https://gateway.example.com")
REQUEST = make_request()
REQUEST_BYTES = 128 * 1024
"""Half of what Kubernetes takes as the annotations of one object."""


def job(build=BuildParameters(patience=Patience(600, 1)), **pool):  # noqa: B008  # frozen
    return build_job(REQUEST, make_pool(**pool), build, SETTINGS)


def pod_spec(**pool):
    return job(**pool)["spec"]["template"]["spec"]


def test_a_job_is_named_by_its_identity_and_carries_its_request():
    body = job()

    assert body["metadata"]["name"] == f"ignition-build-{REQUEST.identity[:32]}"
    assert body["metadata"]["labels"]["ignitionhub.io/identity"] == REQUEST.identity[:32]
    assert json.loads(body["metadata"]["annotations"][ANNOTATION_REQUEST]) == REQUEST.to_json()


def test_a_job_carries_the_rebuild_request_it_answers_and_tells_it_again():
    body = build_job(REQUEST, make_pool(), BuildParameters(), SETTINGS, rebuild="2026-01-01T00:00:00Z")

    assert body["metadata"]["annotations"][ANNOTATION_REBUILD] == "2026-01-01T00:00:00Z"
    assert view_of(body, now=0.0).rebuild == "2026-01-01T00:00:00Z"
    assert ANNOTATION_REBUILD not in job()["metadata"]["annotations"]
    assert view_of(job(), now=0.0).rebuild is None


def test_a_job_has_bounds():
    spec = job()["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (1, 600)
    assert spec["ttlSecondsAfterFinished"] > 0


def test_hopeless_codes_fail_the_job_and_disruptions_do_not_count():
    hopeless, disruption = failure_policy()["rules"]

    values = hopeless["onExitCodes"]["values"]
    assert set(values) == {row.builder for row in ENDINGS.values() if row.builder and 10 <= row.builder < 30}
    assert hopeless["action"] == "FailJob"
    assert not {30, 31, 32, 33, 137, 143} & set(values)
    assert disruption["action"] == "Ignore"
    assert disruption["onPodConditions"][0]["type"] == "DisruptionTarget"


@pytest.mark.parametrize("reason", [reason for reason, row in ENDINGS.items() if row.builder is not None])
def test_what_is_worth_another_attempt_is_the_same_to_the_builder_and_to_its_job(reason):
    hopeless = failure_policy()["rules"][0]["onExitCodes"]["values"]

    assert (kind_of(reason) is TransientError) == (ENDINGS[reason].builder not in hopeless)


def test_the_builder_pod_meets_the_restricted_profile():
    spec = pod_spec()
    [container] = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if {"hostPath", "secret"} & volume.keys()]


def test_the_only_token_is_for_the_gateway():
    tokens = [volume["projected"]["sources"] for volume in pod_spec()["volumes"] if "projected" in volume]

    assert [source["serviceAccountToken"]["audience"] for [source] in tokens] == ["ignition-hub"]


def test_the_pool_shapes_the_pod():
    spec = pod_spec(
        nodeSelector={"a": "b"},
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
        runtimeClassName="nvidia",
        hostUsers=False,
        resources={"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
    )

    assert spec["nodeSelector"] == {"a": "b"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["hostUsers"] is False
    assert "hostUsers" not in pod_spec()
    assert spec["containers"][0]["image"] == IMAGE
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}}


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ({}, {}),
        ({"aheadOfTime": None, "gpu": {"arch": "sm_89"}}, {"nvidia.com/gpu": 1}),
        (
            {"gpu": {"arch": "sm_80"}, "resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}},
            {"nvidia.com/mig-1g.5gb": 1},
        ),
    ],
)
def test_only_a_gpu_pool_asks_for_a_gpu_and_only_when_it_names_no_other(pool, limits):
    assert pod_spec(**pool)["containers"][0]["resources"]["limits"] == limits


def test_a_pool_with_a_claim_template_asks_for_its_gpu_by_a_claim_and_by_no_resource():
    spec = pod_spec(
        aheadOfTime=None,
        gpu={"arch": "sm_89", "resourceClaimTemplateName": "l4"},
        resources={"limits": {"memory": "8Gi"}},
    )

    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "l4"}]
    assert spec["containers"][0]["resources"] == {
        "requests": {}, "limits": {"memory": "8Gi"}, "claims": [{"name": "gpu"}]
    }  # fmt: skip
    assert "resourceClaims" not in pod_spec()


def test_queue_and_priority_class_are_set_only_where_the_pool_decided_on_one():
    plain = job()
    queued = job(BuildParameters(scheduling=Scheduling("vision", "gpu-builds", "low")))

    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu-builds"
    assert queued["spec"]["template"]["spec"]["priorityClassName"] == "low"
    assert view_of(queued, now=0.0).tenant == "vision"
    assert "kueue.x-k8s.io/queue-name" not in plain["metadata"]["labels"]
    assert "priorityClassName" not in plain["spec"]["template"]["spec"]


def test_a_job_tells_again_how_it_was_asked_to_build():
    asked = replace(REQUEST, low_memory=True, timing_cache="Locked")
    told = view_of(build_job(asked, make_pool(), BuildParameters(), SETTINGS), now=0.0)

    assert (told.low_memory, told.timing_cache) == (True, "Locked")


def test_the_work_volume_grows_with_the_model():
    assert work_bytes(replace(REQUEST, source_size=None)) == 4 * GIB
    assert work_bytes(replace(REQUEST, source_size=10 * GIB)) == 60 * GIB


def test_the_work_volume_has_room_for_the_other_files_of_a_request():
    accuracy = {"inputs": {"source": {"uri": "s3://models/inputs.npz", "sha256": "9f" * 32}}}
    inputs = replace(make_request().inputs, verification={"accuracy": accuracy})
    request = replace(make_request(), inputs=inputs, verification=inputs.verification)

    assert work_bytes(request) == 4 * GIB + MOST_FILE_BYTES


def test_the_request_of_the_largest_engine_has_at_most_128_kib():
    body = largest_engine()
    engine = engine_snapshot({**body, "metadata": {**body["metadata"], "namespace": "n" * 63}})
    newest = TensorRTRequest("TensorRT", "1000.10000.10000.10000")
    inputs = resolved_inputs(engine, engine.targets[0], ModelFacts("etag", 2**40), newest, "linux-x86_64")
    resolved = ResolvedTarget(identity=identity_of(inputs), inputs=inputs, pool="pool", tier="Native")

    request = canonical_json(build_request(engine, resolved, 2**40).to_json())

    assert REQUEST_BYTES * 0.8 < len(request) <= REQUEST_BYTES
