"""
Make the builder configuration of one request: target, options, types, profiles, each read back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ignition_builder.compiling.applying import apply_options, settings_in_force
from ignition_builder.compiling.backend import BuilderBackend, release_of
from ignition_builder.compiling.checked_config import Settled, flags_in_force, members_of
from ignition_builder.compiling.libraries import Loaded, packed_libraries
from ignition_builder.compiling.request import CompilationRequest
from ignition_builder.compiling.weak_typing import allow_types, calibrate_from_cache
from ignition_builder.documents import WEAK
from ignition_hub.compatibility.support_matrix import has_tf32
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import PRODUCT, EngineInputs, Profile, ShapeRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """
    A configuration that is ready to build with, and what it holds.

    ``flags`` and ``settings`` were read back; ``packed`` are the plugin libraries that the engine will carry;
    ``held`` are objects that TensorRT refers to and Python must keep alive.
    """

    config: Settled
    flags: tuple[str, ...]
    settings: dict[str, Any]
    packed: tuple[str, ...] = ()
    held: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A network with the builder that made it and the parser that filled it."""

    builder: Any
    network: Any
    parser: Any


def prepare_parser(trt: Any, parser: Any, request: CompilationRequest) -> None:
    """
    Let the parser use TensorRT's own InstanceNorm where the engine must not depend on a plugin.

    Version and hardware compatible engines need it; it is on from TensorRT 10 (NVIDIA's parser). 8.6.0 has no
    such flag, and the first stage has refused models that would need it there.
    """
    flag = members_of(trt, "OnnxParserFlag").get("NATIVE_INSTANCENORM")
    if flag is None or not _travels(request):
        return
    parser.set_flag(flag)
    if not parser.get_flag(flag):
        raise RequestError(
            Reason.UnsupportedOption,
            "options.versionCompatible: the ONNX parser does not take NATIVE_INSTANCENORM",
            "leave options.versionCompatible out, and use compatibility: Product",
        )


def configured(
    backend: BuilderBackend, parsed: Parsed, request: CompilationRequest, plugins: Sequence[Loaded]
) -> Configured:
    """Return the configuration of ``request``; raises RequestError for what TensorRT does not take."""
    trt, builder, network = backend.trt, parsed.builder, parsed.network
    config = Settled(trt, builder.create_builder_config(), release_of(backend))
    backend.aim(config, request.inputs)
    apply_options(config, request.options)
    _set_tf32(config, request.inputs)
    _check_values(request.profiles, _shape_tensors(network))
    for index, profile in enumerate(request.profiles):
        _add_profile(builder, config.config, index, profile)
    held = _choose_types(config, builder, network, request)
    packed = packed_libraries(parsed.parser, request.options, plugins)
    if packed:
        config.attribute("plugins", "plugins_to_serialize", packed)
    return Configured(
        config=config,
        flags=flags_in_force(trt, config.config),
        settings=settings_in_force(trt, config.config)
        | backend.aimed_at(config.config)
        | {"pluginsToSerialize": [Path(path).name for path in packed]},
        packed=tuple(packed),
        held=held,
    )


def tf32_in_force(inputs: EngineInputs, flags: Sequence[str]) -> bool:
    """Whether TF32 may really be used: the flag is set and the architecture has it."""
    return "TF32" in flags and has_tf32(inputs.gpu_arch)


def _travels(request: CompilationRequest) -> bool:
    return request.options.version_compatible or request.inputs.compatibility != PRODUCT


def _set_tf32(config: Settled, inputs: EngineInputs) -> None:
    if inputs.precision == "tf32":
        config.flag("precision.tf32", "TF32")
    else:
        # It is on by default, and fp32 means fp32.
        config.without_flag("TF32")


def _choose_types(
    config: Settled, builder: Any, network: Any, request: CompilationRequest
) -> tuple[Any, ...]:
    if request.typing != WEAK:
        return ()
    allow_types(config, network, request.inputs.precision)
    if request.calibration_cache is None:
        return ()
    cache = request.calibration_cache.read_bytes()
    return (calibrate_from_cache(config, builder, cache, request.profiles),)


def _shape_tensors(network: Any) -> list[str]:
    inputs = (network.get_input(index) for index in range(network.num_inputs))
    return [item.name for item in inputs if item.is_shape_tensor]


def _check_values(profiles: Sequence[Profile], shape_tensors: Sequence[str]) -> None:
    """Refuse a shape tensor without a range of values: TensorRT's own message does not name it."""
    for index, wanted in enumerate(profiles or (Profile(),)):
        for name in shape_tensors:
            if name not in wanted.values:
                raise RequestError(
                    Reason.InvalidProfile,
                    f"profiles[{index}].values.{name}: TensorRT computes a shape from what this input holds, "
                    "and needs the range of its values",
                    f"give values.{name} with min, opt and max for each of its elements, or make it a "
                    "constant of the model",
                )


def _add_profile(builder: Any, config: Any, index: int, wanted: Profile) -> None:
    profile = builder.create_optimization_profile()
    for name, shape in wanted.shapes.items():
        if name in wanted.values:
            continue
        profile.set_shape(name, shape.min, shape.opt, shape.max)
        _check_range(index, f"shapes.{name}", shape, profile.get_shape(name))
    for name, values in wanted.values.items():
        profile.set_shape_input(name, values.min, values.opt, values.max)
        _check_range(index, f"values.{name}", values, profile.get_shape_input(name))
    if config.add_optimization_profile(profile) != index:
        raise RequestError(Reason.InvalidProfile, f"profiles[{index}]: TensorRT does not accept it")


def _check_range(index: int, where: str, wanted: ShapeRange, held: Any) -> None:
    if [tuple(part) for part in held] != [wanted.min, wanted.opt, wanted.max]:
        raise RequestError(
            Reason.InvalidProfile,
            f"profiles[{index}].{where}: TensorRT does not accept {wanted.to_json()}",
            "min, opt and max must have the input's rank and must not shrink",
        )
