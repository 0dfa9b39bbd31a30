"""What a pod that asks for engines is given, and what the API server is answered."""

import base64
import copy
import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ignition_hub.compatibility.node_terms import terms_for
from ignition_hub.compatibility.placement import affinity_for, reach_of, required_terms
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine import pod_annotations
from ignition_hub.engine.errors import ContractError, Reason, RequestError
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, LayoutName, PodAnnotation
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import InjectionSettings, inject
from ignition_hub.gateway.admission.review import review
from nodeaffinity import admits

PUSHED = "registry.example.com/hub/team/arcface-r100@sha256:" + "1" * 64
READY = EngineView(
    "arcface-r100",
    (
        ReadyTarget(
            "sm_89", None, "SameComputeCapability", "TensorRT", name="sm-89", sha256="ab" * 32, image=PUSHED
        ),
    ),
)
YOLO = EngineView("yolo-v8", (ReadyTarget("sm_89", "NVIDIA-L4", "Product", "TensorRT"),))
WAITING = EngineView("bert")
WHY = "s3://models/whisper.onnx does not exist"
FAILED = EngineView("whisper", failure=WHY)
ENGINES = {view.name: view for view in (READY, YOLO, WAITING, FAILED)}
SETTINGS = InjectionSettings(
    fetcher_image="fetcher:1", gateway_url="https://gateway.svc", authorities="PEM", no_images=""
)


def pod(engines="arcface-r100", *, labels=None, spec=None, **annotations):
    extra = {f"ignitionhub.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {
        "kind": "Pod",
        "metadata": {
            "labels": labels or {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engines, **extra},
        },
        "spec": {"containers": [{"name": "app"}], **(spec or {})},
    }


def applied(document, patch):
    """Apply a patch of ``add`` and ``remove`` operations, as RFC 6902 says."""
    result = copy.deepcopy(document)
    for operation in patch:
        assert operation["op"] in {"add", "remove"}
        *parents, last = (
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].lstrip("/").split("/")
        )
        at = result
        for step in parents:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if operation["op"] == "remove":
            del at[int(last) if isinstance(at, list) else last]
        elif not isinstance(at, list):
            at[last] = copy.deepcopy(operation["value"])
        elif last == "-":
            at.append(copy.deepcopy(operation["value"]))
        else:
            at.insert(int(last), copy.deepcopy(operation["value"]))
    return result


def injected(document):
    return applied(document, inject(document, ENGINES, SETTINGS))


def asked_by_the_fetcher(*resources):
    containers = [{"name": f"c{n}", "resources": each} for n, each in enumerate(resources)]
    return injected(pod(spec={"containers": containers}))["spec"]["initContainers"][0]["resources"]


def both(**quantities):
    return {"requests": quantities, "limits": quantities}


def refusal(document):
    return str(error_of(document))


def error_of(document):
    with pytest.raises(RequestError) as refused:
        inject(document, ENGINES, SETTINGS)
    return refused.value


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


def test_the_fetcher_of_a_guaranteed_pod_has_limits_that_equal_its_requests():
    server = both(cpu="4", memory="8Gi")
    server["limits"] = {**server["limits"], "nvidia.com/gpu": "1"}

    assert asked_by_the_fetcher(server) == both(cpu="4", memory="8Gi")


def test_the_fetcher_of_a_burstable_pod_asks_for_what_a_container_does_limits_included():
    server = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}

    assert asked_by_the_fetcher(server) == server


def test_the_fetcher_of_a_pod_that_asks_for_nothing_asks_for_nothing():
    assert asked_by_the_fetcher({}, {}) == {}
    assert asked_by_the_fetcher({"limits": {"nvidia.com/gpu": "1"}, "claims": [{"name": "gpu"}]}) == {}


@pytest.mark.parametrize("turned", [False, True])
def test_the_fetcher_asks_for_what_the_container_with_the_most_cpu_does(turned):
    proxy, server = both(cpu="100m", memory="128Mi"), both(cpu="1.5", memory="8Gi")
    limited = {"limits": {"cpu": "1", "memory": "16Gi"}}

    found = asked_by_the_fetcher(*sorted([proxy, server, limited], key=str, reverse=turned))

    assert found == server


def test_a_container_with_too_little_memory_for_a_fetcher_is_not_its_model():
    small, server = both(cpu="8", memory="32Mi"), {"requests": {"cpu": "10m"}}

    assert asked_by_the_fetcher(small, server) == server


@pytest.mark.parametrize(
    ("theirs", "request_", "limit"),
    [
        (both(memory="32Mi"), "128Mi", "128Mi"),
        ({"requests": {"memory": "16Mi"}, "limits": {"memory": "64Mi"}}, "33554432", "128Mi"),
        ({"limits": {"memory": "64Mi"}}, None, "128Mi"),
        ({"requests": {"memory": "16Mi"}}, "16Mi", None),
    ],
)
def test_a_memory_limit_too_small_for_any_fetcher_is_raised_and_its_ratio_kept(theirs, request_, limit):
    found = asked_by_the_fetcher(theirs)

    assert found.get("requests", {}).get("memory") == request_
    assert found.get("limits", {}).get("memory") == limit


def test_a_limit_without_a_request_counts_as_the_request():
    limited = {"limits": {"cpu": "8", "memory": "1Gi"}}

    assert asked_by_the_fetcher(both(cpu="4", memory="8Gi"), limited) == limited


UNREADABLE = {"long": "9" * 1_500_000, "word": "many", "null": None, "object": {"a": "b"}, "exponent": "1e3"}


@pytest.mark.parametrize("quantity", UNREADABLE.values(), ids=UNREADABLE)
def test_a_quantity_that_cannot_be_read_is_left_to_the_api_server(quantity):
    theirs = {"requests": {"memory": quantity, "cpu": quantity}, "limits": {"memory": quantity}}

    assert asked_by_the_fetcher(theirs, {})["requests"]["memory"] == quantity


MIB = 1024**2


def sized(name, *sizes):
    targets = [ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT", size=size) for size in sizes]
    return EngineView(name, tuple(targets))


def size_limit(engines, *views):
    views = {view.name: view for view in views}
    patch = inject(pod(engines), views, SETTINGS)
    volumes = applied(pod(engines), patch)["spec"]["volumes"]
    return next(volume["emptyDir"] for volume in volumes if volume["name"] == "ignition-engines")["sizeLimit"]


def test_the_folder_of_the_engines_holds_each_twice_and_what_lies_beside():
    small, large = sized("small", 10 * MIB + 1), sized("large", 100 * MIB, 300 * MIB)

    assert size_limit("small", small) == f"{20 + 64 + 1}Mi"
    assert size_limit("small, large", small, large) == f"{20 + 600 + 64 + 1}Mi"
    assert size_limit("large, again=large", large) == f"{1200 + 64}Mi"


@pytest.mark.parametrize("view", [EngineView("bert"), sized("bert", 0), sized("bert", 10 * MIB, 0)])
def test_an_engine_whose_size_is_not_known_counts_as_the_largest_that_is_accepted(view):
    assert size_limit("bert", view) == f"{2 * 64 * 1024 + 64}Mi"


SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"


@pytest.mark.parametrize(
    ("theirs", "all_of_them"),
    [
        (None, "ignition-engines"),
        ("", "ignition-engines"),
        ("scratch", "scratch,ignition-engines"),
        ("a,ignition-engines,b", "a,ignition-engines,b"),
    ],
)
def test_the_engines_do_not_hold_the_node_when_the_cluster_shrinks(theirs, all_of_them):
    document = pod()
    if theirs is not None:
        document["metadata"]["annotations"][SAFE_TO_EVICT] = theirs

    assert injected(document)["metadata"]["annotations"][SAFE_TO_EVICT] == all_of_them


def test_the_containers_see_the_engines_read_only_and_learn_their_paths():
    container = injected(pod("arcface-r100, detector=yolo-v8"))["spec"]["containers"][0]

    assert container["volumeMounts"] == [
        {"name": "ignition-engines", "mountPath": "/engines", "readOnly": True}
    ]
    assert container["env"] == [
        {"name": "IGNITION_ENGINE_ARCFACE_R100", "value": "/engines/arcface-r100/model.engine"},
        {"name": "IGNITION_ENGINE_DETECTOR", "value": "/engines/detector/model.engine"},
    ]


def test_the_token_is_for_the_hub_alone_and_only_the_fetcher_has_it():
    spec = injected(pod())["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    (source,) = volumes["ignition-token"]["projected"]["sources"]

    assert source["serviceAccountToken"]["audience"] == "ignition-hub"
    assert "ignition-token" not in json.dumps(spec["containers"])


def test_what_the_pod_had_is_still_there():
    theirs = {
        "containers": [
            {
                "name": "app",
                "env": [{"name": "A", "value": "1"}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }

    spec = injected(pod(spec=theirs))["spec"]

    assert spec["volumes"][0] == {"name": "data", "emptyDir": {}}
    assert spec["containers"][0]["env"][0] == {"name": "A", "value": "1"}
    assert spec["containers"][0]["volumeMounts"][0] == {"name": "data", "mountPath": "/data"}


ZONE = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
TERMS = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [ZONE, ZONE]}}
SPECS = {
    "plain": {},
    "sidecars": {"initContainers": [{"name": "first"}, {"name": "proxy", "restartPolicy": "Always"}]},
    "guaranteed": {"containers": [{"name": "app", "resources": both(cpu="2", memory="64Mi")}]},
    "placed": {"affinity": {"nodeAffinity": TERMS}, "schedulingGates": [{"name": "example.com/quota"}]},
    "mesh": {"initContainers": [{"name": "istio-validation"}], "containers": [{"name": "istio-proxy"}]},
    "native": {"initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}, {"name": "last"}]},
    "root": {"securityContext": {"runAsUser": 0}, "volumes": [{"name": "ignition-engines", "emptyDir": {}}]},
}


@pytest.mark.parametrize("engines", ["arcface-r100", "bert", "arcface-r100, bert"])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_second_call_changes_nothing(spec, engines):
    assert inject(injected(pod(engines, spec=spec)), ENGINES, SETTINGS) == []


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


def test_the_fetcher_follows_what_another_webhook_made_the_pod_ask_for():
    document = injected(pod(spec={"containers": [{"name": "app", "resources": both(cpu="4")}]}))
    document["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    document["spec"]["initContainers"].insert(0, {"name": "theirs"})

    fetcher, theirs = injected(document)["spec"]["initContainers"]

    assert (fetcher["name"], fetcher["resources"]) == ("ignition-fetch", {"requests": {"cpu": "1"}})
    assert theirs == {"name": "theirs"}


def test_a_pod_that_holds_the_gate_keeps_it_though_its_engine_is_ready_now():
    document = injected(pod("bert"))
    ready = {**ENGINES, "bert": EngineView("bert", READY.ready)}

    assert inject(document, ready, SETTINGS) == []


def test_a_printed_pod_that_was_released_before_is_narrowed_again_and_never_widened():
    document = pod(spec={"affinity": affinity_for([EngineView("arcface-r100", READY.ready)])})
    other = ReadyTarget("sm_86", None, "SameComputeCapability", "TensorRT")
    engines = {"arcface-r100": EngineView("arcface-r100", (*READY.ready, other))}

    document = applied(document, inject(document, engines, SETTINGS))

    terms = required_terms(document["spec"]["affinity"])
    assert terms
    assert all(any(requires(term, old) for old in terms_for(reach_of(READY))) for term in terms)
    assert inject(document, engines, SETTINGS) == []


def requires(term, other):
    return all(expression in term["matchExpressions"] for expression in other["matchExpressions"])


def test_the_fetcher_itself_cannot_be_named():
    document = injected(pod())
    document["metadata"]["annotations"]["ignitionhub.io/containers"] = "ignition-fetch"

    assert "no container 'ignition-fetch': its containers are: app" in refusal(document)


def test_only_the_containers_that_are_named_get_the_engines():
    document = pod(spec={"containers": [{"name": "app"}, {"name": "proxy"}]}, containers="app")

    app, proxy = injected(document)["spec"]["containers"]

    assert app["volumeMounts"]
    assert proxy == {"name": "proxy"}


TRITON = {"name": "triton", "restartPolicy": "Always"}


def test_init_containers_and_native_sidecars_get_the_engines_when_they_are_named():
    inits = [{"name": "migrate"}, {"name": "layout"}, TRITON]

    spec = injected(pod(spec={"initContainers": inits}, containers="layout, triton"))["spec"]

    fetcher, migrate, layout, triton = spec["initContainers"]
    assert fetcher["name"] == "ignition-fetch"
    assert migrate == {"name": "migrate"}
    for container in (layout, triton):
        assert container["volumeMounts"] == [
            {"name": "ignition-engines", "mountPath": "/engines", "readOnly": True}
        ]
        assert container["env"][0]["value"] == "/engines/arcface-r100/model.engine"
    assert spec["containers"] == [{"name": "app"}]


ISTIO = {"name": "istio-proxy", "securityContext": {"runAsUser": 1337}}
LINKERD = {"name": "linkerd-proxy", "securityContext": {"runAsUser": 2102}}


def native(proxy):
    return {**proxy, "restartPolicy": "Always"}


def fetcher_in_mesh(*inits, sidecars=(), **annotations):
    """Return the names of the init containers, and the user of the fetcher."""
    spec = {"initContainers": [*inits], "containers": [{"name": "app"}, *sidecars]}
    order = injected(pod(spec=spec, **annotations))["spec"]["initContainers"]
    (fetcher,) = (one for one in order if one["name"] == "ignition-fetch")
    return [one["name"] for one in order], fetcher["securityContext"].get("runAsUser")


@pytest.mark.parametrize("proxy", [ISTIO, LINKERD], ids=lambda proxy: proxy["name"])
def test_the_fetcher_comes_behind_a_proxy_that_is_a_native_sidecar(proxy):
    inits = {"name": "init"}, native(proxy), {"name": "theirs"}

    order, user = fetcher_in_mesh(*inits)

    assert order == ["init", proxy["name"], "ignition-fetch", "theirs"]
    assert user is None


@pytest.mark.parametrize(
    ("check", "proxy"), [("istio-validation", ISTIO), ("linkerd-network-validator", LINKERD)]
)
def test_where_the_network_waits_for_the_proxy_the_fetcher_runs_as_its_user(check, proxy):
    order, user = fetcher_in_mesh({"name": check}, sidecars=[proxy])

    assert order == [check, "ignition-fetch"]
    assert user == proxy["securityContext"]["runAsUser"]
    assert fetcher_in_mesh({"name": check}, sidecars=[{"name": proxy["name"]}])[1] == user
    assert fetcher_in_mesh({"name": check}, native(proxy))[1] is None


def test_a_proxy_that_runs_as_another_user_is_followed_and_root_is_not():
    validation = {"name": "istio-validation"}

    assert fetcher_in_mesh(validation, sidecars=[as_user(1_000_660_001)])[1] == 1_000_660_001
    assert fetcher_in_mesh(validation, sidecars=[as_user(0)])[1] == 1337


def as_user(number):
    return {"name": "istio-proxy", "securityContext": {"runAsUser": number}}


def test_where_no_network_waits_for_a_proxy_the_fetcher_is_first_with_a_user_of_its_own():
    assert fetcher_in_mesh({"name": "linkerd-init"}, sidecars=[LINKERD]) == (
        ["ignition-fetch", "linkerd-init"],
        None,
    )


def test_the_fetcher_is_before_a_container_that_gets_engines_and_starts_before_the_proxy():
    inits = {"name": "layout"}, {"name": "linkerd-network-validator"}, native(LINKERD)

    order, user = fetcher_in_mesh(*inits, containers="layout")

    assert order == ["ignition-fetch", "layout", "linkerd-network-validator", "linkerd-proxy"]
    assert user == 2102


def test_the_fetcher_moves_when_a_mesh_comes_after_the_first_call():
    document = injected(pod())
    document["spec"]["initContainers"] += [{"name": "linkerd-network-validator"}, native(LINKERD)]

    document = injected(document)

    order = [one["name"] for one in document["spec"]["initContainers"]]
    assert order == ["linkerd-network-validator", "linkerd-proxy", "ignition-fetch"]
    assert inject(document, ENGINES, SETTINGS) == []


def test_init_containers_get_nothing_when_no_container_is_named():
    spec = injected(pod(spec={"initContainers": [TRITON]}))["spec"]

    assert spec["initContainers"][1] == TRITON
    assert spec["containers"][0]["volumeMounts"]


def test_the_proxy_of_a_mesh_gets_engines_only_where_it_is_named():
    spec = {"containers": [{"name": "app"}, ISTIO]}

    assert injected(pod(spec=spec))["spec"]["containers"][1] == ISTIO
    assert injected(pod(spec=spec, containers="istio-proxy"))["spec"]["containers"][1]["volumeMounts"]


def test_a_name_that_no_container_has_is_refused_with_those_of_init_containers_too():
    message = refusal(pod(spec={"initContainers": [TRITON]}, containers="tritn"))

    assert "no container 'tritn': its containers are: app, triton" in message


def test_a_pod_may_bring_the_volume_of_the_engines_and_say_where_a_container_sees_it():
    theirs = {"name": "ignition-engines", "emptyDir": {"medium": "Memory"}}
    server = {"name": "app", "volumeMounts": [{"name": "ignition-engines", "mountPath": "/models/"}]}

    spec = injected(pod(spec={"containers": [server], "volumes": [theirs]}))["spec"]

    assert [volume["name"] for volume in spec["volumes"]] == ["ignition-engines", "ignition-token"]
    assert spec["volumes"][0] == theirs
    assert spec["containers"][0]["volumeMounts"] == server["volumeMounts"]
    assert spec["containers"][0]["env"][0]["value"] == "/models/arcface-r100/model.engine"


def test_a_volume_of_the_tokens_name_that_holds_something_else_is_refused():
    message = refusal(pod(spec={"volumes": [{"name": "ignition-token", "secret": {"secretName": "x"}}]}))

    assert message.startswith("the pod has a volume ignition-token that holds no token for the audience")


def test_the_mount_path_of_the_annotation_is_used_everywhere():
    container = injected(pod(mount_path="/models/trt/"))["spec"]["containers"][0]

    assert container["volumeMounts"][0]["mountPath"] == "/models/trt"
    assert container["env"][0]["value"] == "/models/trt/arcface-r100/model.engine"


def test_a_variable_the_author_set_is_not_overwritten():
    theirs = {"name": "IGNITION_ENGINE_ARCFACE_R100", "value": "/debug/model.engine"}

    container = injected(pod(spec={"containers": [{"name": "app", "env": [theirs]}]}))["spec"]["containers"][
        0
    ]

    assert container["env"] == [theirs]


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


def test_a_pod_whose_engines_are_ready_is_steered_and_not_held():
    document = injected(pod())

    assert "schedulingGates" not in document["spec"]
    assert LABEL_WAITING not in document["metadata"]["labels"]
    assert "sm_89" in json.dumps(document["spec"]["affinity"])


def test_a_pod_that_has_to_wait_is_held_by_a_gate_and_can_be_found_by_label():
    document = injected(pod("arcface-r100, bert", spec={"schedulingGates": [{"name": "example.com/quota"}]}))

    assert document["spec"]["schedulingGates"] == [{"name": "example.com/quota"}, {"name": SCHEDULING_GATE}]
    assert document["metadata"]["labels"][LABEL_WAITING] == "true"
    assert "affinity" not in document["spec"]


def test_a_pod_that_did_not_opt_in_is_left_alone():
    assert inject(pod(labels={"app": "x"}), ENGINES, SETTINGS) == []
    assert inject(pod(labels={"ignitionhub.io/inject": "false"}), ENGINES, SETTINGS) == []


def test_a_mirror_pod_is_left_alone():
    document = pod()
    document["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "1"

    assert inject(document, ENGINES, SETTINGS) == []


def test_an_unknown_engine_is_refused_and_no_other_engine_is_named():
    error = error_of(pod("arcface-r10"))

    assert error.reason is Reason.EngineNotFound
    assert str(error) == (
        "annotation ignitionhub.io/engines: the namespace has no TensorRTEngine 'arcface-r10': "
        "apply it there, or list those that exist: kubectl get tensorrtengines"
    )


@pytest.mark.parametrize(
    ("engines", "problem"),
    [
        ("", "lists no engines"),
        (" , ", "lists no engines"),
        ("arcface-r100, arcface-r100", "'arcface-r100' is used twice"),
        ("a=arcface-r100, a=yolo-v8", "alias 'a' is used twice"),
        ("Arcface", "'Arcface' is not a valid name"),
        ("a=", "'' is not a valid name"),
        ("A=arcface-r100", "a=arcface-r100"),
        ("../x=arcface-r100", "is not a valid alias"),
        ("yolo.v8", "yolo-v8=yolo.v8"),
        (",".join(f"e{number}=bert" for number in range(17)), "lists 17 engines"),
    ],
)
def test_a_list_of_engines_that_cannot_be_followed_is_refused_by_name(engines, problem):
    message = refusal(pod(engines))

    assert message.startswith("annotation ignitionhub.io/engines: ")
    assert problem in message


@pytest.mark.parametrize("path", ["", "engines", "/", "/etc/ssl", "/a/../etc", "/with blank", "/proc"])
def test_a_mount_path_that_would_hide_the_system_is_refused(path):
    assert refusal(pod(mount_path=path)).startswith(f"annotation ignitionhub.io/mount-path: {path!r}")


def test_a_mount_path_that_is_taken_is_refused_with_the_container_and_volume():
    taken = {"name": "app", "volumeMounts": [{"name": "nfs", "mountPath": "/engines/"}]}

    message = refusal(pod(spec={"containers": [taken]}))

    assert "container 'app' mounts volume 'nfs' at /engines" in message


def test_a_container_that_does_not_exist_is_refused_with_those_that_do():
    assert "no container 'ap': its containers are: app" in refusal(pod(containers="ap"))
    assert "no container is listed" in refusal(pod(containers=" "))


ANNOTATIONS = [value for value in vars(pod_annotations).values() if isinstance(value, PodAnnotation)]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_every_annotation_changes_what_a_pod_is_given(annotation):
    said, silent = (pod(spec={"containers": [{"name": "app"}, {"name": "proxy"}]}) for _ in range(2))
    said["metadata"]["annotations"][annotation.name] = annotation.example

    assert inject(said, ENGINES, SETTINGS) != inject(silent, ENGINES, SETTINGS), (
        f"{annotation}: follow it in gateway/admission/injection.py, or name it in FOR_THE_FETCHER"
    )


RTX = ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRTRTX")


@pytest.mark.parametrize(
    ("view", "is_refused"),
    [
        (EngineView("bert", (RTX,)), True),
        (EngineView("bert", flavor="TensorRTRTX"), True),
        (EngineView("bert", (RTX, *READY.ready)), False),
        (EngineView("bert", flavor="TensorRT"), False),
        (EngineView("bert"), False),  # the pools decide, and none has yet
    ],
)
def test_a_layout_is_refused_where_its_program_cannot_run_any_engine_there_will_be(view, is_refused):
    asked = (pod("bert", layout="triton"), {"bert": view}, SETTINGS)
    if not is_refused:
        assert inject(*asked)
        return

    with pytest.raises(RequestError) as refused:
        inject(*asked)
    assert refused.value.reason is Reason.UnsupportedLayout
    assert str(refused.value) == (
        "TensorRTEngine bert: Triton Inference Server runs engines of TensorRT, and this one is of "
        "TensorRT-RTX: set spec.tensorrt.flavor of the TensorRTEngine to TensorRT, or use the layout plain"
    )


def test_a_layout_that_does_not_exist_is_refused_with_those_that_do():
    assert refusal(pod(layout="Triton")) == (
        "annotation ignitionhub.io/layout: unknown value 'Triton': use one of: " + ", ".join(LayoutName)
    )


EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("serve-*.yaml")), ids=lambda path: path.stem)
def test_an_example_of_a_layout_shows_the_server_the_folder_that_it_names(path):
    asked = {"kind": "Pod", **template_of(yaml.safe_load(path.read_text()))}
    [reference] = ANNOTATION_ENGINES.of(asked["metadata"]["annotations"])
    made = applied(asked, inject(asked, {reference.resource: EngineView(reference.resource)}, SETTINGS))
    [fetcher], [server] = made["spec"]["initContainers"], made["spec"]["containers"]
    told = {variable["name"]: variable["value"] for variable in fetcher["env"]}

    assert told["IGNITION_LAYOUT"] == path.stem.removeprefix("serve-")
    assert server["volumeMounts"][0]["mountPath"] in " ".join(server["args"])


def template_of(document):
    """The pod that a Deployment makes, or KServe with its runtime for Triton (0.16, as its source says)."""
    if document["kind"] == "Deployment":
        return document["spec"]["template"]
    predictor = document["spec"]["predictor"]
    args = ["tritonserver", "--model-store=/mnt/models", "--grpc-port=9000", "--http-port=8080"]
    server = {"name": "kserve-container", "image": predictor["model"]["image"], "args": args}
    return {
        "metadata": {name: predictor[name] for name in ("labels", "annotations")},
        "spec": {"containers": [server], "securityContext": {"runAsUser": 1000}},
    }


def test_what_kserve_reads_is_where_the_author_says_it_instead():
    [server] = injected(pod(layout="kserve", mount_path="/repository"))["spec"]["containers"]

    assert server["volumeMounts"][0]["mountPath"] == "/repository"


def test_only_a_pod_that_may_be_restarted_for_new_engines_can_be_listed_by_that():
    assert injected(pod(rollout="Automatic"))["metadata"]["labels"]["ignitionhub.io/rolls"] == "true"
    assert "ignitionhub.io/rolls" not in injected(pod(rollout="Manual"))["metadata"]["labels"]


def test_a_rollout_that_no_release_knows_is_refused_with_those_that_there_are():
    message = refusal(pod(rollout="Nightly"))

    assert message == (
        "annotation ignitionhub.io/rollout: unknown value 'Nightly': use one of: Manual, Automatic"
    )


def test_an_on_miss_that_there_is_not_is_refused_with_those_that_there_are():
    message = refusal(pod(on_miss="fail"))

    assert "unknown value 'fail'" in message
    assert message.endswith("use one of: Wait, Fallback, Fail")


PINNED = EngineView("detr", READY.ready, can_fall_back=True)
PINNED_WAITING = EngineView("sam", can_fall_back=True)
PINNED_FAILED = EngineView("clip", failure=WHY, can_fall_back=True)
FALLBACKS = {view.name: view for view in (PINNED, PINNED_WAITING, PINNED_FAILED, READY)}


@pytest.mark.parametrize("engines", ["detr", "sam", "clip", "detr, sam, clip"])
def test_a_pod_that_falls_back_may_go_to_any_node_at_once(engines):
    asked = pod(engines, on_miss="Fallback")

    given = applied(asked, inject(asked, FALLBACKS, SETTINGS))

    assert "schedulingGates" not in given["spec"]
    assert "affinity" not in given["spec"]
    assert LABEL_WAITING not in given["metadata"]["labels"]
    assert warnings_about(asked, FALLBACKS, SETTINGS) == []


def test_a_pod_that_falls_back_is_told_where_its_model_would_be():
    asked = pod("a-b=detr", on_miss="Fallback", mount_path="/models/trt")

    given = applied(asked, inject(asked, FALLBACKS, SETTINGS))["spec"]

    assert {one["name"]: one["value"] for one in given["containers"][0]["env"]} == {
        "IGNITION_ENGINE_A_B": "/models/trt/a-b/model.engine",
        "IGNITION_MODEL_A_B": "/models/trt/a-b/onnx/model.onnx",
    }
    told = {one["name"]: one["value"] for one in given["initContainers"][0]["env"]}
    assert told["IGNITION_ON_MISS"] == "Fallback"


def test_a_pod_does_not_fall_back_to_a_model_that_it_could_not_verify():
    message = refusal_of(pod("detr, arcface-r100", on_miss="Fallback"), FALLBACKS)

    assert "TensorRTEngine arcface-r100 names no digest of it" in message
    assert "pin its SHA-256 in spec.model.source.sha256" in message
    assert "kubectl ignition push" in message


def refusal_of(document, engines):
    with pytest.raises(RequestError) as refused:
        inject(document, engines, SETTINGS)
    return str(refused.value)


def test_the_volume_of_a_pod_that_falls_back_has_room_for_the_largest_model():
    engine = dataclasses.replace(PINNED, ready=(dataclasses.replace(READY.ready[0], size=MIB),))

    def limit(**annotations):
        given = inject(pod("detr", **annotations), {"detr": engine}, SETTINGS)
        [folder] = [one for one in given if one["path"] == "/spec/volumes"]
        return folder["value"][0]["emptyDir"]["sizeLimit"]

    assert limit() == "66Mi"
    assert limit(on_miss="Fallback") == f"{2 * 16 * 1024 + 64}Mi"


def test_a_pod_that_was_printed_while_it_waited_is_not_held_when_it_falls_back():
    waited = pod(
        "sam",
        labels={"ignitionhub.io/inject": "true", LABEL_WAITING: "true"},
        spec={"schedulingGates": [{"name": "example.com/quota"}, {"name": SCHEDULING_GATE}]},
        on_miss="Fallback",
    )

    given = applied(waited, inject(waited, FALLBACKS, SETTINGS))

    assert given["spec"]["schedulingGates"] == [{"name": "example.com/quota"}]
    assert LABEL_WAITING not in given["metadata"]["labels"]


def test_a_pod_does_not_fall_back_to_a_model_in_a_layout_of_engines():
    message = refusal_of(pod("detr", on_miss="Fallback", layout="triton"), FALLBACKS)

    assert "Fallback delivers the ONNX model, which has no layout triton" in message
    assert "use layout plain, or Wait" in message


def test_a_pod_that_would_rather_fail_is_refused_when_its_engine_never_comes():
    message = refusal(pod("whisper", on_miss="Fail"))

    assert "TensorRTEngine whisper has no ready target and will not get one" in message
    assert "kubectl describe tensorrtengine whisper says why" in message
    assert WHY not in message


def test_a_pod_that_waits_is_warned_when_its_engine_never_comes():
    assert warnings_about(pod("whisper"), ENGINES, SETTINGS) == [
        "the pod will wait: TensorRTEngine whisper has failed: "
        "kubectl describe tensorrtengine whisper says why"
    ]
    assert warnings_about(pod("bert"), ENGINES, SETTINGS) == []


def test_a_pod_that_selects_another_gpu_than_is_ready_waits_for_an_engine_of_its_own():
    # Narrowed to the nodes of the one that is ready, no node would be left, and nothing widens an affinity.
    asked = pod(spec={"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A10"}})

    given = injected(asked)

    assert given["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert given["metadata"]["labels"][LABEL_WAITING] == "true"
    assert "affinity" not in given["spec"]
    [warning] = warnings_about(asked, ENGINES, SETTINGS)
    assert warning.startswith(
        "the pod will wait: its node selector and node affinity leave NVIDIA-A10 (sm_86), and "
        "arcface-r100 is ready for sm_89: add a target for that GPU"
    )


def test_a_pod_is_warned_when_its_engines_have_no_gpu_in_common():
    other = EngineView("hopper", (ReadyTarget("sm_90", None, "SameComputeCapability", "TensorRT"),))
    engines = {**ENGINES, "hopper": other}

    assert warnings_about(pod("arcface-r100, hopper"), engines, SETTINGS) == [
        "the pod will wait: no GPU can run all of: arcface-r100, hopper"
    ]
    assert {"name": SCHEDULING_GATE} in applied(
        pod("arcface-r100, hopper"), inject(pod("arcface-r100, hopper"), engines, SETTINGS)
    )["spec"]["schedulingGates"]


def requesting(resource):
    return pod("yolo-v8", spec={"containers": [{"name": "app", "resources": {"limits": {resource: "1"}}}]})


def test_a_pod_that_requests_a_slice_waits_rather_than_get_the_engine_of_a_card():
    card, cut = requesting("nvidia.com/gpu"), requesting("nvidia.com/mig-1g.6gb")

    assert "schedulingGates" not in injected(card)["spec"]
    assert injected(cut)["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert warnings_about(card, ENGINES, SETTINGS) == []
    assert warnings_about(cut, ENGINES, SETTINGS) == [
        "the pod will wait: no GPU that the pod requests can run all of: yolo-v8"
    ]


def test_a_pod_with_a_claim_is_not_kept_off_nodes_without_labels():
    resources = {"claims": [{"name": "gpu"}]}
    spec = {
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}],
        "containers": [{"name": "app", "resources": resources}],
    }
    bare = {"kubernetes.io/arch": "amd64"}

    assert admits(injected(pod(spec=spec))["spec"]["affinity"], bare)
    assert not admits(injected(pod())["spec"]["affinity"], bare)


def warned(engines=None, **spec):
    return warnings_about(pod(spec=spec), engines or ENGINES, SETTINGS)


@pytest.mark.parametrize(
    ("spec", "because", "remedy"),
    [
        ({"hostNetwork": True}, "with hostNetwork and dnsPolicy ClusterFirst", "ClusterFirstWithHostNet"),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, "dnsPolicy Default", "ClusterFirstWithHostNet"),
        ({"dnsPolicy": "Default"}, "with dnsPolicy Default", "set dnsPolicy: ClusterFirst"),
    ],
)
def test_a_pod_that_does_not_ask_the_clusters_dns_is_warned(spec, because, remedy):
    (warning,) = warned(**spec)

    assert "may not find gateway.svc" in warning
    assert because in warning
    assert warning.endswith(remedy)


def test_a_pod_that_asks_the_clusters_dns_or_a_gateway_outside_of_it_is_not_warned():
    outside = InjectionSettings(fetcher_image="f", gateway_url="https://hub.example.com:443")

    assert warned(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet") == []
    assert warned(dnsPolicy="None") == []
    assert warnings_about(pod(spec={"hostNetwork": True}), ENGINES, outside) == []


def test_a_pod_whose_engines_take_more_than_its_ephemeral_storage_is_warned():
    engines = {"arcface-r100": sized("arcface-r100", 2000 * MIB)}
    limited = {"limits": {"ephemeral-storage": "999Mi"}}
    containers = [{"name": name, "resources": limited} for name in ("app", "proxy")]

    (warning,) = warned(engines, containers=containers)

    assert "its engines take 2000 MiB of ephemeral storage" in warning
    assert "allow 1998 MiB" in warning
    assert warned(engines, containers=[*containers, {"name": "c", "resources": limited}]) == []
    assert warned(engines) == []
    assert warned(engines, containers=containers, volumes=[{"name": "ignition-engines"}]) == []


@pytest.mark.parametrize(
    "spec", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}]
)
def test_a_windows_pod_is_refused(spec):
    assert "the pod runs on Windows" in refusal(pod(spec=spec))


@pytest.mark.parametrize("engine", ["arcface-r100", "bert"])
def test_a_pod_that_names_its_node_gets_neither_gate_nor_affinity(engine):
    document = injected(pod(engine, spec={"nodeName": "gpu-l4"}))

    assert document["spec"]["initContainers"]
    assert not {"affinity", "schedulingGates"} & set(document["spec"])
    assert LABEL_WAITING not in document["metadata"]["labels"]


def reviewed(document, **request):
    asked = {"uid": "u1", "namespace": "vision", "operation": "CREATE", "object": document, **request}
    answer = review(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked},
        {"vision": ENGINES}.__getitem__,
        SETTINGS,
    )
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "u1"
    return answer["response"]


def test_the_api_server_is_answered_with_the_patch():
    response = reviewed(pod())

    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == inject(pod(), ENGINES, SETTINGS)


def test_the_api_server_is_answered_without_a_patch_where_nothing_is_to_do():
    assert reviewed(injected(pod())) == {"uid": "u1", "allowed": True}
    assert reviewed(None, operation="DELETE") == {"uid": "u1", "allowed": True}


def test_a_mistake_is_denied_with_a_sentence_for_its_author():
    response = reviewed(pod("nonesuch"))

    assert response["allowed"] is False
    assert response["status"]["code"] == 400
    assert "'nonesuch'" in response["status"]["message"]


def test_a_long_wait_is_announced_as_a_warning():
    assert reviewed(pod("whisper"))["warnings"] == warnings_about(pod("whisper"), ENGINES, SETTINGS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "u", "namespace": "n"}},
        {"apiVersion": "admission.k8s.io/v1", "request": {"namespace": "n"}},
        {"apiVersion": "admission.k8s.io/v1", "request": {"uid": "u", "namespace": ""}},
    ],
)
def test_what_is_no_review_is_refused(document):
    with pytest.raises(ContractError):
        review(document, {}.__getitem__, SETTINGS)


def mounts_of(container):
    return {one["name"]: (one["mountPath"], one.get("readOnly")) for one in container["volumeMounts"]}


def test_an_engine_whose_image_is_pushed_is_mounted_where_the_fetcher_verifies_it():
    given = injected(pod("faces=arcface-r100", delivery="ImageVolume"))["spec"]
    [fetcher], [app] = given["initContainers"], given["containers"]
    environment = {variable["name"]: variable["value"] for variable in fetcher["env"]}

    assert given["volumes"][-1] == {
        "name": "ignition-image-0",
        "image": {"reference": PUSHED, "pullPolicy": "IfNotPresent"},
    }
    for container in (fetcher, app):
        assert mounts_of(container)["ignition-image-0"] == ("/ignition-images/faces", True)
    assert environment["IGNITION_IMAGES"] == f"faces={'ab' * 32}"
    assert required_terms(given["affinity"]) == required_terms(affinity_for([READY]))


def test_a_pod_that_mounts_an_image_and_is_injected_again_stays_as_it_is():
    document = injected(pod("faces=arcface-r100", delivery="ImageVolume"))
    gone = {"arcface-r100": replace(READY, ready=(replace(READY.ready[0], image=""),))}

    assert inject(document, ENGINES, SETTINGS) == []
    assert inject(document, gone, SETTINGS) == []


AMPERE = ReadyTarget("sm_86", None, "SameComputeCapability", "TensorRT", name="sm-86", image="r@sha256:2")
L4_ALONE = ReadyTarget("sm_89", "NVIDIA-L4", "Product", "TensorRT", name="l4", sha256="cd" * 32, image="l4@s")


def view(*targets, name="arcface-r100"):
    return {name: EngineView(name, targets, is_settled=True)}


def asked_for_an_image(engines, settings=SETTINGS, **spec):
    """Return the images that a pod is given, and what its author is warned of."""
    document = pod(delivery="ImageVolume", spec=spec)
    given = applied(document, inject(document, engines, settings))["spec"]
    images = [volume["image"]["reference"] for volume in given["volumes"] if "image" in volume]
    return images, " ".join(warnings_about(document, engines, settings))


@pytest.mark.parametrize(
    ("engines", "spec", "why"),
    [
        (
            view(replace(READY.ready[0], image="")),
            {},
            "arcface-r100, target sm-89, is not in the registry yet",
        ),
        (view(READY.ready[0], AMPERE), {}, "several targets that the pod may get (sm-89, sm-86); select the"),
        (
            view(READY.ready[0], L4_ALONE),
            {},
            "several targets that the pod may get (sm-89, l4); select the GPU",
        ),
        (view(), {}, "the pod waits for its engines, and its volumes cannot be added later"),
        (view(READY.ready[0]), {"nodeName": "gpu-1"}, "the pod names its node"),
        (view(READY.ready[0]), {"schedulingGates": [{"name": SCHEDULING_GATE}]}, "the pod waits for its"),
    ],
)
def test_where_no_image_can_be_meant_the_engines_are_downloaded_and_the_author_is_told(engines, spec, why):
    images, warned = asked_for_an_image(engines, **spec)

    assert images == []
    assert why in warned


def test_a_cluster_without_image_volumes_downloads_and_says_why():
    settings = replace(SETTINGS, no_images="the API server is Kubernetes 1.32, and image volumes need 1.35")

    assert asked_for_an_image(ENGINES, settings) == (
        [],
        "delivery ImageVolume: the engines are downloaded: the API server is Kubernetes 1.32, and image "
        "volumes need 1.35",
    )


@pytest.mark.parametrize(
    ("product", "image"), [("NVIDIA-L4", "l4@s"), ("NVIDIA-L40S", PUSHED), ("NVIDIA-A10", "r@sha256:2")]
)
def test_a_pod_that_selects_its_gpu_mounts_the_best_engine_for_it(product, image):
    selector = {"nvidia.com/gpu.product": product}

    assert asked_for_an_image(view(READY.ready[0], L4_ALONE, AMPERE), nodeSelector=selector) == ([image], "")


def test_an_image_is_refused_where_it_can_never_be_what_the_pod_asks_for():
    assert refusal(pod(delivery="ImageVolume", layout="triton")) == (
        "annotation ignitionhub.io/delivery: an image holds the engine alone, and the layout triton needs "
        "files beside it: use layout plain, or Fetch"
    )
    fallback = replace(READY, can_fall_back=True)
    with pytest.raises(RequestError, match="use on-miss Wait or Fail, or Fetch"):
        inject(pod(delivery="ImageVolume", on_miss="Fallback"), {"arcface-r100": fallback}, SETTINGS)
    assert "unknown value 'Image': use one of: Fetch, ImageVolume" in refusal(pod(delivery="Image"))


def test_the_example_of_an_image_volume_mounts_the_image_of_its_gpu():
    document = yaml.safe_load((EXAMPLES / "deployment-image-volume.yaml").read_text())
    asked = {"kind": "Pod", **template_of(document)}
    engines = view(READY.ready[0], L4_ALONE, AMPERE)
    made = applied(asked, inject(asked, engines, SETTINGS))["spec"]

    assert made["volumes"][-1]["image"]["reference"] == "l4@s"
    assert made["containers"][0]["volumeMounts"][-1]["mountPath"] == "/ignition-images/arcface-r100"
    assert warnings_about(asked, engines, SETTINGS) == []
