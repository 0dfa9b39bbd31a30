"""Pods that ask for engines, and what the injection makes of them."""

import copy
from pathlib import Path

import pytest

from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.errors import RequestError
from ignition_hub.gateway.admission.injection import InjectionSettings, inject

PUSHED = "registry.example.com/hub/team/arcface-r100@sha256:" + "1" * 64
READY = EngineView(
    "arcface-r100",
    (
        ReadyTarget(
            "sm_89", None, "SameComputeCapability", "TensorRT", name="sm-89", sha256="ab" * 32, image=PUSHED
        ),
    ),
)
YOLO = EngineView("yolo-v8", (ReadyTarget("sm_89", "NVIDIA-L4", "Product", "TensorRT"),))
WAITING = EngineView("bert")
WHY = "s3://models/whisper.onnx does not exist"
FAILED = EngineView("whisper", failure=WHY)
ENGINES = {view.name: view for view in (READY, YOLO, WAITING, FAILED)}
SETTINGS = InjectionSettings(
    fetcher_image="fetcher:1", gateway_url="https://gateway.svc", authorities="PEM", no_images=""
)


def pod(engines="arcface-r100", *, labels=None, spec=None, **annotations):
    extra = {f"ignitionhub.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {
        "kind": "Pod",
        "metadata": {
            "labels": labels or {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engines, **extra},
        },
        "spec": {"containers": [{"name": "app"}], **(spec or {})},
    }


def applied(document, patch):
    """Apply a patch of ``add`` and ``remove`` operations, as RFC 6902 says."""
    result = copy.deepcopy(document)
    for operation in patch:
        assert operation["op"] in {"add", "remove"}
        *parents, last = (
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].lstrip("/").split("/")
        )
        at = result
        for step in parents:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if operation["op"] == "remove":
            del at[int(last) if isinstance(at, list) else last]
        elif not isinstance(at, list):
            at[last] = copy.deepcopy(operation["value"])
        elif last == "-":
            at.append(copy.deepcopy(operation["value"]))
        else:
            at.insert(int(last), copy.deepcopy(operation["value"]))
    return result


def injected(document):
    return applied(document, inject(document, ENGINES, SETTINGS))


def both(**quantities):
    return {"requests": quantities, "limits": quantities}


def refusal(document):
    return str(error_of(document))


def error_of(document):
    with pytest.raises(RequestError) as refused:
        inject(document, ENGINES, SETTINGS)
    return refused.value


MIB = 1024**2


def sized(name, *sizes):
    targets = [ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT", size=size) for size in sizes]
    return EngineView(name, tuple(targets))


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def template_of(document):
    """The pod that a Deployment makes, or KServe with its runtime for Triton (0.16, as its source says)."""
    if document["kind"] == "Deployment":
        return document["spec"]["template"]
    predictor = document["spec"]["predictor"]
    args = ["tritonserver", "--model-store=/mnt/models", "--grpc-port=9000", "--http-port=8080"]
    server = {"name": "kserve-container", "image": predictor["model"]["image"], "args": args}
    return {
        "metadata": {name: predictor[name] for name in ("labels", "annotations")},
        "spec": {"containers": [server], "securityContext": {"runAsUser": 1000}},
    }
