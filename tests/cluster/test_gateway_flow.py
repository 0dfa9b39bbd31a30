"""
The gateway as its clients meet it: a real process, a real API server reviewing real tokens, a real S3 server.
"""

import base64
import hashlib
import json
import struct
import urllib.error
import urllib.request
from dataclasses import dataclass
from uuid import uuid4

import pytest

from gatewayprocess import running_gateway, wait_for
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.identity import Model, fingerprint, identity_of
from ignition_hub.engine.naming import engine_file_name, job_name
from ignition_hub.engine.request import BuildGrant, BuildRequest
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import keys_from_json
from s3server import S3Server
from storefixtures import make_facts, make_inputs

pytestmark = pytest.mark.cluster

BUILDS = "ignition-hub-builds"
HUB = "ignition-hub"
MODEL = b"onnx bytes of a model"


def plan(*, arch=0x08, version=(1, 7, 1, 116), extra=b"kernel code " * 100, flavor=b"vtrt"):
    """Return bytes that have the header of a TensorRT-RTX plan."""
    size = 64 + len(extra)
    head = struct.pack("<4sIQQ4B4sI", flavor, 0, 1, size, *version, b"vtrt", arch)
    return head.ljust(64, b"\0") + extra


@dataclass
class Hub:
    """Everything that a test talks to."""

    api: object
    gateway: object
    store: ObjectStore

    def post(self, path, body):
        answer = self.api.ask("POST", path, body)
        assert answer.status == 201, answer.message
        return answer.body

    def token(self, namespace, account="default", *, pod=None, audience="ignition-hub"):
        spec = {"audiences": [audience], "expirationSeconds": 600}
        if pod:
            metadata = pod["metadata"]
            spec["boundObjectRef"] = {
                "kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]
            }  # fmt: skip
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return self.post(path, {"spec": spec})["status"]["token"]

    def pod(self, namespace, *, node="gpu-l4", account="default", **metadata):
        body = {
            "metadata": {"name": f"pod-{uuid4().hex[:8]}", **metadata},
            "spec": {
                "serviceAccountName": account,
                "nodeName": node,
                "containers": [{"name": "main", "image": "none"}],
            },
        }
        return self.post(f"/api/v1/namespaces/{namespace}/pods", body)

    def job(self, request, name=None):
        body = {
            "metadata": {
                "name": name or job_name(request.identity),
                "annotations": {"ignitionhub.io/request": canonical_json(request.to_json()).decode()},
            },
            "spec": {
                "template": {
                    "spec": {"restartPolicy": "Never", "containers": [{"name": "builder", "image": "none"}]}
                }
            },
        }
        return self.post(f"/apis/batch/v1/namespaces/{BUILDS}/jobs", body)

    def builder(self, job, *, account="ignition-builder"):
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": job["metadata"]["name"],
            "uid": job["metadata"]["uid"],
            "controller": True,
        }
        labels = {"batch.kubernetes.io/job-name": owner["name"]}
        pod = self.pod(BUILDS, account=account, labels=labels, ownerReferences=[owner])
        return self.token(BUILDS, account, pod=pod)

    def annotations(self, job):
        path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}"
        return self.api.ask("GET", path).body["metadata"]["annotations"]

    def keys(self):
        return keys_from_json(self.gateway.ask("GET", "/v1/keys").body)

    def upload(self, token, data, *, sha256=None):
        """Do what a builder does and return the body of ``complete``."""
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        begun = self.gateway.ask(
            "POST", "/v1/builds/self/upload", {"size": len(data), "sha256": sha256}, token=token
        )
        assert begun.status == 200, begun.message
        etags = [put(part["url"], data) for part in begun.body["parts"]]
        return {
            "upload_id": begun.body["upload_id"],
            "key": begun.body["key"],
            "sha256": sha256,
            "size": len(data),
            "etags": etags,
            "facts": make_facts().to_json(),
            "log": "built",
        }

    def complete(self, token, body):
        return self.gateway.ask("POST", "/v1/builds/self/complete", body, token=token)


def put(url, data):
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method="PUT"), timeout=10) as answer:
        return answer.headers["ETag"]


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def hub(control_plane, api, tmp_path_factory):
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        s3.create_bucket("models")
        prepare_cluster(api, s3)
        store = ObjectStore(
            StoreSettings(
                endpoint=s3.endpoint,
                bucket="engines",
                prefix="ignition",
                access_key=s3.access_key,
                secret_key=s3.secret_key,
            )
        )
        with running_gateway(control_plane.kubeconfig, tmp_path_factory.mktemp("gateway")) as gateway:
            yield Hub(api, gateway, store)
            assert "Traceback" not in gateway.log()
        store.close()


def prepare_cluster(api, s3):
    def create(path, body):
        answer = api.ask("POST", path, body)
        assert answer.status in {201, 409}, answer.message

    for namespace, account in ((HUB, "default"), (BUILDS, "ignition-builder"), (BUILDS, "default")):
        create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
    for name, product, minor in (("gpu-l4", "NVIDIA-L4", "9"), ("gpu-a10", "NVIDIA-A10", "6")):
        labels = {
            "nvidia.com/gpu.product": product,
            "nvidia.com/gpu.compute.major": "8",
            "nvidia.com/gpu.compute.minor": minor,
        }
        create("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
    create("/api/v1/nodes", {"metadata": {"name": "cpu-only"}})
    credentials = {"accessKey": s3.access_key, "secretKey": s3.secret_key}
    create(
        f"/api/v1/namespaces/{HUB}/secrets",
        {"metadata": {"name": "engine-store"}, "stringData": credentials},
    )
    spec = {
        "s3": {
            "endpoint": s3.endpoint,
            "bucket": "engines",
            "prefix": "ignition",
            "credentialsSecretRef": {"name": "engine-store"},
        },
        "modelSources": [{"prefix": "s3://models/", "namespaces": ["*"]}],
    }
    body = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "EngineStore",
        "metadata": {"name": "default"},
        "spec": spec,
    }
    create("/apis/ignitionhub.io/v1alpha1/enginestores", body)


@pytest.fixture
def team(hub, namespace):
    """A tenant's namespace with its default ServiceAccount."""
    hub.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    return namespace


@pytest.fixture
def request_(hub, team):
    """A build request about a model that lies in the store."""
    key = f"{uuid4().hex}.onnx"
    models = ObjectStore(StoreSettings(**{**settings_dict(hub.store.settings), "bucket": "models"}))
    models.put(key, MODEL)
    facts = models.head(key)
    models.close()
    uri = f"s3://models/{key}"
    model = Model("resnet50", "v1", fingerprint(uri, etag=facts.etag, size=facts.size))
    inputs = make_inputs(model=model)
    return BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=None,
        model_uri=uri,
        source_size=facts.size,
        options={},
        verification={},
        timeout_seconds=600,
        low_memory=False,
        name=engine_file_name(inputs),
        namespace=team,
        engine_resource="resnet50",
    )


def settings_dict(settings):
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


@pytest.fixture
def job(hub, request_):
    return hub.job(request_)


@pytest.fixture
def builder(hub, job):
    return hub.builder(job)


def apply_engine(hub, namespace, targets, *, name="resnet50", observed=None):
    body = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": name},
        "spec": {
            "model": {"name": "resnet50", "version": "v1", "source": {"uri": "s3://models/x.onnx"}},
            "precision": "fp16",
            "targets": [{"gpuArch": "sm_89"}],
        },
    }
    path = f"/apis/ignitionhub.io/v1alpha1/namespaces/{namespace}/tensorrtengines"
    generation = hub.post(path, body)["metadata"]["generation"]
    status = {"observedGeneration": generation if observed is None else observed, "targets": targets}
    answer = hub.api.ask(
        "PATCH", f"{path}/{name}/status", {"status": status}, media="application/merge-patch+json"
    )
    assert answer.status == 200, answer.message


def ready_target(hub, request, publication, **changes):
    return {
        "name": "sm-89",
        "state": "Ready",
        "gpuArch": "sm_89",
        "compatibility": "SameComputeCapability",
        "tensorrt": {"flavor": "TensorRTRTX", "version": "1.7.1.116"},
        "identity": request.identity,
        "uri": publication["uri"],
        **changes,
    }


def resolve(hub, namespace, *, node="gpu-l4", name="resnet50"):
    token = hub.token(namespace, pod=hub.pod(namespace, node=node))
    return hub.gateway.ask("POST", f"/v1/engines/{name}/resolve", {}, token=token)


def published(hub, request):
    return find(hub.store, hub.keys(), request.inputs, request.identity)


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
    assert answer.body["gpu"] == {"arch": "sm_89", "product": "NVIDIA-L4"}
    assert answer.body["sha256"] == manifest.engine.sha256
    assert answer.body["file_name"] == "resnet50_v1_fp16_sm_89_1.7.1.trt"


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
        (plan(arch=0x04), "holds code for sm_86; sm_89 was asked for"),
        (plan(version=(1, 6, 1, 33)), "is of TensorRTRTX 1.6.1.33"),
        (plan()[:-1], "bytes by its own account"),
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
    assert "the builder said abab" in refused.message
    assert published(hub, request_) is None


def test_a_builder_cannot_name_another_key(hub, request_, builder):
    body = {**hub.upload(builder, plan()), "key": "ignition/engines/victim/0/0/x.trt"}

    assert hub.complete(builder, body).reason == "UploadRejected"


def test_a_model_that_was_replaced_meanwhile_publishes_nothing(hub, request_, builder):
    body = hub.upload(builder, plan())
    models = ObjectStore(StoreSettings(**{**settings_dict(hub.store.settings), "bucket": "models"}))
    models.put(request_.model_uri.rpartition("/")[2], b"another model")
    models.close()

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


def test_an_engine_of_another_namespace_does_not_exist(hub, team, request_, builder, api):
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    other = f"other-{uuid4().hex[:8]}"
    hub.post("/api/v1/namespaces", {"metadata": {"name": other}})
    hub.post(f"/api/v1/namespaces/{other}/serviceaccounts", {"metadata": {"name": "default"}})

    answer = resolve(hub, other)

    assert (answer.status, answer.reason) == (404, "EngineNotFound")
    assert other in answer.message


@pytest.mark.parametrize(
    ("node", "changes", "observed", "status", "reason", "words"),
    [
        ("gpu-a10", {}, None, 422, "NoEngineForGPU", "NVIDIA-A10 (sm_86): its targets are for sm_89 (Ready)"),
        ("cpu-only", {}, None, 422, "NoEngineForGPU", "cpu-only shows no GPU"),
        ("gpu-l4", {"state": "Building"}, None, 409, "EngineNotReady", "sm-89 is Building"),
        ("gpu-l4", {"state": "Failed", "message": "bad model"}, None, 422, "NoEngineForGPU", "(bad model)"),
        ("gpu-l4", {}, 0, 409, "EngineNotReady", "not looked at yet"),
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
    assert "resnet50 v2 fp16 sm_89 was asked for" in answer.message


def allow_push(hub, namespace):
    rules = [{"apiGroups": ["ignitionhub.io"], "resources": ["tensorrtengines"], "verbs": ["create"]}]
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    hub.post(f"{base}/roles", {"metadata": {"name": "pusher"}, "rules": rules})
    binding = {
        "metadata": {"name": "pusher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pusher"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    hub.post(f"{base}/rolebindings", binding)


def push(hub, namespace, data, sha256=None):
    headers = {"X-Content-SHA256": sha256 or hashlib.sha256(data).hexdigest()}
    return hub.gateway.ask("POST", "/v1/models", data, token=hub.token(namespace), headers=headers)


def test_a_pushed_model_lies_in_its_namespaces_folder(hub, team):
    allow_push(hub, team)
    data = b"onnx" * (6 * 1024 * 1024)  # two parts

    answers = [push(hub, team, data), push(hub, team, data)]

    sha256 = hashlib.sha256(data).hexdigest()
    key = f"ignition/models/{team}/{sha256}.onnx"
    assert [a.status for a in answers] == [200, 200], answers
    assert answers[0].body == {"uri": f"s3://engines/{key}", "sha256": sha256, "size": len(data)}
    assert hub.store.digest(key) == (sha256, len(data))


def test_a_push_that_is_not_what_it_announces_leaves_nothing(hub, team):
    allow_push(hub, team)

    answer = push(hub, team, b"onnx", sha256="ab" * 32)

    assert (answer.status, answer.reason) == (422, "ModelDigestMismatch")
    assert hub.store.head(f"ignition/models/{team}/{'ab' * 32}.onnx") is None


def test_a_push_needs_the_right_to_create_engines(hub, team):
    answer = push(hub, team, b"onnx")

    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert f"in namespace {team}" in answer.message


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("upload", {"size": 0, "sha256": "ab" * 32}, "size: 0"),
        ("upload", {"size": 1, "sha256": "AB"}, "sha256: 'AB'"),
        ("upload", {"size": 1 << 36, "sha256": "ab" * 32, "part_size": 5 << 20}, "use at least"),
        ("upload", {"size": 1, "sha256": "ab" * 32, "where": "x"}, "where: unknown field"),
        ("complete", {}, "missing"),
        ("progress", {"phase": "x", "percent": 101}, "percent: 101"),
        ("failed", {"reason": "Because", "message": "", "exit_code": 1}, "'Because'"),
        ("progress", b"{", "not JSON"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_field(hub, builder, path, body, words):
    answer = hub.gateway.ask("POST", f"/v1/builds/self/{path}", body, token=builder)

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert words in answer.message


def test_a_source_the_namespace_may_not_read_is_not_granted(hub, request_):
    from dataclasses import replace

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
    assert "ignition_gateway_store_conditional_writes 1.0" in page


def test_the_keys_are_public(hub):
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"https://127.0.0.1:{hub.gateway.port}/v1/keys", timeout=5)

    assert len(hub.keys()) == 1


def test_a_gateway_stops_when_it_is_asked_to(hub, control_plane, tmp_path):
    with running_gateway(control_plane.kubeconfig, tmp_path / "second") as gateway:
        wait_for(gateway, "/readyz")

        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log()
