"""The controller says in a status what ``kubectl ignition plan`` said before."""

import pytest
import yaml

from ignition_hub.cli import planning
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.parsing import engine_snapshot, pool_facts
from ignition_hub.controller.policy.ports import ModelFacts
from ignition_hub.controller.policy.resolution import shared_inputs, want
from ignition_hub.controller.policy.views import TargetSnapshot, Trouble
from plannedresources import CPU, L4, OLD, engine, pool

TENANTS = {
    "gpu": {"arch": "sm_89"},
    "tenants": [{"namespaces": ["vision"], "queueName": "gold", "mayName": ["queueName"]}],
}
UNBUILDABLE = [
    (engine({"gpuArch": "sm_90"}), [L4, CPU]),
    (engine({"gpuArch": "sm_75"}), [L4]),
    (engine(precision="fp4"), [L4]),
    (engine(tensorrt={"version": "10.8"}), [L4]),
    (engine(tensorrt={"flavor": "TensorRTRTX"}), [L4]),
    (engine(), [OLD]),
    (engine({"gpuArch": "sm_89", "product": "NVIDIA-L40S", "compatibility": "Product"}), [L4, CPU]),
    (engine(options={"stripPlan": True}), [CPU]),
    (engine(options={"tacticSources": ["CUDNN"]}), [pool("new", "11.1.0.106")]),
    (engine(verification={"benchmark": {"seconds": 5}}), [CPU]),
]


@pytest.mark.parametrize(("body", "pools"), UNBUILDABLE)
def test_the_status_says_the_words_of_the_plan(tmp_path, body, pools):
    planned = planned_of(body, pools, tmp_path)

    snapshot = engine_snapshot(body)
    [target], shared = snapshot.targets, shared_inputs(snapshot)
    wanted = want(snapshot, target, pool_facts(pools), ModelFacts("etag", 1), shared=shared)
    assert isinstance(wanted, Trouble)
    decided = decide(TargetSnapshot(target=target, engine=snapshot, unbuildable=wanted))

    assert (decided.reason, decided.message) == (planned.reason, planned.message)


NAMING = [
    (engine(build={"queueName": "gold"}), [L4]),
    (engine(build={"priorityClassName": "gold"}), [pool("l4", **TENANTS)]),
]


@pytest.mark.parametrize(("body", "pools"), NAMING)
def test_the_status_says_the_words_of_the_plan_of_a_name_that_is_not_allowed(tmp_path, body, pools):
    planned = planned_of(body, pools, tmp_path)

    snapshot = engine_snapshot(body)
    [target], shared = snapshot.targets, shared_inputs(snapshot)
    wanted = want(snapshot, target, pool_facts(pools), ModelFacts("etag", 1), shared=shared)
    decided = decide(TargetSnapshot(target=target, engine=snapshot, wanted=wanted))

    assert (decided.reason, decided.message) == (planned.reason, planned.message)
    assert decided.reason == "SchedulingForbidden"


def planned_of(body, pools, folder):
    """Return the plan's answer for the only target of an engine."""
    file, offered = folder / "engine.yaml", folder / "pools.yaml"
    file.write_text(yaml.safe_dump(body))
    offered.write_text(yaml.safe_dump_all(pools))
    (one,) = planning.engines_in([str(file)])
    (target,) = planning.build_plan(one, planning.pools_in(str(offered))).targets
    return target.answer
