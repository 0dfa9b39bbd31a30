"""The chart: what it asks for, what it refuses, and that it stays narrow."""

from typing import Any

import pytest
import yaml

from chart_harness import CHART, HELM, OWN_STORE, ROOT, TRIAL, Json, containers, find, helm, refusal, render
from ignition_hub.engine.names import TOKEN_FOLDER

pytestmark = pytest.mark.skipif(
    not HELM.exists(), reason="helm is not built: PYTHONPATH=tests/tools python3 -m localcluster build"
)


@pytest.fixture(scope="module")
def trial() -> list[Json]:
    return render()


def test_the_chart_passes_lint():
    done = helm("lint", "--strict", str(CHART), values=TRIAL)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_charts_crds_are_the_generated_ones():
    generated = {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}
    shipped = {path.name: path.read_bytes() for path in (CHART / "crds").glob("*.yaml")}

    assert shipped == generated


def test_every_pod_runs_under_pod_security_restricted(trial: list[Json]):
    workloads = [document for document in trial if document["kind"] in {"Deployment", "Job"}]
    assert {document["metadata"]["labels"].get("app.kubernetes.io/component") for document in workloads} == {
        "bootstrap",
        "controller",
        "gateway",
        "s3",
    }

    for deployment in workloads:
        pod = deployment["spec"]["template"]["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == 65532
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(deployment):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]


def test_the_controller_has_a_token_that_only_the_gateway_takes(trial: list[Json]):
    pod = find(trial, "Deployment", "ignition-hub-controller")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    [token] = [volume for volume in pod["volumes"] if volume["name"] == "token"]

    assert token["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "ignition-hub", "expirationSeconds": 3600}}
    ]
    assert f"--token-file={mounts['token']}/token" in pod["containers"][0]["args"]


def test_the_build_namespace_is_restricted_and_its_account_has_neither_token_nor_rights(trial: list[Json]):
    namespace = find(trial, "Namespace", "ignition-hub-builds")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    account = find(trial, "ServiceAccount", "ignition-builder", "ignition-hub-builds")
    assert account["automountServiceAccountToken"] is False

    bindings = [document for document in trial if document["kind"].endswith("RoleBinding")]
    subjects = {subject["name"] for binding in bindings for subject in binding["subjects"]}
    hub = {f"ignition-hub-{name}" for name in ("controller", "gateway", "keys", "authority", "prune")}
    assert subjects == hub | {"system:authenticated"}


def test_no_role_has_wildcards_and_secrets_are_read_by_name(trial: list[Json]):
    roles = [document for document in trial if document["kind"] in {"Role", "ClusterRole"}]
    rules = [rule for role in roles for rule in role["rules"] if "resources" in rule]
    for rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]

    of_secrets = [
        (role["metadata"]["name"], rule["verbs"], rule.get("resourceNames"))
        for role in roles
        for rule in role["rules"]
        if "secrets" in rule.get("resources", [])
    ]
    assert sorted(of_secrets, key=str) == [
        ("ignition-hub-controller", ["get"], ["ignition-hub-store"]),
        ("ignition-hub-gateway", ["get"], ["ignition-hub-store"]),
        ("ignition-hub-keys", ["create"], None),
        ("ignition-hub-keys", ["get", "update"], ["ignition-hub-gateway-tls"]),
        ("ignition-hub-keys", ["get"], ["ignition-hub-ca"]),
    ]


def test_the_process_that_admits_pods_has_no_signing_key_and_the_webhook_asks_it(trial: list[Json]):
    pods, admission = containers(find(trial, "Deployment", "ignition-hub-gateway"))
    webhook = find(trial, "MutatingWebhookConfiguration", "ignition-hub")
    service = find(trial, "Service", "ignition-hub-gateway")
    asked = webhook["webhooks"][0]["clientConfig"]["service"]["port"]
    [port] = [port for port in service["spec"]["ports"] if port["port"] == asked]

    assert ("--serve=pods" in pods["args"], "--serve=admission" in admission["args"]) == (True, True)
    assert not any("signing" in word for word in admission["args"])
    assert "signing" not in {mount["name"] for mount in admission["volumeMounts"]}
    assert port["targetPort"] in {each["name"] for each in admission["ports"]}


def test_the_one_path_outside_resources_is_that_of_the_keys_of_tokens(trial: list[Json]):
    roles = [document for document in trial if document["kind"] in {"Role", "ClusterRole"}]
    rules = [rule for role in roles for rule in role["rules"] if "resources" not in rule]

    assert rules == [{"nonResourceURLs": ["/openid/v1/jwks"], "verbs": ["get"]}]


def test_the_account_that_prunes_may_ask_for_that_and_nothing_else(trial: list[Json]):
    account = find(trial, "ServiceAccount", "ignition-hub-prune", "ignition-hub")
    bound = [
        (each["kind"], each["roleRef"]["name"])
        for each in trial
        if each["kind"].endswith("RoleBinding")
        and any(subject["name"] == "ignition-hub-prune" for subject in each["subjects"])
    ]

    assert account["automountServiceAccountToken"] is False
    assert bound == [("ClusterRoleBinding", "ignition-hub-prune")]
    assert find(trial, "ClusterRole", "ignition-hub-prune")["rules"] == [
        {"apiGroups": ["ignitionhub.io"], "resources": ["enginestores"], "verbs": ["prune"]}
    ]


def test_the_schedule_prunes_under_pod_security_restricted_with_nothing_but_its_token(trial: list[Json]):
    schedule = find(trial, "CronJob", "ignition-hub-prune")["spec"]
    job = schedule["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]

    assert (schedule["schedule"], schedule["concurrencyPolicy"]) == ("17 3 * * *", "Forbid")
    assert job["activeDeadlineSeconds"] > 0
    gateway = find(trial, "Deployment", "ignition-hub-gateway")["spec"]["template"]["spec"]
    assert pod["securityContext"] == gateway["securityContext"]
    assert container["securityContext"] == gateway["containers"][0]["securityContext"]
    assert container["image"] == gateway["containers"][0]["image"]
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("ignition-hub-prune", False)
    token, authority = pod["volumes"]
    assert token["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "ignition-hub", "expirationSeconds": 3600}}
    ]
    assert authority["configMap"] == {"name": "ignition-hub-ca"}
    assert container["volumeMounts"][0]["mountPath"] == TOKEN_FOLDER
    assert "--dry-run" not in container["args"]


def test_the_schedule_can_be_a_report_or_left_out():
    report = find(render({"prune": {"dryRun": True}}), "CronJob", "ignition-hub-prune")
    without = render({"prune": {"enabled": False}})

    (container,) = report["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-1] == "--dry-run"
    assert not [document for document in without if document["kind"] == "CronJob"]
    assert find(without, "ServiceAccount", "ignition-hub-prune")


def test_the_retention_of_the_charts_store_is_that_of_the_values(trial: list[Json]):
    documents = render({"store": {"retention": {"engines": "2160h"}}})

    assert "retention" not in find(trial, "EngineStore", "default")["spec"]
    assert find(documents, "EngineStore", "default")["spec"]["retention"] == {"engines": "2160h"}


def test_the_hub_never_writes_specs_nodes_or_roles(trial: list[Json]):
    hub = [
        document
        for document in trial
        if document["kind"] in {"Role", "ClusterRole"}
        and document["metadata"]["name"] in {"ignition-hub-controller", "ignition-hub-gateway"}
    ]
    writes = {
        (resource, verb)
        for role in hub
        for rule in role["rules"]
        for resource in rule.get("resources", rule.get("nonResourceURLs"))
        for verb in rule["verbs"]
        if verb not in {"get", "list", "watch"}
    }

    assert writes == {
        ("tensorrtengines/status", "patch"),
        ("buildpools/status", "patch"),
        ("enginestores/status", "patch"),
        ("events", "create"),
        ("pods", "patch"),
        ("leases", "create"),
        ("leases", "update"),
        ("jobs", "create"),
        ("jobs", "delete"),
        ("jobs", "patch"),
        ("tokenreviews", "create"),
        ("subjectaccessreviews", "create"),
    }


def test_the_gateway_reads_what_tells_which_gpu_a_pod_got(trial: list[Json]):
    role = next(
        one for one in trial if one["kind"] == "ClusterRole" and one["metadata"]["name"].endswith("-gateway")
    )
    reads = {
        (resource, tuple(rule["verbs"])) for rule in role["rules"] for resource in rule.get("resources", ())
    }

    follow = ("get", "list", "watch")
    assert {("nodes", follow), ("pods", follow), ("resourceclaims", follow)} <= reads
    assert ("resourceslices", ("list", "watch")) in reads
    assert ("events", ("create",)) in reads


def test_more_store_secrets_are_readable_when_named():
    documents = render({"store": {"extraCredentialsSecrets": ["second-store"]}})

    role = find(documents, "Role", "ignition-hub-gateway", "ignition-hub")
    assert role["rules"][0]["resourceNames"] == ["ignition-hub-store", "second-store"]


def test_the_webhook_sees_opted_in_pods_only_and_never_the_hubs_own(trial: list[Json]):
    hook = find(trial, "MutatingWebhookConfiguration", "ignition-hub")["webhooks"][0]

    assert hook["objectSelector"] == {"matchLabels": {"ignitionhub.io/inject": "true"}}
    assert hook["rules"][0]["operations"] == ["CREATE"]
    assert hook["failurePolicy"] == "Fail"
    assert hook["timeoutSeconds"] == 5
    assert hook["reinvocationPolicy"] == "IfNeeded"
    assert hook["sideEffects"] == "None"
    excluded = hook["namespaceSelector"]["matchExpressions"][0]["values"]
    assert {"kube-system", "ignition-hub", "ignition-hub-builds"} <= set(excluded)


def test_every_image_comes_from_the_registry_of_the_values(trial: list[Json]):
    deployments = [document for document in trial if document["kind"] == "Deployment"]
    images = {container["image"] for deployment in deployments for container in containers(deployment)}
    pool = find(trial, "BuildPool", "rtx")["spec"]["runtimes"][0]

    assert images == {f"localhost/ignition-hub/{name}:dev" for name in ("operator", "fetcher", "s3")}
    assert pool == {
        "flavor": "TensorRTRTX",
        "version": "1.7.1.116",
        "image": "localhost/ignition-hub/builder-rtx:dev",
    }
    gateway = containers(find(trial, "Deployment", "ignition-hub-gateway"))[0]
    assert "--fetcher-image=localhost/ignition-hub/fetcher:dev" in gateway["args"]


def test_the_embedded_store_is_the_default_store(trial: list[Json]):
    store = find(trial, "EngineStore", "default")

    assert store["metadata"]["annotations"]["ignitionhub.io/is-default-store"] == "true"
    assert store["spec"]["s3"] == {
        "endpoint": "http://ignition-hub-s3.ignition-hub.svc:9000",
        "region": "us-east-1",
        "bucket": "engines",
        "prefix": "ignition",
        "credentialsSecretRef": {"name": "ignition-hub-store"},
    }
    server = containers(find(trial, "Deployment", "ignition-hub-s3"))[1]
    assert "--concurrency=1" in server["args"]


def test_a_store_of_ones_own_needs_no_embedded_server():
    documents = render(OWN_STORE)

    assert not [d for d in documents if d["metadata"]["name"] in {"ignition-hub-s3", "ignition-hub-store"}]
    spec = find(documents, "EngineStore", "default")["spec"]["s3"]
    assert spec["endpoint"] == "https://s3.example.com"
    assert spec["credentialsSecretRef"] == {"name": "engine-store"}


def test_quotas_and_the_limit_of_engines_reach_the_store_and_the_controller():
    quotas = [{"namespaces": ["*"], "storage": "50Gi"}]
    documents = render({"store": {"quotas": quotas}, "controller": {"maxEnginesPerNamespace": 250000}})

    [store] = [each for each in documents if each["kind"] == "EngineStore"]
    assert store["spec"]["quotas"] == quotas
    [controller] = [
        each["spec"]["template"]["spec"]["containers"][0]
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "ignition-hub-controller"
    ]
    assert "--max-engines-per-namespace=250000" in controller["args"]


def test_only_with_rollouts_may_the_controller_change_workloads_and_is_told_to():
    def of(documents: list[Json]) -> tuple[bool, bool, int]:
        deployment = find(documents, "Deployment", "ignition-hub-controller")
        args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        rules = find(documents, "ClusterRole", "ignition-hub-controller")["rules"]
        named = {group for rule in rules for group in rule["apiGroups"]} & {"apps", "argoproj.io"}
        policies = [each for each in documents if each["metadata"]["name"] == "ignition-hub-rollouts"]
        return "--rollouts" in args, bool(named), len(policies)

    assert of(render()) == (False, False, 0)
    assert of(render({"rollouts": {"enabled": True}})) == (True, True, 2)


def test_a_store_can_be_added_later():
    documents = render(OWN_STORE | {"store": {"create": False}})

    assert not [document for document in documents if document["kind"] == "EngineStore"]


def test_the_controllers_pod_patches_are_limited_by_policy(trial: list[Json]):
    policy = find(trial, "ValidatingAdmissionPolicy", "ignition-hub-controller")["spec"]

    assert policy["failurePolicy"] == "Fail"
    assert (
        "system:serviceaccount:ignition-hub:ignition-hub-controller"
        in policy["matchConditions"][0]["expression"]
    )
    assert find(trial, "ValidatingAdmissionPolicyBinding", "ignition-hub-controller")["spec"][
        "validationActions"
    ] == ["Deny"]


def test_pod_annotations_are_put_on_every_pod():
    deployments = [d for d in render({"podAnnotations": {"a": "1"}}) if d["kind"] == "Deployment"]

    annotations = [d["spec"]["template"]["metadata"]["annotations"] for d in deployments]
    assert annotations == [{"a": "1"}] * 3


def test_one_replica_gets_no_disruption_budget():
    documents = render({"controller": {"replicas": 1}})

    budgets = {d["metadata"]["name"] for d in documents if d["kind"] == "PodDisruptionBudget"}
    assert budgets == {"ignition-hub-gateway"}


def test_the_pool_has_the_tenants_that_the_values_list(trial: list[Json]):
    tenants = [{"namespaces": ["vision"], "queueName": "gpu-vision"}, {"namespaces": ["*"]}]
    documents = render({"pools": {"rtx": {"tenants": tenants}}})

    assert find(documents, "BuildPool", "rtx")["spec"]["tenants"] == tenants
    assert "tenants" not in find(trial, "BuildPool", "rtx")["spec"]


def test_the_pool_builds_for_pods_only_where_the_values_say_so(trial: list[Json]):
    documents = render({"pools": {"rtx": {"autoBuild": {"namespaces": ["vision"]}}}})

    assert find(documents, "BuildPool", "rtx")["spec"]["autoBuild"] == {"namespaces": ["vision"]}
    assert "autoBuild" not in find(trial, "BuildPool", "rtx")["spec"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": {"registry": ""}}, "images.registry: missing"),
        ({"store": {"retention": {"engines": "90d"}}}, "/store/retention/engines"),
        ({"store": {"retention": {"engine": "90h"}}}, "additional properties 'engine' not allowed"),
        ({"prune": {"schedule": "3 o'clock"}}, "/prune/schedule"),
        (
            {"embeddedS3": {"enabled": False}, "store": {"endpoint": "https://s3.example.com"}},
            "store.credentialsSecret: missing",
        ),
        (
            {"embeddedS3": {"enabled": False}, "store": {"credentialsSecret": "x"}},
            "store.endpoint: missing",
        ),
        ({"certificates": {"mode": "external", "existingSecret": "x"}}, "certificates.caBundle: missing"),
        (
            {"certificates": {"mode": "external", "caBundle": "-----BEGIN CERTIFICATE-----"}},
            "needs certificates.existingSecret",
        ),
        ({"certificates": {"mode": "certManager", "certManager": {"issuerRef": {"name": "x"}}}}, "caBundle"),
        ({"gateway": {"replica": 3}}, "replica"),
        ({"gateway": {"replicas": 0}}, "replicas"),
        ({"pools": {"rtx": {"archs": ["sm_90"]}}}, "archs"),
        ({"pools": {"rtx": {"version": "1.7"}}}, "version"),
        ({"store": {"modelSources": [{"prefix": "s3://models", "namespaces": ["a"]}]}}, "prefix"),
        ({"store": {"modelSources": [{"prefix": "https://a/", "namespaces": ["a"]}]}}, "prefix"),
        ({"store": {"pluginSources": [{"prefix": "https://a/", "namespaces": ["a"]}]}}, "prefix"),
        ({"store": {"pluginSources": [{"prefix": "s3://plugins/"}]}}, "namespaces"),
        ({"store": {"quotas": [{"namespaces": ["a"]}]}}, "storage"),
        ({"store": {"quotas": [{"namespaces": ["a"], "storage": "50 GB"}]}}, "storage"),
        ({"webhook": {"failurePolicy": "Maybe"}}, "failurePolicy"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(changes: Json, said: str):
    assert said in refusal(changes)


MONITORED = {
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "grafanaDashboard": {"enabled": True},
}


@pytest.fixture(scope="module")
def monitored() -> list[Json]:
    return render(MONITORED)


def rules_of(document: Json) -> list[Json]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_nothing_that_needs_another_operator_is_there_unless_it_is_asked_for() -> None:
    kinds = {(document["kind"], document["metadata"]["name"]) for document in render()}

    assert not {kind for kind, _ in kinds} & {"PodMonitor", "PrometheusRule", "ServiceMonitor"}
    assert ("ConfigMap", "ignition-hub-dashboard") not in kinds


def test_a_rule_is_rendered_as_it_stands_in_the_file_and_says_where_help_is(monitored: list[Json]) -> None:
    own_rules = rules_of(yaml.safe_load((CHART / "files" / "alerts.yaml").read_text()))
    rendered = rules_of(find(monitored, "PrometheusRule", "ignition-hub", "ignition-hub")["spec"])

    for rule, own in zip(rendered, own_rules, strict=True):
        runbook = rule["annotations"].pop("runbook_url")
        assert runbook == f"docs/troubleshooting.md#{own['alert'].lower()}"
        assert rule == own


def test_alerts_are_left_out_routed_and_found_as_the_platform_team_says() -> None:
    given: dict[str, Any] = {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "alertLabels": {"team": "platform"},
        "disabled": ["IgnitionHubTargetsFailed"],
        "runbook": "https://docs.example.com/hub",
    }
    document = find(render({"prometheusRule": given}), "PrometheusRule", "ignition-hub")
    rules = rules_of(document["spec"])

    assert document["metadata"]["labels"]["release"] == "prometheus"
    assert {rule["labels"]["team"] for rule in rules} == {"platform"}
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}
    assert rules[0]["annotations"]["runbook_url"] == "https://docs.example.com/hub#ignitionhubnoleader"
    assert "IgnitionHubTargetsFailed" not in {rule["alert"] for rule in rules}


def test_an_alert_that_cannot_be_left_out_by_that_name_is_refused() -> None:
    assert "disabled" in refusal({"prometheusRule": {"enabled": True, "disabled": ["Ignition Hub*"]}})


def test_the_dashboard_is_rendered_as_it_stands_in_the_file(monitored: list[Json]) -> None:
    data = find(monitored, "ConfigMap", "ignition-hub-dashboard", "ignition-hub")["data"]

    assert data["ignition-hub.json"].strip() == (CHART / "files" / "dashboard.json").read_text().strip()


def test_the_sidecar_finds_the_dashboard_where_it_looks() -> None:
    grafana = {"enabled": True, "namespace": "monitoring", "annotations": {"grafana_folder": "GPU"}}
    found = find(render({"grafanaDashboard": grafana}), "ConfigMap", "ignition-hub-dashboard", "monitoring")

    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "GPU"}


def test_the_pod_monitor_asks_ports_that_the_pods_have(monitored: list[Json]) -> None:
    asked = {
        endpoint["port"]
        for endpoint in find(monitored, "PodMonitor", "ignition-hub")["spec"]["podMetricsEndpoints"]
    }
    pods = [find(monitored, "Deployment", f"ignition-hub-{name}") for name in ("controller", "gateway")]
    ports = {port["name"] for pod in pods for each in containers(pod) for port in each.get("ports", ())}

    assert asked == {"metrics", "adm-metrics"}
    assert asked <= ports


def test_the_secret_of_the_registry_is_read_by_the_gateway_alone():
    registry = {"repository": "registry.example.com/engines", "credentialsSecretRef": {"name": "engine-push"}}
    documents = render({"store": {"registry": registry}})
    readers = [
        document["metadata"]["name"]
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"}
        for rule in document["rules"]
        if "engine-push" in rule.get("resourceNames", ())
    ]
    [store] = [document for document in documents if document["kind"] == "EngineStore"]

    assert readers == ["ignition-hub-gateway"]
    assert store["spec"]["registry"] == registry


def test_the_two_processes_of_a_gateway_know_images_by_one_file_that_they_share(trial: list[Json]):
    [gateway] = [
        d for d in trial if (d["kind"], d["metadata"]["name"]) == ("Deployment", "ignition-hub-gateway")
    ]
    containers = gateway["spec"]["template"]["spec"]["containers"]

    for container in containers:
        assert "--images-file=/tmp/images.json" in container["args"]
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert len(containers) == 2
