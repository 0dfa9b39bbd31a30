"""
What a build warns of: one enumeration of codes, spelled as the manifest and ``options.failOnWarnings`` do.

A warning says that an engine was built and is not quite what its model, or its request, says. Whoever does
not want that names the code in ``failOnWarnings``, and the build fails instead.
"""

from ignition_hub.engine.enums import StrEnum


class Warn(StrEnum):
    """The codes."""

    Int64Clamped = "Int64Clamped"
    """An INT64 constant is beyond INT32, and a TensorRT before 10 stores the nearest INT32 instead."""
    Int64Cast = "Int64Cast"
    """A TensorRT before 10 has no INT64: the model's INT64 became INT32, its inputs and outputs too."""
    DoubleNarrowed = "DoubleNarrowed"
    """TensorRT has no DOUBLE: the model's became FLOAT."""
    WeightsTruncated = "WeightsTruncated"
    """Weights are beyond the range of the precision, or below its smallest number."""
    OutputLeftOut = "OutputLeftOut"
    """An output of the model repeats an input, or another output, by name: the engine has it once."""
    MixedPrecision = "MixedPrecision"
    """Some weights have another precision than was asked for."""
    Int8Assumed = "Int8Assumed"
    """TensorRT reads a quantized type as INT8 although the model says another."""
    Tf32NotInForce = "Tf32NotInForce"
    """TF32 was asked for, and the architecture does not have it."""
    OpsetBeyondParser = "OpsetBeyondParser"
    """The model's opset is newer, or older, than those the release's ONNX parser promises to know."""
    DeprecatedPlugin = "DeprecatedPlugin"
    """The model uses a plugin that NVIDIA is giving up."""
    Deprecated = "Deprecated"
    """TensorRT calls something the build uses deprecated."""
    CalibrationIncomplete = "CalibrationIncomplete"
    """The calibration cache has no range for some tensors, so they stay in a wider type."""
    CalibrationNotFinite = "CalibrationNotFinite"
    """
    Values that int8 is to be made of were NaN or infinite in the calibration data, which int8 has not: their
    range is that of the finite ones.
    """
    TacticsSkipped = "TacticsSkipped"
    """Kernels could not be measured for want of GPU memory; the engine may be slower than it could be."""
    TimingCacheMiss = "TimingCacheMiss"
    """Kernels were timed that the timing cache did not know."""
    TimingCacheIgnored = "TimingCacheIgnored"
    """The timing cache was not used: it is of another TensorRT or GPU, or did not come."""
    NothingCompared = "NothingCompared"
    """
    An accuracy check was asked for of a model that was built as it came, where its engine cannot run: a CPU
    would compute the same numbers twice.
    """
    ShapesNotCompared = "ShapesNotCompared"
    """The model could not be run for an accuracy check in the smallest or the largest shapes of a profile."""
    ToleranceTooWide = "ToleranceTooWide"
    """
    The values of an output are usually less than the absolute tolerance of an accuracy check, so that quite
    other values would pass.
    """
    ConversionNotProven = "ConversionNotProven"
    """
    The model was converted or quantized, and it could not be proven on a sample that it is the model still.
    """
    PrecisionTooNarrow = "PrecisionTooNarrow"
    """
    The conversion is right, and on the sample that proved it the precision's rounding moved an output by a
    quarter or more, or beyond what the type holds.
    """
    SharedGPU = "SharedGPU"
    """Others worked on the GPU while kernels were timed."""
    HostMemoryTight = "HostMemoryTight"
    """The build may need more memory than its container has."""
    TensorRTWarning = "TensorRTWarning"
    """TensorRT warned of something this table does not know; the build's log has its words."""
