"""Targets that pods need and no specification has: added within limits, kept while needed, then removed."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from annotated_types import MaxLen

from fakeworld import make_engine, make_pool
from ignition_hub.api.v1alpha1 import EngineStatus
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.controller.adapters.engine_cache import Engines
from ignition_hub.controller.policy.added_targets import (
    AFTER_A_CHANGE,
    LOOK_AGAIN,
    MOST_TARGETS,
    Used,
    additions_to,
)
from ignition_hub.controller.policy.parsing import added_target, engine_snapshot, pool_facts
from ignition_hub.controller.policy.views import Additions, EngineSnapshot, Need, TensorRTRequest

NOW = 1767225600.0
AT = "2026-01-01T00:00:00Z"
HOUR = 3600.0
TENSORRT = "10.13.2.6"
ADA = NodeGpu("sm_89", "NVIDIA-L4", None)
BLACKWELL = NodeGpu("sm_120", "NVIDIA-RTX-PRO-6000", None)
OTHER_BLACKWELL = NodeGpu("sm_120", "NVIDIA-GeForce-RTX-5090", None)
ORIN = NodeGpu("sm_87", "Jetson-Orin-NX-16GB", None, "jetpack-6.2")
NOTHING: Used = Counter()
WANTED = "auto-sm-120"


def need(gpu: NodeGpu, pod: str = "server", node: str = "third") -> Need:
    return Need(pod, f"uid of {pod}", node, gpu)


def a_pool(
    name: str = "rtx", archs: Any = ("sm_86", "sm_89", "sm_120"), **auto_build: Any
) -> list[PoolFacts]:
    return pool_facts([make_pool(name, aheadOfTime={"archs": archs}, autoBuild=auto(**auto_build))])


def auto(**changes: Any) -> dict[str, Any]:
    return {"namespaces": ["vision"], "keepUnneeded": "2h", **changes}


def gpu_pool(name: str, arch: str, version: str = TENSORRT, product: str | None = None, **spec: Any) -> Any:
    body = make_pool(name, autoBuild=auto(), **spec)
    del body["spec"]["aheadOfTime"]
    body["spec"] |= {
        "gpu": {"arch": arch, **({"product": product} if product else {})},
        "runtimes": [{"flavor": "TensorRT", "version": version, "image": "builder"}],
    }
    return body


def entry(arch: str = "sm_86", state: str = "Ready", **changes: Any) -> dict[str, Any]:
    return {
        "name": arch.replace("_", "-"),
        "state": state,
        "gpuArch": arch,
        "compatibility": "SameComputeCapability",
        "tensorrt": {"flavor": "TensorRTRTX", "version": "1.7.1.116"},
        **changes,
    }


def added_entry(state: str = "Ready", name: str = WANTED, **changes: Any) -> dict[str, Any]:
    why = {"pool": "rtx", "since": AT, "gpu": "sm_120", "pod": "server", "node": "third", **changes}
    return entry("sm_120", state, name=name, autoBuild=why)


def engine(*entries: dict[str, Any], observed: int = 1, **spec: Any) -> EngineSnapshot:
    body = make_engine(**spec)
    body["metadata"] |= {"generation": 1, "uid": "u", "creationTimestamp": AT}
    body["status"] = {"observedGeneration": observed, "targets": list(entries or [entry()])}
    return engine_snapshot(body)


def names(additions: Additions) -> list[str]:
    return [one.target.name for one in additions.targets]


def test_a_pod_on_a_gpu_that_no_target_serves_gets_one_for_its_whole_architecture() -> None:
    additions = additions_to(engine(), [need(BLACKWELL)], a_pool(), NOTHING, NOW)

    (one,) = additions.targets
    assert (one.target.name, one.target.gpu_arch, one.target.product) == (WANTED, "sm_120", None)
    assert one.target.compatibility == "SameComputeCapability"
    assert one.document() == {
        "pool": "rtx",
        "since": AT,
        "gpu": "NVIDIA-RTX-PRO-6000 (sm_120)",
        "pod": "server",
        "node": "third",
    }
    assert additions.new == ((one, need(BLACKWELL)),)
    assert (additions.removed, additions.refusals, additions.recheck) == ((), (), None)


def test_what_the_status_says_is_what_was_decided() -> None:
    (one,) = additions_to(engine(), [need(BLACKWELL)], a_pool(), NOTHING, NOW).targets
    written = {"name": WANTED, "gpuArch": "sm_120", "compatibility": "SameComputeCapability"}

    assert added_target({**written, "autoBuild": one.document()}) == one


@pytest.mark.parametrize("state", ["Ready", "Building", "Failed", "Unbuildable"])
def test_a_gpu_that_a_target_of_the_specification_serves_needs_no_other_whatever_became_of_it(
    state: str,
) -> None:
    asked = engine(entry("sm_120", state), targets=[{"gpuArch": "sm_120"}])

    assert additions_to(asked, [need(BLACKWELL)], a_pool(), NOTHING, NOW) == Additions()


def test_one_target_serves_all_pods_of_an_architecture() -> None:
    needs = [need(BLACKWELL, "a"), need(OTHER_BLACKWELL, "b"), need(ADA, "c")]

    additions = additions_to(engine(), needs, a_pool(), NOTHING, NOW)

    assert [(one.target.name, one.pod) for one in additions.targets] == [(WANTED, "a"), ("auto-sm-89", "c")]


def test_a_gpu_whose_engines_load_on_the_exact_product_alone_gets_a_target_for_the_product() -> None:
    pool = gpu_pool("orin", "sm_87", "10.3.0.30", ORIN.product)
    pool["spec"]["nodeSelector"] = {"ignitionhub.io/jetpack": "6.2"}
    asked = engine(entry(tensorrt={"flavor": "TensorRT", "version": "10.3.0.30"}))

    (one,) = additions_to(asked, [need(ORIN)], pool_facts([pool]), NOTHING, NOW).targets

    assert (one.target.name, one.target.product, one.target.compatibility) == (
        "auto-jetson-orin-nx-16gb",
        "Jetson-Orin-NX-16GB",
        "Product",
    )


def test_the_name_of_a_target_of_the_specification_is_not_taken() -> None:
    asked = engine(targets=[{"gpuArch": "sm_86", "name": WANTED}])

    assert names(additions_to(asked, [need(BLACKWELL)], a_pool(), NOTHING, NOW)) == [f"{WANTED}-2"]


def test_the_tensorrt_is_that_of_the_other_targets_because_a_container_has_one() -> None:
    like = {"flavor": "TensorRT", "version": TENSORRT}
    asked = engine(entry("sm_86", tensorrt=like))
    newer = gpu_pool("newer", "sm_120", "10.14.1.48")
    additions = additions_to(asked, [need(BLACKWELL)], pool_facts([newer]), NOTHING, NOW)

    assert names(additions) == []
    assert TENSORRT in additions.refusals[0].message

    same = gpu_pool("same", "sm_120", TENSORRT)
    assert names(additions_to(asked, [need(BLACKWELL)], pool_facts([newer, same]), NOTHING, NOW)) == [WANTED]


def test_a_pool_of_another_platform_than_the_node_is_not_asked() -> None:
    grace = replace(BLACKWELL, platform="linux-aarch64")

    assert additions_to(engine(), [need(grace)], a_pool(), NOTHING, NOW) == Additions()


GH200 = NodeGpu("sm_90", "NVIDIA-GH200-480GB", None, "linux-aarch64")
H100 = NodeGpu("sm_90", "NVIDIA-H100-PCIe", None, "linux-x86_64")
SM_90 = {"targets": [{"gpuArch": "sm_90"}]}


def hopper_pools(product: str | None = None, **arm_pool: Any) -> list[PoolFacts]:
    x86, arm = gpu_pool("h100", "sm_90"), gpu_pool("gh200", "sm_90", product=product)
    arm["spec"]["nodeSelector"] = {"kubernetes.io/arch": "arm64"}
    arm["spec"]["autoBuild"] |= arm_pool
    return pool_facts([x86, arm])


def of_hopper(
    platform: str | None = "linux-x86_64", *, name: str = "sm-90", state: str = "Ready", **more: Any
) -> dict[str, Any]:
    told = {"platform": platform} if platform else {}
    return entry(
        "sm_90", state, tensorrt={"flavor": "TensorRT", "version": TENSORRT}, name=name, **told, **more
    )


def test_a_gpu_of_another_platform_than_the_target_of_its_architecture_gets_one_and_keeps_it() -> None:
    pools, needs = hopper_pools(), [need(H100, "a"), need(GH200, "b")]

    (one,) = additions_to(engine(of_hopper(), **SM_90), needs, pools, NOTHING, NOW).targets

    assert (one.target.name, one.pool, one.pod) == ("auto-sm-90", "gh200", "b")
    for platform in ("linux-aarch64", None):
        written = of_hopper(platform, name="auto-sm-90", autoBuild=one.document())
        asked = engine(of_hopper(), written, **SM_90)
        assert additions_to(asked, needs, pools, NOTHING, NOW) == Additions(targets=asked.added)


def test_two_platforms_of_one_architecture_that_no_target_serves_get_one_each_in_one_pass() -> None:
    asked = engine(entry(tensorrt={"flavor": "TensorRT", "version": TENSORRT}))

    additions = additions_to(asked, [need(GH200, "a"), need(H100, "b")], hopper_pools(), NOTHING, NOW)

    assert [(one.target.name, one.pool) for one in additions.targets] == [
        ("auto-sm-90", "gh200"),
        ("auto-sm-90-2", "h100"),
    ]


def test_an_added_target_ends_where_the_specification_has_it_for_the_same_platform() -> None:
    why = {"pool": "gh200", "since": AT, "gpu": "sm_90", "pod": "server", "node": "third"}
    added = of_hopper("linux-aarch64", name="auto-sm-90", autoBuild=why)

    asked = engine(of_hopper("linux-aarch64"), added, **SM_90)

    assert additions_to(asked, [need(GH200)], hopper_pools(), NOTHING, NOW).removed == asked.added


@pytest.mark.parametrize("later", [0.0, 9 * HOUR])
@pytest.mark.parametrize("unneeded", [{}, {"unneededSince": AT}])
def test_a_needed_target_stays_while_the_platform_of_the_same_in_the_specification_is_to_come(
    later: float, unneeded: dict[str, Any]
) -> None:
    why = {"pool": "gh200", "since": AT, "gpu": "sm_90", "pod": "server", "node": "third", **unneeded}
    added = of_hopper("linux-aarch64", name="auto-sm-90", autoBuild=why)
    asked = engine(of_hopper(None, state="Pending"), added, **SM_90)

    additions = additions_to(asked, [need(GH200)], hopper_pools(), NOTHING, NOW + later)

    assert [(one.target.name, one.unneeded_since) for one in additions.targets] == [("auto-sm-90", None)]
    assert (additions.removed, additions.new, additions.recheck) == ((), (), None)


def test_one_that_is_not_ready_goes_after_a_while_where_the_same_of_the_author_has_no_platform() -> None:
    why = {"pool": "gh200", "since": AT, "gpu": "sm_90", "pod": "server", "node": "third"}
    added = of_hopper("linux-aarch64", name="auto-sm-90", state="Building", autoBuild=why)
    asked = engine(of_hopper(None, state="Unbuildable"), added, **SM_90)

    (idle,) = additions_to(asked, [need(GH200)], hopper_pools(), NOTHING, NOW).targets
    assert idle.unneeded_since == AT


def test_what_an_earlier_release_added_stays_until_its_platform_is_told_or_no_pod_needs_it() -> None:
    why = {"pool": "gh200", "since": AT, "gpu": "sm_90", "pod": "server", "node": "third"}
    added = of_hopper(None, name="auto-sm-90", autoBuild=why)
    upgraded = engine(of_hopper(None), added, **SM_90)
    told = engine(of_hopper("linux-aarch64"), added, **SM_90)

    for pods in ([need(GH200)], [need(GH200), need(H100)]):
        assert additions_to(upgraded, pods, hopper_pools(), NOTHING, NOW).targets == upgraded.added
    assert additions_to(told, [need(GH200)], hopper_pools(), NOTHING, NOW).removed == told.added
    (idle,) = additions_to(upgraded, [], hopper_pools(), NOTHING, NOW).targets
    assert idle.unneeded_since == AT


def test_a_target_whose_platform_is_not_told_serves_both() -> None:
    asked = engine(of_hopper(None), **SM_90)

    assert additions_to(asked, [need(GH200)], hopper_pools(), NOTHING, NOW) == Additions()


NOT_LISTED = "spec.autoBuild.namespaces of BuildPool gh200 does not list namespace vision: "


def test_who_may_have_none_for_the_other_platform_is_told_to_name_the_product_that_a_pool_has() -> None:
    asked, pools = engine(of_hopper(), **SM_90), hopper_pools(GH200.product, namespaces=["audio"])

    assert refusal_of(additions_to(asked, [need(GH200)], pools, NOTHING, NOW)) == (
        f"{NOT_LISTED}add a target {{gpuArch: sm_90, product: NVIDIA-GH200-480GB, compatibility: Product}} "
        "to spec.targets, or have the platform team list it"
    )


@pytest.mark.parametrize("arch", ["sm_90", "sm_86"])
@pytest.mark.parametrize("gpu", [GH200, replace(GH200, product=None)], ids=["named", "of no name"])
def test_no_target_is_advised_that_would_be_built_for_another_platform_or_not_at_all(
    arch: str, gpu: NodeGpu
) -> None:
    like = {"flavor": "TensorRT", "version": TENSORRT}
    asked = engine(of_hopper(), targets=[{"gpuArch": arch}], tensorrt=like)
    unlisted, full = hopper_pools(namespaces=["audio"]), hopper_pools(maxTargets=1)
    used = Counter({("gh200", "audio"): 1})

    assert refusal_of(additions_to(asked, [need(gpu)], unlisted, NOTHING, NOW)) == (
        f"{NOT_LISTED}have the platform team list it"
    )
    assert refusal_of(additions_to(asked, [need(gpu)], full, used, NOW)) == (
        "BuildPool gh200 has spec.autoBuild.maxTargets 1, which all namespaces together have reached: "
        "have the platform team raise it"
    )


@pytest.mark.parametrize("platform", ["linux-aarch64", None, "jetpack-6.2"])
def test_a_jetson_module_without_a_label_of_its_jetpack_is_served_by_a_target_of_any(
    platform: str | None,
) -> None:
    target = {"gpuArch": "sm_87", "name": "orin", "product": ORIN.product, "compatibility": "Product"}
    built = {"platform": "jetpack-6.2", "tensorrt": {"flavor": "TensorRT", "version": "10.3.0.30"}}
    asked = engine({**target, **built, "state": "Ready"}, targets=[target])
    orin = replace(ORIN, platform=platform)

    assert additions_to(asked, [need(orin)], hopper_pools(), NOTHING, NOW) == Additions()


@pytest.mark.parametrize("suspended", [True, False])
def test_without_a_pool_that_adds_targets_or_while_builds_are_suspended_nothing_is_said(
    suspended: bool,
) -> None:
    pools = a_pool() if suspended else pool_facts([make_pool()])

    assert additions_to(engine(suspend=suspended), [need(BLACKWELL)], pools, NOTHING, NOW) == Additions()


def refusal_of(additions: Additions) -> str:
    (refusal,) = additions.refusals
    assert (additions.targets, additions.recheck) == ((), LOOK_AGAIN)
    return refusal.message


def test_a_namespace_that_the_pool_does_not_list_is_told_what_would_work() -> None:
    pools = a_pool(namespaces=["audio", "speech"])

    message = refusal_of(additions_to(engine(), [need(BLACKWELL)], pools, NOTHING, NOW))

    assert message == (
        "spec.autoBuild.namespaces of BuildPool rtx does not list namespace vision: add a target {gpuArch: "
        "sm_120} to spec.targets, or have the platform team list it"
    )


def test_a_star_stands_for_every_namespace() -> None:
    additions = additions_to(engine(), [need(BLACKWELL)], a_pool(namespaces=["*"]), NOTHING, NOW)

    assert names(additions) == [WANTED]


@pytest.mark.parametrize(
    ("used", "limit"),
    [
        ({("rtx", "vision"): 2}, "spec.autoBuild.maxTargetsPerNamespace 2, which vision has reached"),
        ({("rtx", "audio"): 3}, "spec.autoBuild.maxTargets 3, which all namespaces together have reached"),
    ],
)
def test_a_limit_that_is_reached_is_named_with_what_would_work(used: Any, limit: str) -> None:
    pools = a_pool(maxTargetsPerNamespace=2, maxTargets=3)

    message = refusal_of(additions_to(engine(), [need(BLACKWELL)], pools, Counter(used), NOW))

    assert message == (
        f"BuildPool rtx has {limit}: add a target {{gpuArch: sm_120}} to spec.targets, or have the platform "
        "team raise it"
    )


def test_what_is_added_in_one_pass_counts_for_what_follows_in_it() -> None:
    pools, needs = a_pool(maxTargetsPerNamespace=1), [need(ADA, "a"), need(BLACKWELL, "b")]

    additions = additions_to(engine(), needs, pools, NOTHING, NOW)

    assert names(additions) == ["auto-sm-89"]
    assert [one.need.pod for one in additions.refusals] == ["b"]


def test_another_pool_with_room_takes_what_a_full_one_cannot() -> None:
    pools = [*a_pool("a", maxTargets=1), *a_pool("b")]

    (one,) = additions_to(engine(), [need(BLACKWELL)], pools, Counter({("a", "audio"): 1}), NOW).targets

    assert one.pool == "b"


def test_what_no_pool_can_build_is_refused_as_a_target_of_the_specification_would_be() -> None:
    message = refusal_of(additions_to(engine(), [need(ADA)], a_pool(archs=["sm_120"]), NOTHING, NOW))

    assert message.startswith(
        "no BuildPool with spec.autoBuild can build for it: no BuildPool builds for sm_89"
    )


def test_a_status_holds_no_more_targets_than_the_schema_lets_it() -> None:
    most = EngineStatus.model_fields["targets"].metadata
    assert next(one.max_length for one in most if isinstance(one, MaxLen)) == MOST_TARGETS
    targets = [{"gpuArch": "sm_86", "name": f"t{number}"} for number in range(MOST_TARGETS)]

    message = refusal_of(additions_to(engine(targets=targets), [need(BLACKWELL)], a_pool(), NOTHING, NOW))

    assert message.startswith("it has 64 targets")


def test_what_is_needed_stays_as_it_is_and_is_added_once() -> None:
    asked = engine(entry(), added_entry("Building"))

    additions = additions_to(asked, [need(BLACKWELL, "another")], a_pool(), NOTHING, NOW + HOUR)

    assert additions == Additions(targets=asked.added)


def test_what_no_pod_needs_stays_for_a_while_and_then_goes() -> None:
    asked = engine(entry(), added_entry())
    first = additions_to(asked, [], a_pool(), NOTHING, NOW)
    (idle,) = first.targets
    assert (idle.unneeded_since, first.recheck) == (AT, 2 * HOUR)

    asked = engine(entry(), added_entry(unneededSince=AT))
    later = additions_to(asked, [], a_pool(), NOTHING, NOW + HOUR)
    assert (later.targets, later.recheck) == ((idle,), HOUR)

    last = additions_to(asked, [], a_pool(), NOTHING, NOW + 2 * HOUR)
    assert (last.targets, last.removed, last.recheck) == ((), (idle,), None)


def test_what_is_needed_again_meanwhile_stays_and_names_who_needs_it() -> None:
    asked = engine(entry(), added_entry(unneededSince=AT))

    (one,) = additions_to(asked, [need(BLACKWELL, "later", "fourth")], a_pool(), NOTHING, NOW + HOUR).targets

    assert (one.pod, one.node, one.unneeded_since, one.since) == ("later", "fourth", None, AT)


def test_a_target_that_the_author_added_since_replaces_the_one_of_the_hub() -> None:
    targets = [{"gpuArch": "sm_86"}, {"gpuArch": "sm_120"}]
    asked = engine(
        entry(), entry("sm_120", "Pending", platform="linux-x86_64"), added_entry(), targets=targets
    )

    additions = additions_to(asked, [need(BLACKWELL)], a_pool(), NOTHING, NOW)

    assert (additions.targets, additions.removed, additions.new) == ((), asked.added, ())


@pytest.mark.parametrize(
    ("state", "needs", "stays"),
    [("Ready", [need(BLACKWELL)], True), ("Building", [need(BLACKWELL)], False), ("Ready", [], False)],
)
def test_a_pool_that_adds_none_any_more_takes_no_published_engine_from_a_pod(
    state: str, needs: list[Need], stays: bool
) -> None:
    additions = additions_to(
        engine(entry(), added_entry(state)), needs, pool_facts([make_pool()]), NOTHING, NOW
    )

    assert bool(additions.targets) is stays
    assert bool(additions.removed) is not stays


def test_what_is_not_known_of_pods_or_of_a_new_specification_takes_nothing_away_and_adds_nothing() -> None:
    asked = engine(entry(), added_entry(unneededSince=AT))
    assert additions_to(asked, None, a_pool(), NOTHING, NOW + 9 * HOUR) == Additions(targets=asked.added)

    asked = engine(entry(), added_entry(), observed=0)
    additions = additions_to(asked, [need(ADA)], a_pool(), NOTHING, NOW)
    assert additions == Additions(targets=asked.added, recheck=AFTER_A_CHANGE)


def test_the_tensorrt_of_an_added_target_is_what_all_others_have_else_what_is_asked_for() -> None:
    asked = engine(
        entry("sm_86", tensorrt={"flavor": "TensorRTRTX", "version": "1.6.1.33"}),
        entry("sm_89"),
        targets=[{"gpuArch": "sm_86"}, {"gpuArch": "sm_89"}],
    )
    assert asked.tensorrt == TensorRTRequest()

    assert names(additions_to(asked, [need(BLACKWELL)], a_pool(), NOTHING, NOW)) == [WANTED]


@pytest.mark.parametrize(
    "changes",
    [
        {"autoBuild": {"addedLater": "x"}},
        {"autoBuild": "of a later release"},
        {"autoBuild": {"pool": "rtx"}},
        {"compatibility": "AddedLater"},
        {"gpuArch": None},
    ],
)
def test_what_cannot_be_read_of_an_added_target_is_left_out_and_stops_nothing_else(
    changes: dict[str, Any],
) -> None:
    unread = added_entry() | changes
    body = {"metadata": {"namespace": "vision", "name": "resnet50"}, "status": {"targets": [entry(), unread]}}
    engines = Engines()

    assert engine(entry(), unread).added == ()
    assert engines.put(body)
    engines.drop(body)
    assert not +engines.added


def test_words_of_a_later_release_about_an_added_target_are_passed_over() -> None:
    later = added_entry(addedLater={"of": 3})

    assert engine(entry(), later).added == engine(entry(), added_entry()).added != ()
