"""The fetcher that a pod is given: where it stands, what it is told, and as whom it runs."""

import json
from dataclasses import replace

from ignition_hub.gateway.admission.injection import inject
from injectedpods import ENGINES, SETTINGS, applied, injected, pod, refusal


def test_the_fetcher_comes_before_every_other_init_container():
    spec = injected(pod(spec={"initContainers": [{"name": "migrate"}]}))["spec"]

    assert [container["name"] for container in spec["initContainers"]] == ["ignition-fetch", "migrate"]


def test_the_fetcher_is_told_what_to_bring_and_whom_to_ask():
    fetcher = injected(pod("arcface-r100, detector=yolo-v8"))["spec"]["initContainers"][0]
    environment = {variable["name"]: variable["value"] for variable in fetcher["env"]}

    assert fetcher["image"] == "fetcher:1"
    assert environment["IGNITION_ENGINES"] == "arcface-r100=arcface-r100,detector=yolo-v8"
    assert environment["IGNITION_GATEWAY_URL"] == "https://gateway.svc"
    assert environment["IGNITION_CA"] == "PEM"
    assert "IGNITION_NODE_CACHE_URL" not in environment
    assert environment["IGNITION_ON_MISS"] == "Wait"


def test_the_fetcher_is_told_of_the_cache_of_its_node_where_there_is_one():
    settings = replace(SETTINGS, node_cache_url="https://cache.svc:8445")
    document = pod()
    fetcher = applied(document, inject(document, ENGINES, settings))["spec"]["initContainers"][0]

    assert {"name": "IGNITION_NODE_CACHE_URL", "value": "https://cache.svc:8445"} in fetcher["env"]


def test_the_token_is_for_the_hub_alone_and_only_the_fetcher_has_it():
    spec = injected(pod())["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    (source,) = volumes["ignition-token"]["projected"]["sources"]

    assert source["serviceAccountToken"]["audience"] == "ignition-hub"
    assert "ignition-token" not in json.dumps(spec["containers"])


def test_a_second_call_keeps_what_the_api_server_and_others_added_to_the_fetcher():
    document = injected(pod())
    (fetcher,) = document["spec"]["initContainers"]
    fetcher |= {"terminationMessagePath": "/dev/termination-log", "resources": {"limits": {"x.io/y": "1"}}}
    fetcher["env"].append({"name": "CLUSTER", "value": "a"})
    fetcher["volumeMounts"].append({"name": "kube-api-access", "mountPath": "/var/run/secrets/k8s"})
    fetcher["securityContext"]["runAsUser"] = 1_000_650_000

    assert inject(document, ENGINES, SETTINGS) == []


def test_the_fetcher_of_a_pod_that_was_printed_and_applied_is_brought_up_to_date():
    document = injected(pod())
    document["metadata"]["annotations"]["ignitionhub.io/engines"] = "yolo-v8"
    (fetcher,) = document["spec"]["initContainers"]
    fetcher |= {"image": "fetcher:0", "command": ["true"], "restartPolicy": "Always"}
    fetcher["env"] = [{"name": "IGNITION_ENGINES", "value": "a=a"}, {"name": "IGNITION_OLD", "value": "1"}]

    (updated,) = injected(document)["spec"]["initContainers"]

    assert updated == injected(pod("yolo-v8"))["spec"]["initContainers"][0]


def test_the_fetcher_itself_cannot_be_named():
    document = injected(pod())
    document["metadata"]["annotations"]["ignitionhub.io/containers"] = "ignition-fetch"

    assert "no container 'ignition-fetch': its containers are: app" in refusal(document)


def test_the_fetcher_meets_the_restricted_standard():
    context = injected(pod())["spec"]["initContainers"][0]["securityContext"]

    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True
    assert "runAsUser" not in context


def test_in_a_pod_that_runs_as_root_the_fetcher_still_does_not():
    document = pod(spec={"securityContext": {"runAsUser": 0}})

    assert injected(document)["spec"]["initContainers"][0]["securityContext"]["runAsUser"] == 65532
