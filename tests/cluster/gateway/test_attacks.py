"""What tenants, builders gone bad and writers of the bucket try, against a real gateway process."""

import hashlib
import urllib.error
from dataclasses import replace

import pytest

from gateway_harness import (
    BUILDS,
    HUB,
    apply_engine,
    make_team,
    plan,
    published,
    put,
    ready_target,
    resolve,
)
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import StorePaths

pytestmark = pytest.mark.cluster

MERGE = "application/merge-patch+json"


def engine_path(team):
    return f"/apis/ignitionhub.io/v1alpha1/namespaces/{team}/tensorrtengines/resnet50"


def change_source(hub, team, **source):
    """Change the spec as a tenant does, and the status as only its controller should."""
    changed = hub.api.ask("PATCH", engine_path(team), {"spec": {"model": {"source": source}}}, media=MERGE)
    assert changed.status == 200, changed.message
    status = {"status": {"observedGeneration": changed.body["metadata"]["generation"]}}
    assert hub.api.ask("PATCH", f"{engine_path(team)}/status", status, media=MERGE).status == 200


def test_a_spoofed_status_gives_nobody_an_engine_of_bytes_it_does_not_pin(hub, team, request_):
    builder = hub.builder(hub.job(request_))
    done = hub.complete(builder, hub.upload(builder, plan()))
    thief = make_team(hub)
    apply_engine(hub, thief, [ready_target(hub, request_, done.body)])
    change_source(hub, thief, sha256="12" * 32)

    answer = resolve(hub, thief)

    assert (answer.status, answer.reason) == (422, "ManifestRefused")
    assert "another source" in answer.message


def test_a_spoofed_status_gives_nobody_an_engine_of_a_model_it_may_not_read(hub, team, request_):
    builder = hub.builder(hub.job(request_))
    done = hub.complete(builder, hub.upload(builder, plan()))
    thief = make_team(hub)
    apply_engine(hub, thief, [ready_target(hub, request_, done.body)])
    change_source(hub, thief, uri="s3://secrets/model.onnx")

    answer = resolve(hub, thief)

    assert (answer.status, answer.reason) == (403, "SourceForbidden")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://engines/ignition/models/another/secret/file/x",
        "s3://engines/ignition/engines/other/0000000000000000/1111111111111111/x.trt",
        "nonsense",
        "s3://engines/../x",
    ],
)
def test_a_status_is_no_way_to_ask_for_any_object(hub, team, request_, uri):
    apply_engine(hub, team, [ready_target(hub, request_, {"uri": uri})])

    answer = resolve(hub, team)

    assert (answer.status, answer.reason) == (422, "ManifestRefused")
    assert "does not exist" not in answer.message


@pytest.mark.parametrize("name", [".", "..", "%2e", "%2e%2e", "UPPER", "x%2f..%2fy", "a%00b"])
def test_what_is_no_name_of_an_engine_is_not_looked_up(hub, team, name):
    token = hub.token(team, pod=hub.pod(team))

    answer = hub.gateway.ask("POST", f"/v1/engines/{name}/resolve", {}, token=token)

    assert answer.status == 404, answer.message


@pytest.mark.parametrize("namespace", [".", "..", "../..", "a/b", "Team", "x" * 64])
def test_admission_looks_into_no_namespace_that_is_none(hub, namespace):
    request = {"uid": "u1", "namespace": namespace, "operation": "CREATE", "object": {}}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

    answer = hub.gateway.ask("POST", "/mutate", body)

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert "is not a namespace" in answer.message


def test_admission_reads_no_more_than_a_pod_can_have(hub):
    answer = hub.gateway.ask("POST", "/mutate", {"pad": "x" * (5 * 1024 * 1024)})

    assert answer.status == 413


def test_a_builder_pod_gets_no_engine(hub, request_):
    answer = hub.gateway.ask("POST", "/v1/engines/resnet50/resolve", {}, token=hub.builder(hub.job(request_)))

    assert (answer.status, answer.reason) == (404, "EngineNotFound")


@pytest.mark.parametrize("namespace", [BUILDS, HUB])
def test_the_hubs_own_namespaces_push_no_models(hub, namespace):
    data = b"onnx"
    headers = {"X-Content-SHA256": hashlib.sha256(data).hexdigest()}

    answer = hub.gateway.ask("POST", "/v1/models", data, token=hub.token(namespace), headers=headers)

    assert (answer.status, answer.reason) == (403, "NotPermitted")


def test_a_build_that_has_ended_publishes_nothing_any_more(hub, request_):
    job = hub.job(request_)
    token = hub.builder(job)
    body = hub.upload(token, plan())
    path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}/status"
    now = "2026-01-02T03:04:05Z"
    conditions = [
        {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": now}
        for kind in ("FailureTarget", "Failed")
    ]
    ended = hub.api.ask("PATCH", path, {"status": {"startTime": now, "conditions": conditions}}, media=MERGE)
    assert ended.status == 200, ended.message

    answer = hub.complete(token, body)

    assert (answer.status, answer.reason) == (404, "BuildNotFound")
    assert published(hub, request_) is None


def test_a_rebuild_cannot_delete_the_engine_that_is_in_use(hub, request_):
    job = hub.job(request_)
    token = hub.builder(job)
    done = hub.complete(token, hub.upload(token, plan()))
    path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}"
    asked = {"metadata": {"annotations": {"ignitionhub.io/rebuild-requested-at": "now"}}}
    assert hub.api.ask("PATCH", path, asked, media=MERGE).status == 200
    # The key holds 16 digits of the digest: a claim with the same 16 leads to the engine in use.
    sha256 = hashlib.sha256(plan()).hexdigest()

    hub.complete(token, hub.upload(token, plan(), sha256=sha256[:16] + "0" * 48))

    assert hub.store.digest(done.body["uri"].removeprefix("s3://engines/")) == (sha256, len(plan()))


def test_a_log_that_is_no_text_does_not_keep_an_engine_from_being_published(hub, request_):
    token = hub.builder(hub.job(request_))

    answer = hub.complete(token, {**hub.upload(token, plan()), "log": "layer \ud800"})

    assert answer.status == 200, answer.message
    assert published(hub, request_) is not None


def test_a_damaged_manifest_does_not_hide_the_next_engine_that_loads(hub, team, request_):
    inputs = replace(request_.inputs, compatibility="Product", product="NVIDIA-L4")
    exact = replace(request_, inputs=inputs, identity=identity_of(inputs))
    builders = [hub.builder(hub.job(each)) for each in (exact, request_)]
    best, next_ = (hub.complete(builder, hub.upload(builder, plan())).body for builder in builders)
    product = {"name": "l4", "compatibility": "Product", "product": "NVIDIA-L4"}
    targets = [ready_target(hub, exact, best, **product), ready_target(hub, request_, next_)]
    apply_engine(hub, team, targets)
    hub.store.put(best["manifest_key"], b"{}")

    answer = resolve(hub, team)

    assert answer.status == 200, answer.message
    assert answer.body["identity"] == request_.identity
    selection = answer.body["selection"]
    assert (selection["target"], selection["fit"]) == ("sm-89", "built for every sm_89")
    assert [one["target"] for one in selection["passed_over"]] == ["l4"]
    assert "the manifest cannot be read" in selection["passed_over"][0]["reason"]


def test_a_part_holds_no_more_than_the_upload_announced(hub, request_):
    token = hub.builder(hub.job(request_))
    body = {"size": 3, "sha256": "ab" * 32}
    [part] = hub.gateway.ask("POST", "/v1/builds/self/upload", body, token=token).body["parts"]

    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        put(part["url"], b"four")
    refused.value.close()

    assert put(part["url"], b"mut")


def test_a_builder_that_begins_again_and_again_holds_two_uploads(hub, request_):
    token = hub.builder(hub.job(request_))
    folder = StorePaths("ignition", request_.inputs, request_.identity).folder

    bodies = [hub.upload(token, plan(extra=b"%d" % number)) for number in range(5)]

    unfinished = {each.upload_id for each in hub.store.unfinished_uploads(f"{folder}/")}
    assert len(unfinished) == 2
    assert bodies[-1]["upload_id"] in unfinished
    assert hub.complete(token, bodies[-1]).status == 200
    assert hub.store.unfinished_uploads(f"{folder}/") == []


def test_a_builder_that_comes_too_late_leaves_no_upload(hub, request_):
    job = hub.job(request_)
    first, second = hub.builder(job), hub.builder(job)
    one, two = hub.upload(first, plan()), hub.upload(second, plan(extra=b"other"))
    assert hub.complete(first, one).status == 200

    assert hub.complete(second, two).status == 200
    late = hub.upload(second, plan(extra=b"later"))
    assert hub.complete(second, late).status == 200

    folder = StorePaths("ignition", request_.inputs, request_.identity).folder
    assert hub.store.unfinished_uploads(f"{folder}/") == []


def test_an_engine_beyond_the_limit_is_not_even_read(hub, request_):
    token = hub.builder(hub.job(request_))

    answer = hub.complete(token, {**hub.upload(token, plan()), "size": 2**50})

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
