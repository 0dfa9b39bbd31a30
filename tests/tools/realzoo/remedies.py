"""
Which tests do what a refusal says would work, and then get an engine or the check's pass.

A remedy offers one way or several. The page names the tests of all; words for which there is none stand out.
"""

import re
from collections.abc import Mapping

NO_TEST = "**no test**"
_BUILDER, _MODELS = "tests/unit/builder", "tests/models/test_real_"
_CHECK = f"{_BUILDER}/verifying/test_check_remedies.py::test_"
_OTHER = f"{_BUILDER}/precision/test_other_ways.py::test_"

WAYS: Mapping[str, str] = {
    "this TensorRT does not place the model's branches: make what chooses between them, such as a rate that "
    "is given, a constant of the model": (
        f"{_MODELS}networks.py::test_branches_that_a_rate_decides_build_once_it_is_a_constant"
    ),
    "export it without branches": (
        f"{_MODELS}remedies.py::"
        "test_a_voice_detector_exported_without_branches_builds_where_branches_are_not_placed"
    ),
    "give the Loop a trip limit, its first input: how many steps it takes, as a constant of the model": (
        f"{_BUILDER}/compiling/test_rtx.py::test_a_loop_without_a_trip_limit_is_refused_and_builds_with_one"
    ),
    "give the float model that it was made from, in any precision, or quantize that with onnxruntime's "
    "quantize_static, quant_format QDQ, activation_type and weight_type QInt8, extra_options "
    "ActivationSymmetric and WeightSymmetric True and QuantizeBias False": (
        f"{_BUILDER}/checking/test_onnxruntime_operators.py::"
        "test_what_was_quantized_dynamically_is_built_from_its_float_model_or_with_qdq"
    ),
    "export the network alone, and do the rest before or after it": (
        f"{_MODELS}remedies.py::test_a_scaled_network_builds_alone_and_with_the_scaler_before_it_says_the_same"
    ),
    "it is no neural network: run it with onnxruntime, as it is": (
        f"{_OTHER}trees_run_with_onnxruntime_as_they_are"
    ),
    "write a sum as a product: Add(data, MatMul(Cast(Equal(Unsqueeze(Range(…, places, …), …), indices), "
    "FLOAT), values))": (
        f"{_MODELS}remedies.py::"
        "test_a_network_of_molecules_builds_once_its_sums_and_its_max_are_written_as_advised"
    ),
    "ask for fp16, or export the model in fp32": (
        f"{_OTHER}a_model_in_fp16_builds_in_fp16_and_one_exported_in_fp32_in_any"
    ),
    "quantize it before pushing, or ask for fp16": (
        f"{_OTHER}a_model_whose_products_lie_in_branches_builds_quantized_before_and_in_fp16"
    ),
    "use a wider precision": f"{_CHECK}a_wider_precision_builds_where_a_narrow_one_is_held_back",
    "better calibration data": f"{_CHECK}better_calibration_data_builds_where_other_data_is_held_back",
    "tolerance (atol … would let it pass) that the task allows": (
        f"{_CHECK}the_atol_that_a_failed_check_prints_builds"
    ),
    "tolerance (atol … or quantile … would let it pass) that the task allows": (
        f"{_CHECK}the_quantile_that_a_failed_check_prints_builds_and_so_does_the_atol"
    ),
    "tolerance (quantile … would let it pass) that the task allows": (
        f"{_CHECK}the_quantile_that_a_failed_check_prints_builds_and_so_does_the_atol"
    ),
    "tolerance and verification.accuracy.agreement that the task allows": (
        f"{_CHECK}a_classifier_whose_answers_may_change_builds_with_the_agreement_that_was_named"
    ),
}
"""The words of a way, as a kind of remedy has them, and the test that goes it."""
_BETWEEN = re.compile(r"(?:[\s,]|\b(?:or|a)\b)*")


def applied_by(kind: str) -> tuple[str, ...]:
    """Return the tests, ``path::name``, that go every way of a kind of remedy; none where a way has none."""
    found = [words for words in WAYS if words in kind]
    rest = kind
    for words in found:
        rest = rest.replace(words, "")
    is_whole = found and _BETWEEN.fullmatch(rest)
    return tuple(WAYS[words] for words in found) if is_whole else ()


def cell(kind: str) -> str:
    """Return the cell of the page that names these tests."""
    found = (test.split("::") for test in applied_by(kind))
    return ", ".join(f"[{name}](../{path})" for path, name in found) or NO_TEST
