"""
Operators that onnxruntime and its tools make of a network, none of which any TensorRT has.

Each kind has a file that does build, the one it was made from or one saved otherwise; asked before anything
else, because with another precision the same nodes would be refused in other words (as seen: in a circle).
What is not listed is tried: TensorRT's parser takes some, such as Gelu, for ONNX's own (run: RTX 1.7.1).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import called, nodes_of
from ignition_hub.engine.errors import Reason, RequestError

CONTRIBUTED = ("com.microsoft", "com.microsoft.experimental")
LAYOUTS = ("com.microsoft.nchwc", "com.ms.internal.nhwc")
"""Domains of operators for one kind of processor."""

STATICALLY = (
    "quantize that with onnxruntime's quantize_static, quant_format QDQ, activation_type and weight_type "
    "QInt8, extra_options ActivationSymmetric and WeightSymmetric True and QuantizeBias False"
)


@dataclass(frozen=True, slots=True)
class OperatorFamily:
    """Operators of one origin, in ONNX's own domain and in onnxruntime's; what they are, and what works."""

    standard: frozenset[str]
    contributed: frozenset[str]
    said: str
    remedy: str

    def has(self, node: Any) -> bool:
        """Whether ``node`` is of this kind."""
        return (node.domain in ONNX_DOMAINS and node.op_type in self.standard) or (
            node.domain in CONTRIBUTED and node.op_type in self.contributed
        )


DYNAMIC = OperatorFamily(
    frozenset({"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}),
    frozenset(
        {
            "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger16",
            "QAttention", "QEmbedLayerNormalization",
        }
    ),
    "the model is quantized dynamically, as it runs, and TensorRT has no dynamic quantization of that kind",
    f"give the float model that it was made from, in any precision, or {STATICALLY}",
)  # fmt: skip
INTEGER = OperatorFamily(
    frozenset({"QLinearConv", "QLinearMatMul"}),
    frozenset(
        {
            "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearConv",
            "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul", "QLinearReduceMean",
            "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere",
        }
    ),
    "the model computes with onnxruntime's integer operators (QOperator), and TensorRT reads quantization "
    "from QuantizeLinear and DequantizeLinear nodes (QDQ)",
    f"give the float model that it was made from, or {STATICALLY}; a QDQ model, "
    "give as the quantizer wrote it and not as onnxruntime saved it again",
)  # fmt: skip
BLOCKS = OperatorFamily(
    frozenset(),
    frozenset({"GatherBlockQuantized", "MatMulBnb4", "MatMulFpQ4", "MatMulNBits", "QMoE"}),
    "its weights are packed in blocks of onnxruntime's own format, which TensorRT does not read",
    "give the float model that it was made from, and ask for fp16 or bf16",
)
FUSED = OperatorFamily(
    frozenset({"SimplifiedLayerNormalization"}),
    frozenset(
        {
            "Attention", "BiasAdd", "BiasDropout", "BiasGelu", "BiasSoftmax", "BiasSplitGelu",
            "BitmaskBiasDropout", "BitmaskDropout", "ConvTransposeWithDynamicPads",
            "DecoderAttention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention",
            "EmbedLayerNormalization", "FastGelu", "FusedConv", "FusedGemm", "FusedMatMul",
            "FusedMatMulActivation", "GatedRelativePositionBias", "GemmFastGelu", "GroupNorm",
            "GroupQueryAttention", "LongformerAttention", "MultiHeadAttention", "NhwcConv", "NhwcFusedConv",
            "NhwcMaxPool", "PackedAttention", "PackedMultiHeadAttention", "QuickGelu",
            "RelativePositionBias", "RemovePadding", "RestorePadding", "RotaryEmbedding",
            "SimplifiedLayerNormalization", "SkipGroupNorm", "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization", "SparseAttention", "TransposeMatMul",
        }
    ),
    "onnxruntime's optimizer put it in the place of ONNX's own operators, and TensorRT does not have it",
    "give the model as it was exported, or save it from onnxruntime with graph_optimization_level "
    "ORT_ENABLE_BASIC; with Optimum or onnxruntime.transformers, leave the optimization out",
)  # fmt: skip
KINDS = (DYNAMIC, INTEGER, BLOCKS, FUSED)
"""In the order they are asked for: what was quantized is often fused too, and its float model is neither."""


def check_origin(model: Any) -> None:
    """Raise RequestError (UnsupportedOperator) naming the first node of the first kind that ``model`` has."""
    nodes = list(nodes_of(model))
    for kind in KINDS:
        if found := [node for node in nodes if kind.has(node)]:
            raise _refusal(found, kind)
    if found := [node for node in nodes if node.domain in LAYOUTS]:
        raise _refusal(found, FUSED)


def _refusal(found: list[Any], kind: OperatorFamily) -> RequestError:
    first, others = called(found[0]), _others(found)
    return RequestError(Reason.UnsupportedOperator, f"{first}{others}: {kind.said}", kind.remedy)


def _others(found: Iterable[Any]) -> str:
    count = sum(1 for _ in found) - 1
    return f" and {count} more of its kind" if count else ""
