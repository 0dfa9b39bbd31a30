"""
Turn what NVIDIA's software logs into reasons, remedies and counted warnings.

Messages are recognised by text, as seen on TensorRT-RTX 1.7.1, on TensorRT 8.6.0 with an H200 and in NVIDIA's
binaries; whatever is not recognised is quoted as it came. An error fails the build it is logged in, unless
SURVIVED says that the engine becomes whole all the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ignition_hub.engine import quoting
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError
from ignition_hub.engine.identity import TENSORRT, TENSORRT_RTX
from ignition_hub.engine.warnings import Warn

QUOTE_LENGTH = 600


@dataclass(frozen=True, slots=True)
class Known:
    """A message worth recognising: what in it is looked for, what it means, and what would work."""

    pattern: re.Pattern[str]
    reason: Reason
    remedy: str = ""


KNOWN = (
    Known(
        re.compile(r"composite_op\W+is_decomposable"),
        Reason.UnsupportedOperator,
        "export with an opset below 23, in which attention is spelled out, or use flavor TensorRT",
    ),
    Known(
        re.compile(r"FP32 GEMM is not supported"),
        Reason.UnsupportedPrecision,
        "ask for precision fp16 for this target",
    ),
    Known(
        re.compile(r"HW-specific datatypes"),
        Reason.UnsupportedPrecision,
        "this architecture lacks the data type; ask for fp16, or target a newer GPU",
    ),
    Known(
        re.compile(r"Cannot compile (operation|for target)"),
        Reason.UnsupportedPrecision,
        "ask for another precision or target",
    ),
    Known(
        re.compile(r"must have same (input )?types|but they are of types", re.IGNORECASE),
        Reason.UnsupportedPrecision,
        "the model mixes data types in one operation; convert it before pushing, or ask for fp32",
    ),
    Known(
        re.compile(r"Failed to convert ONNX dat[ae] type|Unsupported data type for the Cast operator"),
        Reason.UnsupportedOperator,
        "TensorRT has float, half, bfloat16, int8, int32, int64, uint8 and bool; export the model with these",
    ),
    Known(
        re.compile(r"Pre-opset 7 broadcasting"),
        Reason.UnsupportedOperator,
        "export the model with opset 9 or newer, or convert it with onnx.version_converter",
    ),
    # Run: RTX 1.7.1, of branches that give tensors of different ranks.
    Known(
        re.compile(r"IConditionalOutputLayer .* equal ranks"),
        Reason.UnsupportedOperator,
        "the branches of that If give tensors of different ranks: fix the sizes that choose between them "
        "(the same smallest, usual and largest), make what chooses a constant of the model, or export it "
        "without branches",
    ),
    Known(
        re.compile(
            r"build-time constant|is not a constant|not an initializer|as an initializer|is_weights"
            r"|is a shape tensor and must have type"
        ),
        Reason.UnsupportedOperator,
        "TensorRT needs that value while it builds: make it a constant of the model, not an input",
    ),
    # Run: RTX 1.7.1, of a while loop that collects values, as tf2onnx makes of an LSTM.
    Known(
        re.compile(r"no trip limit was set"),
        Reason.UnsupportedOperator,
        "give the Loop a trip limit, its first input: how many steps it takes, as a constant of the model",
    ),
    Known(
        re.compile(r"Plugin not found|UNSUPPORTED_NODE|No importer registered"),
        Reason.UnsupportedOperator,
        "write it in operators that TensorRT has, or cut the model there with onnx.utils.extract_model and "
        "compute it before or behind the engine",
    ),
    # Run: RTX 1.7.1, of an INT8 constant that no DequantizeLinear reads.
    Known(
        re.compile(r"Quantized constant .* is only allowed before DQ"),
        Reason.UnsupportedOperator,
        "TensorRT takes constants of INT8 for quantized ones: store the constant as INT32, or read it with "
        "DequantizeLinear",
    ),
    # Run: RTX 1.7.1, of a constant and of an input.
    Known(
        re.compile(r"has datatype Int4 but is not consumed"),
        Reason.BuildFailed,
        "TensorRT has INT4 for DequantizeLinear alone: store the constant as INT32, or give the input so",
    ),
    # Run: RTX 1.7.1, of a trained network with If in If; those that the shapes decide are gone by then
    # (``checking.branches``).
    Known(
        re.compile(r"Assertion tScope\.getType\(\) != ScopeType::kUNDEFINED"),
        Reason.BuildFailed,
        "this TensorRT does not place the model's branches: make what chooses between them, such as a rate "
        "that is given, a constant of the model, or export it without branches",
    ),
    # Run: RTX 1.7.1; what the profiles tell of such a node is written down before (``checking.squeezes``).
    Known(
        re.compile(r"ISqueezeLayer without an axes input"),
        Reason.InvalidProfile,
        "write the axes of the node into the model, or give shapes with which each dimension is always 1 or "
        "never",
    ),
    Known(
        re.compile(r"no optimization profile has been defined"),
        Reason.InvalidProfile,
        "add a profile with min, opt and max for every dynamic input",
    ),
    Known(
        re.compile(r"no tactics to implement the operation within workspace limit|insufficient workspace"),
        Reason.BuildFailed,
        "raise options.workspace",
    ),
    Known(
        re.compile(r"libnvinfer_lean"),
        Reason.UnsupportedOption,
        "set options.versionCompatible.excludeLeanRuntime: true, or use an image that holds libnvinfer_lean",
    ),
    # Run: 8.6.0 with the int8 flag, a model without Q/DQ nodes and no calibration cache.
    Known(
        re.compile(r"Calibration failure occurred with no scaling factors detected"),
        Reason.UnsupportedPrecision,
        "give options.calibration, push a model with Q/DQ nodes, or ask for fp16",
    ),
    Known(
        re.compile(r"timing cache", re.IGNORECASE),
        Reason.BuildFailed,
        "build once with build.timingCache: ReadWrite, then lock the cache",
    ),
    Known(
        re.compile(
            r"Could not find any implementation for node|insufficient GPU memory|amount of GPU memory"
        ),
        Reason.BuildFailed,
        "raise options.workspace, leave options.tacticSources out, or build on a GPU with more free memory",
    ),
    Known(
        re.compile(r"cannot be used (with|in) a? ?strongly typed", re.IGNORECASE), Reason.UnsupportedPrecision
    ),
    # Run: 8.5.3.1, whose builder loads these libraries by name; its wheel does not bring them.
    Known(
        re.compile(r"SymbolAddress for cu\w+ could not be loaded|Unable to load library: lib(cublas|cudnn)"),
        Reason.BuildFailed,
        "install the cuBLAS and cuDNN that this TensorRT was made for, or set options.tacticSources without "
        "CUBLAS, CUBLAS_LT and CUDNN",
    ),
    Known(re.compile(r"BuildCanceled"), Reason.Interrupted),
    Known(
        re.compile(r"bad_alloc|OutOfMemory|out of memory", re.IGNORECASE),
        Reason.OutOfMemory,
        "give the BuildPool's builder more memory",
    ),
)


@dataclass(frozen=True, slots=True)
class Survived:
    """
    An error that a flavor logs and gets over: what in it is looked for, how grave it really is, where seen.

    A warning is counted under its code in WARNINGS.
    """

    pattern: re.Pattern[str]
    flavor: str
    severity: str
    seen: str


SURVIVED = (
    Survived(
        re.compile(r"myelinCache\.h::deserializeFromBuffer|[Tt]iming cache will not be used"),
        TENSORRT,
        "INFO",
        "run: 8.6.0 and 8.5.3.1 say both of every timing cache, of a good one too, and use what it holds; "
        "``compiling.timing`` looks at that",
    ),
    Survived(
        re.compile(r"OutOfMemory \(|could not be allocated|Skipping tactic"),
        TENSORRT,
        "WARNING",
        "source: a tactic that finds no memory is left out, and the others are measured",
    ),
    Survived(
        re.compile(r"cudaError 35\b|initialization failure with error: 35\b"),
        TENSORRT_RTX,
        "INFO",
        "run: RTX 1.7.1 on a machine without a driver, which compiling ahead of time does not need",
    ),
)
"""All that is known; an error that nobody knows fails the build, for TensorRT went on without something."""

NOT_KEPT = re.compile(r"k(MIN|MAX) values are not self-consistent")
"""A warning that is an error: a profile promises shapes that the network has not (run: RTX 1.7.1)."""

_GRAVITY = ("VERBOSE", "INFO", "WARNING", "ERROR", "INTERNAL_ERROR")

WARNINGS = (
    (re.compile(r"outside the range of INT32|clamped", re.IGNORECASE), Warn.Int64Clamped),
    (re.compile(r"Attempting to cast down to INT32"), Warn.Int64Cast),
    (re.compile(r"Defaulting to INT8 instead"), Warn.Int8Assumed),
    (re.compile(r"subnormal|outside the range of (FP16|Half)", re.IGNORECASE), Warn.WeightsTruncated),
    (re.compile(r"Missing scale and zero-point", re.IGNORECASE), Warn.CalibrationIncomplete),
    (re.compile(r"OutOfMemory \(|Skipping tactic|could not be allocated"), Warn.TacticsSkipped),
    (re.compile(r"deprecated", re.IGNORECASE), Warn.Deprecated),
)

_NOT_SUPPORTED = "false"
"""All that NVIDIA's parser says where it knows an operator and does not import it (measured on RTX 1.7.1)."""
_PREFIX = re.compile(r"^(\S+: )?(Error Code \d+: )?(\w+ \(\[[^\]]*\] )?")
_PLACE = re.compile(r"\s+In \w+(\(\))? at /[^\s)]+\)?")
_NO_DRIVER = re.compile(r"\n[^\n]*catchCudaError[^\n]*")
"""What a parser without a GPU adds to any error of a node; it is no part of what is wrong (RTX 1.7.1)."""


def quoted(message: str) -> str:
    """Return a message without the places in NVIDIA's sources, on one line of bounded length."""
    said = _PLACE.sub("", _NO_DRIVER.sub("", _PREFIX.sub("", message)))
    text = quoting.on_one_line(said).rstrip(". ")
    if text == _NOT_SUPPORTED:
        return "it has no importer for this operator"
    return quoting.quoted(text, QUOTE_LENGTH)


def verdict_of(messages: Iterable[str], doing: str, otherwise: Reason = Reason.BuildFailed) -> IgnitionError:
    """
    Return the error that NVIDIA's ``messages`` mean; the one that is recognised first in KNOWN is quoted.

    ``doing`` begins the message, such as "TensorRT cannot compile the model for sm_75"; ``otherwise`` is the
    reason when none is recognised.
    """
    said = list(messages)
    for known in KNOWN:
        for message in said:
            if known.pattern.search(message):
                return _error(known.reason, f"{doing}: “{quoted(message)}”", known.remedy)
    if said:
        return RequestError(otherwise, f"{doing}: “{quoted(said[0])}”")
    return RequestError(Reason.BuildFailed, f"{doing} and logged no error", "see the builder's log")


def severity_of(flavor: str, severity: str, message: str) -> str:
    """Return how grave a message of ``flavor`` really is, by the name of its severity in NVIDIA's logger."""
    if NOT_KEPT.search(message):
        return "ERROR"
    for row in SURVIVED:
        if row.flavor == flavor and row.pattern.search(message):
            return min(severity, row.severity, key=_GRAVITY.index)
    return severity


def warning_code(message: str) -> Warn:
    """Return the code under which a warning is counted and may be named in ``failOnWarnings``."""
    return next((code for pattern, code in WARNINGS if pattern.search(message)), Warn.TensorRTWarning)


def _error(reason: Reason, message: str, remedy: str) -> IgnitionError:
    kind = TransientError if reason in (Reason.Interrupted, Reason.OutOfMemory) else RequestError
    return kind(reason, message, remedy)
