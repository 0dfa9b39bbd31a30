"""
The gateway killed at every single write, to the API server and to the bucket: before it is sent, and after
it was done.

Each story is a request or a few; its writes are counted once undisturbed. Then for every write and side a
real gateway gets SIGKILL there, from a proxy on its wires (``wiretap``), its client asks the next one what
it had asked the first, and the bucket has to hold what it holds undisturbed, nothing half visible and nothing
besides.
"""

import ast
import contextlib
import hashlib
import http.client
import json
import os
import re
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

import ignition_hub
from gateway_harness import (
    BUILDS,
    HUB,
    STORE,
    Hub,
    allow_push,
    apply_engine,
    make_request,
    make_team,
    plan,
    prepare_cluster,
    published,
    ready_target,
)
from gatewayprocess import running_gateway
from ignition_hub.engine.names import ANNOTATION_FAILURE, ANNOTATION_PROGRESS, ANNOTATION_REBUILD
from ignition_hub.engine.naming import StorePaths
from ignition_hub.retention.layout import UNUSED
from ignition_hub.store.objects import ObjectStore
from s3server import S3Server
from wiretap import Fate, Wire, kind_of_api, kind_of_s3

pytestmark = pytest.mark.cluster

ENGINE = plan()
SHA256 = hashlib.sha256(ENGINE).hexdigest()
PROBES = "/ignition/probes/"
"""Where a gateway writes first, to see what the store does; the next one starts while the first is asked."""
RESOLVE = "/v1/engines/resnet50/resolve"


class Gateways:
    """One gateway after another; the next one starts while the first one works."""

    def __init__(self, kubeconfig, folder):
        self._kubeconfig, self._folder = kubeconfig, folder
        self._opened, self._starter = contextlib.ExitStack(), ThreadPoolExecutor(1)
        self._started, self._key = 0, b""
        self._spare: Future = self._starter.submit(self._start)

    def next(self):
        ready = self._spare.result(timeout=120)
        self._spare = self._starter.submit(self._start)
        return ready

    def close(self):
        with contextlib.suppress(RuntimeError):  # nobody needs the one that did not come up
            self._spare.result(timeout=120)
        self._starter.shutdown()
        self._opened.close()

    def _start(self):
        self._started += 1
        folder = self._folder / str(self._started)
        folder.mkdir()
        if self._key:
            (folder / "signing.pem").write_bytes(self._key)
        gateway = self._opened.enter_context(running_gateway(self._kubeconfig, folder))
        self._key = (folder / "signing.pem").read_bytes()
        return gateway


@dataclass
class Persistent:
    """A client that asks the next gateway when one is gone, as builders and ``push`` do."""

    gateways: Gateways
    deaths: int = 0

    def __post_init__(self):
        self.now = self.gateways.next()

    def ask(self, *arguments, **options):
        try:
            return self.now.ask(*arguments, **options)
        except (OSError, http.client.HTTPException):
            assert self.now.process.wait(timeout=20) == -9
            assert "Traceback" not in self.now.log()
            self.deaths += 1
            self.now = self.gateways.next()
            return self.now.ask(*arguments, **options)


@dataclass
class Stage:
    """A hub whose gateways may be killed, and a team of one story."""

    hub: Hub
    fate: Fate
    team: str
    dies_at: int | None = None
    dies_after: bool = False
    folders: list[str] = field(default_factory=list)

    def begin(self):
        """Count the writes from here."""
        self.fate.arm(self.hub.gateway.now.process, self.dies_at, dies_after=self.dies_after)

    def build(self):
        """Make a Job; return its request, the Job and a builder's token."""
        request = make_request(self.hub, self.team)
        self.folders.append(paths_of(request).folder)
        job = self.hub.job(request)
        return request, job, self.hub.builder(job)

    def push(self, data, sha256=None):
        allow_push(self.hub, self.team)
        self.folders.append(f"ignition/models/{self.team}")
        headers = {"X-Content-SHA256": sha256 or hashlib.sha256(data).hexdigest()}
        token = self.hub.token(self.team)
        self.begin()
        return self.hub.gateway.ask("POST", "/v1/models", data, token=token, headers=headers)

    def prune(self):
        """Ask for every page."""
        token, run, after = self.hub.token(HUB), uuid4().hex, ""
        while after is not None:
            asked = {"dry_run": False, "run": run, "after": after}
            answer = self.hub.gateway.ask("POST", "/v1/prune", asked, token=token)
            assert answer.status == 200, answer.message
            after = answer.body["after"]

    def objects(self):
        """
        Return the ends of the keys that lie in the folders of this story.

        Each manifest has a provenance of its own name; one that was written before its gateway ended lies
        beside the one that counts, and goes with its build.
        """
        store = self.hub.store
        found = [(folder, each) for folder in self.folders for each in store.listed(f"{folder}/", most=1000)]
        ends = (each.key.removeprefix(folder) for folder, each in found)
        return sorted({re.sub(r"\.[0-9a-f]{16}\.intoto", ".intoto", end) for end in ends})

    def unfinished(self):
        return sum(len(self.hub.store.unfinished_uploads(f"{folder}/")) for folder in self.folders)


def paths_of(request):
    return StorePaths("ignition", request.inputs, request.identity)


def an_engine_is_published(stage):
    """Of three uploads that were begun, the last is completed; then it is told again."""
    request, _, token = stage.build()
    stage.begin()
    body = [stage.hub.upload(token, ENGINE) for _ in range(3)][-1]
    done = stage.hub.complete(token, body)

    assert done.status == 200, done.message
    assert stage.hub.complete(token, body).body == done.body
    assert published(stage.hub, request).engine.sha256 == SHA256
    return done.status


def an_engine_is_replaced(stage):
    """A rebuild of what is published."""
    request, job, token = stage.build()
    assert stage.hub.complete(token, stage.hub.upload(token, ENGINE)).status == 200
    first = published(stage.hub, request)
    annotate(stage.hub, job, {ANNOTATION_REBUILD: "now"})
    stage.begin()
    better = plan(extra=b"better code " * 100)
    done = stage.hub.complete(token, stage.hub.upload(token, better))

    assert done.status == 200, done.message
    second = published(stage.hub, request)
    assert second.engine.sha256 == hashlib.sha256(better).hexdigest()
    assert second.built_at > first.built_at
    return done.status


def an_upload_is_rejected(stage):
    """A plan for another GPU."""
    request, _, token = stage.build()
    stage.begin()
    done = stage.hub.complete(token, stage.hub.upload(token, plan(arch=0x04)))

    assert done.reason == "UploadRejected"
    assert published(stage.hub, request) is None
    return done.status


def a_model_is_pushed(stage):
    """In two parts."""
    return stage.push(b"onnx" * (5 * 1024 * 1024)).status


def a_push_is_not_what_it_announced(stage):
    """Read whole, then refused."""
    return stage.push(b"onnx", sha256="ab" * 32).status


def a_build_tells_what_it_does(stage):
    """Progress, and then a failure."""
    _, job, token = stage.build()
    stage.begin()
    report = {"phase": "Building engine", "percent": 7}
    told = [stage.hub.gateway.ask("POST", "/v1/builds/self/progress", report, token=token).status]
    failure = {"reason": "UnsupportedOperator", "message": "node Foo_1", "exit_code": 11}
    told.append(stage.hub.gateway.ask("POST", "/v1/builds/self/failed", failure, token=token).status)

    annotations = stage.hub.annotations(job)
    assert json.loads(annotations[ANNOTATION_PROGRESS]) == report
    assert json.loads(annotations[ANNOTATION_FAILURE])["message"] == "node Foo_1"
    return told


def a_model_is_pushed_again(stage):
    """One that was found unused: the mark goes, and the model stays."""
    model = f"ignition/models/{stage.team}/{hashlib.sha256(b'onnx').hexdigest()}"
    stage.hub.store.put(f"{model}.onnx", b"onnx")
    stage.hub.store.put(f"{model}{UNUSED}", b"")
    return stage.push(b"onnx").status


def the_store_is_pruned(stage):
    """One model has been unused for too long, and another begins to be unused."""
    stage.prune()  # what the other stories left begins to be unused
    folder = f"ignition/models/{stage.team}"
    stage.folders.append(folder)
    for name in (f"{'a' * 64}.onnx", f"{'a' * 64}{UNUSED}", f"{'b' * 64}.onnx"):
        stage.hub.store.put(f"{folder}/{name}", b"onnx")
        if name.startswith("a"):
            long_ago = time.time() - 3 * 86400
            os.utime(stage.hub.s3.folder / "data" / "engines" / folder / name, (long_ago, long_ago))
    stage.begin()
    stage.prune()


def a_pod_is_told_which_engine_it_got(stage):
    """Posted after the answer, and by the next gateway where this one is gone."""
    request, _, token = stage.build()
    done = stage.hub.complete(token, stage.hub.upload(token, ENGINE))
    apply_engine(stage.hub, stage.team, [ready_target(stage.hub, request, done.body)])
    pod = stage.hub.token(stage.team, pod=stage.hub.pod(stage.team))
    stage.begin()
    alive = stage.hub.gateway.now.process
    answers = {stage.hub.gateway.ask("POST", RESOLVE, {}, token=pod).status}
    if stage.dies_at:
        alive.wait(timeout=20)
    path = f"/apis/events.k8s.io/v1/namespaces/{stage.team}/events"
    deadline = time.monotonic() + 20
    # Asked again, as a fetcher does: the next gateway cannot know what the first has told.
    while time.monotonic() < deadline:
        answers.add(stage.hub.gateway.ask("POST", RESOLVE, {}, token=pod).status)
        if events := stage.hub.api.ask("GET", path).body["items"]:
            break
        time.sleep(0.1)

    assert [event["reason"] for event in events] == ["EngineChosen"]
    assert "target sm-89 for NVIDIA-L4 (sm_89)" in events[0]["note"]
    return answers


STORIES = {
    story.__name__: story
    for story in (
        an_engine_is_published,
        an_engine_is_replaced,
        an_upload_is_rejected,
        a_model_is_pushed,
        a_push_is_not_what_it_announced,
        a_build_tells_what_it_does,
        a_model_is_pushed_again,
        the_store_is_pruned,
        a_pod_is_told_which_engine_it_got,
    )
}

WRITES = {
    "an_engine_is_published": 9,
    "an_engine_is_replaced": 5,
    "an_upload_is_rejected": 3,
    "a_model_is_pushed": 4,
    "a_push_is_not_what_it_announced": 3,
    "a_build_tells_what_it_does": 2,
    "a_model_is_pushed_again": 5,
    "the_store_is_pruned": 8,
    "a_pod_is_told_which_engine_it_got": 1,
}
"""How many writes each story has: twice as many crash points."""

SITES = {
    "gateway.artifacts.publishing:_signed": {"complete upload", "delete object", "put log"},
    "gateway.artifacts.pruning:mark": {"put new object"},
    "gateway.artifacts.pruning:remove": {"delete object"},
    "gateway.artifacts.uploads:start_upload": {"begin upload"},
    "gateway.artifacts.uploads:abort_uploads": {"abort upload"},
    "gateway.cluster.pod_events:_post": {"create events"},
    "gateway.cluster.turns:_write": {"replace leases"},
    "gateway.routes.builds:_annotate": {"patch jobs"},
    "gateway.routes.models:_found_again": {"delete object"},
    "gateway.routes.models:_receive": {"put part", "complete upload", "abort upload"},
    "gateway.routes.models:started_upload": {"begin upload", "abort upload"},
    "store.publish:publish": {"put provenance"},
    "store.publish:_replaced": {"put new manifest", "replace manifest"},
}
"""Where the gateway writes, and what."""

MAY_BE_LEFT = dict.fromkeys(
    (
        "an_upload_is_rejected",
        "a_model_is_pushed",
        "a_push_is_not_what_it_announced",
        "a_model_is_pushed_again",
    ),
    1,
)
"""Uploads that the dead began and nobody can name any more; no object shows them, and they are collected."""


def annotate(hub, job, annotations):
    path = f"/apis/batch/v1/namespaces/{BUILDS}/jobs/{job['metadata']['name']}"
    patch = {"metadata": {"annotations": annotations}}
    assert hub.api.ask("PATCH", path, patch, media="application/merge-patch+json").status == 200


def counted(method, target, headers):
    return None if PROBES in target else kind_of_s3(method, target, headers)


@pytest.fixture(scope="module")
def wired(control_plane, api, tmp_path_factory):
    """A hub whose gateways speak over wires, and what decides when one is killed."""
    fate, folder = Fate(), tmp_path_factory.mktemp("gateways")
    with (
        S3Server.start() as s3,
        Wire.before(s3.endpoint, counted, fate) as to_s3,
        Wire.before(api.server, kind_of_api, fate, tls=api.tls) as to_api,
    ):
        for bucket in ("engines", "models"):
            s3.create_bucket(bucket)
        prepare_cluster(api, reached_at(s3, to_s3.address))
        let_prune(api)
        gateways = Gateways(wired_kubeconfig(control_plane, to_api, folder), folder)
        store = ObjectStore(s3.settings(bucket="engines"))
        models = ObjectStore(s3.settings(bucket="models"))
        try:
            yield Hub(api, Persistent(gateways), store, models, s3), fate
        finally:
            gateways.close()
            store.close()
            models.close()
            api.ask("DELETE", "/apis/ignitionhub.io/v1alpha1/enginestores/default")


def reached_at(s3, address):
    """The server, for those who reach it at ``address``."""
    at = urlsplit(address)
    return replace(s3, place=replace(s3.place, host=at.hostname, port=at.port))


def let_prune(api):
    """Let the hub's own account prune, and models go two days after their last use."""
    rules = [{"apiGroups": ["ignitionhub.io"], "resources": ["enginestores"], "verbs": ["prune"]}]
    rbac, name = "/apis/rbac.authorization.k8s.io/v1", f"prune-{uuid4().hex[:8]}"
    role = {"metadata": {"name": name}, "rules": rules}
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": HUB}],
    }
    for kind, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        assert api.ask("POST", f"{rbac}/{kind}", body).status == 201
    kept = {"spec": {"retention": {"models": "48h"}}}
    assert api.ask("PATCH", STORE, kept, media="application/merge-patch+json").status == 200


def wired_kubeconfig(control_plane, wire, folder):
    document = json.loads(control_plane.kubeconfig.read_text())
    for each in document["clusters"]:
        each["cluster"] = {"server": wire.address}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(document))
    return file


@dataclass(frozen=True)
class End:
    """What a story leaves."""

    answer: object
    objects: list[str]
    unfinished: int
    writes: list[str]


@pytest.fixture(scope="module")
def told(wired):
    """Tell a story, undisturbed once only."""
    hub, fate = wired
    known = {}

    def tell(name, dies_at=None, *, dies_after=False):
        if dies_at is None and name in known:
            return known[name]
        stage = Stage(hub, fate, make_team(hub), dies_at, dies_after)
        answer = STORIES[name](stage)
        end = End(answer, stage.objects(), stage.unfinished(), list(fate.writes))
        return end if dies_at else known.setdefault(name, end)

    return tell


@pytest.mark.parametrize("name", STORIES)
def test_every_write_of_a_story_has_its_crash_points(told, name):
    end = told(name)

    print(f"{name}: {2 * len(end.writes)} crash points:", dict(Counter(end.writes)))
    assert len(end.writes) == WRITES[name]
    assert end.unfinished == 0


def test_the_stories_hold_everything_that_the_gateway_writes(told):
    writes = {kind for name in STORIES for kind in told(name).writes}

    assert set(SITES) == set(sites_of_writes())
    assert writes == set().union(*SITES.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("name", "write"), [(name, write) for name, count in WRITES.items() for write in range(1, count + 1)]
)
def test_a_gateway_killed_at_a_write_leaves_what_the_next_one_finishes(wired, told, name, write, after):
    expected, deaths = told(name), wired[0].gateway.deaths

    end = told(name, write, dies_after=after)

    assert wired[0].gateway.deaths == deaths + 1
    assert end.answer == expected.answer
    assert end.objects == expected.objects
    assert end.unfinished <= MAY_BE_LEFT.get(name, 0)


WRITING = frozenset(
    {
        "put", "put_new", "delete", "delete_version", "start_upload", "put_part", "complete_upload",
        "abort_upload", "create", "replace", "merge_patch",
    }
)  # fmt: skip


def sites_of_writes():
    """Yield every function of the gateway that asks a store or the API server to write, with its module."""
    root = Path(ignition_hub.__file__).parent
    probe = {root / "store/habits.py", *root.glob("store/*_questions.py")}
    for file in sorted({*root.glob("gateway/**/*.py"), *root.glob("store/**/*.py")} - probe):
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        for function in ast.walk(ast.parse(file.read_text())):
            is_function = isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and any(writes(node) for node in ast.walk(function)):
                yield f"{module}:{function.name}"


def writes(node):
    if not isinstance(node, ast.Attribute) or node.attr not in WRITING:
        return False
    return ast.unparse(node.value).split(".")[-1].removeprefix("_") in {"objects", "store", "kube"}
