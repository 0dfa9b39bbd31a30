"""
The gateway as its clients meet it: a real process, a real API server reviewing real tokens, a real S3 server.
"""

import base64
import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from gateway_harness import (
    BUILDS,
    MODEL,
    apply_engine,
    make_team,
    plan,
    published,
    read,
    ready_target,
    resolve,
)
from gatewayprocess import running_gateway, wait_for
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.names import ANNOTATION_REBUILD
from ignition_hub.engine.request import BuildGrant
from s3server import CHOSEN
from storefixtures import make_facts

pytestmark = pytest.mark.cluster


@pytest.fixture
def job(hub, request_):
    return hub.job(request_)


@pytest.fixture
def builder(hub, job):
    return hub.builder(job)


def test_an_engine_goes_from_a_builder_to_a_pod(hub, team, request_, job, builder):
    grant = BuildGrant.from_json(hub.gateway.ask("GET", "/v1/builds/self", token=builder).body)
    assert grant.request == request_
    assert (read(grant.model_url), grant.model_size) == (MODEL, len(MODEL))

    engine = plan()
    body = hub.upload(builder, engine)
    assert published(hub, request_) is None
    done = hub.complete(builder, body)

    assert done.status == 200, done.message
    manifest = published(hub, request_)
    assert manifest.engine.sha256 == hashlib.sha256(engine).hexdigest()
    assert done.body["uri"] == f"s3://engines/{manifest.engine.key}"
    assert hub.complete(builder, body).body == done.body

    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    answer = resolve(hub, team)
    assert answer.status == 200, answer.message
    assert read(answer.body["url"]) == engine
    assert answer.body["gpu"] == {"arch": "sm_89", "product": "NVIDIA-L4", "platform": None}
    assert answer.body["sha256"] == manifest.engine.sha256
    assert answer.body["file_name"] == "resnet50_v1_fp16_sm_89_1.7.1.trt"


def annotate(hub, job, document):
    """Write a request onto a Job as a controller of another release does."""
    path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}"
    annotations = {"ignitionhub.io/request": canonical_json(document).decode()}
    patch = {"metadata": {"annotations": annotations}}
    hub.api.ask("PATCH", path, patch, media="application/merge-patch+json")


def test_a_builder_and_a_controller_of_a_later_release_get_an_engine_published(hub, request_, job):
    annotate(hub, job, request_.to_json() | {"addedLater": 1})
    builder = hub.builder(job)

    grant = hub.gateway.ask("GET", "/v1/builds/self", token=builder)
    body = hub.upload(builder, plan()) | {"addedLater": 1}
    body["facts"] |= {"addedLater": 1}
    done = hub.complete(builder, body)

    assert BuildGrant.from_json(grant.body).request == request_
    assert (done.status, published(hub, request_).engine.sha256) == (200, body["sha256"])


def test_a_request_that_only_a_later_gateway_knows_waits_for_it(hub, request_, job):
    annotate(hub, job, request_.to_json() | {"timing_cache": "AddedLater"})

    answer = hub.gateway.ask("GET", "/v1/builds/self", token=hub.builder(job))

    assert (answer.status, answer.reason) == (503, "NewerRelease")
    assert "upgrade" in answer.message


def test_progress_and_failure_are_written_onto_the_job(hub, job, builder):
    for percent in (1, 2, 3):
        body = {"phase": "Building engine", "percent": percent}
        assert hub.gateway.ask("POST", "/v1/builds/self/progress", body, token=builder).status == 204
    body = {"reason": "UnsupportedOperator", "message": "node Foo_1", "exit_code": 11}
    assert hub.gateway.ask("POST", "/v1/builds/self/failed", body, token=builder).status == 204

    annotations = hub.annotations(job)
    # The second and third came within five seconds of the first.
    assert json.loads(annotations["ignitionhub.io/progress"]) == {"phase": "Building engine", "percent": 1}
    assert json.loads(annotations["ignitionhub.io/failure"]) == {
        "reason": "UnsupportedOperator", "message": "node Foo_1", "exitCode": 11
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (plan(arch=0x04), "contains code for sm_86; sm_89 was requested"),
        (plan(version=(1, 6, 1, 33)), "was built with TensorRTRTX 1.6.1.33"),
        (plan()[:-1], "bytes; the object has"),
        (
            b"#!/bin/sh" + b"#" * 64,
            "not a TensorRT plan",
        ),
    ],
)
def test_a_plan_that_was_not_asked_for_is_neither_published_nor_kept(hub, request_, builder, data, why):
    body = hub.upload(builder, data)

    refused = hub.complete(builder, body)

    assert (refused.status, refused.reason) == (422, "UploadRejected")
    assert why in refused.message
    assert hub.store.head(body["key"]) is None
    assert published(hub, request_) is None


def test_a_builder_that_lies_about_the_digest_publishes_nothing(hub, request_, builder):
    body = hub.upload(builder, plan(), sha256="ab" * 32)

    refused = hub.complete(builder, body)

    assert (refused.status, refused.reason) == (422, "UploadRejected")
    assert "the builder reported abab" in refused.message
    assert published(hub, request_) is None


@pytest.mark.parametrize("lie", [{"size": 1}, {"facts": make_facts(tensorrt_version="1.6.0.1").to_json()}])
def test_a_builder_that_lies_takes_nothing_from_another_that_built_the_same_bytes(
    hub, request_, builder, lie
):
    body = hub.upload(builder, plan())
    hub.store.put(body["key"], plan())  # of another build, which is about to publish it

    refused = hub.complete(builder, {**body, **lie})

    assert (refused.status, refused.reason) == (422, "UploadRejected")
    assert hub.store.get(body["key"], 1 << 20) == plan()
    assert hub.complete(builder, body).status == 200
    assert published(hub, request_).engine.key == body["key"]


def test_a_builder_cannot_name_another_key(hub, request_, builder):
    body = {**hub.upload(builder, plan()), "key": "ignition/engines/victim/0/0/x.trt"}

    refused = hub.complete(builder, body)

    assert (refused.status, refused.reason) == (422, "UploadRejected")
    assert "this build may not write to key" in refused.message


def test_a_model_that_was_replaced_meanwhile_publishes_nothing(hub, request_, builder):
    body = hub.upload(builder, plan())
    hub.models.put(request_.model_uri.rpartition("/")[2], b"another model")

    assert hub.complete(builder, body).reason == "ModelDigestMismatch"
    assert hub.gateway.ask("GET", "/v1/builds/self", token=builder).reason == "ModelDigestMismatch"
    assert published(hub, request_) is None


def test_two_builders_of_one_engine_get_one_answer(hub, request_, job):
    first, second = hub.builder(job), hub.builder(job)
    one, two = (
        hub.upload(token, plan(extra=extra)) for token, extra in ((first, b"1" * 99), (second, b"2" * 99))
    )

    answers = [hub.complete(first, one), hub.complete(second, two)]

    assert [a.status for a in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_a_build_for_a_rebuild_request_replaces_what_is_published(hub, request_, job, builder):
    assert hub.complete(builder, hub.upload(builder, plan())).status == 200
    path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}"
    asked = {"metadata": {"annotations": {ANNOTATION_REBUILD: "2026-01-01T00:00:00Z"}}}
    assert hub.api.ask("PATCH", path, asked, media="application/merge-patch+json").status == 200
    again, better = hub.builder(job), plan(extra=b"better code " * 100)

    answer = hub.complete(again, hub.upload(again, better))

    assert answer.status == 200
    assert published(hub, request_).engine.sha256 == hashlib.sha256(better).hexdigest()


def test_only_builders_may_speak_about_builds(hub, team, job):
    tenant = hub.token(team, pod=hub.pod(team))
    other_account = hub.builder(job, account="default")
    unbound = hub.token(BUILDS, "ignition-builder")

    for token in (tenant, other_account, unbound):
        answer = hub.gateway.ask("GET", "/v1/builds/self", token=token)
        assert (answer.status, answer.reason) == (403, "NotPermitted")


def test_a_pod_that_no_job_made_has_no_build(hub):
    pod = hub.pod(BUILDS, account="ignition-builder", labels={"batch.kubernetes.io/job-name": "made-up"})

    answer = hub.gateway.ask("GET", "/v1/builds/self", token=hub.token(BUILDS, "ignition-builder", pod=pod))

    assert (answer.status, answer.reason) == (404, "BuildNotFound")


def test_a_job_under_another_builds_name_has_no_build(hub, request_):
    job = hub.job(request_, name="ignition-build-" + "0" * 32)

    assert hub.gateway.ask("GET", "/v1/builds/self", token=hub.builder(job)).reason == "BuildNotFound"


def test_a_token_for_another_audience_is_refused(hub, team):
    for token in ("", "garbage", hub.token(team, audience="somebody-else")):
        answer = hub.gateway.ask("POST", "/v1/engines/x/resolve", {}, token=token)
        assert (answer.status, answer.reason) == (401, "TokenRejected")


def test_an_engine_of_another_namespace_does_not_exist(hub, team, request_, builder):
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    other = make_team(hub)

    answer = resolve(hub, other)

    assert (answer.status, answer.reason) == (404, "EngineNotFound")
    assert other in answer.message


@pytest.mark.parametrize(
    ("node", "changes", "observed", "status", "reason", "words"),
    [
        ("gpu-a10", {}, None, 422, "NoEngineForGPU", "NVIDIA-A10 (sm_86): its targets are for sm_89 (Ready)"),
        ("cpu-only", {}, None, 422, "NoEngineForGPU", "node cpu-only: no label tells its GPU"),
        ("gpu-l4", {"state": "Building"}, None, 409, "EngineNotReady", "sm-89 is Building"),
        ("gpu-l4", {"state": "Failed", "message": "bad model"}, None, 422, "NoEngineForGPU", "(bad model)"),
        ("gpu-l4", {}, 0, 409, "EngineNotReady", "not processed yet"),
        ("gpu-l4", {"identity": "0" * 64}, None, 422, "ManifestRefused", "not 0000"),
    ],
)
def test_a_pod_hears_why_it_gets_no_engine(
    *, hub, team, request_, builder, node, changes, observed, status, reason, words
):
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body, **changes)], observed=observed)

    answer = resolve(hub, team, node=node)

    assert (answer.status, answer.reason) == (status, reason)
    assert words in answer.message


def test_an_engine_or_manifest_changed_in_the_bucket_is_not_handed_out(hub, team, request_, builder):
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    key = done.body["uri"].removeprefix("s3://engines/")

    hub.store.put(key, b"malicious, and of another size")
    answer = resolve(hub, team)
    assert (answer.status, answer.reason) == (422, "ManifestRefused")
    assert "30 bytes" in answer.message

    original = hub.store.get(done.body["manifest_key"], 1 << 20)
    sha256 = hashlib.sha256(plan()).hexdigest()
    hub.store.put(done.body["manifest_key"], original.replace(sha256.encode(), b"66" * 32))
    answer = resolve(hub, team)
    assert (answer.status, answer.reason) == (422, "ManifestRefused")


def test_an_engine_that_was_replaced_is_not_handed_out_when_it_is_put_back(hub, team, request_, builder):
    done = hub.complete(builder, hub.upload(builder, plan()))
    there = published(hub, request_)
    later = {"identity": request_.identity, "sha256": "ab" * 32, "builtAt": "2999-01-01T00:00:00Z"}
    tie = later | {"builtAt": there.built_at}
    earlier = later | {"builtAt": "2020-01-01T00:00:00Z"}
    own = tie | {"sha256": there.engine.sha256}

    for number, (newest, status) in enumerate([(later, 422), (tie, 422), (earlier, 200), (own, 200)]):
        name = f"resnet50-{number}"
        apply_engine(hub, team, [ready_target(hub, request_, done.body, newest=newest)], name=name)
        answer = resolve(hub, team, name=name)
        assert answer.status == status, answer.message
        assert status == 200 or (answer.reason, "was put back" in answer.message) == ("ManifestRefused", True)


def test_an_engine_that_is_gone_is_waited_for_until_a_builder_has_replaced_it(hub, team, request_, job):
    first, second = hub.builder(job), hub.builder(job)
    done = hub.complete(first, hub.upload(first, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    hub.store.delete(done.body["uri"].removeprefix("s3://engines/"))

    answer = resolve(hub, team)
    assert (answer.status, answer.reason) == (409, "EngineNotReady")
    assert "no longer exists: it will be rebuilt" in answer.message
    assert published(hub, request_) is None

    another = plan(extra=b"other code " * 100)
    again = hub.complete(second, hub.upload(second, another))
    assert again.status == 200, again.message
    assert published(hub, request_).engine.sha256 == hashlib.sha256(another).hexdigest()


def test_a_status_that_points_at_another_model_is_refused(hub, team, request_, builder):
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    path = f"/apis/ignitionhub.io/v1alpha1/namespaces/{team}/tensorrtengines/resnet50"
    patch = {"spec": {"model": {"version": "v2"}}}
    generation = hub.api.ask("PATCH", path, patch, media="application/merge-patch+json").body["metadata"][
        "generation"
    ]
    status = {"status": {"observedGeneration": generation}}
    hub.api.ask("PATCH", f"{path}/status", status, media="application/merge-patch+json")

    answer = resolve(hub, team)

    assert (answer.status, answer.reason) == (422, "ManifestRefused")
    assert "resnet50 v2 fp16 sm_89 was requested" in answer.message


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("upload", {"size": 0, "sha256": "ab" * 32}, "size: 0"),
        ("upload", {"size": 1, "sha256": "AB"}, "sha256: 'AB'"),
        ("upload", {"size": 1 << 36, "sha256": "ab" * 32, "part_size": 5 << 20}, "use at least"),
        ("complete", {}, "missing"),
        ("progress", {"phase": "x", "percent": 101}, "percent: 101"),
        ("failed", {"reason": "because", "message": "", "exit_code": 1}, "'because'"),
        ("progress", b"{", "not JSON"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_field(hub, builder, path, body, words):
    answer = hub.gateway.ask("POST", f"/v1/builds/self/{path}", body, token=builder)

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert words in answer.message


def test_a_source_the_namespace_may_not_read_is_not_granted(hub, request_):
    uri = "s3://engines/ignition/models/somebody-else/x.onnx"
    model = Model("resnet50", "v1", fingerprint(uri, etag="e", size=1))
    inputs = replace(request_.inputs, model=model)
    forged = replace(request_, model_uri=uri, inputs=inputs, identity=identity_of(inputs))

    answer = hub.gateway.ask("GET", "/v1/builds/self", token=hub.builder(hub.job(forged)))

    assert (answer.status, answer.reason) == (403, "SourceForbidden")


def test_admission_answers_with_a_patch_or_a_sentence(hub, team, request_, builder):
    done = hub.complete(builder, hub.upload(builder, plan()))

    def admit(engines):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "labels": {"ignitionhub.io/inject": "true"},
                "annotations": {"ignitionhub.io/engines": engines},
            },
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        }
        request = {"uid": "u1", "namespace": team, "operation": "CREATE", "object": pod}
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        return hub.gateway.ask("POST", "/mutate", body).body["response"]

    denied = admit("resnet50")
    assert not denied["allowed"]
    assert "resnet50" in denied["status"]["message"]

    # Younger than the memory of the namespace: found all the same.
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    admitted = admit("resnet50")
    assert admitted["allowed"]
    assert b"BEGIN CERTIFICATE" in base64.b64decode(admitted["patch"])


def test_unknown_paths_and_methods_are_answered_in_json(hub):
    assert hub.gateway.ask("GET", "/nothing").reason == "InvalidRequest"
    assert hub.gateway.ask("GET", "/v1/models").status == 405


def test_what_happened_is_counted(hub, builder):
    hub.complete(builder, hub.upload(builder, plan()))
    hub.gateway.ask("POST", "/v1/engines/secret-name/resolve", {})

    page = hub.gateway.metrics()
    assert 'ignition_gateway_engines_published_total{outcome="new"}' in page
    assert 'reason="TokenRejected",route="/v1/engines/{name}/resolve",status="401"' in page
    assert "secret-name" not in page
    assert "ignition_gateway_store_up 1.0" in page
    (held,) = re.findall(r"^ignition_gateway_store_conditional_writes ([01])\.0$", page, re.MULTILINE)
    assert bool(int(held)) in CHOSEN.may_keep_writers_apart
    [expiry] = re.findall(r"^ignition_gateway_certificate_expiry_timestamp_seconds (\S+)", page, re.MULTILINE)
    assert float(expiry) > time.time()
    assert 'ignition_gateway_api_wait_seconds_count{budget="reviews"}' in page


def test_the_keys_are_public(hub):
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"https://127.0.0.1:{hub.gateway.port}/v1/keys", timeout=5)

    assert len(hub.keys()) == 1


def test_a_gateway_stops_when_it_is_asked_to(hub, control_plane, tmp_path):
    with running_gateway(control_plane.kubeconfig, tmp_path / "second") as gateway:
        wait_for(gateway, "/readyz")

        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log()


def test_the_process_that_admits_pods_needs_no_key_and_serves_nothing_else(
    hub, team, control_plane, tmp_path
):
    flags = ("--serve=admission", "--signing-key=")
    with running_gateway(control_plane.kubeconfig, tmp_path / "admission", *flags) as admission:
        request = {
            "uid": "u",
            "namespace": team,
            "operation": "CREATE",
            "object": {"metadata": {}, "spec": {}},
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

        assert admission.ask("POST", "/mutate", review).body["response"]["allowed"]
        assert admission.ask("GET", "/v1/keys").status == 404
        assert admission.ask("POST", "/v1/engines/resnet50/resolve", {}).status == 404
        assert admission.stop() == 0


def test_a_gateway_of_pods_alone_admits_none(hub, control_plane, tmp_path):
    with running_gateway(control_plane.kubeconfig, tmp_path / "pods", "--serve=pods") as gateway:
        assert gateway.ask("POST", "/mutate", {}).status == 404
        assert gateway.ask("GET", "/v1/keys").status == 200
