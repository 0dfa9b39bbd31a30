"""What the gateway answers to a fetcher is the document that the fetcher's and the runtime's tests read."""

from fakeruntime import Engine
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.gateway.routes.resolve import _answer
from resolvedanswers import STORE, resolved


def test_the_gateways_answer_is_the_document_that_others_are_tested_with():
    gpu, manifest = NodeGpu("sm_89", "NVIDIA-L4", mig=None), Engine().manifest

    assert _answer("resnet", gpu, manifest, f"{STORE}/resnet.trt") == resolved("resnet", gpu, manifest)
