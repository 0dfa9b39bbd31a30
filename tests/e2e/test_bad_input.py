"""Bad input through the whole system: the reason, the message, and what would work."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from installation.kubectl import KubectlError, eventually
from installation.models import distinct
from installation.tenant import Tenant

pytestmark = pytest.mark.e2e


def first_target(tenant: Tenant, resource: dict) -> dict:
    """Apply a resource that cannot work and return what its first target says."""
    tenant.apply(resource)
    target: dict = tenant.wait_stalled(resource["metadata"]["name"])["targets"][0]
    return target


def test_a_file_that_is_not_onnx_fails_as_an_invalid_model(tenant: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "cat.onnx"
    path.write_bytes(b"this is a picture of a cat, " * 100)
    target = first_target(tenant, tenant.push(path, name="cat", archs=("sm_86",)))

    assert target["state"] == "Failed"
    assert target["reason"] == "InvalidModel"
    assert "ONNX" in target["message"]


def test_an_unknown_operator_is_named_with_its_node(tenant: Tenant, tmp_path: Path) -> None:
    node = helper.make_node("FrobnicateV7", ["x"], ["y"], name="frob_1", domain="acme")
    shape = [1, 8]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    path = tmp_path / "frob.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    target = first_target(tenant, tenant.push(path, name="frob", archs=("sm_86",)))

    assert target["reason"] == "UnsupportedOperator"
    assert "FrobnicateV7" in target["message"]
    assert "frob_1" in target["message"]


def test_hopper_with_only_ahead_of_time_pools_is_unbuildable(tenant: Tenant, tmp_path: Path) -> None:
    resource = tenant.push(distinct("squeezenet", tmp_path), name="squeezenet", archs=("sm_90",))
    target = first_target(tenant, resource)

    assert (target["state"], target["reason"]) == ("Unbuildable", "FlavorCannotTarget")
    assert "sm_90" in target["message"]
    assert "BuildPool" in target["message"]


def test_a_tensorrt_version_no_pool_has_lists_those_that_exist(tenant: Tenant, tmp_path: Path) -> None:
    resource = tenant.push(distinct("squeezenet", tmp_path), name="squeezenet", archs=("sm_86",))
    resource["spec"]["tensorrt"] = {"flavor": "TensorRTRTX", "version": "1.2"}
    target = first_target(tenant, resource)

    assert (target["state"], target["reason"]) == ("Unbuildable", "NoPoolForVersion")
    assert "1.7.1.116" in target["message"]


def test_a_model_that_does_not_exist_is_said_to_be_missing(tenant: Tenant, tmp_path: Path) -> None:
    resource = tenant.push(distinct("squeezenet", tmp_path), name="squeezenet", archs=("sm_86",))
    source = resource["spec"]["model"]["source"]
    source["uri"] = source["uri"].replace(".onnx", "0.onnx")
    source.pop("sha256", None)
    tenant.apply(resource)

    def waits() -> dict | None:
        targets = tenant.status("squeezenet").get("targets", [])
        return targets[0] if targets else None

    target = eventually(waits, within=60, what="the first status")

    assert (target["state"], target["reason"]) == ("Pending", "SourceNotFound")
    assert source["uri"] in target["message"]


def test_a_pod_naming_an_engine_that_does_not_exist_is_not_admitted(tenant: Tenant) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "lost",
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": "nothing"},
        },
        "spec": {"containers": [{"name": "server", "image": "none"}]},
    }

    with pytest.raises(KubectlError, match="nothing"):
        tenant.apply(pod)
