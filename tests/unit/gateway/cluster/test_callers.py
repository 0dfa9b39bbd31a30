"""Who is calling is the API server's word; a builder is its pod's Job and nothing else."""

import asyncio
import json

import pytest
from aiohttp.test_utils import make_mocked_request

from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import job_name
from ignition_hub.gateway.cluster.callers import Callers, build_from, owning_job
from ignition_hub.gateway.cluster.people import People
from ignition_hub.gateway.cluster.readers import Readers
from ignition_hub.gateway.errors import BuildNotFound, NotPermitted, TokenRejected
from ignition_hub.kube import JOBS, PODS, NotFound, TokenUser, Unavailable
from storefixtures import make_inputs

BUILDS = "ignition-hub-builds"
INPUTS = make_inputs()
IDENTITY = identity_of(INPUTS)
REQUEST = {
    "identity": IDENTITY,
    "inputs": INPUTS.to_json(),
    "model_sha256": None,
    "model_uri": "s3://models/resnet50.onnx",
    "source_size": 9,
    "options": {},
    "verification": {},
    "timeout_seconds": 60,
    "low_memory": False,
    "name": "x.trt",
    "namespace": "vision",
    "engine_resource": "resnet50",
}
OWNER = {"kind": "Job", "name": job_name(IDENTITY), "uid": "job-uid", "controller": True}


def make_user(**changes):
    values = {
        "username": "system:serviceaccount:ignition-hub-builds:ignition-builder",
        "uid": "",
        "groups": (),
        "extra": {},
        "namespace": BUILDS,
        "service_account": "ignition-builder",
        "pod_name": "builder-1",
        "pod_uid": "pod-uid",
        "node_name": "gpu-l4",
    }
    return TokenUser(**{**values, **changes})


def make_pod(**metadata):
    base = {
        "name": "builder-1",
        "uid": "pod-uid",
        "labels": {"batch.kubernetes.io/job-name": job_name(IDENTITY)},
        "ownerReferences": [OWNER],
    }
    statuses = [{"name": "proxy", "imageID": "no"}, {"name": "builder", "imageID": "builder@sha256:1"}]
    return {"metadata": {**base, **metadata}, "status": {"containerStatuses": statuses}}


def make_job(request=REQUEST, **metadata):
    annotations = {"ignitionhub.io/request": json.dumps(request)}
    base = {"name": job_name(IDENTITY), "uid": "job-uid", "annotations": annotations}
    return {"metadata": {**base, **metadata}}


class FakeKube:
    """Reviews tokens from a table and returns objects from another; counts what it is asked."""

    def __init__(self, users=None, pod=None, job=None, *, people=None):
        self.users, self.people = users or {}, people or {}
        self.objects = {(PODS, "builder-1"): pod, (JOBS, job_name(IDENTITY)): job}
        self.reviews = 0
        self.gets = 0
        self.away = False

    async def review_token(self, token, audience=""):
        assert audience in {"ignition-hub", ""}
        self.reviews += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable(0, "away")
        return (self.users if audience else self.people).get(token)

    async def token_keys(self):
        raise NotFound(404, "the server could not find the requested resource")

    async def get(self, resource, name, namespace=None):
        assert namespace == BUILDS
        self.gets += 1
        return self.objects.get((resource, name))


def bearing(token):
    return make_mocked_request("GET", "/", headers={"Authorization": f"Bearer {token}"})


async def test_one_token_is_reviewed_once_however_many_ask():
    kube = FakeKube(users={"good": make_user()})
    callers = Callers(kube, BUILDS)

    users = await asyncio.gather(*(callers.user_of(bearing("good")) for _ in range(20)))

    assert kube.reviews == 1
    assert set(map(id, users)) == {id(users[0])}


async def test_a_refused_token_is_remembered_as_refused():
    kube = FakeKube()
    callers = Callers(kube, BUILDS)

    for _ in range(2):
        with pytest.raises(TokenRejected, match="audience ignition-hub"):
            await callers.user_of(bearing("bad"))

    assert kube.reviews == 1


async def test_an_api_server_that_is_away_is_not_a_verdict():
    kube = FakeKube(users={"good": make_user()})
    callers = Callers(kube, BUILDS)
    kube.away = True
    with pytest.raises(Unavailable):
        await callers.user_of(bearing("good"))

    kube.away = False

    assert (await callers.user_of(bearing("good"))).pod_name == "builder-1"


async def test_a_person_is_known_to_the_catalog_and_to_nothing_else():
    kube = FakeKube(people={"hers": make_user(username="anna", namespace=None)})
    callers = Callers(kube, BUILDS)
    people = People(callers, kube)

    for _ in range(3):
        assert (await people.user_of(bearing("hers"))).username == "anna"
        with pytest.raises(TokenRejected, match="audience ignition-hub"):
            await callers.user_of(bearing("hers"))

    assert kube.reviews == 2  # one for our audience, one for the API server's


async def test_an_account_with_a_token_for_us_is_not_reviewed_as_a_person():
    kube = FakeKube(users={"good": make_user()})

    assert (await People(Callers(kube, BUILDS), kube).user_of(bearing("good"))).pod_name == "builder-1"
    assert kube.reviews == 1


@pytest.mark.parametrize("username", ["system:serviceaccount:vision:default", "system:node:gpu-l4"])
async def test_the_catalog_takes_no_token_of_a_program_for_the_api_server(username):
    kube = FakeKube(people={"its": make_user(username=username)})

    with pytest.raises(TokenRejected, match="kubectl create token NAME --audience ignition-hub"):
        await People(Callers(kube, BUILDS), kube).user_of(bearing("its"))


@pytest.mark.parametrize("header", ["", "Bearer junk"])
async def test_who_sends_the_catalog_nothing_that_is_known_is_told_what_it_takes(header):
    kube = FakeKube()
    request = make_mocked_request("GET", "/", headers={"Authorization": header})

    for _ in range(3):
        with pytest.raises(TokenRejected, match="send the token that kubectl sends for you"):
            await People(Callers(kube, BUILDS), kube).user_of(request)


async def test_tokens_that_may_be_of_people_are_reviewed_two_of_an_address_at_a_time():
    class Slow(FakeKube):
        under_way = most = 0

        async def review_token(self, token, audience=""):
            self.under_way += not audience
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            self.under_way -= not audience

    kube = Slow()
    people = People(Callers(kube, BUILDS), kube)
    asked = (people.user_of(bearing(f"junk{number}")) for number in range(20))
    refused = await asyncio.gather(*asked, return_exceptions=True)

    assert set(map(type, refused)) == {TokenRejected}
    assert kube.most == 2


@pytest.mark.parametrize(
    "header", ["", "Basic abc", "Bearer", "Bearer ", "Bearer " + "x" * 20_000, "Bearer é"]
)
async def test_what_is_no_bearer_token_never_reaches_the_api_server(header):
    kube = FakeKube()

    with pytest.raises(TokenRejected, match="no bearer token"):
        await Callers(kube, BUILDS).user_of(
            make_mocked_request("GET", "/", headers={"Authorization": header})
        )

    assert kube.reviews == 0


async def test_a_builder_is_mapped_to_the_request_on_its_job():
    callers = Callers(FakeKube(pod=make_pod(), job=make_job()), BUILDS)

    build = await callers.build_of(make_user())

    assert build.request.identity == IDENTITY
    assert build.builder_image == "builder@sha256:1"
    assert not build.rebuild


async def test_a_build_is_looked_up_once_unless_it_must_be_fresh():
    kube = FakeKube(pod=make_pod(), job=make_job())
    callers = Callers(kube, BUILDS)
    await callers.build_of(make_user())
    await callers.build_of(make_user())
    assert kube.gets == 2

    kube.objects[JOBS, job_name(IDENTITY)] = None

    with pytest.raises(BuildNotFound, match="no longer needed"):
        await callers.build_of(make_user(), fresh=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"namespace": "vision"}, "is not a builder"),
        ({"service_account": "default"}, "is not a builder"),
        ({"namespace": None, "service_account": None}, "is not a builder"),
        ({"pod_name": None}, "not bound to a pod"),
        ({"pod_uid": None}, "not bound to a pod"),
    ],
)
async def test_nobody_else_is_a_builder(changes, words):
    with pytest.raises(NotPermitted, match=words):
        await Callers(FakeKube(pod=make_pod(), job=make_job()), BUILDS).build_of(make_user(**changes))


@pytest.mark.parametrize(
    ("pod", "job", "words"),
    [
        (None, make_job(), "no longer exists"),
        (make_pod(uid="another"), make_job(), "no longer exists"),
        (make_pod(), None, "no longer needed"),
        (make_pod(), make_job(uid="another"), "no longer needed"),
        (make_pod(), make_job(annotations=None), "no build request"),
        (make_pod(), make_job({**REQUEST, "identity": "0" * 64}), "request of another build"),
        (make_pod(), make_job({**REQUEST, "low_memory": 1}), "no build request: BuildRequest.low_memory"),
    ],
)
async def test_a_pod_whose_job_is_gone_or_another_has_no_build(pod, job, words):
    with pytest.raises(Exception, match=words) as refused:
        await Callers(FakeKube(pod=pod, job=job), BUILDS).build_of(make_user())

    assert refused.value.reason == "BuildNotFound"


@pytest.mark.parametrize(
    ("phase", "conditions"),
    [
        ("Failed", []),
        ("Succeeded", []),
        ("Running", [{"type": "Failed", "status": "True"}]),
        ("Running", [{"type": "Complete", "status": "True"}]),
    ],
)
async def test_nobody_speaks_for_a_build_that_has_ended(phase, conditions):
    pod, job = make_pod(), {**make_job(), "status": {"conditions": conditions}}
    pod["status"]["phase"] = phase

    with pytest.raises(BuildNotFound, match="has ended"):
        await Callers(FakeKube(pod=pod, job=job), BUILDS).build_of(make_user())


async def test_a_builder_may_still_say_why_it_is_stopped():
    pod = make_pod(deletionTimestamp="2026-01-02T03:04:05Z")
    job = {**make_job(), "status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}}

    assert (await Callers(FakeKube(pod=pod, job=job), BUILDS).build_of(make_user())).job_uid == "job-uid"


def test_a_label_alone_makes_no_builder():
    with pytest.raises(BuildNotFound, match="does not belong to a Job"):
        owning_job(make_pod(ownerReferences=[]))
    with pytest.raises(BuildNotFound, match="does not belong to a Job"):
        owning_job(make_pod(ownerReferences=[{**OWNER, "controller": False}]))
    with pytest.raises(BuildNotFound, match="does not belong to a Job"):
        owning_job(make_pod(labels={"batch.kubernetes.io/job-name": "another"}))


def test_a_job_made_for_a_rebuild_says_so():
    annotations = {**make_job()["metadata"]["annotations"], "ignitionhub.io/rebuild-requested-at": "now"}

    assert build_from(make_job(annotations=annotations), make_pod()).rebuild


POPULATED = ("music", "speech", "vision")
"""The namespaces that have engines."""


class Rights:
    """Answers from a set of namespaces; the empty one stands for all."""

    def __init__(self, *namespaces):
        self.namespaces = set(namespaces)
        self.asked = []

    async def may(self, user, verb, resource, namespace=""):
        self.asked.append((user.username, verb, resource.plural, namespace))
        await asyncio.sleep(0)
        return namespace in self.namespaces


@pytest.mark.parametrize(
    ("rights", "named", "scope"),
    [
        ({""}, "", None),
        ({"", "vision"}, "vision", ("vision",)),
        ({"vision", "speech"}, "", ("vision",)),
        ({"speech"}, "speech", ("speech",)),
    ],
)
async def test_a_reader_is_shown_what_it_named_or_all_or_its_own_namespace(rights, named, scope):
    kube = Rights(*rights)

    assert await Readers(kube).scope_of(make_user(namespace="vision"), named, POPULATED) == scope
    assert {(verb, plural) for _, verb, plural, _ in kube.asked} == {("list", "tensorrtengines")}


@pytest.mark.parametrize(
    ("rights", "named", "where"),
    [
        (set(), "", "in namespace vision"),
        ({"vision"}, "speech", "in namespace speech"),
        ({"vision"}, "*", r"in namespace \*"),
    ],
)
async def test_a_reader_is_shown_nothing_that_it_may_not_list(rights, named, where):
    with pytest.raises(NotPermitted, match=f"may not list tensorrtengines {where}"):
        await Readers(Rights(*rights)).scope_of(make_user(namespace="vision"), named, POPULATED)


@pytest.mark.parametrize(
    ("rights", "named", "scope"),
    [
        ({""}, "", None),
        ({"vision"}, "vision", ("vision",)),
        ({"vision", "empty"}, "", ("vision",)),
        ({"vision", "speech"}, "", ("speech", "vision")),
    ],
)
async def test_a_person_is_shown_all_or_what_has_engines_and_may_be_listed(rights, named, scope):
    person = make_user(username="anna", namespace=None)

    assert await Readers(Rights(*rights)).scope_of(person, named, POPULATED) == scope


@pytest.mark.parametrize(
    ("populated", "words"),
    [
        (POPULATED, "in all namespaces, and in none that has any: bind the ClusterRole view"),
        ([], "in all namespaces, and in none that has any: bind the ClusterRole view"),
        ([f"n{number}" for number in range(101)], "more than 100: name a namespace"),
    ],
)
async def test_a_person_who_is_shown_nothing_is_told_what_would_work(populated, words):
    readers, person = Readers(Rights()), make_user(username="anna", namespace=None)

    with pytest.raises(NotPermitted, match="anna may not list tensorrtengines") as refused:
        await readers.scope_of(person, "", populated)
    assert words in str(refused.value)


async def test_the_namespaces_of_a_person_are_asked_about_once_in_a_while():
    kube = Rights("vision")
    readers, person = Readers(kube), make_user(username="anna", namespace=None)

    for _ in range(5):
        assert await readers.scope_of(person, "", POPULATED) == ("vision",)

    assert [namespace for *_, namespace in kube.asked] == ["", *POPULATED]


async def test_what_a_reader_may_list_is_remembered_for_that_reader_alone():
    kube = Rights("vision")
    readers = Readers(kube)
    one = make_user(username="one")
    others = [make_user(username="other"), make_user(username="one", groups=("g",))]

    for user in (one, one, *others, *others):
        assert await readers.scope_of(user, "vision", POPULATED) == ("vision",)

    assert [username for username, *_ in kube.asked] == ["one", "other", "one"]


async def test_a_reader_that_names_many_namespaces_waits_for_itself():
    class Slow(Rights):
        under_way = most = 0

        async def may(self, user, verb, resource, namespace=""):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            self.under_way -= 1
            return True

    kube = Slow()
    readers = Readers(kube)
    await asyncio.gather(*(readers.scope_of(make_user(), f"n{number}", []) for number in range(20)))

    assert kube.most == 2
