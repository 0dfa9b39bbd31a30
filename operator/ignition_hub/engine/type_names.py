"""
One word for one type of numbers: ONNX's, in small letters, as the manifest has it of models and of engines.

TensorRT calls some otherwise, and manifests written before this has its words of an engine's inputs and
outputs.
"""

from collections.abc import Mapping

OF_TENSORRT: Mapping[str, str] = {
    "half": "float16",
    "bf16": "bfloat16",
    "fp8": "float8e4m3fn",
    "fp4": "float4e2m1",
    "e8m0": "float8e8m0",
}
"""TensorRT's names in small letters (read from the bindings of 8.5 to RTX 1.7.1) that ONNX has not."""


def type_word(name: str) -> str:
    """Return ONNX's name of the type that ONNX or TensorRT calls ``name``, in whichever letters."""
    return OF_TENSORRT.get(name.lower(), name.lower())
