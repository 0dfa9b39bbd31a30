"""Models of a few nodes, and requests to build them: what the builder's tests are about."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import EngineInputs, Model, Profile, ShapeRange, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest

RTX_VERSION = "1.7.1.116"
URI = "s3://models/small.onnx"
OPSET = 17


def model_of(
    nodes: Sequence[Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any], **options: Any
) -> Any:
    """Return a model; inputs and outputs are name to shape, or to (shape, type)."""
    graph = helper.make_graph(
        list(nodes), "small", _values(inputs), _values(outputs), options.pop("weights", [])
    )
    domains = options.pop("domains", ())
    opset = options.pop("opset", OPSET)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **options)


def dense(*, batch: int | str = 2, width: int = 64, seed: int = 0) -> Any:
    """One matrix product and a Relu; a batch with a name makes it dynamic."""
    values = np.random.default_rng(seed).standard_normal((width, width)).astype(np.float32) / width
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="fc"),
        helper.make_node("Relu", ["h"], ["y"], name="act"),
    ]
    weights = [numpy_helper.from_array(values, "w")]
    return model_of(nodes, {"x": [batch, width]}, {"y": [batch, width]}, weights=weights)


def saved(model: Any, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model and return its path."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def shape_range(low: Sequence[int], usual: Sequence[int], high: Sequence[int]) -> ShapeRange:
    return ShapeRange(tuple(low), tuple(usual), tuple(high))


def request_for(
    precision: str = "fp16",
    arch: str = "sm_86",
    *,
    profiles: Sequence[Mapping[str, ShapeRange] | Profile] = (),
    options: Mapping[str, Any] | None = None,
    verification: Mapping[str, Any] | None = None,
    version: str = RTX_VERSION,
    sha256: str | None = None,
    flavor: str = "TensorRTRTX",
    timeout_seconds: int = 60,
    low_memory: bool = False,
) -> BuildRequest:
    inputs = EngineInputs(
        model=Model("small", "v1", fingerprint(URI, sha256=sha256, etag="e", size=1)),
        precision=precision,
        profiles=tuple(item if isinstance(item, Profile) else Profile(item) for item in profiles),
        flavor=flavor,
        tensorrt_version=version,
        platform="linux-x86_64",
        gpu_arch=arch,
        product=None,
        compatibility="SameComputeCapability",
        options=dict(options or {}),
        verification=dict(verification or {}),
    )
    return BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=sha256,
        model_uri=URI,
        source_size=None,
        options=inputs.options,
        verification=inputs.verification,
        timeout_seconds=timeout_seconds,
        low_memory=low_memory,
        name=engine_file_name(inputs),
        namespace="demo",
        engine_resource="small",
    )


def _values(shapes: Mapping[str, Any]) -> list[Any]:
    made = []
    for name, shape in shapes.items():
        sizes, kind = shape if isinstance(shape, tuple) else (shape, TensorProto.FLOAT)
        made.append(helper.make_tensor_value_info(name, kind, sizes))
    return made


def read_back(path: Path) -> Any:
    """Return a written model with all its weights inside."""
    return onnx.load(str(path))
