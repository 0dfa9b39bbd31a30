"""What is removed from the store, and what never is, whatever lies there and is used."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.engine.naming import Tree
from ignition_hub.retention.demand import Claim, Demand, RunningPod
from ignition_hub.retention.durations import DAY, Retention
from ignition_hub.retention.layout import (
    DELETE,
    UNUSED,
    NamedBuild,
    Stored,
    StoredUpload,
    Unit,
    Unreadable,
    unit_of,
)
from ignition_hub.retention.plan import Kind, World
from ignition_hub.retention.rules import is_to_be_read, plan_of, plan_of_upload

NOW = 1000 * DAY
IDENTITY, OTHER = "1" * 16, "2" * 16
FIRST, SECOND = "a" * 16, "b" * 16
PATH = f"ignition/engines/resnet50/{IDENTITY}"
MODEL = f"ignition/models/vision/{'9' * 64}"
NAME = "resnet50_v1_fp16_sm_89_10.13.2.trt"
SHORT = Retention(engines=DAY, models=DAY, logs=DAY, timing_caches=DAY)


def stored(key, age, size=10):
    """An object that was written ``age`` days ago."""
    return Stored(key, f"etag of {key}", size, NOW - age * DAY)


def build(folder, age, *, log=True):
    names = [NAME, f"{NAME}.intoto.json", *(["build.log"] if log else [])]
    return tuple(stored(f"{PATH}/{folder}/{name}", age) for name in names)


def manifest(age):
    return stored(f"{PATH}/{NAME}.json", age)


def engine(*objects, named=None, built=0.0, uploads=(), unreadable=""):
    """One identity; ``built`` days ago the build that its manifest names."""
    read = NamedBuild(named, NOW - built * DAY) if named else Unreadable(unreadable) if unreadable else None
    return Unit(Tree.ENGINES, PATH, "resnet50", tuple(objects), uploads, read)


def model(*objects, uploads=()):
    return Unit(Tree.MODELS, MODEL, "vision", tuple(objects), uploads)


def claim(*identities, model="resnet50", name="resnet", uris=(), is_settled=True, deletes=False):
    return Claim("vision", name, model, frozenset(identities), frozenset(uris), is_settled, deletes)


def pod(age, resource="resnet"):
    return RunningPod("vision", (resource,), NOW - age * DAY)


def world(*claims, pods=(), retention=SHORT, upload_seconds=0.0):
    return World(Demand(claims, pods), retention, "engines", NOW, upload_seconds)


def removed(plan):
    return {each.key for removal in plan.removals for each in removal.objects}


def why(plan):
    return {(kept.kind, kept.reason) for kept in plan.kept}


REPLACED = engine(*build(FIRST, 90), *build(SECOND, 30), manifest(30), named=SECOND, built=30)


def test_a_build_that_was_replaced_goes_with_its_provenance_and_log():
    plan = plan_of(REPLACED, world(claim(IDENTITY)))

    (removal,) = (each for each in plan.removals if each.kind is Kind.SUPERSEDED_BUILDS)
    assert {each.key for each in removal.objects} == {each.key for each in build(FIRST, 90)}
    assert (removal.key, removal.reason) == (f"{PATH}/{FIRST}/", "replaced by a later build")


@pytest.mark.parametrize("days", [0.1, 6.9])
def test_a_build_stays_for_its_retention_after_it_was_replaced_however_old_it_is(days):
    unit = engine(*build(FIRST, 900), *build(SECOND, days), manifest(days), named=SECOND, built=days)

    plan = plan_of(unit, world(claim(IDENTITY), retention=Retention()))

    assert removed(plan) == set()
    assert (Kind.SUPERSEDED_BUILDS, "within its retention") in why(plan)


def test_a_build_stays_while_a_pod_runs_that_is_older_than_the_one_that_replaced_it():
    assert not removed(plan_of(REPLACED, world(claim(IDENTITY), pods=[pod(31)], retention=Retention())))
    assert removed(plan_of(REPLACED, world(claim(IDENTITY), pods=[pod(29)], retention=Retention())))


def test_a_pod_whose_resource_is_gone_may_use_any_engine():
    lost = [pod(31, "was-deleted")]

    assert not removed(plan_of(REPLACED, world(claim(IDENTITY), pods=lost, retention=Retention())))


def test_a_pod_of_another_model_keeps_nothing():
    others = world(
        claim(IDENTITY),
        claim(OTHER, model="yolo", name="yolo"),
        pods=[pod(900, "yolo")],
        retention=Retention(),
    )

    assert removed(plan_of(REPLACED, others)) == {each.key for each in build(FIRST, 90)}


def test_builds_that_no_manifest_names_go_and_leave_the_one_that_counts():
    unit = engine(*build(FIRST, 90))

    plan = plan_of(unit, world(retention=Retention()))

    assert [removal.reason for removal in plan.removals] == ["never published"]


def test_a_build_is_not_judged_before_its_manifest_was_read():
    unread = replace(REPLACED, manifest=None)

    assert is_to_be_read(unread, world(claim(IDENTITY)))
    assert removed(plan_of(unread, world(claim(IDENTITY)))) == set()
    assert not is_to_be_read(
        engine(*build(FIRST, 90), manifest(90)), world(claim(IDENTITY), retention=Retention())
    )


@pytest.mark.parametrize("reason", ["its manifest is not trusted", "a later release wrote its manifest"])
def test_an_engine_whose_manifest_is_not_understood_stays_and_the_reason_is_said(reason):
    unit = engine(*REPLACED.objects, stored(PATH + UNUSED, 800), unreadable=reason)

    plan = plan_of(unit, world())

    assert (plan.removals, plan.marks) == ((), ())
    assert why(plan) == {(Kind.ENGINES, reason)}


def test_two_manifests_of_one_identity_are_left_alone():
    second = stored(f"{PATH}/renamed.trt.json", 90)

    assert plan_of(engine(*REPLACED.objects, second, named=SECOND, built=30), world()).removals == ()


def test_an_upload_in_progress_keeps_everything_of_its_identity():
    unit = replace(REPLACED, uploads=(f"{PATH}/{FIRST}/{NAME}",))

    assert plan_of(unit, world()).removals == ()


def test_what_the_hub_did_not_write_stays_and_is_counted():
    foreign = [stored(f"{PATH}/notes.txt", 900), stored(f"{PATH}/{FIRST}/core", 900)]
    marks = [stored(PATH + UNUSED, 800)]

    plan = plan_of(engine(*build(FIRST, 900), manifest(900), *foreign, *marks, named=FIRST), world())

    assert not removed(plan) & {each.key for each in foreign}
    assert (Kind.UNKNOWN, "not written by the hub") in why(plan)


UNUSED_ENGINE = (*build(FIRST, 90), manifest(90))


def test_an_engine_that_no_resource_uses_is_kept_for_ever_by_default():
    unit = engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 800), named=FIRST)

    plan = plan_of(unit, world(retention=Retention()))

    assert (plan.removals, plan.marks) == ((), ())
    assert (Kind.ENGINES, "not in use; kept for ever") in why(plan)


def test_an_unused_engine_is_marked_first_and_removed_when_the_mark_is_old_enough():
    first = plan_of(engine(*UNUSED_ENGINE), world())
    too_soon = plan_of(engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 0.9), named=FIRST), world())
    later = plan_of(engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 1.1), named=FIRST), world())

    assert (removed(first) - {f"{PATH}/{FIRST}/build.log"}, first.marks) == (set(), (PATH + UNUSED,))
    assert manifest(90).key not in removed(too_soon)
    (removal,) = later.removals
    assert removal.objects[0] == manifest(90)
    assert {each.key for each in UNUSED_ENGINE} | {PATH + UNUSED} == removed(later)


def test_a_mark_of_an_earlier_life_does_not_count():
    unit = engine(*build(FIRST, 0.5), manifest(0.5), stored(PATH + UNUSED, 800), named=FIRST)

    assert plan_of(unit, world()).removals == ()


def test_an_engine_that_is_used_again_loses_its_mark():
    unit = engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 800), named=FIRST)

    plan = plan_of(unit, world(claim(IDENTITY), retention=Retention(engines=DAY)))

    assert ([mark.key for mark in plan.unmarks], plan.removals) == ([PATH + UNUSED], ())


def test_any_engine_of_a_model_stays_while_a_resource_of_it_has_no_identity_yet():
    unit = engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 800), named=FIRST)
    waiting = claim(is_settled=False)

    plan = plan_of(unit, world(waiting, retention=Retention(engines=DAY)))

    assert (plan.removals, plan.marks, plan.unmarks) == ((), (), ())
    assert plan_of(engine(*UNUSED_ENGINE), world(waiting)).marks == ()
    assert (Kind.ENGINES, "a resource of this model has no identity yet") in why(plan)


def test_an_unused_engine_stays_while_a_pod_runs_that_may_have_been_given_it():
    unit = engine(*UNUSED_ENGINE, stored(PATH + UNUSED, 30), named=FIRST)
    now_another = claim(OTHER)
    rule = Retention(engines=DAY)

    assert plan_of(unit, world(now_another, pods=[pod(31)], retention=rule)).removals == ()
    assert plan_of(unit, world(now_another, pods=[pod(29)], retention=rule)).removals


def test_the_engine_of_a_deleted_resource_goes_where_all_its_users_said_delete():
    delete, keep = claim(IDENTITY, deletes=True), claim(IDENTITY, name="other")
    rule = Retention()

    in_use = plan_of(engine(*UNUSED_ENGINE), world(delete, retention=rule))
    shared = plan_of(engine(*UNUSED_ENGINE, stored(PATH + DELETE, 5)), world(delete, keep, retention=rule))
    deleted = plan_of(engine(*UNUSED_ENGINE, stored(PATH + DELETE, 5)), world(retention=rule))
    marks = stored(PATH + DELETE, 5), stored(PATH + UNUSED, 2)
    later = plan_of(engine(*UNUSED_ENGINE, *marks, named=FIRST), world(retention=rule))

    assert (in_use.marks, in_use.removals) == ((PATH + DELETE,), ())
    assert [mark.key for mark in shared.unmarks] == [PATH + DELETE]
    assert (deleted.marks, deleted.removals) == ((PATH + UNUSED,), ())
    assert [removal.kind for removal in later.removals] == [Kind.DELETED_ENGINES]


def test_marks_that_a_removal_left_behind_go():
    left = stored(PATH + UNUSED, 5), stored(PATH + DELETE, 5)

    assert set(plan_of(engine(*left), world()).unmarks) == set(left)


def test_the_rest_of_an_engine_whose_removal_was_cut_off_goes_with_the_next_run():
    marks = stored(PATH + DELETE, 5), stored(PATH + UNUSED, 2)

    plan = plan_of(engine(*build(FIRST, 90), *marks), world(retention=Retention()))

    assert removed(plan) == {each.key for each in (*build(FIRST, 90), *marks)}


def test_a_log_goes_before_its_engine_and_only_where_a_retention_says_so():
    unit = engine(*build(FIRST, 90), manifest(90), named=FIRST)

    assert removed(plan_of(unit, world(claim(IDENTITY)))) == {f"{PATH}/{FIRST}/build.log"}
    assert removed(plan_of(unit, world(claim(IDENTITY), retention=Retention()))) == set()


FILE = stored(f"{MODEL}.onnx", 90)
BUNDLE = stored(f"{MODEL}/vit.onnx", 90), stored(f"{MODEL}/layers/0.bin", 90)


@pytest.mark.parametrize(
    ("files", "uri"),
    [
        ((FILE,), f"s3://engines/{MODEL}.onnx"),
        (BUNDLE, f"s3://engines/{MODEL}/"),
        (BUNDLE, f"s3://engines/{MODEL}/layers/0.bin"),
        (BUNDLE, "s3://engines/ignition/models/vision/"),
    ],
)
def test_a_model_that_a_resource_of_any_namespace_names_stays(files, uri):
    mark = stored(MODEL + UNUSED, 800)

    used = plan_of(model(*files, mark), world(claim(uris=[uri])))
    unused = plan_of(model(*files, mark), world(claim(uris=[uri.replace("9", "8").replace("vision", "v")])))

    assert (used.removals, used.unmarks) == ((), (mark,))
    assert removed(unused) == {each.key for each in (*files, mark)}


def test_a_model_is_kept_for_ever_by_default_and_counted_from_when_it_was_found_unused():
    assert plan_of(model(FILE, stored(MODEL + UNUSED, 800)), world(retention=Retention())).removals == ()
    assert plan_of(model(FILE), world(retention=Retention())).marks == ()
    assert plan_of(model(FILE), world()).marks == (MODEL + UNUSED,)
    assert plan_of(model(FILE, stored(MODEL + UNUSED, 0.5)), world()).removals == ()


def test_a_model_that_is_pushed_now_stays():
    unit = model(FILE, stored(MODEL + UNUSED, 800), uploads=(FILE.key,))

    assert plan_of(unit, world()).removals == ()


def test_a_timing_cache_goes_after_its_retention_and_by_default_never():
    key = "ignition/timing-caches/NVIDIA-L4/10.13.2.6/models/0/linux-cuda12.cache"
    unit = Unit(Tree.TIMING_CACHES, key, "NVIDIA-L4", (stored(key, 2),))

    assert removed(plan_of(unit, world())) == {key}
    assert removed(plan_of(unit, world(retention=Retention()))) == set()


def test_an_upload_is_aborted_when_it_is_older_than_any_may_take():
    upload = StoredUpload(f"{PATH}/{FIRST}/{NAME}", "id", NOW - 8 * DAY)

    (removal,) = plan_of_upload(upload, world()).removals
    assert (removal.upload_id, removal.kind) == ("id", Kind.UNFINISHED_UPLOADS)
    assert plan_of_upload(replace(upload, begun=NOW - 6 * DAY), world()).removals == ()
    assert plan_of_upload(upload, world(upload_seconds=9 * DAY)).removals == ()


@pytest.mark.parametrize(
    ("tree", "key", "path"),
    [
        (Tree.ENGINES, f"{PATH}/{NAME}.json", PATH),
        (Tree.ENGINES, f"{PATH}/{FIRST}/{NAME}", PATH),
        (Tree.ENGINES, PATH + UNUSED, PATH),
        (Tree.ENGINES, "ignition/engines/resnet50/notes.txt", None),
        (Tree.ENGINES, f"{PATH}0/x", None),
        (Tree.ENGINES, f"other/engines/resnet50/{IDENTITY}/x", None),
        (Tree.MODELS, f"{MODEL}.onnx", MODEL),
        (Tree.MODELS, f"{MODEL}/a/b.bin", MODEL),
        (Tree.MODELS, f"{MODEL}.part", None),
        (Tree.MODELS, "ignition/models/vision/hand-made.onnx", None),
        (Tree.TIMING_CACHES, "ignition/timing-caches/L4/10/x.cache", "ignition/timing-caches/L4/10/x.cache"),
        (Tree.TIMING_CACHES, "ignition/timing-caches/L4/10/x.txt", None),
        (Tree.UNSIGNED, f"ignition/unsigned/engines/resnet50/{IDENTITY}/x", None),
    ],
)
def test_a_key_belongs_to_a_unit_or_is_not_known(tree, key, path):
    found = unit_of(f"ignition/{tree}/", tree, key)

    assert (found and found[0]) == path


DAYS = st.sampled_from([0.0, 0.5, 2.0, 8.0, 40.0, 400.0])
KEPT = st.sampled_from([None, DAY, 30 * DAY])
RETENTIONS = st.builds(
    Retention,
    unfinished_uploads=st.just(DAY),
    superseded_builds=st.sampled_from([DAY, 30 * DAY]),
    deleted_engines=st.sampled_from([DAY, 30 * DAY]),
    engines=KEPT,
    models=KEPT,
    logs=KEPT,
    timing_caches=KEPT,
)
CLAIMS = st.lists(
    st.builds(
        claim,
        st.sampled_from([IDENTITY, OTHER]),
        model=st.sampled_from(["resnet50", "yolo"]),
        name=st.sampled_from(["resnet", "second"]),
        uris=st.lists(st.sampled_from([f"s3://engines/{MODEL}.onnx", f"s3://engines/{MODEL}/", "s3://x/y"])),
        is_settled=st.booleans(),
        deletes=st.booleans(),
    ),
    max_size=3,
)
PODS = st.lists(st.builds(pod, DAYS, st.sampled_from(["resnet", "second", "gone"])), max_size=2)
WORLDS = st.builds(
    lambda claims, pods, kept: world(*claims, pods=pods, retention=kept), CLAIMS, PODS, RETENTIONS
)


@st.composite
def engines(draw):
    objects = [*build(FIRST, draw(DAYS)), *build(SECOND, draw(DAYS))]
    objects += [manifest(draw(DAYS)) for _ in range(draw(st.integers(0, 1)))]
    objects += [stored(PATH + mark, draw(DAYS)) for mark in (UNUSED, DELETE) if draw(st.booleans())]
    objects += [stored(f"{PATH}/foreign", draw(DAYS))]
    unit = engine(*objects, uploads=draw(st.sampled_from([(), (PATH,)])))
    read = st.sampled_from([None, NamedBuild(SECOND, NOW - 3 * DAY), Unreadable("later")])
    return replace(unit, manifest=draw(read) if manifest(0).key in {each.key for each in objects} else None)


@given(unit=engines(), around=WORLDS)
def test_nothing_of_an_engine_that_is_in_use_is_in_any_plan(unit, around):
    plan = plan_of(unit, around)
    gone = removed(plan)

    users = around.demand.users("resnet50", IDENTITY)
    counts = {each.key for each in unit.objects if f"/{SECOND}/" in each.key or each.key.endswith(".json")}
    needed = {each for each in counts if "build.log" not in each and f"/{FIRST}/" not in each}
    if (users or around.demand.may_want_any("resnet50")) and isinstance(unit.manifest, NamedBuild):
        assert not gone & needed
    if unit.uploads or isinstance(unit.manifest, Unreadable):
        assert not gone
    if around.demand.has_pod_before("resnet50", NOW - 3 * DAY) and manifest(0).key in {
        each.key for each in unit.objects
    }:
        assert not any(removal.kind is Kind.SUPERSEDED_BUILDS for removal in plan.removals)
    assert f"{PATH}/foreign" not in gone


@given(unit=engines(), around=WORLDS)
def test_nothing_that_is_younger_than_a_day_is_in_any_plan(unit, around):
    ends = UNUSED, DELETE
    young = {each.key for each in unit.objects if each.modified > NOW - DAY and not each.key.endswith(ends)}

    assert not removed(plan_of(unit, around)) & young


@given(unit=engines(), around=WORLDS)
def test_every_object_is_either_removed_or_kept_with_a_reason(unit, around):
    plan = plan_of(unit, around)

    objects = [each for each in unit.objects if not each.key.endswith((UNUSED, DELETE))]
    gone = [key for key in removed(plan) if not key.endswith((UNUSED, DELETE))]
    assert len(gone) + sum(kept.objects for kept in plan.kept) == len(objects)


@given(
    around=WORLDS,
    ages=st.tuples(DAYS, DAYS),
    uploads=st.sampled_from([(), (FILE.key,)]),
    is_bundle=st.booleans(),
)
def test_nothing_of_a_model_that_is_named_or_pushed_is_in_any_plan(around, ages, uploads, is_bundle):
    key = f"{MODEL}/vit.onnx" if is_bundle else f"{MODEL}.onnx"
    unit = model(stored(key, ages[0]), stored(MODEL + UNUSED, ages[1]), uploads=uploads)

    gone = removed(plan_of(unit, around))

    if uploads or around.demand.names(f"s3://engines/{key}") or around.retention.models is None:
        assert not gone
    if ages[0] < 1:
        assert key not in gone
