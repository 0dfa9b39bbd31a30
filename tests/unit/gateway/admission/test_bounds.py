"""What an admission costs and reads is bounded before the work is done, whatever is sent as a pod."""

import base64
import contextlib
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility import placement
from ignition_hub.compatibility.gpus import GPUS
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.compatibility.waiting_terms import COARSE
from ignition_hub.engine.errors import ContractError, RequestError
from ignition_hub.engine.pod_annotations import read_engines, require_containers
from ignition_hub.gateway.admission.bounds import MESSAGE_CHARACTERS, PATCH_BYTES
from ignition_hub.gateway.admission.injection import InjectionSettings, inject
from ignition_hub.gateway.admission.review import review
from ignition_hub.gateway.process.bodies import json_object
from mutants import COUNT, of_bytes, of_document, survey

READY = EngineView("bert", (ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT"),))
WAITING = EngineView("whisper", failure="no such model")
ENGINES = {view.name: view for view in (READY, WAITING)}
SETTINGS = InjectionSettings(fetcher_image="fetcher:1", gateway_url="https://gateway.svc")
ZONE = {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}


def pod(engines="bert", *, of=({"name": "app"},), terms=(), **annotations):
    others = {f"ignitionhub.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {
        "metadata": {
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engines, **others},
        },
        "spec": {
            "containers": list(of),
            **({"affinity": {"nodeAffinity": required}} if terms else {}),
        },
    }


def refusal(document):
    with pytest.raises(RequestError) as refused:
        inject(document, ENGINES, SETTINGS)
    return str(refused.value)


def response_to(document, uid="u1"):
    request = {"uid": uid, "namespace": "vision", "operation": "CREATE", "object": document}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return review(body, lambda _: ENGINES, SETTINGS)["response"]


class Name(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other):
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("annotation", ["engines", "mount-path", "containers", "on-miss"])
def test_an_annotation_of_more_than_4096_characters_is_not_read(annotation):
    document = pod()
    document["metadata"]["annotations"][f"ignitionhub.io/{annotation}"] = "x" * 4097

    assert refusal(document) == (
        f"annotation ignitionhub.io/{annotation}: it has 4097 characters: at most 4096 are accepted"
    )


def test_an_annotation_that_is_no_string_is_refused():
    assert "its value is not a string" in refusal(pod(["bert"]))


def test_engines_are_counted_before_they_are_read():
    with pytest.raises(RequestError, match="lists 17 engines"):
        read_engines("Not-A-Name," * 17)


def test_names_of_containers_are_compared_a_bounded_number_of_times():
    names = [Name(f"c{number}") for number in range(1000)]
    Name.compared = 0

    require_containers(frozenset(reversed(names)), names)

    assert Name.compared <= 2 * len(names)


def test_256_containers_get_engines_and_257_are_refused():
    several = [{"name": f"c{number}"} for number in range(257)]

    assert inject(pod(of=several[:256]), ENGINES, SETTINGS)
    assert inject(pod(of=several, containers="c0"), ENGINES, SETTINGS)
    named = pod(of=several[:128], containers=",".join(one["name"] for one in several))
    named["spec"]["initContainers"] = several[128:]
    assert "257 containers of the pod would get engines" in refusal(named)
    assert "257 containers of the pod would get engines; at most 256 can" in refusal(pod(of=several))


@pytest.mark.parametrize("engine", ["bert", "whisper"])
def test_64_node_selector_terms_are_narrowed_and_65_are_refused(engine):
    patch = inject(pod(engine, terms=[ZONE] * 64), ENGINES, SETTINGS)

    [affinity] = [item["value"] for item in patch if item["path"] == "/spec/affinity"]
    assert len(placement.required_terms(affinity)) <= 256
    assert "one of 65 node selector terms: with these engines at most 64 are" in refusal(
        pod(engine, terms=[ZONE] * 65)
    )


@pytest.mark.parametrize("engine", ["bert", "whisper"])
def test_a_pod_with_the_most_terms_is_accepted_again_after_they_were_combined(engine):
    document = pod(engine, terms=[ZONE] * 64)
    [affinity] = [op["value"] for op in inject(document, ENGINES, SETTINGS) if op["path"] == "/spec/affinity"]
    assert len(placement.required_terms(affinity)) > 64

    document["spec"]["affinity"] = affinity

    assert "/spec/affinity" not in [op["path"] for op in inject(document, ENGINES, SETTINGS)]


@pytest.mark.parametrize(
    ("engine", "ours"),
    [("bert", placement.terms_for(placement.shared_reach([READY]), clouds=False)), ("whisper", COARSE)],
)
def test_terms_that_were_combined_before_leave_room_for_fewer_others(engine, ours):
    most = (256 - 200) // len(ours)
    combined = [ours[0]] * 200

    assert inject(pod(engine, terms=[*combined, *[ZONE] * most]), ENGINES, SETTINGS)
    assert f"at most {most} are accepted" in refusal(pod(engine, terms=[*combined, *[ZONE] * (most + 1)]))


@pytest.mark.parametrize("engine", ["bert", "whisper"])
def test_more_terms_than_any_combination_has_are_refused_before_each_is_looked_at(engine):
    terms = [COARSE[0]] * 257

    assert "one of 257 node selector terms: at most 64 are" in refusal(pod(engine, terms=terms))


def test_the_more_terms_engines_need_the_fewer_a_pod_may_have():
    every = EngineView(
        "bert", tuple(ReadyTarget(gpu.arch, None, "SameComputeCapability", "TensorRT") for gpu in GPUS)
    )
    ours = len(placement.terms_for(placement.shared_reach([every]), clouds=False))
    most = 256 // ours
    assert most < 64

    assert inject(pod(terms=[ZONE] * most), {"bert": every}, SETTINGS)
    with pytest.raises(RequestError, match=f"at most {most} are accepted"):
        inject(pod(terms=[ZONE] * (most + 1)), {"bert": every}, SETTINGS)


def test_engines_of_several_platforms_leave_room_for_fewer_terms_and_the_bound_stays():
    platforms = ("linux-x86_64", "linux-aarch64")
    mixed = EngineView(
        "bert",
        tuple(
            ReadyTarget(gpu.arch, None, "SameComputeCapability", "TensorRT", platform=platforms[place % 2])
            for place, gpu in enumerate(GPUS)
        ),
    )
    most = 256 // len(placement.terms_to_add([mixed], {}, placement.NOTHING))

    patch = inject(pod(terms=[ZONE] * most), {"bert": mixed}, SETTINGS)
    [affinity] = [item["value"] for item in patch if item["path"] == "/spec/affinity"]
    assert len(placement.required_terms(affinity)) <= 256
    with pytest.raises(RequestError, match="terms"):
        inject(pod(terms=[ZONE] * 65), {"bert": mixed}, SETTINGS)


def test_the_truth_table_is_asked_once_about_engines_that_are_alike(monkeypatch):
    asked = []
    loads = placement.loads
    monkeypatch.setattr(placement, "loads", lambda engine, gpu: asked.append(gpu) or loads(engine, gpu))
    placement._selectors_of.cache_clear()
    engines = [
        EngineView(
            f"e{number}",
            tuple(
                ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT", float(second), second)
                for second in range(64)
            ),
        )
        for number in range(16)
    ]

    assert placement.can_be_placed(engines)

    assert len(asked) <= len(GPUS)


def test_a_pod_that_would_grow_too_large_is_denied():
    zones = [f"zone-{number:060}" for number in range(8000)]
    large = {"matchExpressions": [{"key": "zone", "operator": "In", "values": zones}]}

    response = response_to(pod(terms=[large]))

    assert response["allowed"] is False
    assert f"at most {PATCH_BYTES} are accepted" in response["status"]["message"]


@pytest.mark.parametrize(
    "document",
    [
        pod("X" * 4000),
        pod("X" * 4000 + "=bert"),
        pod(mount_path="/" + "x" * 4000),
        pod(on_miss="x" * 4000),
        pod(containers="x" * 4000, of=[{"name": "n" * 100_000}]),
        pod(of=[{"name": "n" * 100_000, "volumeMounts": [{"name": "v" * 100_000, "mountPath": "/engines"}]}]),
    ],
)
def test_a_refusal_does_not_send_back_what_it_was_sent(document):
    response = response_to(document)

    assert response["allowed"] is False
    assert len(json.dumps(response)) < MESSAGE_CHARACTERS


def test_a_review_whose_uid_is_too_long_is_refused():
    with pytest.raises(ContractError, match="too long") as refused:
        response_to(pod(), uid="u" * 100_000)

    assert len(str(refused.value)) < 200


FETCHER = {
    "name": "ignition-fetch",
    "env": [{"name": "IGNITION_MOUNT", "value": "/x"}],
    "volumeMounts": [{"name": "ignition-engines", "mountPath": "/engines"}],
    "resources": {"limits": {"cpu": "1"}},
    "securityContext": {"runAsUser": 1},
}
TOKEN = {"audience": "ignition-hub", "path": "token"}
TERM = {"matchExpressions": [{"key": "zone", "operator": "Exists"}], "matchFields": []}


def whole_pod(engines="bert"):
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}
    return {
        "kind": "Pod",
        "metadata": {
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engines, "ignitionhub.io/containers": "app, migrate"},
        },
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    "resources": {
                        "requests": {"cpu": "1"},
                        "limits": {"cpu": "1", "memory": "64Mi", "nvidia.com/gpu": "1"},
                        "claims": [{"name": "gpu", "request": "big"}],
                    },
                }
            ],
            "initContainers": [{"name": "migrate", "env": [{"name": "A"}]}, FETCHER],
            "resourceClaims": [{"name": "gpu", "resourceClaimName": "mine"}],
            "volumes": [
                {"name": "ignition-token", "projected": {"sources": [{"serviceAccountToken": TOKEN}]}}
            ],
            "schedulingGates": [{"name": "quota"}],
            "securityContext": {"runAsUser": 1000},
            "os": {"name": "linux"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "affinity": {"nodeAffinity": required},
        },
        "status": {
            "resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "mine"}],
            "extendedResourceClaimStatus": {
                "resourceClaimName": "made",
                "requestMappings": [
                    {"containerName": "app", "resourceName": "nvidia.com/gpu", "requestName": "r"}
                ],
            },
        },
    }


def places(value, path=()):
    """Yield the path of every part of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("engines", ["bert", "whisper"])
def test_a_pod_is_answered(engines):
    assert response_to(whole_pod(engines))["allowed"]


@given(st.sampled_from(["bert", "whisper"]), st.sampled_from(sorted(places(whole_pod()), key=str)), JUNK)
def test_a_pod_with_anything_in_any_place_is_answered_or_refused(engines, place, junk):
    document = copy.deepcopy(whole_pod(engines))
    *parents, last = place
    at = document
    for step in parents:
        at = at[step]
    at[last] = junk

    with contextlib.suppress(ContractError):
        assert response_to(document)["uid"] == "u1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"spec": {"containers": [{"name": "a", "resources": {"claims": [{"name": "g", "request": 1}]}}]}},
            "request.object.spec.containers[0].resources.claims[0].request: expected a string, got int",
        ),
        (
            {"status": {"extendedResourceClaimStatus": {"resourceClaimName": []}}},
            "request.object.status.extendedResourceClaimStatus.resourceClaimName: "
            "expected a string, got list",
        ),
        ({"spec": None}, "request.object.spec: expected an object, got NoneType"),
        ({"spec": {"containers": {}}}, "request.object.spec.containers: expected a list, got dict"),
        (
            {"spec": {"containers": [{}]}},
            "request.object.spec.containers[0].name: expected a string, got NoneType",
        ),
        ({"metadata": {"labels": []}}, "request.object.metadata.labels: expected an object, got list"),
    ],
)
def test_the_part_that_is_wrong_is_named(change, words):
    with pytest.raises(ContractError) as refused:
        response_to({**whole_pod(), **change})

    assert str(refused.value) == words


REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u1",
        "namespace": "vision",
        "operation": "CREATE",
        "object": whole_pod("bert, other=whisper"),
    },
}


MAY_BE_ADDED = (
    "/spec/",
    "/metadata/labels/ignitionhub.io~1",
    "/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes",
)


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_every_mutant_of_a_review_is_refused_or_answered_with_what_may_be_added(mutants):
    origin = REVIEW if mutants is of_document else json.dumps(REVIEW).encode()

    def read(data):
        return review(json_object(data, "AdmissionReview"), lambda _: ENGINES, SETTINGS)

    def adds_what_it_may(data, answer):
        request, response = json.loads(data)["request"], json.loads(json.dumps(answer))["response"]
        assert response["uid"] == request["uid"]
        assert len(response.get("status", {}).get("message", "")) <= MESSAGE_CHARACTERS
        for one in json.loads(base64.b64decode(response.get("patch", "")) or b"[]"):
            assert one["op"] in {"add", "remove"}
            where = MAY_BE_ADDED if one["op"] == "add" else "/spec/initContainers/"  # the fetcher's old place
            assert one["path"].startswith(where)

    found = survey("review", 61, mutants(origin, 61), read, adds_what_it_may, refusals=ContractError)

    assert found.accepted > 0
    assert found.shown == COUNT
