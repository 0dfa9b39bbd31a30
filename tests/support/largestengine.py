"""The largest TensorRTEngine that the schema accepts: every list full, every string as long as it may be."""

from typing import Any

DIGEST = "9f2c" * 16
RANGE_BYTES = 2 * 253 + 36 * 8 + 32
RANGES = 56 * 1024 // RANGE_BYTES
"""How many ranges of the longest name and the highest rank fit into all profiles together."""
# A quotation mark takes two bytes of JSON, as much as any character takes for each byte of its own.
LONG_NAME = '"' * 250
PLUGIN_URI = "s3://models/" + '"' * 500
"""Sixteen of these have 8 KiB, the most that is accepted."""
LONG_URI = "s3://models/" + "\U0001f600" * 1012
"""1,024 characters, as long as an address may be, of four bytes each."""


def largest_engine(*, ranges: int = RANGES) -> dict[str, Any]:
    """Return the resource; one range, or one byte of a plugin's address, more than it has is refused."""
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": "n" * 253, "namespace": "default"},
        "spec": {
            "model": {
                "name": "m" * 63,
                "version": "v" * 63,
                "source": {"uri": LONG_URI},
            },
            "precision": "int8",
            "profiles": [_profile(number, ranges) for number in range(16)],
            "tensorrt": {"flavor": "TensorRT", "version": "10.13.2"},
            "targets": [
                {"gpuArch": "sm_89", "product": f"{number:02}" + "-A." * 20 + "0", "compatibility": "Product"}
                for number in range(64)
            ],
            "options": _options(),
            "verification": {
                "accuracy": {
                    "inputs": {"source": _pinned(LONG_URI)},
                    "quantile": 0.123456789,
                    "agreement": 0.123456789,
                },
                "benchmark": {"seconds": 300, "maxLatency": "4.123456789ms"},
            },
            "build": {"queueName": "q" * 63, "priorityClassName": "p" * 253},
        },
    }


def _options() -> dict[str, Any]:
    return {
        "optimizationLevel": 5,
        "workspace": "9223372036854775807",
        "versionCompatible": {"enabled": True, "excludeLeanRuntime": True},
        "memoryPools": {
            "tacticSharedMemory": "9223372036854775807",
            "tacticDram": "4611686018427387904",
        },
        "sparseWeights": True,
        "refit": "RefitIndividual",
        "stripPlan": True,
        "weightStreaming": True,
        "tacticSources": [
            "CUBLAS",
            "CUBLAS_LT",
            "CUDNN",
            "EDGE_MASK_CONVOLUTIONS",
            "JIT_CONVOLUTIONS",
        ],
        "tilingOptimizationLevel": "Moderate",
        "maxNumTactics": 2**31 - 1,
        "maxAuxStreams": 64,
        "avgTimingIterations": 100,
        "profilingVerbosity": "Detailed",
        "runtimePlatform": "WindowsAMD64",
        "calibration": {"source": _pinned(LONG_URI), "method": "entropy"},
        "plugins": [
            {
                "name": f"{number:02}" + "p" * 61,
                "source": _pinned(PLUGIN_URI),
                "delivery": "External",
            }
            for number in range(16)
        ],
        "failOnWarnings": [f"W{number:02}" + "w" * 60 for number in range(32)],
    }


def _profile(number: int, ranges: int) -> dict[str, Any]:
    """Return profile ``number`` of 16, with its share of ``ranges``."""
    mine = range(number, ranges, 16)
    shape = {"min": [2**31 - 1] * 8, "opt": [2**31 - 1] * 8, "max": [2**31 - 1] * 8}
    batch = {"min": 2**31 - 1, "opt": 2**31 - 1, "max": 2**31 - 1}
    named = {f"{index:03}{LONG_NAME}": shape for index in mine}
    return {"batchSize": batch, "maxSequenceLength": 2**31 - 1, **({"shapes": named} if named else {})}


def _pinned(uri: str) -> dict[str, Any]:
    return {"uri": uri, "sha256": DIGEST}
