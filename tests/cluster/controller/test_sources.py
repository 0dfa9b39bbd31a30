"""
Bundles, shorthand and further files from a resource to its Job, against a real API server.

The test plays the Job controller and the gateway; see ``controller_harness``.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller_harness import Hub, hub_at
from fakeworld import make_engine, make_pool
from ignition_hub.engine.identity import BatchRange, Profile
from job_controller import request_of
from localcluster import ControlPlane

pytestmark = pytest.mark.cluster

BUNDLE = "s3://models/bert/"
CALIBRATION = "s3://models/calibration.npz"
LIBRARY = "s3://plugins/libattention.so"
PIN = {"sha256": "9f" * 32}


@pytest.fixture
async def hub(plane: ControlPlane) -> AsyncIterator[Hub]:
    """A hub with a pool that compiles ahead of time and one with a GPU."""
    async with hub_at(plane) as hub:
        runtimes = [{"flavor": "TensorRT", "version": "10.9.0.34", "image": "builder"}]
        pool = make_pool("ampere", gpu={"arch": "sm_86"}, runtimes=runtimes)
        del pool["spec"]["aheadOfTime"]
        await hub.apply(pool)
        yield hub


def bundled() -> dict[str, Any]:
    shorthand = {"batchSize": {"min": 1, "opt": 8, "max": 32}, "maxSequenceLength": 512}
    model = {"name": "bert", "version": "v1", "source": {"uri": BUNDLE}}
    return make_engine("bert", model=model, profiles=[shorthand], build={"timingCache": "Locked"})


def with_files() -> dict[str, Any]:
    options = {
        "calibration": {"source": {"uri": CALIBRATION, **PIN}},
        "plugins": [{"name": "attention", "source": {"uri": LIBRARY, **PIN}}],
        "memoryPools": {"tacticSharedMemory": "48Ki"},
        "maxAuxStreams": 2,
    }
    return make_engine(precision="int8", options=options, tensorrt={"flavor": "TensorRT"})


async def test_a_bundle_with_shorthand_goes_to_the_builder_and_becomes_an_engine(hub: Hub) -> None:
    hub.world.bucket.bundles[BUNDLE] = {"bert.onnx": ("e1", 10), "weights.bin": ("e2", 2 << 30)}
    async with hub.controller():
        await hub.apply(bundled())
        job = await hub.until_job()
        await hub.complete(job)
        body = await hub.until_engine("Ready", "bert")

    request = request_of(job)
    assert (request.model_uri, request.source_size) == (BUNDLE, (2 << 30) + 10)
    assert request.inputs.profiles == (Profile(batch_size=BatchRange(1, 8, 32), max_sequence_length=512),)
    assert request.timing_cache == "Locked"
    assert body["status"]["targets"][0]["identity"] == request.identity
    [work] = [v for v in job["spec"]["template"]["spec"]["volumes"] if v["name"] == "work"]
    assert int(work["emptyDir"]["sizeLimit"]) == 6 * request.source_size


async def test_calibration_data_and_plugins_are_waited_for_and_then_part_of_the_request(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(with_files())
        target = await hub.until_target("Pending")
        hub.world.bucket.models |= {CALIBRATION: b"PK", LIBRARY: b"ELF"}
        job = await hub.until_job()

    assert target["reason"] == "SourceNotFound"
    assert f"spec.options.calibration.source: {CALIBRATION} does not exist" in target["message"]
    request = request_of(job)
    assert request.inputs.calibration_digest == PIN["sha256"]
    assert request.options["memoryPools"] == {"tacticSharedMemory": 48 * 1024}
    assert request.options["maxAuxStreams"] == 2


async def test_a_plugin_from_a_place_that_is_not_listed_fails_with_whom_to_ask(hub: Hub) -> None:
    hub.world.bucket.no_plugins_for.add(hub.namespace)
    async with hub.controller():
        await hub.apply(with_files())
        target = await hub.until_target("Failed")
        await hub.rest()
        assert not await hub.jobs()

    assert target["reason"] == "SourceForbidden"
    assert target["message"].startswith("spec.options.plugins[attention].source: ")
