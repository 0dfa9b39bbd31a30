"""The gateway when things break: no bucket, killed processes, new keys, an end in the middle of a request."""

import contextlib
import hashlib
import http.client
import json
import ssl
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from balancer import Balancer
from gateway_harness import (
    allow_push,
    apply_engine,
    make_request,
    plan,
    published,
    ready_target,
    resolve,
)
from gatewayprocess import running_gateway
from ignition_hub.engine import environment
from ignition_hub.fetch import gateway as fetch
from ignition_hub.fetch.settings import FetchSettings
from ignition_hub.wire.deadline import Deadline

GATEWAY_FLAGS = ("--probe-seconds=0.2",)

pytestmark = pytest.mark.cluster


def eventually(tell, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not tell() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert tell()


def publish(hub, team, engine=None):
    request = make_request(hub, team)
    token = hub.builder(hub.job(request))
    return request, hub.complete(token, hub.upload(token, engine or plan())).body


def test_without_an_engine_store_a_gateway_stays_ready_and_says_what_is_missing(hub, team, api):
    path = "/apis/ignitionhub.io/v1alpha1/enginestores"
    [store] = api.ask("GET", path).body["items"]
    kept = {**store, "metadata": {"name": store["metadata"]["name"]}}
    api.ask("DELETE", f"{path}/{store['metadata']['name']}")
    try:
        eventually(lambda: "no EngineStore exists" in hub.gateway.log())
        assert "ignition_gateway_store_up 0.0" in hub.gateway.metrics()
        assert hub.gateway.ask("GET", "/readyz").status == 200
    finally:
        assert api.ask("POST", path, kept).status == 201
    eventually(lambda: "ignition_gateway_store_up 1.0" in hub.gateway.metrics())


def test_a_bucket_that_is_away_is_told_apart_and_leaves_the_gateway_ready(hub, team):
    request, done = publish(hub, team)
    apply_engine(hub, team, [ready_target(hub, request, done)])

    hub.s3.stop()
    try:
        answer = resolve(hub, team)
        assert (answer.status, answer.reason) == (502, "StoreUnavailable")
        assert hub.s3.endpoint in answer.message
        assert hub.gateway.ask("GET", "/readyz").status == 200
        eventually(lambda: "ignition_gateway_store_up 0.0" in hub.gateway.metrics())
    finally:
        hub.s3.start_again()

    assert resolve(hub, team).status == 200
    eventually(lambda: "ignition_gateway_store_up 1.0" in hub.gateway.metrics())


def test_a_gateway_killed_while_it_publishes_is_replaced_by_another(hub, team, control_plane, tmp_path):
    request = make_request(hub, team)
    token = hub.builder(hub.job(request))
    body = hub.upload(token, plan(extra=b"k" * (48 << 20)))
    folder = hub.gateway.folder
    for moment in (0.0, 0.05, 0.15, 0.3):
        with running_gateway(control_plane.kubeconfig, tmp_path / str(moment)) as other:
            (other.folder / "signing.pem").write_bytes((folder / "signing.pem").read_bytes())
        with running_gateway(control_plane.kubeconfig, other.folder) as doomed:
            ask = threading.Thread(target=ask_and_lose, args=(doomed, token, body))
            ask.start()
            time.sleep(moment)
            doomed.process.kill()
            ask.join(timeout=20)
            assert not ask.is_alive()

    answer = hub.complete(token, body)

    assert answer.status == 200, answer.message
    assert published(hub, request).engine.sha256 == body["sha256"]


def ask_and_lose(gateway, token, body):
    with contextlib.suppress(OSError, http.client.HTTPException):
        gateway.ask("POST", "/v1/builds/self/complete", body, token=token)


def test_what_an_earlier_key_signed_is_believed_while_it_is_listed(hub, team, control_plane, tmp_path):
    request, done = publish(hub, team)
    apply_engine(hub, team, [ready_target(hub, request, done)])
    old = hub.gateway.folder / "signing.pem"

    with running_gateway(control_plane.kubeconfig, tmp_path / "a", f"--previous-keys={old}") as rotated:
        assert len(rotated.ask("GET", "/v1/keys").body["keys"]) == 2
        assert resolve_at(rotated, hub, team).status == 200
    with running_gateway(control_plane.kubeconfig, tmp_path / "b") as stranger:
        answer = resolve_at(stranger, hub, team)
        assert (answer.status, answer.reason) == (422, "ManifestRefused")
        assert "no signature from a trusted key" in answer.message


def resolve_at(gateway, hub, team):
    token = hub.token(team, pod=hub.pod(team))
    return gateway.ask("POST", "/v1/engines/resnet50/resolve", {}, token=token)


def test_a_request_under_way_is_finished_before_the_gateway_ends(hub, team, control_plane, tmp_path):
    allow_push(hub, team)
    data = b"onnx" * 1024
    with running_gateway(control_plane.kubeconfig, tmp_path / "stopping") as gateway:
        context = ssl.create_default_context(cafile=str(gateway.folder / "tls.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=30, context=context)
        connection.putrequest("POST", "/v1/models")
        connection.putheader("Authorization", f"Bearer {hub.token(team)}")
        connection.putheader("Content-Length", str(len(data)))
        connection.putheader("X-Content-SHA256", hashlib.sha256(data).hexdigest())
        connection.endheaders()
        connection.send(data[:1000])
        eventually(lambda: "ignition_gateway_requests_in_flight 1.0" in gateway.metrics())

        gateway.process.terminate()
        eventually(lambda: "stopping" in gateway.log())
        time.sleep(1.0)  # longer than it drains: its sockets are closed, this request is not
        with pytest.raises(OSError, match="refused"):
            gateway.ask("GET", "/healthz")
        connection.send(data[1000:])
        answer = connection.getresponse()

        assert answer.status == 200, answer.read()
        assert json.loads(answer.read())["size"] == len(data)
        connection.close()
        assert gateway.process.wait(timeout=20) == 0


def test_a_push_that_is_cut_off_leaves_nothing(hub, team):
    allow_push(hub, team)
    data = b"onnx" * 1024
    sha256 = hashlib.sha256(data).hexdigest()
    context = ssl.create_default_context(cafile=str(hub.gateway.folder / "tls.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", hub.gateway.port, timeout=30, context=context)
    connection.putrequest("POST", "/v1/models")
    connection.putheader("Authorization", f"Bearer {hub.token(team)}")
    connection.putheader("Content-Length", str(len(data)))
    connection.putheader("X-Content-SHA256", sha256)
    connection.endheaders()
    connection.send(data[:1000])
    eventually(lambda: "ignition_gateway_requests_in_flight 1.0" in hub.gateway.metrics())
    connection.close()

    eventually(lambda: "ignition_gateway_requests_in_flight 0.0" in hub.gateway.metrics())
    assert hub.store.head(f"ignition/models/{team}/{sha256}.onnx") is None
    uploads = hub.store._client.boto.list_multipart_uploads(Bucket="engines")
    assert not [each for each in uploads.get("Uploads", []) if team in each["Key"]]


WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/fault"
FETCHERS, PODS = 24, 24


def test_of_two_replicas_one_is_killed_and_every_pod_is_admitted_and_served(
    hub, team, api, control_plane, tmp_path
):
    """
    The webhook fails closed and the API server asks once: a creation may fail, and nothing goes in unchanged.

    Who creates pods for a Deployment creates again, and the init container asks again.
    """
    request, done = publish(hub, team)
    apply_engine(hub, team, [ready_target(hub, request, done)])
    tokens = [hub.token(team, pod=hub.pod(team)) for _ in range(FETCHERS)]
    authority = (hub.gateway.folder / "tls.crt").read_text()
    with (
        running_gateway(control_plane.kubeconfig, tmp_path / "other", like=hub.gateway.folder) as doomed,
        Balancer.between(hub.gateway.port, doomed.port) as service,
        webhook(api, service.port, authority),
        ThreadPoolExecutor(FETCHERS + PODS) as threads,
    ):
        served = [threads.submit(fetched, service.port, authority, tmp_path, token) for token in tokens]
        admitted = [threads.submit(created, api, team, f"new-{number}") for number in range(PODS)]
        doomed.process.kill()
        time.sleep(1.0)  # until the kubelet has noticed
        service.take_out(doomed.port)

        assert {one.result() for one in served} == {hashlib.sha256(plan()).hexdigest()}
        assert all(one.result()["spec"]["initContainers"] for one in admitted)
    names = {
        one["metadata"]["name"] for one in api.ask("GET", f"/api/v1/namespaces/{team}/pods").body["items"]
    }
    assert {f"new-{number}" for number in range(PODS)} <= names


@contextlib.contextmanager
def webhook(api, port, authority):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    where = {"url": f"https://127.0.0.1:{port}/mutate", "caBundle": b64encode(authority.encode()).decode()}
    hook = {
        "name": "inject.ignitionhub.io",
        "admissionReviewVersions": ["v1"],
        "rules": [rule],
        "objectSelector": {"matchLabels": {"ignitionhub.io/inject": "true"}},
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "failurePolicy": "Fail",
        "clientConfig": where,
    }
    folder, _, name = WEBHOOK.rpartition("/")
    assert api.ask("POST", folder, {"metadata": {"name": name}, "webhooks": [hook]}).status == 201
    time.sleep(1.0)  # the API server reads webhooks from a watch of its own
    try:
        yield
    finally:
        api.ask("DELETE", WEBHOOK)


def fetched(port, authority, folder, token):
    """Ask as the init container does and return the digest of the engine it is given."""
    file = folder / hashlib.sha256(token.encode()).hexdigest()
    file.write_text(token)
    told = {
        environment.GATEWAY_URL: f"https://127.0.0.1:{port}",
        environment.CA: authority,
        environment.TOKEN_FILE: str(file),
        environment.ENGINES: "engine=resnet50",
    }
    return fetch.resolve("resnet50", FetchSettings.from_environment(told), Deadline(30.0), print).sha256


def created(api, team, name):
    """Create a pod, and again while the webhook cannot be asked."""
    annotations = {"ignitionhub.io/engines": "resnet50"}
    metadata = {"name": name, "labels": {"ignitionhub.io/inject": "true"}, "annotations": annotations}
    spec = {"serviceAccountName": "default", "containers": [{"name": "main", "image": "none"}]}
    with contextlib.closing(replace(api, _connection=None)) as connection:
        for _ in range(60):
            path = f"/api/v1/namespaces/{team}/pods"
            answer = connection.ask("POST", path, {"metadata": metadata, "spec": spec})
            if answer.status == 201:
                return answer.body
            assert "failed calling webhook" in answer.message
            time.sleep(0.1)
    raise AssertionError(answer.message)
