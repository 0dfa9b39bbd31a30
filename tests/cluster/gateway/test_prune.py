"""What prune takes out of a real bucket, asked of a real gateway process; and what it never takes."""

import hashlib
import json
import math
import os
import sys
import time
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest

from gateway_harness import HUB, STORE, make_team, remove_pods
from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.cli import app as cli
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.naming import StorePaths, Tree
from ignition_hub.gateway.artifacts.pruning import (
    looked_at_again,
    remove,
    units_behind,
    uploads_behind,
    with_manifest,
)
from ignition_hub.gateway.process.metrics import Metrics
from ignition_hub.gateway.routes.prune import Page, step_of
from ignition_hub.retention import __main__ as program
from ignition_hub.retention.demand import Demand
from ignition_hub.retention.durations import DAY, Retention
from ignition_hub.retention.layout import KNOWN
from ignition_hub.retention.plan import World
from ignition_hub.retention.rules import plan_of
from ignition_hub.store.find import find
from ignition_hub.store.publish import publish
from ignition_hub.store.trust import SigningKey
from loggingkept import logging_as_before
from storefixtures import make_inputs, make_manifest

pytestmark = pytest.mark.cluster

MERGE = "application/merge-patch+json"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ENGINES = "/apis/ignitionhub.io/v1alpha1"
RUN = "0" * 32
OLD, NEW = b"the build that was replaced", b"the build that counts"


@pytest.fixture(scope="module", autouse=True)
def may_prune(hub):
    """Let the default account of the hub's namespace prune, and no other."""
    rules = [{"apiGroups": ["ignitionhub.io"], "resources": ["enginestores"], "verbs": ["prune"]}]
    name = f"prune-{uuid4().hex[:8]}"
    hub.post(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": HUB}],
    }
    hub.post(f"{RBAC}/clusterrolebindings", binding)


@pytest.fixture(scope="module", autouse=True)
def pods_of_others(hub):
    """Take the pods away that other tests have left."""
    remove_pods(hub)


@pytest.fixture
def model():
    """A name that no other test uses."""
    return f"model-{uuid4().hex[:8]}"


@pytest.fixture
def retention(hub):
    """Change how long the store keeps what is not used."""
    yield lambda **kept: keep(hub, kept)
    keep(hub, None)


def keep(hub, kept):
    changed = hub.api.ask("PATCH", STORE, {"spec": {"retention": kept}}, media=MERGE)
    assert changed.status == 200, changed.message
    time.sleep(0.5)  # until the gateway's watch has brought it


def prune(hub, *, dry_run=False, token=None):
    """Ask for every page and return all that was removed, and all that was kept."""
    token, run, after, removed, kept = token or hub.token(HUB), uuid4().hex, "", [], []
    while after is not None:
        asked = {"dry_run": dry_run, "run": run, "after": after}
        answer = hub.gateway.ask("POST", "/v1/prune", asked, token=token)
        assert answer.status == 200, answer.message
        after = answer.body["after"]
        removed += answer.body["removed"]
        kept += answer.body["kept"]
    return removed, kept


def removed_of(pruned, word):
    return [(each["kind"], each["reason"]) for each in pruned[0] if word in each["key"]]


def pruned_at_last(hub, word):
    """Prune until something goes: a watch tells of what was deleted a moment later."""
    deadline = time.monotonic() + 15
    while not (removed := removed_of(prune(hub), word)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return removed


def age(hub, key, days):
    """Make an object look as if it had been written days ago."""
    when = time.time() - days * DAY
    os.utime(hub.s3.folder / "data" / "engines" / key, (when, when))


def age_uploads(hub, days):
    when = time.time() - days * DAY
    for folder in (hub.s3.folder / "data" / "engines" / ".sgwtmp" / "multipart").glob("*/*"):
        os.utime(folder, (when, when))


def inputs_of(model):
    return make_inputs(model=Model(model, "v1", "sha256:" + "1" * 64))


def published_build(hub, model, data, *, days, log=b"built", built_at="2026-01-02T03:04:05Z"):
    """Publish a build as the gateway does, signed with its key, and have it ``days`` old."""
    inputs, sha256 = inputs_of(model), hashlib.sha256(data).hexdigest()
    paths = StorePaths("ignition", inputs, identity_of(inputs))
    key = SigningKey.from_pem((hub.gateway.folder / "signing.pem").read_bytes())
    manifest = make_manifest(sha256=sha256, size=len(data), inputs=inputs, built_at=built_at)
    hub.store.put(paths.engine(sha256), data)
    hub.store.put(paths.log(sha256), log)
    signed = publish(hub.store, key, {key.keyid: key.public}, manifest, replace=True).manifest
    for written in (
        paths.engine(sha256),
        paths.log(sha256),
        signed.provenance_key,
        paths.manifest,
    ):
        age(hub, written, days)
    return paths, sha256


def provenance_of(hub, paths, sha256):
    """Return the key of the one provenance of an engine."""
    [key] = [each for each in keys_below(hub, f"{paths.engine(sha256)}.") if each.endswith(".intoto.json")]
    return key


def replaced_build(hub, model):
    """A build that another replaced ten days ago."""
    paths, old = published_build(hub, model, OLD, days=20)
    _, new = published_build(hub, model, NEW, days=10, built_at="2026-02-02T03:04:05Z")
    return paths, old, new


def use(hub, namespace, model, identity, *, name="engine", policy="Retain", current=True):
    path = f"{ENGINES}/namespaces/{namespace}/tensorrtengines"
    spec = {
        "model": {"name": model, "version": "v1", "source": {"uri": "s3://models/x.onnx"}},
        "precision": "fp16",
        "targets": [{"gpuArch": "sm_89"}],
        "deletionPolicy": policy,
    }
    body = {"apiVersion": "ignitionhub.io/v1alpha1", "kind": "TensorRTEngine", "metadata": {"name": name}}
    generation = hub.post(path, {**body, "spec": spec})["metadata"]["generation"]
    target = {"name": "sm-89", "state": "Ready", "identity": identity}
    status = {"observedGeneration": generation if current else 0, "targets": [target]}
    answer = hub.api.ask("PATCH", f"{path}/{name}/status", {"status": status}, media=MERGE)
    assert answer.status == 200, answer.message
    time.sleep(0.5)  # until the gateway's watch has brought it


def no_longer_use(hub, namespace, name="engine"):
    path = f"{ENGINES}/namespaces/{namespace}/tensorrtengines/{name}"
    assert hub.api.ask("DELETE", path).status == 200
    time.sleep(0.5)


def keys_below(hub, folder):
    return {each.key for each in hub.store.every(folder)}


def found(hub, model):
    key = SigningKey.from_pem((hub.gateway.folder / "signing.pem").read_bytes())
    inputs = inputs_of(model)
    return find(hub.store, {key.keyid: key.public}, inputs, identity_of(inputs))


def test_a_tenant_may_not_prune_whatever_it_may_do_in_its_namespace(hub, team):
    admin = {
        "metadata": {"name": "admin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": team}],
    }
    hub.post(f"{RBAC}/namespaces/{team}/rolebindings", admin)

    answer = hub.gateway.ask("POST", "/v1/prune", {"dry_run": True, "run": RUN}, token=hub.token(team))

    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert "may not prune enginestores default" in answer.message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"run": RUN},
        {"run": RUN, "dry_run": "no"},
        {"run": RUN, "dry_run": 1},
        {"run": RUN, "dry_run": True, "after": "9|x"},
        {"run": "mine", "dry_run": False},
    ],
    ids=str,
)
def test_a_request_that_is_none_removes_nothing(hub, body):
    answer = hub.gateway.ask("POST", "/v1/prune", body, token=hub.token(HUB))

    assert (answer.status, answer.reason) == (400, "InvalidRequest")


def test_one_run_at_a_time_removes_and_a_report_does_not_wait(hub):
    def ask(run, dry_run, after=""):
        asked = {"dry_run": dry_run, "run": run, "after": after}
        return hub.gateway.ask("POST", "/v1/prune", asked, token=hub.token(HUB))

    first, second = uuid4().hex, uuid4().hex
    begun = ask(first, False)
    refused = ask(second, False)
    report = ask(second, True)
    while (after := begun.body["after"]) is not None:
        begun = ask(first, False, after)

    assert (refused.status, refused.reason) == (503, "GatewayUnavailable")
    assert "another run of prune is removing objects" in refused.message
    assert report.status == 200
    assert ask(second, False).status == 200
    prune_lease = f"/apis/coordination.k8s.io/v1/namespaces/{HUB}/leases/ignition-hub-prune"
    assert hub.api.ask("GET", prune_lease).body["spec"]["holderIdentity"] == second
    assert hub.api.ask("DELETE", prune_lease).status == 200


def test_a_replaced_build_goes_and_the_engine_that_counts_stays(hub, team, model):
    paths, old, new = replaced_build(hub, model)
    use(hub, team, model, paths.identity)

    said = prune(hub, dry_run=True)
    before, provenance = keys_below(hub, paths.folder), provenance_of(hub, paths, old)
    done, again = prune(hub), prune(hub)

    assert removed_of(said, model) == removed_of(done, model)
    assert removed_of(done, model) == [("supersededBuilds", "replaced by a later build")]
    assert before - keys_below(hub, paths.folder) == {
        paths.engine(old),
        provenance,
        paths.log(old),
    }
    assert removed_of(again, model) == []
    assert found(hub, model).engine.sha256 == new
    counted = 'ignition_gateway_pruned_objects_total{kind="supersededBuilds"}'
    assert any(line.startswith(counted) for line in hub.gateway.metrics().splitlines())


def test_a_build_stays_while_a_pod_runs_that_is_older_than_the_one_that_replaced_it(hub, team, model):
    paths, _ = published_build(hub, model, OLD, days=20)
    use(hub, team, model, paths.identity)
    metadata = {
        "labels": {"ignitionhub.io/inject": "true"},
        "annotations": {"ignitionhub.io/engines": "engine"},
    }
    pod = hub.pod(team, **metadata)
    # Files can be made older and pods cannot: the build that replaced it is of the future.
    published_build(hub, model, NEW, days=10, built_at="2036-02-02T03:04:05Z")

    removed, kept = prune(hub)
    path = f"/api/v1/namespaces/{team}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0"
    assert hub.api.ask("DELETE", path).status == 200
    afterwards = pruned_at_last(hub, model)

    assert removed_of((removed, kept), model) == []
    why = {each["reason"] for each in kept}
    assert "a pod that runs is older than the build that replaced it" in why
    assert afterwards == [("supersededBuilds", "replaced by a later build")]


def test_an_upload_in_progress_keeps_all_of_its_identity_and_a_dead_one_is_aborted(hub, model):
    paths, old, _ = replaced_build(hub, model)
    hub.store.start_upload(paths.engine(old))

    assert removed_of(prune(hub, dry_run=True), model) == []
    age_uploads(hub, 8)
    done = prune(hub)

    assert removed_of(done, model) == [
        ("unfinishedUploads", "begun and never completed"),
        ("supersededBuilds", "replaced by a later build"),
    ]
    assert list(hub.store.every_upload(paths.folder)) == []


def test_an_engine_that_is_not_used_goes_after_its_retention_and_a_used_one_never(
    hub, team, model, retention
):
    retention(engines="1h")
    paths, _ = published_build(hub, model, NEW, days=30)
    use(hub, team, model, paths.identity)
    unused = f"{paths.folder}.unused"

    in_use = prune(hub)
    no_longer_use(hub, team)
    first = prune(hub)
    assert hub.store.head(unused) is not None
    age(hub, unused, 1)
    use(hub, team, model, paths.identity, name="again")
    again = prune(hub)
    assert hub.store.head(unused) is None
    no_longer_use(hub, team, name="again")
    prune(hub)
    age(hub, unused, 1)
    last = prune(hub)

    assert [removed_of(each, model) for each in (in_use, first, again)] == [[], [], []]
    assert removed_of(last, model) == [("engines", "no resource uses it")]
    assert keys_below(hub, paths.folder) == set()


def test_deletion_policy_delete_has_an_engine_go_when_nothing_else_uses_it(hub, team, model):
    paths, _ = published_build(hub, model, NEW, days=30)
    other = make_team(hub)
    use(hub, team, model, paths.identity, policy="Delete")
    prune(hub)
    use(hub, other, model, paths.identity, policy="Delete")
    no_longer_use(hub, team)

    shared = prune(hub)
    assert f"{paths.folder}.unused" not in keys_below(hub, paths.folder)
    no_longer_use(hub, other)
    prune(hub)
    age(hub, f"{paths.folder}.unused", 2)
    gone = prune(hub)

    assert removed_of(shared, model) == []
    assert [kind for kind, _ in removed_of(gone, model)] == ["deletedEngines"]
    assert keys_below(hub, paths.folder) == set()


def test_the_default_policy_keeps_an_engine_whose_resource_is_deleted(hub, team, model):
    paths, _ = published_build(hub, model, NEW, days=30)
    use(hub, team, model, paths.identity)
    prune(hub)
    no_longer_use(hub, team)

    for _ in range(2):
        assert removed_of(prune(hub), model) == []
    assert found(hub, model) is not None


def test_an_engine_stays_while_a_resource_of_its_model_has_no_identity_yet(hub, team, model, retention):
    retention(engines="1h")
    paths, _ = published_build(hub, model, NEW, days=30)
    prune(hub)
    age(hub, f"{paths.folder}.unused", 30)
    use(hub, team, model, "0" * 64, current=False)

    removed, kept = prune(hub)

    assert removed_of((removed, kept), model) == []
    assert "a resource of this model has no identity yet" in {each["reason"] for each in kept}


def test_an_engine_whose_manifest_is_not_trusted_is_kept_and_said(hub, model):
    paths, *_ = replaced_build(hub, model)
    hub.store.put(paths.manifest, hub.store.get(paths.manifest, 1 << 20).replace(b"v1", b"v2"))
    age(hub, paths.manifest, 10)

    removed, kept = prune(hub)

    assert removed_of((removed, kept), model) == []
    assert "its manifest is not trusted" in {each["reason"] for each in kept}


def test_what_the_hub_did_not_write_stays(hub, model):
    foreign = [f"ignition/engines/{model}/notes.txt", f"ignition/{model}", f"ignition/models/{model}/x.onnx"]
    for key in foreign:
        hub.store.put(key, b"not the hub's")
        age(hub, key, 900)

    _, kept = prune(hub)

    assert all(hub.store.head(key) for key in foreign)
    assert "not written by the hub" in {each["reason"] for each in kept}


def test_a_pushed_model_goes_when_no_resource_names_it_and_the_platform_team_said_so(hub, team, retention):
    key = f"ignition/models/{team}/{'12' * 32}.onnx"
    unused = key.replace(".onnx", ".unused")
    hub.store.put(key, b"onnx")
    age(hub, key, 900)

    assert removed_of(prune(hub), team) == []
    retention(models="1h")
    assert removed_of(prune(hub), team) == []
    age(hub, unused, 1)
    assert removed_of(prune(hub), team) == [("models", "no resource uses it")]
    assert keys_below(hub, f"ignition/models/{team}/") == set()


@pytest.fixture
def opened(hub):
    """The bucket as the gateway holds it."""
    return OpenStore(hub.store, {}, hub.store.settings)


def trusted(hub):
    key = SigningKey.from_pem((hub.gateway.folder / "signing.pem").read_bytes())
    return {key.keyid: key.public}


def unit_in(opened, model):
    listed = units_behind(opened, Tree.ENGINES, "", most=math.inf).units
    (unit,) = (each for each in listed if each.name == model)
    return unit


def judged(hub, opened, unit):
    """Return what becomes of a unit that is looked at directly before."""
    unit = with_manifest(opened, trusted(hub), looked_at_again(opened, unit))
    return plan_of(unit, World(Demand([], []), Retention(engines=DAY), "engines", time.time()))


def test_a_build_that_was_published_after_it_was_found_replaced_is_not_hit(hub, opened, model):
    replaced_build(hub, model)
    seen = unit_in(opened, model)
    _, old = published_build(hub, model, OLD, days=20, built_at="2026-03-02T03:04:05Z")

    plan = judged(hub, opened, seen)

    assert not [key for removal in plan.removals for key in removal.objects if old[:16] in key.key]


def test_an_object_that_was_written_again_after_it_was_planned_is_not_hit(hub, opened, model):
    paths, old, _ = replaced_build(hub, model)
    (removal,) = judged(hub, opened, unit_in(opened, model)).removals
    hub.store.put(paths.engine(old), b"another upload")

    done = remove(opened, removal, math.inf)

    assert hub.store.get(paths.engine(old), 100) == b"another upload"
    assert done.objects < len(removal.objects)


def test_an_engine_whose_removal_is_cut_off_anywhere_is_gone_for_everybody_and_goes_with_the_next(
    hub, opened, model
):
    paths, _ = published_build(hub, model, NEW, days=30)
    hub.store.put(f"{paths.folder}.unused", b"")
    age(hub, f"{paths.folder}.unused", 20)
    (removal,) = judged(hub, opened, unit_in(opened, model)).removals

    assert remove(opened, replace(removal, objects=removal.objects[:1]), math.inf).objects == 1
    assert found(hub, model) is None
    assert remove(opened, removal, time.monotonic()).objects == 0
    prune(hub)

    assert {key for key in keys_below(hub, paths.folder) if key.endswith(".trt")} == set()


class Direct:
    """Runs what a worker would run, at once."""

    async def run(self, call, *args, **kwargs):
        return call(*args, **kwargs)


def page_of(hub, opened, *, ends, dry_run=False):
    services = SimpleNamespace(
        quick=Direct(),
        usage=SimpleNamespace(demand=lambda pods: Demand([], pods)),
        settings=SimpleNamespace(max_model_bytes=0),
        signer=SimpleNamespace(keys=trusted(hub)),
        metrics=Metrics(),
    )
    return Page(services, opened, (), dry_run, ends=ends)


async def test_a_page_whose_time_is_over_does_one_unit_and_says_where_to_go_on(hub, opened):
    models = sorted(f"timed-{uuid4().hex[:8]}" for _ in range(2))
    paths = [replaced_build(hub, name)[0] for name in models]
    step, after = KNOWN.index(Tree.ENGINES) + 1, f"ignition/engines/{models[0]}"

    first = page_of(hub, opened, ends=time.monotonic())
    behind = await first.tree(step, after)
    second = page_of(hub, opened, ends=time.monotonic())
    await second.tree(*step_of(behind))

    assert behind == f"{step}|{paths[0].folder}0"
    assert [[each.kind for each in page.removed] for page in (first, second)] == [["supersededBuilds"]] * 2
    assert [page.removed[0].key.split("/")[2] for page in (first, second)] == models


async def test_what_changes_while_it_is_removed_is_planned_again_and_not_hit(hub, opened, model, monkeypatch):
    paths, old, _ = replaced_build(hub, model)
    page = page_of(hub, opened, ends=time.monotonic() + 5)
    monkeypatch.setattr(hub.store, "delete_version", lambda key, etag: hub.store.put(key, b"again") and False)

    await page.tree(KNOWN.index(Tree.ENGINES) + 1, f"ignition/engines/{model}")

    assert page.removed == []
    assert hub.store.get(paths.log(old), 10) == b"again"
    assert hub.store.get(paths.engine(old), 100) == OLD
    assert ("supersededBuilds", "within its retention") in {(each.kind, each.reason) for each in page.kept}


def test_pages_end_between_units_and_leave_none_out(hub, opened):
    models = [f"paged-{uuid4().hex[:8]}" for _ in range(3)]
    for name in models:
        published_build(hub, name, NEW, days=1)
    whole = units_behind(opened, Tree.ENGINES, "", most=math.inf)
    after, units = "", []
    while after is not None:
        page = units_behind(opened, Tree.ENGINES, after, most=1)
        units += page.units
        after = page.after

    assert units == list(whole.units)
    assert {unit.name for unit in units} >= set(models)


def test_pages_of_uploads_leave_none_out(hub, opened):
    keys = [f"ignition/models/paged/{number}.onnx" for number in (1, 1, 2, 3)]
    begun = {(key, hub.store.start_upload(key)) for key in keys}
    after, found_ids = "", set()
    while after is not None:
        uploads, after = uploads_behind(opened, after, most=1)
        found_ids |= {(each.key, each.upload_id) for each in uploads}

    assert found_ids >= begun


def test_the_program_of_the_schedule_does_a_whole_run_with_its_own_token(hub, model, tmp_path, capsys):
    paths, old, _ = replaced_build(hub, model)
    token = tmp_path / "token"
    token.write_text(hub.token(HUB))
    flags = [
        f"--gateway=https://127.0.0.1:{hub.gateway.port}",
        f"--ca-file={hub.gateway.folder / 'tls.crt'}",
        f"--token-file={token}",
    ]

    with logging_as_before():
        assert program.main([*flags, "--dry-run"]) == 0
        assert hub.store.head(paths.engine(old)) is not None
        assert program.main(flags) == 0
        assert hub.store.head(paths.engine(old)) is None
        assert '"kind": "supersededBuilds"' in capsys.readouterr().err
        token.write_text("no token")
        assert program.main([*flags, "--dry-run"]) == program.INCOMPLETE


def test_the_command_reports_first_and_removes_then(hub, model, monkeypatch, capsys):
    paths, old, _ = replaced_build(hub, model)
    authority = (hub.gateway.folder / "tls.crt").read_text()
    monkeypatch.setattr(Kubectl, "token", lambda self, namespace, account: hub.token(HUB))
    monkeypatch.setattr(Kubectl, "authority", lambda self, namespace: authority)
    words = ["ignition", "prune", f"--gateway=https://127.0.0.1:{hub.gateway.port}", "-o", "json"]

    def report(word):
        monkeypatch.setattr(sys, "argv", [*words, word])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        found = json.loads(capsys.readouterr().out)["removed"]
        return {each["key"] for each in found if model in each["key"]}

    said = report("--dry-run")
    assert hub.store.head(paths.engine(old)) is not None
    done = report("--yes")

    assert hub.store.head(paths.engine(old)) is None
    assert said == done == {f"{paths.folder}/{old[:16]}/"}
