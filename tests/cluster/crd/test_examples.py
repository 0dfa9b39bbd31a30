"""The files in examples/ on a real API server: what people copy must work as it stands."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ignition_hub.api import v1alpha1
from installation.kubectl import eventually

pytestmark = pytest.mark.cluster

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.yaml"))
BODIES = [body for path in EXAMPLES for body in yaml.safe_load_all(path.read_text())]
OURS = {kind.__name__: kind for kind in v1alpha1.KINDS}


KSERVE = Path(__file__).with_name("kserve.yaml")
"""The CRD of KServe's InferenceService, the smaller of the two that KServe 0.16 is installed with."""


@pytest.fixture(scope="module", autouse=True)
def kserve(control_plane: Any) -> None:
    """An API server that knows InferenceServices."""
    control_plane.kubectl("apply", "-f", str(KSERVE))

    def is_served() -> bool:
        said = json.loads(control_plane.kubectl("get", "-f", str(KSERVE), "-o", "json"))["status"]
        return ("Established", "True") in [
            (one["type"], one["status"]) for one in said.get("conditions") or ()
        ]

    # "kubectl wait" fails on a CRD that has no conditions yet.
    eventually(is_served, within=60, what="KServe's CRD to be served")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_accepted_as_it_stands(control_plane: Any, path: Path) -> None:
    said = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(path))

    assert "created (server dry run)" in said


@pytest.mark.parametrize(
    "body", [body for body in BODIES if body["kind"] in OURS], ids=lambda body: body["kind"]
)
def test_an_example_means_to_the_models_what_it_says(body: dict[str, Any]) -> None:
    read = OURS[body["kind"]].model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)

    assert read == body


def test_there_is_an_example_of_every_kind() -> None:
    assert {body["kind"] for body in BODIES} == {*OURS, "Deployment", "InferenceService", "ResourceQuota"}


def test_the_api_server_counts_engines_against_a_resource_quota(api: Any, namespace: str) -> None:
    [example] = [body for body in BODIES if body["kind"] == "ResourceQuota"]
    one, none = (dict.fromkeys(example["spec"]["hard"], number) for number in ("1", "0"))
    quota = {**example, "metadata": {"name": "engines", "namespace": namespace}, "spec": {"hard": one}}
    assert api.create(quota, keep=True).status == 201
    # The quota controller of a whole cluster does this when it sees a quota.
    counted = api.ask(
        "PATCH",
        f"{api.path(quota, 'engines')}/status",
        {"status": {"hard": one, "used": none}},
        media="application/merge-patch+json",
    )
    assert counted.status == 200, counted.message

    engine = next(body for body in BODIES if body["kind"] == "TensorRTEngine")
    first, second = (
        api.create({**engine, "metadata": {"name": name, "namespace": namespace}}, keep=True)
        for name in ("first", "second")
    )

    assert (first.status, second.status) == (201, 403), first.message
    assert "exceeded quota: engines" in second.message
    assert "used: count/tensorrtengines.ignitionhub.io=1" in second.message
