"""What NVIDIA logs becomes a reason, a remedy and counted warnings."""

import pytest

from ignition_builder.journal import MAX_LOG_BYTES, Journal
from ignition_builder.messages import (
    QUOTE_LENGTH,
    SURVIVED,
    quoted,
    severity_of,
    verdict_of,
    warning_code,
)
from ignition_hub.engine.errors import Reason, RequestError, TransientError

TURING = (
    "IBuilder::buildSerializedNetworkToStream: Error Code 1: Myelin ([pass.cpp:337: "
    "check_turing_op_compatibility] Cannot compile operation 'fc' for Turing (SM75): FP32 GEMM is not "
    "supported. In compileGraph at /_src/optimizer/myelin/codeGenerator.cpp:2012)"
)
UNKNOWN = "Error Code 9: Something happened (nobody knows what In here at /_src/there.cpp:1)"


def test_nvidias_sentence_is_quoted_without_the_places_in_its_sources():
    assert quoted(TURING) == "Cannot compile operation 'fc' for Turing (SM75): FP32 GEMM is not supported"


def test_a_driver_that_compiling_does_not_need_is_not_blamed():
    # Run: RTX 1.7.1 on a machine without a GPU.
    said = quoted(
        "Invalid Node - r\nITensor::getDimensions: Error Code 4: Shape Error (reshape changes volume. "
        "Reshaping [1,9] to [1,8]. In operator() at /_src/optimizer/common/shape/shapeContext.cpp:4633)\n"
        "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
        "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient for "
        "CUDA runtime version))"
    )

    assert said.startswith(
        "Invalid Node - r ITensor::getDimensions: Error Code 4: Shape Error (reshape changes"
    )
    assert said.endswith("Reshaping [1,9] to [1,8]")


def test_a_driver_is_named_where_nothing_else_is_said():
    assert "CUDA driver" in quoted(
        "[x.cpp::catchCudaError::2] Error Code 1: Cuda Runtime (CUDA driver is old)"
    )


def test_a_long_message_is_cut():
    assert len(quoted("x" * 10_000)) == QUOTE_LENGTH


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (TURING, Reason.UnsupportedPrecision),
        (
            "Cannot compile for target(s) sm75, because the model contains HW-specific datatypes: b16",
            Reason.UnsupportedPrecision,
        ),
        (
            "ElementWiseOperation SUM must have same input types. But they are of types Half and Float",
            Reason.UnsupportedPrecision,
        ),
        (
            'creator && "Plugin not found, are the plugin name, version, and namespace correct?"',
            Reason.UnsupportedOperator,
        ),
        (
            "API Usage Error (Quantized constant (c) is only allowed before DQ or PLUGIN_V2 node.",
            Reason.UnsupportedOperator,
        ),
        (
            "API Usage Error (Tensor c_output has datatype Int4 but is not consumed by IPluginLayer",
            Reason.BuildFailed,
        ),
        (
            "IShuffleLayer Squeeze_41: ISqueezeLayer without an axes input requires dimension 0 to not be 1",
            Reason.InvalidProfile,
        ),
        (
            "Internal Error (Assertion tScope.getType() != ScopeType::kUNDEFINED failed. )",
            Reason.BuildFailed,
        ),
        (
            "Network has dynamic or shape inputs, but no optimization profile has been defined",
            Reason.InvalidProfile,
        ),
        (
            "MyelinCheckException: decompose_composite_ops.cpp:59: CHECK(composite_op->is_decomposable()) "
            "failed. Attention operation was not supported by a dedicated backend.",
            Reason.UnsupportedOperator,
        ),
        ("Unable to load library: libnvinfer_lean.so.1", Reason.UnsupportedOption),
        (
            "Error Code 1: Internal Error (Calibration failure occurred with no scaling factors detected. "
            "This could be due to no int8 calibrator or insufficient custom scales for network layers.)",
            Reason.UnsupportedPrecision,
        ),
        (
            "3: [libLoader.h::symbolAddress::92] Error Code 3: Internal Error (SymbolAddress for "
            "cublasGetProperty could not be loaded, check function name against library symbol)",
            Reason.BuildFailed,
        ),
        ("MyelinCheckException: graph_jit.cpp:278: CHECK(status == CUDA_SUCCESS)", Reason.BuildFailed),
    ],
)
def test_a_known_message_has_its_reason(message, reason):
    error = verdict_of([UNKNOWN, message], "TensorRT cannot build")

    assert error.reason is reason
    assert isinstance(error, RequestError)
    assert error.message.startswith("TensorRT cannot build: “")


def test_fp32_on_turing_is_answered_with_fp16():
    assert "fp16" in verdict_of([TURING], "it").remedy


def test_a_cancelled_build_and_lacking_memory_can_be_tried_again():
    assert isinstance(
        verdict_of(["Error Code 7: BuildCanceled (Build canceled by user"], "it"), TransientError
    )
    assert verdict_of(["std::bad_alloc"], "it").exit_code == 137


def test_no_message_at_all_is_still_a_sentence():
    assert verdict_of([], "TensorRT cannot build").message == "TensorRT cannot build and logged no error"


def test_warnings_are_counted_by_code(tmp_path):
    with Journal(tmp_path / "log") as journal:
        journal.hear("WARNING", "weights outside the range of INT32 was clamped")
        journal.hear("WARNING", "weights outside the range of INT32 was clamped")
        journal.hear("WARNING", "Type is UINT8. Defaulting to INT8 instead")

    assert journal.warnings == {"Int64Clamped": 2, "Int8Assumed": 1}
    assert warning_code("anything else") == "TensorRTWarning"


def test_a_cublas_that_is_not_there_is_answered_with_the_option_that_needs_none():
    for said in (
        "SymbolAddress for cublasGetProperty could not be loaded",
        "Unable to load library: libcudnn.so.8",
    ):
        assert "options.tacticSources" in verdict_of([said], "it").remedy


def test_an_embedded_runtime_that_is_missing_is_answered_with_the_option_that_needs_none():
    assert "excludeLeanRuntime: true" in verdict_of(["libnvinfer_lean.so.8.6.0"], "it").remedy


@pytest.mark.parametrize(
    ("message", "warnings"),
    [
        ("4: The timing cache will not be used!", {}),
        ("1: [myelinCache.h::deserializeFromBuffer::52] Error Code 1: Myelin (Myelin error)", {}),
        ("Error Code 2: OutOfMemory (no further information)", {"TacticsSkipped": 1}),
    ],
)
def test_an_error_that_tensorrt_gets_over_fails_nothing(message, warnings, tmp_path):
    with Journal(tmp_path / "log") as journal:
        journal.hear(severity_of("TensorRT", "ERROR", message), message)

    assert (journal.errors, journal.warnings) == ([], warnings)


@pytest.mark.parametrize("flavor", ["TensorRT", "TensorRTRTX"])
def test_an_error_that_nobody_knows_fails_the_build(flavor):
    assert severity_of(flavor, "ERROR", UNKNOWN) == "ERROR"


def test_what_one_flavor_gets_over_the_other_may_not():
    assert severity_of("TensorRTRTX", "ERROR", "The timing cache will not be used!") == "ERROR"
    assert severity_of("TensorRT", "ERROR", "initialization failure with error: 35") == "ERROR"


def test_nothing_is_made_graver_than_it_was_said():
    assert severity_of("TensorRT", "INFO", "Skipping tactic 0x1") == "INFO"


def test_every_error_that_is_got_over_says_where_it_was_seen():
    for row in SURVIVED:
        assert row.seen.startswith(("run:", "source:"))


def test_errors_are_kept_until_somebody_takes_them(tmp_path):
    with Journal(tmp_path / "log") as journal:
        journal.hear("INFO", UNKNOWN)
        journal.hear("INTERNAL_ERROR", TURING)
        assert journal.take_errors() == [TURING]

    assert journal.errors == []
    assert "nobody knows" in (tmp_path / "log").read_text()


def test_a_model_that_makes_tensorrt_chatter_does_not_fill_the_disk(tmp_path):
    with Journal(tmp_path / "log") as journal:
        for _ in range(300):
            journal.hear("ERROR", "x" * 8192)

    assert (tmp_path / "log").stat().st_size <= MAX_LOG_BYTES
    assert len(journal.errors) == 64
