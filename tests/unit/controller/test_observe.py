"""Observation: rights before hits, possession before sharing, pins before news."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from fakeworld import MODEL, MODEL_SHA256, MODEL_URI, RTX_VERSION, FakeWorld, make_engine, make_pool
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.build_job import JobSettings, build_job
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.parsing import earlier_target, engine_snapshot
from ignition_hub.controller.policy.resolution import build_request
from ignition_hub.controller.policy.views import JobAction
from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.engine.identity import Profile
from ignition_hub.engine.naming import pushed_model_key

NOW = 1767225600.0
NEWER = "1.8.0.10"


class FakeKube:
    """No API server: nothing observed here may need one."""

    async def list(self, *_, **__):
        return []


@pytest.fixture
def world():
    return FakeWorld()


@pytest.fixture
def cluster():
    cluster = Cluster(FakeKube(), "ignition-hub-builds")
    cluster.pools.put(make_pool())
    return cluster


@pytest.fixture
def observer(cluster, world):
    return Observer(cluster, world, now=lambda: NOW)


def engine(namespace="vision", status=None, generation=1, **spec):
    body = make_engine(namespace=namespace, **spec)
    body["metadata"] |= {"generation": generation, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return engine_snapshot({**body, "status": status or {"observedGeneration": -1}})


def pinned(namespace="vision", sha256=MODEL_SHA256, uri=MODEL_URI):
    model = {"name": "resnet50", "version": "v1", "source": {"uri": uri, "sha256": sha256}}
    return engine(namespace, model=model)


async def snapshot(observer, an_engine):
    [target] = (await observer.observe(an_engine)).targets
    return target


async def publish(observer, world, an_engine):
    target = await snapshot(observer, an_engine)
    world.bucket.publish(build_request(an_engine, target.wanted, None))
    return target


def ready_status(target, version=RTX_VERSION):
    entry = {
        "name": "sm-86",
        "state": "Ready",
        "identity": target.wanted.identity,
        "tensorrt": {"flavor": "TensorRTRTX", "version": version},
        "pool": "rtx",
    }
    return {"observedGeneration": 1, "targets": [entry]}


async def test_what_is_published_is_seen(observer, world):
    await publish(observer, world, engine())

    assert (await snapshot(observer, engine())).manifest is not None


async def test_a_namespace_without_the_right_to_read_sees_nothing_of_the_store(observer, world):
    await publish(observer, world, engine())
    world.bucket.forbidden.add(("other", MODEL_URI))
    asked = world.bucket.asked["find"]
    target = await snapshot(observer, engine("other"))

    assert target.trouble.reason is Reason.SourceForbidden
    assert target.trouble.message == f"namespace other may not read {MODEL_URI}"
    assert target.manifest is None
    assert world.bucket.asked["find"] == asked


async def test_a_model_that_is_not_there_gives_no_hit_although_its_digest_is_known(observer, world):
    await publish(observer, world, pinned())
    target = await snapshot(observer, pinned(uri="s3://models/elsewhere.onnx"))

    assert target.trouble.reason is Reason.SourceNotFound
    assert target.manifest is None


async def test_a_pinned_digest_must_be_that_of_the_source_before_it_gives_a_hit(observer, world):
    await publish(observer, world, pinned())
    world.bucket.models["s3://models/mine.onnx"] = b"something else"
    impostor = await snapshot(observer, pinned("other", uri="s3://models/mine.onnx"))
    world.bucket.models["s3://models/copy.onnx"] = MODEL
    owner = await snapshot(observer, pinned("other", uri="s3://models/copy.onnx"))

    assert impostor.possession.reason is Reason.ModelDigestMismatch
    assert f"but spec.model.source.sha256 pins {MODEL_SHA256}" in impostor.possession.message
    assert owner.possession is None
    assert owner.manifest is not None


async def test_a_digest_is_proven_once_per_object(observer, world):
    await publish(observer, world, pinned())
    await asyncio.gather(*(snapshot(observer, pinned(f"ns-{number}")) for number in range(20)))

    assert world.bucket.asked["digest"] == 1


async def test_a_pushed_model_proves_itself_by_its_key(observer, world):
    uri = f"s3://engines/{pushed_model_key('ignition', 'vision', MODEL_SHA256)}"
    world.bucket.models[uri] = MODEL
    await publish(observer, world, pinned(uri=uri))
    target = await snapshot(observer, pinned(uri=uri))

    assert (target.possession, world.bucket.asked["digest"]) == (None, 0)
    assert target.manifest is not None


async def test_a_build_of_ones_own_source_needs_no_proof_and_somebody_elses_does(observer, world, cluster):
    mine = pinned()
    target = await snapshot(observer, mine)
    job = build_job(build_request(mine, target.wanted, 1), make_pool(), mine.build, JobSettings("https://g"))
    job["metadata"] |= {"namespace": "ignition-hub-builds", "uid": "j", "creationTimestamp": None}
    cluster.jobs.put(job)

    assert (await snapshot(observer, mine)).possession is None
    assert world.bucket.asked["digest"] == 0
    await snapshot(observer, pinned("other"))
    assert world.bucket.asked["digest"] == 1


async def test_the_bucket_is_not_polled_while_a_builder_is_at_work(observer, world, cluster):
    mine = engine()
    target = await snapshot(observer, mine)
    job = build_job(build_request(mine, target.wanted, 1), make_pool(), mine.build, JobSettings("https://g"))
    job["metadata"] |= {"namespace": "ignition-hub-builds", "uid": "j", "creationTimestamp": None}
    cluster.jobs.put(job)
    asked = world.bucket.asked["find"]
    for _ in range(10):
        assert (await snapshot(observer, mine)).job is not None

    assert world.bucket.asked["find"] == asked


@pytest.mark.parametrize(
    "error",
    [
        TransientError(Reason.StoreUnavailable, "away"),
        IgnitionError(Reason.StoreMisconfigured, "the bucket is missing", "create it"),
    ],
)
async def test_while_there_is_no_store_nothing_is_known(observer, world, error):
    world.trouble = error
    target = await snapshot(observer, engine())

    assert target.trouble.unknown
    assert target.trouble.reason is error.reason
    assert target.trouble.message == str(error)


async def test_a_manifest_nobody_vouches_for_is_refused(observer, world):
    target = await snapshot(observer, engine())
    world.bucket.refused.add(target.wanted.identity)
    target = await snapshot(observer, engine())

    assert target.manifest is None
    assert target.refused.reason is Reason.ManifestRefused


async def test_what_only_a_later_release_can_read_proves_nothing_and_is_not_built_again(observer, world):
    target = await publish(observer, world, engine())
    world.bucket.later.add(target.wanted.identity)

    new = await snapshot(observer, engine())
    ready = await snapshot(observer, engine(status=ready_status(target)))

    assert (new.refused, new.trouble.unknown, new.trouble.reason) == (None, True, Reason.NewerRelease)
    assert [decide(one).state for one in (new, ready)] == ["Pending", "Ready"]
    assert {decide(one).action for one in (new, ready)} == {JobAction.NONE}
    assert decide(ready).keeps_status


def remembered(target, **newest):
    """A status that remembers the newest engine of a target."""
    entry = {"identity": target.wanted.identity, "sha256": "ab" * 32, "builtAt": "2026-01-01T00:00:01Z"}
    status = ready_status(target)
    status["targets"][0] |= {"state": "Failed", "newest": entry | newest}
    return status


async def test_an_engine_that_was_replaced_and_put_back_is_refused_although_it_is_signed(observer, world):
    target = await publish(observer, world, engine())

    target = await snapshot(observer, engine(status=remembered(target)))

    assert target.manifest is None
    assert target.refused.reason is Reason.ManifestRefused
    assert "built at 2026-01-01T00:00:00Z was put back" in target.refused.message


@pytest.mark.parametrize(
    "newest",
    [
        {"builtAt": "2025-12-31T23:59:59Z"},
        {"builtAt": "2026-01-01T00:00:00Z", "sha256": "of what is published"},
        {"identity": "0" * 64},
    ],
    ids=["a rebuild", "the same engine", "another identity"],
)
async def test_an_engine_that_replaces_what_is_remembered_is_not_refused(observer, world, newest):
    target = await publish(observer, world, engine())
    [published] = world.bucket.manifests.values()
    newest = newest | ({"sha256": published.engine.sha256} if "sha256" in newest else {})

    assert (await snapshot(observer, engine(status=remembered(target, **newest)))).manifest == published


async def test_an_answer_of_before_a_rebuild_is_no_rollback(observer, world):
    target = await publish(observer, world, engine())
    await snapshot(observer, engine())
    [old] = world.bucket.manifests.values()
    world.bucket.manifests[old.identity] = new = replace(old, built_at="2026-01-01T00:00:02Z")

    status = remembered(target, sha256=new.engine.sha256, builtAt=new.built_at)

    assert (await snapshot(observer, engine(status=status))).manifest == new


BUNDLE = "s3://models/vit/"


def bundled(namespace="vision", **source):
    return engine(namespace, model={"name": "vit", "version": "v1", "source": {"uri": BUNDLE, **source}})


async def test_a_bundle_is_one_model_whose_every_file_counts(observer, world):
    world.bucket.bundles[BUNDLE] = {"vit.onnx": ("e1", 10), "weights.bin": ("e2", 90)}
    observation = await observer.observe(bundled())
    world.bucket.bundles[BUNDLE] = {"vit.onnx": ("e1", 10), "weights.bin": ("e3", 90)}
    observer._models._answers.clear()
    changed = await snapshot(observer, bundled())

    assert observation.model_size == 100
    [before] = observation.targets
    assert changed.wanted.identity != before.wanted.identity
    assert before.wanted.inputs.model.fingerprint.startswith("object:")


async def test_a_bundle_that_is_not_there_is_looked_for_again(observer):
    target = await snapshot(observer, bundled())

    assert target.trouble.reason is Reason.SourceNotFound
    assert BUNDLE in target.trouble.message


async def test_a_bundle_cannot_be_pinned_by_the_digest_of_one_file(observer, world):
    world.bucket.bundles[BUNDLE] = {"vit.onnx": ("e1", 10)}
    target = await snapshot(observer, bundled(sha256=MODEL_SHA256))

    assert target.trouble.reason is Reason.InvalidRequest
    assert "remove source.sha256" in target.trouble.message


CALIBRATION = "s3://models/calibration.npz"
LIBRARY = "s3://plugins/libattention.so"
FILE = b"samples, or a library"


def with_files(namespace="vision", status=None):
    pin = {"sha256": hashlib.sha256(FILE).hexdigest()}
    options = {
        "calibration": {"source": {"uri": CALIBRATION, **pin}},
        "plugins": [{"name": "attention", "source": {"uri": LIBRARY, **pin}}],
    }
    return engine(namespace, status, precision="int8", options=options)


@pytest.fixture
def with_a_gpu(cluster):
    runtimes = [{"flavor": "TensorRT", "version": "10.9.0.34", "image": "i"}]
    cluster.pools.put(make_pool("ampere", aheadOfTime=None, gpu={"arch": "sm_86"}, runtimes=runtimes))


async def test_every_other_file_must_be_readable_for_the_namespace_too(observer, world):
    world.bucket.forbidden.add(("vision", CALIBRATION))
    target = await snapshot(observer, with_files())

    assert target.trouble.reason is Reason.SourceForbidden
    words = f"spec.options.calibration.source: namespace vision may not read {CALIBRATION}"
    assert target.trouble.message == words


async def test_a_plugin_library_is_judged_as_code_and_not_as_a_model(observer, world):
    world.bucket.no_plugins_for.add("vision")
    world.bucket.forbidden.add(("speech", LIBRARY))
    refused, allowed = await snapshot(observer, with_files()), await snapshot(observer, with_files("speech"))

    assert refused.trouble.reason is Reason.SourceForbidden
    assert (
        refused.trouble.message
        == f"spec.options.plugins[attention].source: namespace vision may not load {LIBRARY}"
    )
    assert allowed.trouble is None or allowed.trouble.reason is not Reason.SourceForbidden


async def test_a_build_waits_for_the_files_it_needs(observer, world, with_a_gpu):
    world.bucket.models[LIBRARY] = b"ELF"
    missing = await snapshot(observer, with_files())
    world.bucket.models[CALIBRATION] = b"PK"
    observer._files._answers.clear()
    complete = await snapshot(observer, with_files())

    assert missing.trouble.reason is Reason.SourceNotFound
    assert missing.trouble.message.startswith(
        f"spec.options.calibration.source: {CALIBRATION} does not exist"
    )
    assert complete.trouble is None


async def test_a_finished_engine_does_not_need_its_calibration_data_any_more(observer, world, with_a_gpu):
    world.bucket.models |= {LIBRARY: b"ELF", CALIBRATION: b"PK"}
    await publish(observer, world, with_files())
    status = ready_status(await snapshot(observer, with_files()), "10.9.0.34")
    status["targets"][0]["tensorrt"]["flavor"] = "TensorRT"
    del world.bucket.models[CALIBRATION]
    observer._files._answers.clear()
    target = await snapshot(observer, with_files(status=status))

    assert (target.trouble, target.possession) == (None, None)
    assert target.manifest is not None


@pytest.mark.parametrize("uri", [CALIBRATION, LIBRARY])
async def test_every_pinned_file_must_have_its_digest_before_it_gives_a_hit(observer, world, with_a_gpu, uri):
    world.bucket.models |= {LIBRARY: FILE, CALIBRATION: FILE}
    await publish(observer, world, with_files())
    owner = await snapshot(observer, with_files("speech"))
    world.bucket.models[uri] = b"something else"
    observer._models._answers.clear()
    impostor = await snapshot(observer, with_files("speech"))
    del world.bucket.models[uri]
    observer._models._answers.clear()
    without = await snapshot(observer, with_files("speech"))

    assert owner.possession is None
    assert impostor.possession.reason is Reason.ModelDigestMismatch
    assert uri in impostor.possession.message
    assert ".source.sha256 pins" in impostor.possession.message
    assert without.possession.reason is Reason.SourceNotFound


async def test_the_request_says_how_the_timing_cache_is_used(observer):
    an_engine = engine(build={"timingCache": "Locked"})
    target = await snapshot(observer, an_engine)

    assert build_request(an_engine, target.wanted, 7).timing_cache == "Locked"


def offer(cluster, *versions, resource_version):
    runtimes = [{"flavor": "TensorRTRTX", "version": version, "image": "i"} for version in versions]
    pool = make_pool(runtimes=runtimes)
    pool["metadata"]["resourceVersion"] = str(resource_version)
    cluster.pools.put(pool)


async def test_a_newer_tensorrt_in_a_pool_rebuilds_nothing_until_the_spec_changes(observer, cluster):
    first = await snapshot(observer, engine())
    offer(cluster, RTX_VERSION, NEWER, resource_version=5)
    status = ready_status(first)

    assert (await snapshot(observer, engine(status=status))).wanted.identity == first.wanted.identity
    changed = await snapshot(observer, engine(status=status, generation=2))
    assert changed.wanted.inputs.tensorrt_version == NEWER


async def test_an_engine_stays_ready_when_no_pool_offers_its_tensorrt_any_more(observer, world, cluster):
    first = await publish(observer, world, engine())
    offer(cluster, NEWER, resource_version=5)
    target = await snapshot(observer, engine(status=ready_status(first)))

    assert target.wanted.identity == first.wanted.identity
    assert target.manifest is not None


async def test_a_replaced_model_is_another_engine_and_a_pinned_one_is_not(observer, world):
    before, before_pinned = await snapshot(observer, engine()), await snapshot(observer, pinned())
    world.bucket.models[MODEL_URI] = b"another model"
    observer._models._answers.clear()
    after, after_pinned = await snapshot(observer, engine()), await snapshot(observer, pinned())

    assert after.wanted.identity != before.wanted.identity
    assert after_pinned.wanted.identity == before_pinned.wanted.identity


async def test_the_same_model_of_two_namespaces_is_one_engine(observer):
    one, other = await snapshot(observer, engine("one")), await snapshot(observer, engine("other"))

    assert one.wanted.identity == other.wanted.identity


async def test_the_request_says_what_the_identity_covers(observer):
    an_engine = engine(options={"optimizationLevel": 5})
    target = await snapshot(observer, an_engine)
    request = build_request(an_engine, target.wanted, 7)

    assert request.options == {"optimizationLevel": 5}
    assert (request.namespace, request.engine_resource, request.source_size) == ("vision", "resnet50", 7)
    assert request.name.endswith("_fp16_sm_86_1.7.1.trt")


async def test_how_to_build_does_not_change_the_identity(observer):
    plain = await snapshot(observer, engine())
    other = await snapshot(observer, engine(build={"timeout": "5m", "retries": 0, "timingCache": "Locked"}))

    assert plain.wanted.identity == other.wanted.identity
    assert replace(plain.wanted, pool=None) == replace(other.wanted, pool=None)


async def test_who_pinned_other_bytes_must_prove_them_before_another_build(observer, world):
    wrong = pinned(sha256="12" * 32)
    target = await snapshot(observer, wrong)
    assert target.possession is None
    entry = {**ready_status(target)["targets"][0], "state": "Failed", "reason": "ModelDigestMismatch"}

    again = await snapshot(observer, replace(wrong, earlier={"sm-86": earlier_target(entry)}))

    assert again.possession.reason is Reason.ModelDigestMismatch
    assert world.bucket.asked["digest"] == 1


async def test_a_status_that_no_hub_wrote_stops_nothing(observer, world):
    first = await publish(observer, world, engine())

    target = await snapshot(observer, engine(status=ready_status(first, version="12345.0")))

    assert target.wanted.identity == first.wanted.identity


def many_targets(generation=1):
    targets = [{"gpuArch": "sm_86", "name": f"t{number}"} for number in range(64)]
    shape = {"min": [1], "opt": [2], "max": [3]}
    return engine(generation=generation, targets=targets, profiles=[{"shapes": {"data": shape}}])


async def test_what_targets_share_is_written_down_once_a_generation(observer, monkeypatch):
    written, to_json = [], Profile.to_json
    monkeypatch.setattr(Profile, "to_json", lambda profile: written.append(1) or to_json(profile))

    for generation in (1, 1, 2):
        found = (await observer.observe(many_targets(generation))).targets
        assert len({target.wanted.identity for target in found}) == 1

    assert len(written) == 2


async def test_others_have_their_turn_between_the_targets_of_an_engine(observer):
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await observer.observe(many_targets())
    task.cancel()

    assert turns >= 64


async def test_an_engine_older_than_the_bounds_of_the_schema_is_told_what_to_change(observer):
    shape = {"min": [1] * 8, "opt": [2] * 8, "max": [3] * 8}
    ranges = {f"{number:02}{'x' * 251}": shape for number in range(64)}
    large = engine(profiles=[{"shapes": ranges, "values": ranges}] * 16)

    found = await snapshot(observer, large)

    assert found.unbuildable.reason is Reason.InvalidRequest
    assert "at most 245760 fit: use fewer profiles" in found.unbuildable.message
    assert found.wanted is None


async def with_quota(observer, *namespaces):
    return await observer.with_quota(await snapshot(observer, engine()), namespaces)


async def test_without_a_quota_nothing_is_listed(observer, world):
    world.bucket.quotas = {"audio": 0}

    assert (await with_quota(observer, "vision")).full_quota is None
    assert world.bucket.asked["pushed_bytes"] == 0


async def test_what_is_pushed_and_what_engines_have_use_a_quota_together(observer, world, cluster):
    world.bucket.quotas, world.bucket.pushed["vision"] = {"vision": 1000}, 400
    target = {"name": "sm-86", "state": "Ready", "identity": "ab" * 32, "sizeBytes": 599}
    stored = make_engine("other")
    stored["metadata"]["resourceVersion"] = "1"
    cluster.engines.put({**stored, "status": {"targets": [target]}})
    assert (await with_quota(observer, "vision")).full_quota is None

    stored = {**stored, "metadata": {**stored["metadata"], "resourceVersion": "2"}}
    cluster.engines.put({**stored, "status": {"targets": [{**target, "sizeBytes": 600}]}})
    full = (await with_quota(observer, "vision")).full_quota
    assert (full.namespace, full.used, full.quota) == ("vision", 1000, 1000)
    assert world.bucket.asked["pushed_bytes"] == 1


async def test_an_engine_that_is_replaced_does_not_stand_in_its_own_way(observer, world, cluster):
    world.bucket.quotas = {"vision": 1000}
    identity = (await snapshot(observer, engine())).wanted.identity
    target = {"name": "sm-86", "state": "Ready", "identity": identity, "sizeBytes": 1000}
    cluster.engines.put({**make_engine(), "status": {"targets": [target]}})

    assert (await with_quota(observer, "vision")).full_quota is None


async def test_a_build_goes_on_while_one_that_waits_for_it_has_room(observer, world):
    world.bucket.quotas = {"vision": 0, "audio": 0, "speech": 1}

    assert (await with_quota(observer, "vision", "vision", "audio")).full_quota.namespace == "vision"
    assert (await with_quota(observer, "vision", "audio", "speech")).full_quota is None
    assert (await with_quota(observer, "vision", "others")).full_quota is None


async def test_a_listing_that_fails_starts_no_build_and_proves_nothing(observer, world, monkeypatch):
    async def away(namespace):
        raise TransientError(Reason.StoreUnavailable, "s3.example.com does not answer")

    world.bucket.quotas = {"vision": 1000}
    monkeypatch.setattr(world.bucket, "pushed_bytes", away)
    plan = decide(await with_quota(observer, "vision"))

    assert (plan.action, plan.reason, plan.unknown) == (JobAction.NONE, Reason.StoreUnavailable, True)


async def test_of_a_resource_beyond_the_limit_nothing_is_asked(world):
    cluster = Cluster(FakeKube(), "ignition-hub-builds", most_engines=1)
    for name, created in (("older", "2025-01-01T00:00:00Z"), ("resnet50", "2026-01-01T00:00:00Z")):
        body = make_engine(name)
        body["metadata"]["creationTimestamp"] = created
        cluster.engines.put(body)
    target = await snapshot(Observer(cluster, world, now=lambda: NOW), engine())

    assert (target.trouble.reason, target.wanted) == (Reason.TooManyEngines, None)
    assert not world.bucket.asked
