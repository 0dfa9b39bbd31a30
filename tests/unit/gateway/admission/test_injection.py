"""What a pod that asks for engines is given."""

from dataclasses import replace

import pytest

from ignition_hub.engine import pod_annotations
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.pod_annotations import PodAnnotation
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import inject
from injectedpods import ENGINES, SETTINGS, applied, both, error_of, injected, pod, refusal


def test_the_containers_see_the_engines_read_only_and_learn_their_paths():
    container = injected(pod("arcface-r100, detector=yolo-v8"))["spec"]["containers"][0]

    assert container["volumeMounts"] == [
        {"name": "ignition-engines", "mountPath": "/engines", "readOnly": True}
    ]
    assert container["env"] == [
        {"name": "IGNITION_ENGINE_ARCFACE_R100", "value": "/engines/arcface-r100/model.engine"},
        {"name": "IGNITION_ENGINE_DETECTOR", "value": "/engines/detector/model.engine"},
    ]


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


def test_init_containers_get_nothing_when_no_container_is_named():
    spec = injected(pod(spec={"initContainers": [TRITON]}))["spec"]

    assert spec["initContainers"][1] == TRITON
    assert spec["containers"][0]["volumeMounts"]


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


CLAIM = {"name": "ignition-engines", "persistentVolumeClaim": {"claimName": "engines"}}


def with_mounts(engines, *mounts_of_containers, **annotations):
    """A pod with a claim for its engines, and a container for each list of mounts: path and ``subPath``."""
    containers = [
        {"name": f"app-{number}", "volumeMounts": [{"name": "ignition-engines", **one} for one in mounts]}
        for number, mounts in enumerate(mounts_of_containers)
    ]
    return pod(engines, spec={"containers": containers, "volumes": [CLAIM]}, **annotations)


def at(path, part=None):
    return {"mountPath": path} if part is None else {"mountPath": path, "subPath": part}


def paths_told(spec):
    return [[one["value"] for one in container["env"]] for container in spec["containers"]]


BOTH = ["/m/arcface-r100", "/m/yolo-v8"]
BOTH_AT_N = ["/n/arcface-r100", "/n/yolo-v8"]


@pytest.mark.parametrize(
    ("mounts", "filled", "told"),
    [
        ([[at("/m", "repository")]], "repository", [BOTH]),
        ([[at("/m", "a/b/")], [at("/n", "a/b")]], "a/b", [BOTH, BOTH_AT_N]),
        ([[at("/m", "repository")], []], "repository", [BOTH, ["/engines/arcface-r100", "/engines/yolo-v8"]]),
        ([[at("/m", "arcface-r100"), at("/n", "yolo-v8")]], None, [["/m", "/n"]]),
        ([[at("/m", "arcface-r100")], [at("/n", "yolo-v8")]], None, [["/m"], ["/n"]]),
        ([[at("/cache", "cache"), at("/m")]], None, [BOTH]),
        ([[at("/m", "r"), at("/n", "r/yolo-v8")]], "r", [BOTH]),
        ([[at("/m", "")]], None, [BOTH]),
    ],
)
def test_the_fetcher_writes_into_the_part_of_the_volume_where_the_containers_look(mounts, filled, told):
    document = with_mounts("arcface-r100, yolo-v8", *mounts)

    spec = injected(document)["spec"]

    assert spec["initContainers"][0]["volumeMounts"][0].get("subPath") == filled
    assert paths_told(spec) == [[f"{path}/model.engine" for path in paths] for paths in told]
    ours = [
        container["volumeMounts"][0]
        for container, own in zip(spec["containers"], mounts, strict=True)
        if not own
    ]
    assert [one.get("subPath") for one in ours] == [filled] * len(ours)
    assert inject(injected(document), ENGINES, SETTINGS) == []


def test_a_model_is_told_where_the_one_engine_that_a_mount_shows_would_be():
    pinned = {"arcface-r100": replace(ENGINES["arcface-r100"], can_fall_back=True)}
    document = with_mounts("arcface-r100", [at("/m", "arcface-r100")], on_miss="Fallback")

    spec = applied(document, inject(document, pinned, SETTINGS))["spec"]

    assert paths_told(spec) == [["/m/model.engine", "/m/onnx/model.onnx"]]


EXPR = {"mountPath": "/m", "subPathExpr": "$(POD_NAME)"}


@pytest.mark.parametrize("part", ["arcface-r100/model.engine", "arcface-r100/1", "arcface-r100/1/model.plan"])
def test_a_mount_of_a_part_of_an_engines_folder_shows_the_part_that_it_names(part):
    spec = injected(with_mounts("arcface-r100, yolo-v8", [at("/opt/part", part)], [at("/m")]))["spec"]
    alone = injected(with_mounts("arcface-r100", [at("/opt/part", part)]))["spec"]

    assert "subPath" not in spec["initContainers"][0]["volumeMounts"][0]
    assert "subPath" not in alone["initContainers"][0]["volumeMounts"][0]
    assert "env" not in spec["containers"][0]
    assert paths_told({"containers": spec["containers"][1:]}) == [[f"{path}/model.engine" for path in BOTH]]


@pytest.mark.parametrize(
    ("mounts", "container", "mount"),
    [
        ([[at("/m", "a")], [at("/n", "b")]], "app-1", "'/n' with subPath 'b'"),
        ([[at("/m", "a")], [at("/n")]], "app-0", "'/m' with subPath 'a'"),
        ([[at("/m", "a")], [at("/n", "yolo-v8")]], "app-0", "'/m' with subPath 'a'"),
        ([[EXPR], [at("/n")]], "app-0", "'/m' with subPathExpr '$(POD_NAME)'"),
    ],
)
def test_the_author_is_warned_of_a_container_that_sees_no_engine_by_its_mounts(mounts, container, mount):
    document = with_mounts("arcface-r100, yolo-v8", *mounts)
    [warning] = warnings_about(document, ENGINES, SETTINGS)
    given = {one["name"]: one for one in injected(document)["spec"]["containers"]}

    assert warning.startswith(f"container '{container}' mounts volume ignition-engines at {mount}, and ")
    assert warning.endswith(": it sees no engine")
    assert "env" not in given[container]


def test_a_pod_in_which_no_container_would_see_an_engine_is_refused():
    message = refusal(with_mounts("arcface-r100, yolo-v8", [EXPR]))

    assert message == (
        "no container would see an engine: container 'app-0' mounts volume ignition-engines at '/m' with "
        "subPathExpr '$(POD_NAME)', and the engines are put into the whole volume: mount it with one and the "
        "same subPath in all containers that get engines, or without"
    )


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


@pytest.mark.parametrize(
    "spec", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}]
)
def test_a_windows_pod_is_refused(spec):
    assert "the pod runs on Windows" in refusal(pod(spec=spec))
