"""
Nobody uses a name of NVIDIA's module that no release has, or that some release lacks without asking first.

The names are found in the source of the builder and of the runtime; see ``bindings.scan``.
"""

from pathlib import Path

import pytest

from bindings.inventory import inventories
from bindings.releases import TENSORRT_RTX
from bindings.scan import Use, uses_in
from images.paths import ROOT

PLACES = {
    "builder": ROOT / "builder-image/ignition_builder",
    "runtime": ROOT / "operator/ignition_hub/runtime",
}

FLAVOR_OF = {"compiling/rtx.py": TENSORRT_RTX}
"""Files that only ever see one flavor."""

IMPLIED = {
    ("compiling/compiler.py", "IBuilderConfig.progress_monitor"): "IProgressMonitor",
    ("compiling/callbacks.py", "IStreamWriter"): "Builder.build_serialized_network_to_stream",
    ("compiling/weak_typing.py", "IBuilderConfig.set_calibration_profile"): "IBuilderConfig.int8_calibrator",
    ("compiling/configuring.py", "OnnxParser.set_flag"): "OnnxParserFlag.NATIVE_INSTANCENORM",
    ("compiling/configuring.py", "OnnxParser.get_flag"): "OnnxParserFlag.NATIVE_INSTANCENORM",
    ("compiling/libraries.py", "OnnxParser.get_used_vc_plugin_libraries"): "BuilderFlag.VERSION_COMPATIBLE",
}
"""Names that are used only after another was found; every release with the one must have the other."""


def uses(place: str) -> tuple[Use, ...]:
    return uses_in(PLACES[place])


@pytest.mark.parametrize("place", PLACES)
def test_every_name_that_is_used_is_in_some_release(place: str) -> None:
    unknown = [use for use in uses(place) if not any(item.has(use.name) for item in inventories())]

    assert unknown == []


@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_some_release_lacks_is_asked_for_before_it_is_used(place: str) -> None:
    careless = [
        (use.where, use.name, item.release.version)
        for use in uses(place)
        for item in inventories()
        if not use.guarded and not item.has(use.name) and is_seen(use, item.release.flavor)
        if not implied(use, item.has)
    ]

    assert careless == []


def is_seen(use: Use, flavor: str) -> bool:
    return FLAVOR_OF.get(use.where.partition(":")[0], flavor) == flavor


def implied(use: Use, has: object) -> bool:
    guard = IMPLIED.get((use.where.partition(":")[0], use.name))
    return guard is not None and callable(has) and not has(guard)


def test_what_is_said_to_be_implied_is_still_used() -> None:
    used = {(use.where.partition(":")[0], use.name) for place in PLACES for use in uses(place)}

    assert set(IMPLIED) - used == set()


def test_the_scan_sees_the_builder_at_work() -> None:
    names = {use.name for use in uses("builder")}

    assert {
        "Builder.create_network",
        "Builder.build_serialized_network",
        "BuilderFlag.TF32",
        "IBuilderConfig.hardware_compatibility_level",
        "IStreamWriter",
        "OnnxParser.parse_from_file",
        "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
        "ComputeCapability",
    } <= names


@pytest.mark.parametrize(
    ("source", "name", "guarded"),
    [
        ("def f(trt): return trt.NoSuchThing", "NoSuchThing", False),
        ("def f(trt): return trt.BuilderFlag.FP32", "BuilderFlag.FP32", False),
        ("def f(trt, config): config.set_flagg(trt.Logger)", "IBuilderConfig.set_flagg", False),
        ("def f(trt, builder):\n  if hasattr(builder, 'magic'): builder.magic", "Builder.magic", True),
        ("def f(config, trt): config.flag('x', 'FPP')", "BuilderFlag.FPP", True),
        ("def f(trt): return members_of(trt, 'Kind')['A']", "Kind", True),
    ],
)
def test_a_use_is_found_and_known_for_guarded_or_not(
    source: str, name: str, guarded: bool, tmp_path: Path
) -> None:
    (tmp_path / "code.py").write_text(source)

    assert guarded in {use.guarded for use in uses_in(tmp_path) if use.name == name}
