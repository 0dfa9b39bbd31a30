"""What the schema accepts fits the annotation of a Job, with room."""

from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.ports import ModelFacts
from ignition_hub.controller.policy.resolution import build_request, resolved_inputs
from ignition_hub.controller.policy.views import ResolvedTarget, TensorRTRequest
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.identity import identity_of
from largestengine import largest_engine

REQUEST_BYTES = 128 * 1024
"""Half of what Kubernetes takes as the annotations of one object."""


def test_the_request_of_the_largest_engine_has_at_most_128_kib():
    body = largest_engine()
    engine = engine_snapshot({**body, "metadata": {**body["metadata"], "namespace": "n" * 63}})
    newest = TensorRTRequest("TensorRT", "1000.10000.10000.10000")
    inputs = resolved_inputs(engine, engine.targets[0], ModelFacts("etag", 2**40), newest, "linux-x86_64")
    resolved = ResolvedTarget(identity=identity_of(inputs), inputs=inputs, pool="pool", tier="Native")

    request = canonical_json(build_request(engine, resolved, 2**40).to_json())

    assert REQUEST_BYTES * 0.8 < len(request) <= REQUEST_BYTES
