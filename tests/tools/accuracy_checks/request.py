"""What is asked of a trained network in each precision: its shapes, its tolerance, how it is calibrated."""

from collections.abc import Mapping, Sequence
from typing import Any

from ignition_hub.engine.identity import Profile
from ignition_hub.engine.request import BuildRequest
from realmodels import MODELS
from smallmodels import request_for

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
ARCH = "sm_89"
METHOD = "max"
TOLERANCE: Mapping[str, Mapping[str, float]] = {
    "fp32": {"rtol": 0.0, "atol": 0.0},
    "fp16": {"rtol": 5e-3, "atol": 5e-3},
    "bf16": {"rtol": 5e-2, "atol": 5e-2},
    "int8": {"rtol": 0.1, "atol": 0.1, "quantile": 0.999},
}
"""fp16's is that of NVIDIA's sample; the others follow from how many bits a value keeps."""
ON_A_GPU: Mapping[str, Mapping[str, float]] = {**TOLERANCE, "fp32": {"rtol": 1e-3, "atol": 1e-3}}
"""A GPU adds in another order than a CPU, so fp32 is not the same to the last bit there."""


def request_of(name: str, precision: str, *, calibrated: bool = False) -> BuildRequest:
    """Return the request to build a model in a precision, with its check."""
    return checked_request(MODELS[name].profiles, precision, TOLERANCE[precision], calibrated=calibrated)


def checked_request(
    profiles: Sequence[Profile], precision: str, tolerance: Mapping[str, float], *, calibrated: bool
) -> BuildRequest:
    """Return the request to build any model in a precision, with a check of this tolerance."""
    check: dict[str, Any] = {"accuracy": {"against": "onnxruntime", **tolerance}}
    options = {"calibration": {"method": METHOD}} if calibrated else {}
    return request_for(
        precision, ARCH, profiles=profiles, verification=check, options=options, timeout_seconds=600
    )
