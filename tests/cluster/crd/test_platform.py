"""Every rule on a BuildPool and an EngineStore, on a real API server."""

import copy
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

RTX = {"flavor": "TensorRTRTX", "version": "1.7.1.116", "image": "registry.example.com/builder-rtx:1"}
TENSORRT = {"flavor": "TensorRT", "version": "10.13.2.6", "image": "registry.example.com/builder:1"}


def pool(**changes: Any) -> dict[str, Any]:
    """Return a pool with one GPU and one runtime; None removes a field of its spec."""
    spec = {"gpu": {"arch": "sm_89", "product": "NVIDIA-L4"}, "runtimes": [TENSORRT]} | changes
    return document("BuildPool", spec)


def store(s3: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a store with what it needs; ``s3`` changes the bucket's settings."""
    settings = {
        "endpoint": "https://s3.example.com",
        "bucket": "engines",
        "credentialsSecretRef": {"name": "engine-store"},
    }
    return document("EngineStore", {"s3": settings | (s3 or {})} | changes)


def document(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    given = {name: copy.deepcopy(value) for name, value in spec.items() if value is not None}
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "default"},
        "spec": given,
    }


def plugins(prefix: str) -> dict[str, Any]:
    return store(pluginSources=[{"prefix": prefix, "namespaces": ["vision"]}])


def source(prefix: str, *namespaces: str) -> dict[str, Any]:
    return store(modelSources=[{"prefix": prefix, "namespaces": list(namespaces or ("vision",))}])


def quota(storage: Any, *namespaces: str) -> dict[str, Any]:
    return store(quotas=[{"namespaces": list(namespaces), "storage": storage}])


def tolerating(**toleration: Any) -> dict[str, Any]:
    return pool(tolerations=[toleration])


def serving(*tenants: dict[str, Any]) -> dict[str, Any]:
    return pool(tenants=list(tenants))


VISION = {
    "namespaces": ["vision", "lidar"],
    "queueName": "vision",
    "priorityClassName": "high",
    "weight": 100,
}
ALL = {"namespaces": ["*"], "mayName": ["queueName", "priorityClassName"]}
ONE_FOR_ALL = "the first entry that lists a namespace counts, so one with * must be the last"

CLAIMED = {"arch": "sm_89", "resourceClaimTemplateName": "l4"}

ACCEPTED = [
    pool(),
    pool(gpu={"arch": "sm_89"}),
    pool(gpu=None, aheadOfTime={"archs": ["sm_75", "sm_80", "sm_86", "sm_89", "sm_120"]}, runtimes=[RTX]),
    pool(runtimes=[TENSORRT, RTX]),
    pool(nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4", "kubernetes.io/arch": "arm64", "plain": ""}),
    pool(nodeSelector={"ignitionhub.io/jetpack": "6.2"}),
    tolerating(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),
    tolerating(operator="Exists"),
    tolerating(key="sku", value="gpu"),
    tolerating(key="gone", operator="Exists", effect="NoExecute", tolerationSeconds=60),
    pool(runtimeClassName="nvidia", hostUsers=False),
    pool(resources={"requests": {"cpu": "500m", "memory": "8Gi"}, "limits": {"memory": 17179869184}}),
    pool(gpu=CLAIMED),
    pool(gpu=CLAIMED, resources={"requests": {"cpu": "2"}}),
    pool(maxConcurrentBuilds=0),
    serving(),
    serving(VISION, ALL),
    serving({"namespaces": ["vision"]}, {"namespaces": ["audio", "*"]}),
    serving(*({"namespaces": [f"team-{entry}-{number}" for number in range(256)]} for entry in range(64))),
    store(),
    store({"endpoint": "http://10.0.0.1:7070", "region": "eu-central-1", "prefix": "teams/vision"}),
    store({"endpoint": "http://[fd00::1]:7070/"}),
    source("s3://models/"),
    source("s3://models/open/", "*", "vision"),
    plugins("s3://plugins/"),
    quota("200Gi", "vision"),
    quota(0, "vision", "*"),
]

EITHER = "exactly one of gpu (nodes with that GPU) and aheadOfTime (TensorRT-RTX on a CPU) must be given"
CONTRADICTION = "version and flavor contradict each other: TensorRT-RTX counts from 1, TensorRT from 8"
BAD_PREFIX = "must not begin or end with / and have no empty, . or .. parts"

REFUSED = [
    (pool(gpu=None), EITHER),
    (pool(aheadOfTime={"archs": ["sm_86"]}, runtimes=[RTX]), EITHER),
    (pool(gpu=None, aheadOfTime={"archs": ["sm_86"]}), "only flavor TensorRTRTX compiles ahead of time"),
    (
        pool(gpu=None, aheadOfTime={"archs": ["sm_86", "sm_90"]}, runtimes=[RTX]),
        "TensorRT-RTX compiles ahead of time for sm_75, sm_80, sm_86, sm_89, sm_120 and sm_121",
    ),
    (pool(gpu=None, aheadOfTime={"archs": []}, runtimes=[RTX]), "should have at least 1 items"),
    (pool(gpu=None, aheadOfTime={"archs": ["sm_86"] * 2}, runtimes=[RTX]), "Duplicate value"),
    (pool(gpu={"product": "NVIDIA-L4"}), "spec.gpu.arch: Required value"),
    (pool(gpu={"arch": "8.9"}), "spec.gpu.arch in body should match"),
    (pool(runtimes=None), "spec.runtimes: Required value"),
    (pool(runtimes=[]), "should have at least 1 items"),
    (pool(runtimes=[TENSORRT, TENSORRT]), "Duplicate value"),
    (pool(runtimes=[TENSORRT | {"version": "10.13"}]), "version in body should match"),
    (pool(runtimes=[TENSORRT | {"version": "1.7.1.116"}]), CONTRADICTION),
    (pool(runtimes=[RTX | {"version": "10.13.2.6"}]), CONTRADICTION),
    (pool(runtimes=[TENSORRT | {"image": "a b"}]), "image in body should match"),
    (pool(runtimes=[TENSORRT | {"image": ""}]), "should be at least 1 chars long"),
    (pool(nodeSelector={"a b": "x"}), "every key must be a label name"),
    (pool(nodeSelector={"a": "not a label"}), "spec.nodeSelector.a in body should match"),
    (pool(nodeSelector={"kubernetes.io/arch": "riscv64"}), "kubernetes.io/arch must be amd64 or arm64"),
    (pool(nodeSelector={"ignitionhub.io/jetpack": "r36"}), "must be a JetPack release, for example 6.2"),
    (tolerating(key="a", operator="Exists", value="b"), "operator Exists takes no value"),
    (tolerating(value="b"), "operator Equal needs a key"),
    (tolerating(key="a", operator="Maybe"), 'Unsupported value: "Maybe"'),
    (tolerating(key="a", operator="Exists", tolerationSeconds=5), "tolerationSeconds needs effect NoExecute"),
    (pool(runtimeClassName="NVIDIA"), "spec.runtimeClassName in body should match"),
    (pool(resources={"requests": {"memory": "8 GB"}}), "memory in body should match"),
    (pool(resources={"requests": {"memory": -1}}), "every value must be a quantity of at least 0"),
    (
        pool(gpu=CLAIMED, resources={"limits": {"nvidia.com/gpu": 1}}),
        "by the claim of gpu.resourceClaimTempl",
    ),
    (pool(gpu=CLAIMED, resources={"requests": {"nvidia.com/mig-1g.5gb": 1}}), "not by both"),
    (
        pool(gpu={"arch": "sm_89", "resourceClaimTemplateName": "L4"}),
        "resourceClaimTemplateName in body should",
    ),
    (pool(resources={"claims": []}), 'unknown field "spec.resources.claims"'),
    (pool(maxConcurrentBuilds=-1), "should be greater than or equal to 0"),
    (serving(ALL, VISION), ONE_FOR_ALL),
    (serving(ALL, ALL), ONE_FOR_ALL),
    (serving({}), "spec.tenants[0].namespaces: Required value"),
    (serving({"namespaces": []}), "should have at least 1 items"),
    (serving({"namespaces": ["vision", "vision"]}), "Duplicate value"),
    (serving({"namespaces": ["Vision"]}), "namespaces[0] in body should match"),
    (serving({"namespaces": ["team-*"]}), "namespaces[0] in body should match"),
    (serving(VISION | {"queueName": "GPU"}), "spec.tenants[0].queueName in body should match"),
    (serving(VISION | {"priorityClassName": "system-node-critical"}), "reserved for the cluster's own"),
    (serving(VISION | {"weight": 0}), "should be greater than or equal to 1"),
    (serving(VISION | {"weight": 101}), "should be less than or equal to 100"),
    (serving(VISION | {"mayName": ["timeout"]}), 'Unsupported value: "timeout"'),
    (serving(*([VISION] * 65)), "must have at most 64 items"),
    (pool(hostNetwork=True), 'unknown field "spec.hostNetwork"'),
    (pool() | {"metadata": {"name": "p" * 64}}, "it has at most 63 characters"),
    (store({"endpoint": "s3.example.com"}), "must start with https:// or http://"),
    (
        store({"endpoint": "https://user:secret@s3.example.com"}),
        "must be a scheme, a host and optionally a port",
    ),
    (store({"endpoint": "https://s3.example.com/engines"}), "must be a scheme, a host and optionally a port"),
    (store({"bucket": "Engines"}), "spec.s3.bucket in body should match"),
    (store({"bucket": "a"}), "should be at least 3 chars long"),
    (store({"region": "eu central"}), "spec.s3.region in body should match"),
    (store({"prefix": "/ignition"}), BAD_PREFIX),
    (store({"prefix": "ignition/"}), BAD_PREFIX),
    (store({"prefix": "a//b"}), BAD_PREFIX),
    (store({"prefix": "a/../b"}), BAD_PREFIX),
    (store({"credentialsSecretRef": {}}), "spec.s3.credentialsSecretRef.name: Required value"),
    (
        store({"credentialsSecretRef": {"name": "a", "namespace": "b"}}),
        'unknown field "spec.s3.credentialsSecretRef.namespace"',
    ),
    (source("s3://models"), "must end with /, or s3://models would also open s3://models-private/"),
    (source("file:///models/"), "must start with s3://; only buckets are read"),
    (source("https://models.example.com/public/"), "must start with s3://; only buckets"),
    (source("s3://user@models/"), "must name a bucket, without user name"),
    (source("s3://models/?a=/"), "must name a bucket, without user name"),
    (source("s3://models/../"), "must have no . or .. between slashes"),
    (source("s3:///"), "must name a bucket"),
    (source("s3://models/", "Vision"), "namespaces[0] in body should match"),
    (store(modelSources=[{"prefix": "s3://models/", "namespaces": []}]), "should have at least 1 items"),
    (
        plugins("https://plugins.example.com/"),
        "must start with s3://; only buckets are read",
    ),
    (plugins("s3://plugins"), "must end with /"),
    (plugins("s3://plugins/../models/"), "must have no . or .. between slashes"),
    (store(pluginSources=[{"prefix": "s3://plugins/"}]), "pluginSources[0].namespaces: Required value"),
    (quota("200 GB", "vision"), "spec.quotas[0].storage in body should match"),
    (quota(-1, "vision"), "must be a quantity of at least 0, for example 200Gi"),
    (quota("1Gi"), "should have at least 1 items"),
    (store(quotas=[{"namespaces": [name], "storage": 1} for name in ("*", "vision")]), ONE_FOR_ALL),
    (quota("1Gi", "Vision"), "namespaces[0] in body should match"),
    (store(quotas=[{"namespaces": ["vision"]}]), "spec.quotas[0].storage: Required value"),
    (store(retention={"unreferencedAfter": "720h"}), 'unknown field "spec.retention.unreferencedAfter"'),
    (store(retention={"unfinishedUploads": "1h"}), "must lie between 24h and 87600h"),
    (store(retention={"supersededBuilds": "59m"}), "must lie between 1h and 87600h"),
    (store(retention={"deletedEngines": "0s"}), "must lie between 1h and 87600h"),
    (store(retention={"engines": "90d"}), "spec.retention.engines in body should match"),
    (store(retention={"models": "1m"}), "must lie between 1h and 87600h"),
    (store(retention={"logs": "100000h"}), "must lie between 1h and 87600h"),
    (store(retention={"timingCaches": 720}), "spec.retention.timingCaches in body must be of type string"),
]


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: str(body["kind"]))
def test_what_the_documentation_allows_is_accepted(api: Any, body: dict[str, Any]) -> None:
    answer = api.create(body)

    assert answer.status == 201, answer.message


def test_by_default_what_may_be_wanted_again_is_kept_for_ever(api: Any) -> None:
    written = api.create(store(retention={})).body["spec"]["retention"]

    assert written == {"unfinishedUploads": "168h", "supersededBuilds": "168h", "deletedEngines": "24h"}


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_nonsense_is_refused_with_what_would_work(api: Any, body: dict[str, Any], message: str) -> None:
    answer = api.create(body)

    assert answer.status in {400, 422}
    assert message in answer.message


@pytest.mark.parametrize("body", [pool(), store()], ids=["pool", "store"])
def test_what_the_controller_has_not_looked_at_counts_as_unfinished(api: Any, body: dict[str, Any]) -> None:
    # kstatus calls an unobserved generation InProgress: `helm --wait` ends once it was observed
    assert api.create(body).body["status"] == {"observedGeneration": -1}
