"""Plans written down: conditions as kstatus reads them, differences, and when they are worth a write."""

from dataclasses import replace

import pytest

from fakeworld import make_engine, make_manifest
from ignition_hub.api.v1alpha1.status import TargetStatus
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.status import (
    Decision,
    difference,
    engine_status,
    shortened,
    write_delay,
)
from ignition_hub.controller.policy.views import (
    BuildProgress,
    JobSnapshot,
    JobState,
    ResolvedTarget,
    TargetSnapshot,
    Trouble,
)
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import identity_of
from storefixtures import make_inputs

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:10:00Z"
INPUTS = make_inputs(gpu_arch="sm_86")
IDENTITY = identity_of(INPUTS)
WANTED = ResolvedTarget(identity=IDENTITY, inputs=INPUTS, pool="rtx", tier="Bulk")
ACTIVE = JobSnapshot(name="j", uid="u", state=JobState.ACTIVE, age=9.0, progress=BuildProgress("Parsing", 7))
FAILED = JobSnapshot(
    name="j", uid="u", state=JobState.FAILED, age=9.0, failure=Trouble(Reason.BuildFailed, "TensorRT said no")
)
AWAY = Trouble(Reason.StoreUnavailable, "away", unknown=True)


def engine(status=None, archs=("sm_86", "sm_89"), generation=2):
    body = make_engine(targets=[{"gpuArch": arch} for arch in archs])
    body["metadata"] |= {"generation": generation, "uid": "u", "creationTimestamp": NOW}
    return engine_snapshot({**body, "status": status or {"observedGeneration": -1}})


def decisions_of(an_engine, *views):
    """Judge the targets of an engine; each view is keywords of what is known of one."""
    targets = zip(an_engine.targets, views, strict=True)
    snapshot = [
        TargetSnapshot(**{"target": t, "engine": an_engine, "wanted": WANTED, "bucket": "engines", **v})
        for t, v in targets
    ]
    return [Decision(one, decide(one)) for one in snapshot]


READY = {"manifest": make_manifest(INPUTS, IDENTITY)}


def conditions(status):
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


@pytest.mark.parametrize(
    ("views", "ready", "reconciling", "stalled"),
    [
        ([READY, READY], ("True", "AllTargetsReady"), "False", "False"),
        ([READY, {"job": ACTIVE}], ("False", "Building"), "True", "False"),
        ([READY, {"job": FAILED}], ("False", "BuildFailed"), "False", "True"),
        ([{"job": ACTIVE}, {"job": FAILED}], ("False", "BuildFailed"), "True", "True"),
        ([{"trouble": AWAY}, {"trouble": AWAY}], ("Unknown", "StoreUnavailable"), "True", "False"),
        (
            [{"job": FAILED}, {"unbuildable": Trouble(Reason.NoPools, "none")}],
            ("False", "TargetsFailed"),
            "False",
            "True",
        ),
    ],
)
def test_conditions_say_what_kstatus_needs(views, ready, reconciling, stalled):
    one = engine()
    found = conditions(engine_status(one, decisions_of(one, *views), NOW))

    assert found["Ready"] == ready
    assert (found["Reconciling"][0], found["Stalled"][0]) == (reconciling, stalled)


def test_a_status_names_what_was_built_and_where():
    one = engine(archs=("sm_86",))
    status = engine_status(one, decisions_of(one, READY), NOW)

    [target] = status["targets"]
    assert target["uri"] == f"s3://engines/{READY['manifest'].engine.key}"
    assert target["sizeBytes"] == 1000
    assert (target["tier"], target["pool"], target["identity"]) == ("Bulk", "rtx", IDENTITY)
    assert target["platform"] == "linux-x86_64"
    assert target["buildSeconds"] == 12.5
    assert status["readyTargets"] == "1/1"
    assert status["observedGeneration"] == 2
    assert status["summary"]["gpus"] == "sm_86"


ACCURACY = {
    "rtol": 0.01,
    "outputs": [
        {"output": "a", "maxAbsolute": 0.001234567, "maxRelative": 0.5},
        {"output": "b", "maxAbsolute": 0.0001, "maxRelative": float("inf")},
    ],
}
BENCHMARK = {"runs": 9, "medianMilliseconds": 1.2345678, "p99Milliseconds": 2, "perSecond": None}


def checks_of(**facts):
    manifest = READY["manifest"]
    one = engine(archs=("sm_86",))
    view = {"manifest": replace(manifest, build=replace(manifest.build, **facts))}
    [target] = engine_status(one, decisions_of(one, view), NOW)["targets"]
    assert TargetStatus.model_validate(target)
    return target.get("accuracy"), target.get("benchmark")


@pytest.mark.parametrize(("checked", "compared"), [("engine", "Engine"), ("model", "Model")])
def test_a_status_names_the_largest_differences_and_the_speed_that_were_found(checked, compared):
    found = checks_of(checked=checked, accuracy=ACCURACY, benchmark=BENCHMARK)

    assert found == (
        {"compared": compared, "maxAbsolute": 0.001235, "maxRelative": 0.5},
        {"medianMilliseconds": 1.235, "p99Milliseconds": 2.0},
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, True, "1", None, [], {}])
def test_a_figure_that_is_none_keeps_no_status_from_being_written(value):
    outputs = [{"maxAbsolute": value, "maxRelative": value}, value]
    benchmark = dict.fromkeys(BENCHMARK, value)

    assert checks_of(checked="engine", accuracy={"outputs": outputs}, benchmark=benchmark) == (None, None)


def test_where_nothing_was_checked_a_status_has_no_figures():
    assert checks_of(checked="none", accuracy=ACCURACY, benchmark=None) == (None, None)
    assert checks_of(checked="engine", accuracy=None, benchmark={}) == (None, None)


def test_judging_the_same_again_later_is_no_difference():
    one = engine()
    first = engine_status(one, decisions_of(one, READY, {"job": FAILED}), NOW)
    again = engine(first)

    assert difference(first, engine_status(again, decisions_of(again, READY, {"job": FAILED}), LATER)) == {}


def test_a_transition_changes_its_time_and_no_other():
    one = engine()
    first = engine_status(one, decisions_of(one, READY, {"job": ACTIVE}), NOW)
    again = engine(first)
    second = engine_status(again, decisions_of(again, READY, {"job": FAILED}), LATER)

    assert [target["lastTransitionTime"] for target in second["targets"]] == [NOW, LATER]
    times = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert times == {"Ready": NOW, "Reconciling": LATER, "Stalled": LATER}


OF_AN_L4 = replace(INPUTS, product="NVIDIA-L4", compatibility="Product")
REBUILT = replace(READY["manifest"], engine=replace(READY["manifest"].engine, sha256="b" * 64))


@pytest.mark.parametrize(
    "view",
    [
        {"manifest": REBUILT},
        {
            "wanted": replace(WANTED, inputs=OF_AN_L4, identity=identity_of(OF_AN_L4)),
            "manifest": make_manifest(OF_AN_L4, identity_of(OF_AN_L4)),
        },
    ],
    ids=["rebuilt", "found in the store"],
)
def test_a_target_that_stays_ready_has_a_time_of_its_own_for_each_engine(view):
    view["manifest"] = replace(view["manifest"], built_at=READY["manifest"].built_at)
    one = engine(archs=("sm_86",))
    first = engine_status(one, decisions_of(one, READY), NOW)
    second = engine_status(engine(first, ("sm_86",)), decisions_of(engine(first, ("sm_86",)), view), LATER)

    assert [each["targets"][0]["state"] for each in (first, second)] == ["Ready", "Ready"]
    assert second["targets"][0]["lastTransitionTime"] == LATER


@pytest.mark.parametrize("untold", [(), ("sha256",), ("identity", "sha256", "newest", "platform")])
def test_the_time_of_the_same_engine_stays_whatever_an_earlier_release_told_of_it(untold):
    one = engine(archs=("sm_86",))
    [entry] = engine_status(one, decisions_of(one, READY), NOW)["targets"]
    told = {name: value for name, value in entry.items() if name not in untold}
    again = engine({"observedGeneration": 2, "targets": [told]}, ("sm_86",))

    assert engine_status(again, decisions_of(again, READY), LATER)["targets"] == [entry]


def test_an_outage_keeps_the_words_about_a_ready_target_and_the_pin_of_another():
    one = engine()
    first = engine_status(one, decisions_of(one, READY, {"job": ACTIVE}), NOW)
    again = engine(first)
    away = {"trouble": AWAY, "wanted": None}
    second = engine_status(again, decisions_of(again, away, away), LATER)

    assert second["targets"][0] == first["targets"][0]
    assert second["targets"][1]["tensorrt"] == first["targets"][1]["tensorrt"]
    assert second["targets"][1]["platform"] == "linux-x86_64"


@pytest.mark.parametrize(
    "view",
    [
        {"job": FAILED},
        {"trouble": AWAY, "wanted": None},
        {"trouble": Trouble(Reason.SourceForbidden, "not yours"), "wanted": None},
        {"refused": Trouble(Reason.ManifestRefused, "put back")},
        {"wanted": replace(WANTED, identity="0" * 64)},
    ],
    ids=["failed", "an outage", "no right any more", "put back", "another engine is wanted"],
)
def test_the_newest_engine_is_remembered_whatever_becomes_of_the_target(view):
    one = engine(archs=("sm_86",))
    status = engine_status(one, decisions_of(one, READY), NOW)
    newest = status["targets"][0]["newest"]
    manifest = READY["manifest"]
    assert newest == {
        "identity": IDENTITY,
        "sha256": manifest.engine.sha256,
        "builtAt": manifest.built_at,
    }

    for _ in range(2):
        again = engine(status, archs=("sm_86",))
        status = engine_status(again, decisions_of(again, view), LATER)
        assert status["targets"][0]["newest"] == newest


def test_warnings_that_the_schema_would_refuse_are_left_out():
    manifest = READY["manifest"]
    odd = ({"code": "bad word", "count": 1}, {"code": "Fine", "count": 0}, {"code": "Fine", "count": 2})
    manifest = replace(manifest, build=replace(manifest.build, warnings=odd))
    one = engine(archs=("sm_86",))
    [target] = engine_status(one, decisions_of(one, {"manifest": manifest}), NOW)["targets"]

    assert target["warnings"] == [{"code": "Fine", "count": 3}]


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": 3}, {"a": 3}),
    ],
)
def test_a_difference_is_the_smallest_merge_patch(old, new, patch):
    assert difference(old, new) == patch


@pytest.mark.parametrize(
    ("views", "moving_for", "quiet_for", "delay"),
    [
        pytest.param([READY, READY], 0.0, 0.0, 0.0, id="all ended: now"),
        pytest.param([READY, {"job": ACTIVE}], 0.0, 0.0, 0.0, id="one ended: now"),
        pytest.param([{"job": ACTIVE}] * 2, 0.0, 900.0, 3.0, id="young builds: not yet"),
        pytest.param([{"job": ACTIVE}] * 2, 3.5, 900.0, 0.0, id="old enough"),
        pytest.param([{"job": ACTIVE}] * 2, 60.0, 1.0, 4.0, id="progress: every five seconds"),
        pytest.param(
            [{"job": replace(ACTIVE, state=JobState.SUSPENDED)}] * 2,
            60.0,
            10.0,
            20.0,
            id="queues move slowly",
        ),
    ],
)
def test_only_what_lasts_is_worth_a_write(views, moving_for, quiet_for, delay):
    one = engine()
    targets = decisions_of(one, *views)
    status = engine_status(one, targets, NOW)

    assert write_delay(one, targets, status, moving_for=moving_for, quiet_for=quiet_for) == delay


def test_an_end_that_was_told_already_makes_nothing_urgent():
    one = engine()
    first = engine_status(one, decisions_of(one, READY, {"job": ACTIVE}), NOW)
    again = engine(first)
    moved = {"job": replace(ACTIVE, progress=BuildProgress("Building", 50))}
    targets = decisions_of(again, READY, moved)

    assert (
        write_delay(again, targets, engine_status(again, targets, NOW), moving_for=9.0, quiet_for=1.0) == 4.0
    )


def test_the_last_words_of_a_pod_steer_no_terminal():
    assert shortened("layer \x1b[2J\ud800\nline 2") == "layer \ufffd[2J\ufffd\nline 2"


def test_long_messages_are_shortened():
    assert len(shortened("x" * 5000)) == 1024
    assert shortened("short") == "short"
