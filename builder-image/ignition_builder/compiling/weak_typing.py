"""
Weakly typed builds, TensorRT before 10.12: the precision is a flag, and TensorRT chooses below it.

A model that holds a narrow type already needs the flag of that type too, or TensorRT refuses it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ignition_builder.compiling.checked_config import Settled, members_of
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile

PRECISION_FLAGS = ("fp16", "bf16", "int8", "fp8", "int4", "fp4")
_TYPE_FLAGS = {"HALF": "FP16", "BF16": "BF16", "INT8": "INT8", "FP8": "FP8", "INT4": "INT4", "FP4": "FP4"}
"""From the name of a data type to its flag."""

_CALIBRATORS = {
    "EntropyCalibration2": "IInt8EntropyCalibrator2",
    "MinMaxCalibration": "IInt8MinMaxCalibrator",
    "EntropyCalibration": "IInt8EntropyCalibrator",
    "LegacyCalibration": "IInt8LegacyCalibrator",
}
"""From the word in a cache's first line, ``TRT-8601-EntropyCalibration2``, to the class that wrote it."""


def allow_types(config: Settled, network: Any, precision: str) -> None:
    """Set the flag of ``precision``, and of every narrow type that the network holds."""
    if precision in PRECISION_FLAGS:
        config.flag(f"precision.{precision}", precision.upper())
    for name in sorted({tensor.dtype.name for tensor in _tensors(network)} & _TYPE_FLAGS.keys()):
        flag = _TYPE_FLAGS[name]
        if flag in members_of(config.trt, "BuilderFlag"):
            config.flag(f"precision.{flag.lower()}", flag)


def _tensors(network: Any) -> Iterator[Any]:
    yield from (network.get_input(index) for index in range(network.num_inputs))
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        outputs = (layer.get_output(output) for output in range(layer.num_outputs))
        yield from (tensor for tensor in outputs if tensor is not None)


def calibrate_from_cache(config: Settled, builder: Any, cache: bytes, profiles: Sequence[Profile]) -> Any:
    """Give TensorRT the ranges of a calibration cache; return the calibrator, which the build refers to."""
    kind = cache[:80].partition(b"\n")[0].decode("ascii", errors="replace").rpartition("-")[2]
    name = _CALIBRATORS.get(kind)
    if name is None:
        raise RequestError(
            Reason.UnsupportedOption,
            f"options.calibration: the cache says it is of {kind!r}, which is not a TensorRT calibrator",
            f"use a cache of {', '.join(_CALIBRATORS)}",
        )
    if not hasattr(config.trt, name) or not hasattr(config.config, "int8_calibrator"):
        raise RequestError(
            Reason.UnsupportedOption,
            f"options.calibration: a cache was given, but {config.release} has no {name}",
            "give calibration inputs (.npz) instead, or use TensorRT older than 11",
        )
    calibrator = _calibrator(getattr(config.trt, name), cache)
    config.config.int8_calibrator = calibrator
    if profiles:
        config.config.set_calibration_profile(_usual_shapes(builder, profiles[0]))
    return calibrator


def _calibrator(base: Any, cache: bytes) -> Any:
    class FromCache(base):  # type: ignore[misc]
        """Answers every question from the cache; it has no data to measure anything else."""

        def __init__(self) -> None:
            base.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: Sequence[str]) -> None:
            return None

        def read_calibration_cache(self) -> bytes:
            return cache

        def write_calibration_cache(self, cache: Any) -> None:
            return None

    return FromCache()


def _usual_shapes(builder: Any, wanted: Profile) -> Any:
    profile = builder.create_optimization_profile()
    for name, shape in wanted.shapes.items():
        profile.set_shape(name, shape.opt, shape.opt, shape.opt)
    for name, values in wanted.values.items():
        profile.set_shape_input(name, values.opt, values.opt, values.opt)
    return profile
