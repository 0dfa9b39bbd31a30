"""
What the builder takes for granted about TensorRT's Python module, release by release, from the bindings.

Each fact is a name and the releases that have it; a release that has it too early or too late fails.
"""

import pytest

from bindings.inventory import Inventory, inventories
from bindings.releases import TENSORRT, TENSORRT_RTX

NEVER = (99,)
FIRST = (8,)

FACTS = (
    # name, since, until, has TensorRT-RTX 1.4 it, have the later ones
    ("NetworkDefinitionCreationFlag.EXPLICIT_BATCH", FIRST, (11,), True, False),
    ("NetworkDefinitionCreationFlag.STRONGLY_TYPED", (10,), NEVER, True, True),
    ("BuilderFlag.TF32", FIRST, NEVER, True, True),
    ("BuilderFlag.FP16", FIRST, (11,), True, False),
    ("BuilderFlag.INT8", FIRST, (11,), True, False),
    ("BuilderFlag.FP8", (8, 6), (11,), True, False),
    ("BuilderFlag.BF16", (10,), (11,), True, False),
    ("BuilderFlag.INT4", (10, 1), (11,), True, False),
    ("BuilderFlag.FP4", (10, 8), (11,), True, False),
    ("BuilderFlag.DISABLE_TIMING_CACHE", FIRST, NEVER, True, True),
    ("BuilderFlag.EDITABLE_TIMING_CACHE", (10, 8), NEVER, True, True),
    ("BuilderFlag.ERROR_ON_TIMING_CACHE_MISS", (10,), NEVER, True, True),
    ("BuilderFlag.DISABLE_COMPILATION_CACHE", (10,), NEVER, True, True),
    ("IInt8EntropyCalibrator2", FIRST, (11,), True, False),
    ("IInt8MinMaxCalibrator", FIRST, (11,), True, False),
    ("IBuilderConfig.int8_calibrator", FIRST, (11,), False, False),
    ("IBuilderConfig.set_calibration_profile", FIRST, (11,), False, False),
    ("IBuilderConfig.create_timing_cache", FIRST, NEVER, True, True),
    ("IBuilderConfig.set_timing_cache", FIRST, NEVER, True, True),
    ("ITimingCache.combine", FIRST, NEVER, True, True),
    ("ITimingCache.serialize", FIRST, NEVER, True, True),
    ("ITimingCache.query", (10, 8), NEVER, True, True),
    ("IBuilderConfig.set_memory_pool_limit", FIRST, NEVER, True, True),
    ("IBuilderConfig.max_workspace_size", FIRST, (10,), False, False),
    ("IProgressMonitor", (10,), NEVER, True, True),
    ("IBuilderConfig.progress_monitor", (10,), NEVER, True, True),
    ("IStreamWriter", (10, 13), NEVER, True, True),
    ("Builder.build_serialized_network", FIRST, NEVER, True, True),
    ("Builder.build_serialized_network_to_stream", (10, 13), NEVER, True, True),
    ("OnnxParser.parse_from_file", FIRST, NEVER, True, True),
    ("OnnxParser.get_used_vc_plugin_libraries", (8, 6), NEVER, True, True),
    ("OnnxParserFlag.NATIVE_INSTANCENORM", (8, 6, 1), NEVER, True, True),
    ("OnnxParserRefitter", (10,), NEVER, True, True),
    ("DataType.INT64", (10,), NEVER, True, True),
    ("DataType.BF16", (10,), NEVER, True, True),
    ("DataType.FP4", (10, 8), NEVER, True, True),
    ("INetworkDefinition.flags", (10,), NEVER, True, True),
    ("ICudaEngine.get_tensor_mode", FIRST, NEVER, True, True),
    ("IExecutionContext.execute_async_v3", FIRST, NEVER, True, True),
    ("Builder.get_plugin_registry", (8, 6), NEVER, True, True),
    ("IPluginRegistry.load_library", (8, 6), NEVER, True, True),
    ("IBuilderConfig.hardware_compatibility_level", (8, 6), NEVER, True, True),
    ("ICudaEngine.get_engine_stat", (10, 14), NEVER, True, True),
    ("ICudaEngine.device_memory_size_v2", (10, 1), NEVER, True, True),
    ("Runtime.engine_host_code_allowed", (8, 6), NEVER, True, True),
    ("Runtime.load_runtime", (8, 6), NEVER, True, True),
    ("Runtime.get_engine_validity", NEVER, NEVER, True, True),
    ("IBuilderConfig.set_compute_capability", NEVER, NEVER, True, True),
    ("IBuilderConfig.num_compute_capabilities", NEVER, NEVER, True, True),
    ("IRuntimeCache", NEVER, NEVER, True, True),
    ("ComputeCapability.SM86", NEVER, NEVER, True, True),
    ("ComputeCapability.SM121", NEVER, NEVER, False, True),
)


def is_first_rtx(inventory: Inventory) -> bool:
    return inventory.release.numbers[:2] == (1, 4)


@pytest.mark.parametrize(
    ("name", "since", "until", "in_rtx_14", "in_rtx"), [pytest.param(*fact, id=fact[0]) for fact in FACTS]
)
def test_a_name_is_in_the_releases_that_are_said_to_have_it(
    name: str, since: tuple[int, ...], until: tuple[int, ...], in_rtx_14: bool, in_rtx: bool
) -> None:
    for item in inventories():
        numbers = item.release.numbers
        if item.release.flavor == TENSORRT_RTX:
            expected = in_rtx_14 if is_first_rtx(item) else in_rtx
        else:
            expected = since <= numbers < until
        assert item.has(name) == expected, f"{item.release.flavor} {item.release.version}"


def test_rtx_compiles_for_no_architecture_beyond_its_list() -> None:
    for item in inventories():
        if item.release.flavor == TENSORRT_RTX:
            known = {name for name in item.enum("ComputeCapability") if name.startswith("SM")}
            assert known <= {"SM75", "SM80", "SM86", "SM89", "SM120", "SM121"}
            assert {"SM75", "SM80", "SM86", "SM89", "SM120"} <= known


def test_numbers_of_flags_move_between_releases_so_that_only_names_are_kept() -> None:
    numbers = {item.release.version: item.enum("BuilderFlag") for item in inventories()}

    assert [numbers[version]["VERSION_COMPATIBLE"] for version in ("8.6.1", "10.3.0", "11.1.0.106")] == [
        15,
        13,
        12,
    ]
    assert {flags["STRIP_PLAN"] for flags in numbers.values() if "STRIP_PLAN" in flags} == {18, 19}


def test_older_bindings_do_not_tell_the_fourth_number_of_their_version() -> None:
    parts = {
        item.release.version: len([part for part in item.document["version"].split(".") if part.isdecimal()])
        for item in inventories()
        if item.release.flavor == TENSORRT
    }

    assert {version for version, count in parts.items() if count == 3} == {
        "8.6.0", "8.6.1", "10.0.1", "10.1.0", "10.2.0", "10.3.0", "10.4.0", "10.5.0", "10.6.0", "10.7.0",
    }  # fmt: skip
    assert set(parts.values()) == {3, 4}


def test_a_version_may_end_in_what_is_no_number() -> None:
    versions = {item.document["version"] for item in inventories()}

    assert "10.14.1.48.post1" in versions
