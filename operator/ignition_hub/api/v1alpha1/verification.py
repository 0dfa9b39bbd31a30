"""``spec.verification`` of a TensorRTEngine: checks a build must pass before anything is published."""

from typing import Annotated, Literal

from pydantic import Field

from ignition_hub.api.schema import Duration, Part, rule, ruled
from ignition_hub.api.v1alpha1.common import PinnedSource

LATENCY_IS_POSITIVE = rule("duration(self) > duration('0s')", "must be longer than 0s, for example 4ms")


class AccuracyInputs(Part):
    """The inputs both sides are run on."""

    source: PinnedSource
    """An .npz file with one array per input of the model."""


class Accuracy(Part):
    """Compare the engine's outputs with a reference."""

    against: Literal["onnxruntime"] = "onnxruntime"
    """What computes the reference from the same ONNX file. Default: onnxruntime."""
    rtol: Annotated[float, Field(ge=0, le=1)] = 0.005
    """Largest relative difference. Default: 0.005, which NVIDIA's fp16 sample uses."""
    atol: Annotated[float, Field(ge=0, le=1000)] = 0.005
    """Largest absolute difference, in the unit of the output. Default: 0.005."""
    quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """
    Share of each output's values that must be within tolerance. Default: 1, all of them. Quantized engines
    have outliers: 0.999 lets one value in a thousand be one, not counting values that both sides have within
    atol of 0. None may be NaN or infinite instead of finite.
    """
    agreement: Annotated[float | None, Field(ge=0, le=1)] = None
    """
    Share of a classifier's clear answers, those the tolerance leaves no doubt of, that must stay the same.
    Default: all of them. Example: 0.99
    """
    inputs: AccuracyInputs | None = None
    """
    Inputs to compare on. Default: numbers drawn with a fixed seed, in each profile's optimal, smallest and
    largest shapes.
    """


class Benchmark(Part):
    """Measure the engine on the GPU that built it."""

    seconds: Annotated[int, Field(ge=1, le=300)] = 5
    """How long to measure, in seconds. Default: 5."""
    max_latency: Annotated[Duration | None, Field(json_schema_extra=ruled(LATENCY_IS_POSITIVE))] = None
    """
    Median latency above which the build fails. Default: none, the figures are only recorded. Example: 4ms
    """


class Verification(Part):
    """Accuracy and benchmark checks; one that fails publishes nothing. Part of the engine's identity."""

    accuracy: Accuracy | None = None
    """Compare outputs with a reference. Default: not compared."""
    benchmark: Benchmark | None = None
    """Measure speed. Default: not measured."""
