"""What requests of pods cost the API server, as the API server counts it, beside a real gateway process."""

import base64
import json
import re
import time

import pytest

from gateway_harness import allow, apply_engine, plan, ready_target, remove_engines, resolve

pytestmark = pytest.mark.cluster

COUNTED = re.compile(
    r'^apiserver_request_total\{[^}]*resource="([a-z]+)"[^}]*verb="([A-Z]+)"[^}]*\} (\S+)', re.MULTILINE
)
COUNTED_KINDS = (
    "tensorrtengines",
    "nodes",
    "pods",
    "resourceclaims",
    "resourceslices",
    "enginestores",
    "tokenreviews",
    "events",
    "subjectaccessreviews",
)


def requests(control_plane):
    """Return how many requests but watches the API server has answered, by resource."""
    totals = dict.fromkeys(COUNTED_KINDS, 0)
    for resource, verb, count in COUNTED.findall(control_plane.kubectl("get", "--raw", "/metrics")):
        if resource in totals and verb != "WATCH":
            totals[resource] += int(float(count))
    assert min(totals["tensorrtengines"], totals["nodes"], totals["enginestores"]) > 0
    return totals


def settled(control_plane, events):
    """Return the requests once so many events are among them: they come after the answer."""
    deadline = time.monotonic() + 20
    while (found := requests(control_plane))["events"] < events and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def resolved(hub, team, control_plane):
    """Let a pod resolve its engine, and return the requests until its event was posted."""
    before = requests(control_plane)
    assert resolve(hub, team).status == 200
    return settled(control_plane, before["events"] + 1)


def segment(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_tokens_that_this_cluster_did_not_sign_cost_it_no_review(hub, control_plane):
    before = requests(control_plane)
    forged = f"{segment({'alg': 'RS256', 'kid': 'none'})}.{segment({'aud': 'ignition-hub'})}"

    answers = [
        hub.gateway.ask("POST", "/v1/engines/resnet50/resolve", {}, token=token)
        for token in ("junk", *(f"{forged}.{number:04}" for number in range(50)))
    ]

    assert {(answer.status, answer.reason) for answer in answers} == {(401, "TokenRejected")}
    assert requests(control_plane) == before


def test_a_resolve_costs_a_review_of_its_token_and_one_event_on_the_pod(hub, team, request_, control_plane):
    builder = hub.builder(hub.job(request_))
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    resolved(hub, team, control_plane)
    token = hub.token(team, pod=hub.pod(team))
    before = requests(control_plane)

    answers = [hub.gateway.ask("POST", "/v1/engines/resnet50/resolve", {}, token=token) for _ in range(10)]

    assert {answer.status for answer in answers} == {200}
    after = settled(control_plane, before["events"] + 1)
    assert after == {**before, "tokenreviews": before["tokenreviews"] + 1, "events": before["events"] + 1}


def test_a_catalog_costs_a_review_of_its_token_and_of_its_rights_and_nothing_else(hub, team, control_plane):
    allow(hub, team, "list")
    token = hub.token(team)
    before = requests(control_plane)

    answers = [hub.gateway.ask("GET", "/v1/catalog", token=token) for _ in range(10)]

    assert {answer.status for answer in answers} == {200}
    after = requests(control_plane)
    reviews = {"tokenreviews": before["tokenreviews"] + 1}
    # Of all namespaces first, then of its own.
    rights = {"subjectaccessreviews": before["subjectaccessreviews"] + 2}
    assert after == {**before, **reviews, **rights}


def test_a_catalog_for_a_person_costs_a_review_and_a_question_for_each_namespace(
    hub, team, control_plane, issuer
):
    remove_engines(hub)
    allow(hub, team, "list", people=[("User", "oidc:anna")])
    apply_engine(hub, team, [])
    deadline = time.monotonic() + 10
    while not (found := catalog(hub, issuer.token("anna"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    token, before = issuer.token("anna", groups=["new"]), requests(control_plane)

    answers = [catalog(hub, token) for _ in range(10)]

    assert answers == [found] * 10 == [[team]] * 10
    after = requests(control_plane)
    reviews = {"tokenreviews": before["tokenreviews"] + 1}
    # Of all namespaces first, then of the one that has engines.
    rights = {"subjectaccessreviews": before["subjectaccessreviews"] + 2}
    assert after == {**before, **reviews, **rights}


def catalog(hub, token):
    """Return the namespaces that a person is shown."""
    return hub.gateway.ask("GET", "/v1/catalog", token=token).body.get("namespaces")


def test_admission_costs_no_request(hub, team, request_, control_plane):
    builder = hub.builder(hub.job(request_))
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    resolved(hub, team, control_plane)
    metadata = {
        "labels": {"ignitionhub.io/inject": "true"},
        "annotations": {"ignitionhub.io/engines": "resnet50"},
    }
    pod = {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    request = {"uid": "u", "namespace": team, "operation": "CREATE", "object": pod}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    before = requests(control_plane)

    answers = [hub.gateway.ask("POST", "/mutate", review) for _ in range(10)]

    assert all(answer.body["response"]["allowed"] and answer.body["response"]["patch"] for answer in answers)
    assert requests(control_plane) == before


def test_what_a_pod_says_of_its_fetches_is_counted_and_costs_no_request(hub, team, control_plane):
    token = hub.token(team, pod=hub.pod(team))
    account = {"outcome": "fetched", "waited": 0.5, "seconds": 2.0, "fetched_bytes": 1234}
    before = requests(control_plane)

    said = hub.gateway.ask("POST", "/v1/fetches", {"engines": [account]}, token=token)
    refused = hub.gateway.ask("POST", "/v1/fetches", {"engines": [account]}, token="junk")

    assert (said.status, refused.reason) == (204, "TokenRejected")
    assert requests(control_plane) == before
    page = hub.gateway.metrics()
    assert "ignition_gateway_fetched_bytes_total 1234.0" in page
    assert "ignition_gateway_fetch_seconds_sum 2.0" in page
