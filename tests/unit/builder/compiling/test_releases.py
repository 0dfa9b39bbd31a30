"""
The compiler on every release whose bindings are kept: over a fake that has exactly their names.

What an option's row claims is set and read back, and what a release lacks is refused by the option's name;
nothing ends in an AttributeError.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from bindings.inventory import Inventory, inventories
from faketensorrt import content_of, fake_tensorrt
from faketensorrt.plans import four_numbers
from ignition_builder.compiling import libraries
from ignition_builder.compiling.compiler import Compiler
from ignition_builder.compiling.libraries import load_plugins
from ignition_builder.compiling.nvidia import TensorRTBackend
from ignition_builder.compiling.request import CompilationRequest
from ignition_builder.compiling.rtx import RtxBackend
from ignition_builder.documents import STRONG, WEAK
from ignition_builder.journal import Journal
from ignition_builder.options import options_of
from ignition_builder.report import Report
from ignition_hub.compatibility.option_row import OptionRow
from ignition_hub.compatibility.options import LEVEL_ROWS, OPTION_ROWS
from ignition_hub.compatibility.support_matrix import is_strongly_typed
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.identity import AMPERE_PLUS, PRODUCT, SAME_COMPUTE_CAPABILITY, Profile
from smallmodels import dense, model_of, request_for, saved, shape_range

ALL = inventories()
FULL = [item for item in ALL if item.release.flavor == "TensorRT"]
RTX = [item for item in ALL if item.release.flavor != "TensorRT"]
WEAKLY = [item for item in FULL if not is_strongly_typed("TensorRT", item.release.version)]
COMPATIBLE = [item for item in FULL if item.has("BuilderFlag.VERSION_COMPATIBLE")]
SETTABLE = [row for row in OPTION_ROWS if row.option not in ("calibration", "plugins", "failOnWarnings")]


def of(releases: list[Inventory] | tuple[Inventory, ...]) -> Any:
    return pytest.mark.parametrize("inventory", [pytest.param(item, id=name_of(item)) for item in releases])


def name_of(inventory: Inventory) -> str:
    return f"{inventory.release.flavor}-{inventory.release.version}"


class Built:
    """One build over a fake: the module, the compiler and what the fake wrote into its plan."""

    def __init__(
        self,
        inventory: Inventory,
        folder: Path,
        *,
        precision: str = "fp32",
        compatibility: str | None = None,
        model: Any = None,
        stubborn: tuple[str, ...] = (),
        **asked: Any,
    ) -> None:
        release, is_rtx = inventory.release, inventory.release.flavor != "TensorRT"
        self.fake = fake_tensorrt(release.version)
        self.fake.stubborn |= set(stubborn)
        version = ".".join(map(str, four_numbers(release.version)))
        options = asked.pop("options", {})
        request = request_for(precision, flavor=release.flavor, version=version, options=options)
        level = compatibility or (SAME_COMPUTE_CAPABILITY if is_rtx else PRODUCT)
        inputs = replace(
            request.inputs, compatibility=level, product="NVIDIA-A10" if level == PRODUCT else None
        )
        strong = is_strongly_typed(release.flavor, version)
        self.request = CompilationRequest(
            inputs=inputs,
            options=options_of(options),
            typing=asked.pop("typing", STRONG if strong else WEAK),
            **asked,
        )
        self.backend = (RtxBackend if is_rtx else TensorRTBackend)(self.fake)
        if is_rtx:
            self.backend.check(inputs, self.request.options)
        with Journal(folder / "log") as self.journal, (folder / "pipe").open("wb") as pipe:
            self.compiler = Compiler(self.backend, self.request, self.journal)
            self.compiler.parse(saved(model or dense(), folder))
            self.compiler.compile(folder / "engine", Report(pipe.fileno()))
        self.content = content_of((folder / "engine").read_bytes())


def refusal(inventory: Inventory, folder: Path, **asked: Any) -> IgnitionError:
    with pytest.raises(IgnitionError) as caught:
        Built(inventory, folder, **asked)
    assert caught.value.remedy
    assert not list(folder.glob("engine*"))
    return caught.value


@of(ALL)
def test_every_release_builds_the_plainest_model(inventory, tmp_path):
    built = Built(inventory, tmp_path)

    assert built.content["strong"] is (built.request.typing == STRONG)
    assert built.content["flags"] == []
    has_levels = inventory.has("IBuilderConfig.builder_optimization_level")
    assert built.compiler.settings.get("optimizationLevel") == (3 if has_levels else None)
    assert built.compiler.settings["workspace"] == built.fake.device_memory
    assert built.compiler.settings["profilingVerbosity"] == "LAYER_NAMES_ONLY"


@of(ALL)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in SETTABLE])
def test_an_option_is_set_where_it_exists_and_refused_by_name_elsewhere(row, inventory, tmp_path):
    options = {row.option: row.example}
    if not exists(row, inventory):
        error = refusal(inventory, tmp_path, options=options)
        assert error.reason is Reason.UnsupportedOption
        assert f"options.{row.option}" in error.message
        return
    content = Built(inventory, tmp_path, options=options).content

    assert content != plain_content(inventory.release.version, tmp_path)


PLAIN: dict[str, Any] = {}


def plain_content(version: str, folder: Path) -> Any:
    """What is built when nothing is asked for, once for each release."""
    if version not in PLAIN:
        inventory = next(item for item in ALL if item.release.version == version)
        PLAIN[version] = Built(inventory, folder).content
    return PLAIN[version]


def exists(row: OptionRow, inventory: Inventory) -> bool:
    if inventory in RTX:
        return row.rtx.verdict == "Takes"
    return row.exists_in(inventory.release.numbers)


@of(FULL)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in LEVEL_ROWS])
def test_a_level_is_set_where_it_exists_and_refused_elsewhere(row, inventory, tmp_path):
    if not exists(row, inventory):
        error = refusal(inventory, tmp_path, compatibility=row.part)
        assert f"compatibility: '{row.attributes[1].partition('.')[2]}'" in error.message
        return
    built = Built(inventory, tmp_path, compatibility=row.part)

    assert built.content["settings"]["hardware_compatibility_level"] == row.attributes[1].partition(".")[2]
    assert built.compiler.settings["hardwareCompatibilityLevel"] != "NONE"


@of([item for item in FULL if item.has("OnnxParserFlag.NATIVE_INSTANCENORM")])
def test_what_travels_uses_tensorrts_own_instance_norm(inventory, tmp_path):
    for name, asked in {
        "version": {"options": {"versionCompatible": {"enabled": True}}},
        "hardware": {"compatibility": AMPERE_PLUS},
    }.items():
        (tmp_path / name).mkdir()
        calls = Built(inventory, tmp_path / name, **asked).fake.calls
        flags = [call.arguments[0].name for call in calls if call.name == "OnnxParser.set_flag"]
        parsed = [index for index, call in enumerate(calls) if call.name == "OnnxParser.parse_from_file"]

        assert flags == ["NATIVE_INSTANCENORM"]
        assert next(i for i, call in enumerate(calls) if call.name == "OnnxParser.set_flag") < parsed[0]


@of(WEAKLY)
@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8", "fp8", "int4", "fp4"])
def test_a_weak_build_is_told_its_precision_by_a_flag(precision, inventory, tmp_path):
    if not inventory.has(f"BuilderFlag.{precision.upper()}"):
        error = refusal(inventory, tmp_path, precision=precision)
        assert f"BuilderFlag.{precision.upper()}" in error.message
        return

    assert Built(inventory, tmp_path, precision=precision).content["flags"] == [precision.upper()]


@of(WEAKLY)
def test_a_weak_build_allows_the_types_that_the_model_holds(inventory, tmp_path):
    half = ([2, 4], TensorProto.FLOAT16)
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": half}, {"y": half})

    assert Built(inventory, tmp_path, precision="int8", model=model).content["flags"] == ["FP16", "INT8"]


@of(FULL)
def test_a_strong_build_is_told_no_precision(inventory, tmp_path):
    if inventory in WEAKLY:
        return
    built = Built(inventory, tmp_path, precision="fp16")

    assert (built.content["strong"], built.content["flags"]) == (True, [])


@of(ALL)
def test_tf32_is_on_only_when_it_was_asked_for(inventory, tmp_path):
    assert Built(inventory, tmp_path, precision="tf32").compiler.flags == ("TF32",)


@of(WEAKLY)
def test_a_calibration_cache_reaches_tensorrt_through_its_calibrator(inventory, tmp_path):
    cache = tmp_path / "int8.cache"
    cache.write_bytes(b"TRT-8601-EntropyCalibration2\nx: 3c010a14\n")
    profile = Profile({"x": shape_range([1, 64], [4, 64], [8, 64])})
    asked = {"precision": "int8", "calibration_cache": cache, "model": dense(batch="n")}
    built = Built(inventory, tmp_path, profiles=(profile,), **asked)

    assert built.content["calibration"] == f"cache of {cache.stat().st_size} bytes"
    shapes = [call.arguments for call in built.fake.calls if call.name == "IOptimizationProfile.set_shape"]
    assert shapes[-1] == ("x", (4, 64), (4, 64), (4, 64))


@of(WEAKLY[:1])
def test_a_cache_of_nobodys_calibrator_is_refused(inventory, tmp_path):
    cache = tmp_path / "int8.cache"
    cache.write_bytes(b"TRT-8601-Guesswork\nx: 3c010a14\n")
    error = refusal(inventory, tmp_path, precision="int8", calibration_cache=cache)

    assert "Guesswork" in error.message


@of(ALL)
def test_a_profile_has_shapes_and_the_values_of_shape_tensors(inventory, tmp_path):
    shapes = {"x": shape_range([1, 64], [4, 64], [8, 64])}
    profiles = (Profile(shapes), Profile(shapes, {"y": shape_range([1], [2], [3])}))
    content = Built(inventory, tmp_path, model=dense(batch="n"), profiles=profiles).content

    assert content["profiles"] == [
        {"shapes": {"x": [[1, 64], [4, 64], [8, 64]]}, "values": {}},
        {"shapes": {"x": [[1, 64], [4, 64], [8, 64]]}, "values": {"y": [[1], [2], [3]]}},
    ]


@of([item for item in FULL if not item.has("IPluginRegistry.load_library")])
def test_where_the_registry_loads_no_library_it_registers_itself(inventory, tmp_path, monkeypatch):
    fake, library = fake_tensorrt(inventory.release.version), tmp_path / "attention.so"
    loaded = fake.get_plugin_registry()._libraries
    monkeypatch.setattr(libraries.ctypes, "CDLL", lambda path, mode: loaded.append(path))
    options = options_of({"plugins": [{"name": "attention"}]})

    with Journal(tmp_path / "log") as journal:
        (found,) = load_plugins(fake, fake.Builder(None), options, {"attention": library}, journal)

    assert (loaded, found.creators) == ([str(library)], ("attention:1",))


@of([item for item in ALL if item.has("IPluginRegistry.load_library")])
def test_plugin_libraries_are_loaded_first_and_listed(inventory, tmp_path):
    library = tmp_path / "attention.so"
    library.touch()
    options = {"plugins": [{"name": "attention", "source": {"sha256": "0" * 64}}]}
    built = Built(inventory, tmp_path, options=options, plugins={"attention": library})

    names = [call.name for call in built.fake.calls]
    assert names.index("IPluginRegistry.load_library") < names.index("OnnxParser.parse_from_file")
    assert built.compiler.plugins == [
        {"name": "attention", "sha256": "0" * 64, "delivery": "External", "creators": ["attention:1"]}
    ]
    assert not [name for name in names if name.endswith("plugins_to_serialize")]


@of(COMPATIBLE)
@pytest.mark.parametrize(("delivery", "packs"), [("Packed", True), ("External", False)])
def test_a_version_compatible_engine_carries_what_is_to_be_packed(delivery, packs, inventory, tmp_path):
    library = tmp_path / "attention.so"
    library.touch()
    options = {
        "plugins": [{"name": "attention", "delivery": delivery}],
        "versionCompatible": {"enabled": True},
    }
    built = Built(inventory, tmp_path, options=options, plugins={"attention": library})

    assert built.content["settings"]["plugins_to_serialize"] == ([str(library)] if packs else [])
    assert built.compiler.plugins[0]["delivery"] == delivery


@of(FULL[-1:])
def test_a_plugin_that_is_none_is_refused_by_name(inventory, tmp_path):
    empty, text = tmp_path / "empty.so", tmp_path / "text.so"
    empty.touch()
    options = {"plugins": [{"name": "attention"}]}

    for plugins, why in [({}, "not delivered"), ({"attention": empty}, "registers no"), (
        {"attention": text}, "does not load",
    )]:  # fmt: skip
        error = refusal(inventory, tmp_path, options=options, plugins=plugins)
        assert "options.plugins: attention" in error.message
        assert why in error.message


@of(FULL)
@pytest.mark.parametrize(
    ("stubborn", "options"),
    [
        ("IBuilderConfig.avg_timing_iterations", {"avgTimingIterations": 8}),
        ("MemoryPoolType.WORKSPACE", {"workspace": 1 << 20}),
        ("BuilderFlag.SPARSE_WEIGHTS", {"sparseWeights": True}),
    ],
)
def test_what_does_not_hold_its_value_is_refused_by_its_option(stubborn, options, inventory, tmp_path):
    error = refusal(inventory, tmp_path, options=options, stubborn=(stubborn,))

    assert error.reason is Reason.UnsupportedOption
    assert f"options.{next(iter(options))}: " in error.message
    assert inventory.release.version in error.message


@of(ALL)
def test_an_operator_tensorrt_lacks_is_refused_with_what_the_parser_says(inventory, tmp_path):
    node = helper.make_node("Madeup", ["x"], ["y"], name="odd", domain="ours")
    model = model_of([node], {"x": [1, 4]}, {"y": [1, 4]}, domains=["ours"])
    fake = fake_tensorrt(inventory.release.version)
    fake.refused_operators.add("Madeup")
    with Journal(tmp_path / "log") as journal:
        backend = (RtxBackend if inventory in RTX else TensorRTBackend)(fake)
        compiler = Compiler(
            backend,
            CompilationRequest(inputs=request_for().inputs, options=options_of({}), typing=WEAK),
            journal,
        )
        with pytest.raises(RequestError) as caught:
            compiler.parse(saved(model, tmp_path))

    assert caught.value.reason is Reason.UnsupportedOperator
    names_nodes = inventory.has("ParserError.node_name")
    assert ("node odd (Madeup)" if names_nodes else "node 0") in caught.value.message
    assert compiler.parser_messages[0]["operator"] == ("Madeup" if names_nodes else "")
