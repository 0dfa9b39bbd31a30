"""
What tests of the gateway need around it: namespaces, nodes, tokens, Jobs, builder pods, models, engines.

The API server and the S3 server are real; the Job controller, the kubelet and the operator's controller are
played here.
"""

import contextlib
import hashlib
import struct
import time
import urllib.request
from dataclasses import dataclass, replace
from urllib.parse import quote
from uuid import uuid4

from gatewayprocess import running_gateway
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.naming import engine_file_name, job_name
from ignition_hub.engine.request import BuildRequest
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import keys_from_json
from s3server import S3Server
from storefixtures import make_facts, make_inputs

BUILDS = "ignition-hub-builds"
HUB = "ignition-hub"
STORE = "/apis/ignitionhub.io/v1alpha1/enginestores/default"
RBAC = "rbac.authorization.k8s.io"
PART = 16 * 1024 * 1024
MODEL = b"onnx bytes of a model"
BUNDLE = "9f" * 32


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
    models: ObjectStore
    s3: S3Server

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

    def pod(self, namespace, *, node="gpu-l4", account="default", limits=None, claims=(), **metadata):
        resources = {"limits": limits or {}, "claims": [{"name": name} for name in claims]}
        labels = {"ignitionhub.io/inject": "true", **metadata.pop("labels", {})}
        body = {
            "metadata": {"name": f"pod-{uuid4().hex[:8]}", "labels": labels, **metadata},
            "spec": {
                "serviceAccountName": account,
                "nodeName": node,
                "resourceClaims": [{"name": name, "resourceClaimName": name} for name in claims],
                "containers": [{"name": "main", "image": "none", "resources": resources}],
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
        parts = begun.body["parts"]
        etags = [put(part["url"], data[(part["number"] - 1) * PART :][:PART]) for part in parts]
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
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["ETag"]


def read(url, etag=None):
    headers = {"If-Match": f'"{etag}"'} if etag else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read()


def prepare_cluster(api, s3):
    """Make what a chart and a cluster would have made; again and again, for the bucket of ``s3``."""

    def apply(path, kind, name, version="v1", **body):
        document = {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, **body.pop("metadata", {})},
        }
        where = f"{path}/{name}?fieldManager=tests&force=true"
        answer = api.ask("PATCH", where, {**document, **body}, media="application/apply-patch+yaml")
        assert answer.status in {200, 201}, answer.message

    for namespace, account in ((HUB, "default"), (BUILDS, "ignition-builder"), (BUILDS, "default")):
        apply("/api/v1/namespaces", "Namespace", namespace)
        apply(f"/api/v1/namespaces/{namespace}/serviceaccounts", "ServiceAccount", account)
    for name, product, minor in (("gpu-l4", "NVIDIA-L4", "9"), ("gpu-a10", "NVIDIA-A10", "6")):
        labels = {
            "nvidia.com/gpu.product": product,
            "nvidia.com/gpu.compute.major": "8",
            "nvidia.com/gpu.compute.minor": minor,
        }
        apply("/api/v1/nodes", "Node", name, metadata={"labels": labels})
    apply("/api/v1/nodes", "Node", "cpu-only")
    credentials = {"accessKey": s3.access_key, "secretKey": s3.secret_key}
    apply(f"/api/v1/namespaces/{HUB}/secrets", "Secret", "engine-store", stringData=credentials)
    bucket = {
        "endpoint": s3.endpoint,
        "bucket": "engines",
        "prefix": "ignition",
        "credentialsSecretRef": {"name": "engine-store"},
    }
    spec = {
        "s3": bucket,
        "modelSources": [{"prefix": "s3://models/", "namespaces": ["*"]}],
        "pluginSources": [{"prefix": "s3://models/plugins/", "namespaces": ["*"]}],
    }
    collection, name = STORE.rsplit("/", 1)
    apply(collection, "EngineStore", name, "ignitionhub.io/v1alpha1", spec=spec)


def make_team(hub):
    """Make a tenant's namespace with its default ServiceAccount and return its name."""
    name = f"team-{uuid4().hex[:8]}"
    hub.post("/api/v1/namespaces", {"metadata": {"name": name}})
    hub.post(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
    return name


def allow(hub, namespace, verb, *, everywhere=False, people=()):
    """Let the default ServiceAccount of a namespace, and people, do a verb on engines there, or in all."""
    rules = [{"apiGroups": ["ignitionhub.io"], "resources": ["tensorrtengines"], "verbs": [verb]}]
    role, where = ("ClusterRole", "") if everywhere else ("Role", f"/namespaces/{namespace}")
    base, name = f"/apis/{RBAC}/v1{where}/{role.lower()}", f"{verb}-{namespace}"
    hub.post(f"{base}s", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": role, "name": name},
        "subjects": [
            {"kind": "ServiceAccount", "name": "default", "namespace": namespace},
            *({"kind": kind, "name": name, "apiGroup": RBAC} for kind, name in people),
        ],
    }
    hub.post(f"{base}bindings", binding)


def allow_push(hub, namespace):
    """Let the default ServiceAccount of a namespace create engines there."""
    allow(hub, namespace, "create")


def push(hub, namespace, data, sha256=None):
    headers = {"X-Content-SHA256": sha256 or hashlib.sha256(data).hexdigest()}
    return hub.gateway.ask("POST", "/v1/models", data, token=hub.token(namespace), headers=headers)


def push_part(hub, namespace, name, data, *, bundle=BUNDLE, size=None):
    headers = {
        "X-Content-SHA256": hashlib.sha256(data).hexdigest(),
        "X-Bundle": bundle,
        "X-Name": quote(name),
        **({"X-Bundle-Size": str(size)} if size is not None else {}),
    }
    return hub.gateway.ask("POST", "/v1/models", data, token=hub.token(namespace), headers=headers)


def apply_engine(hub, namespace, targets, *, name="resnet50", observed=None, source=None):
    body = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": name},
        "spec": {
            "model": {"name": "resnet50", "version": "v1", "source": source or {"uri": "s3://models/x.onnx"}},
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


def remove_engines(hub):
    """Remove the TensorRTEngines of all namespaces: other tests leave theirs."""
    base = "/apis/ignitionhub.io/v1alpha1"
    items = hub.api.ask("GET", f"{base}/tensorrtengines").body["items"]
    for namespace in {item["metadata"]["namespace"] for item in items}:
        assert hub.api.ask("DELETE", f"{base}/namespaces/{namespace}/tensorrtengines").status == 200


def remove_pods(hub):
    """Remove the pods of all namespaces: one whose TensorRTEngine is gone may need any engine."""
    pods = hub.api.ask("GET", "/api/v1/pods").body["items"]
    for namespace in {pod["metadata"]["namespace"] for pod in pods}:
        path = f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0"
        assert hub.api.ask("DELETE", path).status == 200


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


def resolve(hub, namespace, *, node="gpu-l4", name="resnet50", on_miss=None, **of_pod):
    token = hub.token(namespace, pod=hub.pod(namespace, node=node, **of_pod))
    query = f"?on-miss={on_miss}" if on_miss else ""
    return hub.gateway.ask("POST", f"/v1/engines/{name}/resolve{query}", {}, token=token)


def pushed_model(hub, namespace, data=MODEL):
    """Push a model; return the source that a resource names it by."""
    allow_push(hub, namespace)
    answer = push(hub, namespace, data)
    assert answer.status == 200, answer.message
    return {"uri": answer.body["uri"], "sha256": answer.body["sha256"]}


def events_of(hub, namespace, *, within=5.0):
    """Return the reason, the pod and the words of every event in a namespace; they come after the answer."""
    path, deadline = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", time.monotonic() + within
    while not (found := hub.api.ask("GET", path).body["items"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [(event["reason"], event["regarding"]["name"], event["note"]) for event in found]


@contextlib.contextmanager
def running_hub(control_plane, api, folder, *flags):
    """A gateway with everything around it, until the block ends."""
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        s3.create_bucket("models")
        prepare_cluster(api, s3)
        settings = s3.settings(bucket="engines")
        store, models = ObjectStore(settings), ObjectStore(replace(settings, bucket="models"))
        try:
            with running_gateway(control_plane.kubeconfig, folder, *flags) as gateway:
                yield Hub(api, gateway, store, models, s3)
                assert "Traceback" not in gateway.log(), gateway.log()
        finally:
            store.close()
            models.close()
            # The bucket goes too, and other tests make stores of their own.
            api.ask("DELETE", STORE)


def make_request(hub, namespace, *, model=MODEL):
    """Put a model into the store and return a request to build it."""
    key = f"{uuid4().hex}.onnx"
    hub.models.put(key, model)
    facts, uri = hub.models.head(key), f"s3://models/{key}"
    inputs = make_inputs(model=Model("resnet50", "v1", fingerprint(uri, etag=facts.etag, size=facts.size)))
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
        namespace=namespace,
        engine_resource="resnet50",
    )


def published(hub, request):
    return find(hub.store, hub.keys(), request.inputs, request.identity)
