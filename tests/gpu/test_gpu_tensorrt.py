"""
TensorRT itself on a real GPU: what bindings and fakes cannot prove, see ``docs/proof.md``.

Every engine is built by the builder's own three stages, loaded, run, and compared with onnxruntime.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpubuilds import Bench, checks, damaged, loaded
from ignition_builder.compiling.lean import lean_runtime
from ignition_builder.compiling.timing import merged
from ignition_builder.documents import TimingCacheTask
from ignition_builder.kept import stop_kept
from ignition_hub.compatibility.case import type_since
from ignition_hub.compatibility.load_errors import cause_of
from ignition_hub.compatibility.loading import EngineFacts
from ignition_hub.compatibility.option_row import OptionRow
from ignition_hub.compatibility.options import EXTERNAL_LIBRARIES, LEVEL_ROWS, OPTION_ROWS, row_of
from ignition_hub.compatibility.runtimes import Runtime, runtime_refusal
from ignition_hub.compatibility.support_matrix import is_strongly_typed, parse_version
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.plan_header import read_plan_header
from ignition_hub.engine.request import READ_ONLY, READ_WRITE
from ignition_hub.runtime.mapped import header_of
from keptcompiler import kept_answers
from smallmodels import dense, shape_range

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

SETTABLE = [row for row in OPTION_ROWS if row.option not in ("calibration", "plugins", "failOnWarnings")]
DYNAMIC = {"x": shape_range([1, 64], [4, 64], [8, 64])}


def of(rows: Any) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows])


def skip_unless_it_has(row: OptionRow, full: Bench) -> None:
    if not row.exists_in(full.release):
        pytest.skip(f"TensorRT {full.version} has no {row.name}; the unit tests prove that it is refused")


def skip_without_lean_runtime(full: Bench) -> None:
    if not row_of("versionCompatible.enabled").exists_in(full.release):
        pytest.skip(f"TensorRT {full.version} has no version compatible engines")
    if lean_runtime(full.trt) is None:
        pytest.skip(f"no lean runtime is installed beside TensorRT {full.version}: its engines embed none")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_an_engine_is_built_run_and_equal_to_the_model(full: Bench, precision: str) -> None:
    if full.release < type_since(precision):
        pytest.skip(f"TensorRT {full.version} has no {precision}; the unit tests prove that it is refused")
    tolerance = {"against": "onnxruntime", "rtol": 5e-2, "atol": 2e-2}
    loose = {"accuracy": tolerance} if precision == "bf16" else {}
    built = full.build(dense(), precision, verification=checks(**loose))

    facts = built.facts
    assert facts.checked == "engine"
    assert facts.accuracy is not None
    assert facts.accuracy["outputs"][0]["outside"] == 0
    assert facts.benchmark is not None
    assert facts.benchmark["runs"] >= 10
    assert facts.gpu is not None
    assert facts.gpu["compute_capability"] == full.gpu.compute_capability
    assert facts.driver == full.gpu.driver
    assert facts.typing == ("Strong" if is_strongly_typed("TensorRT", full.version) else "Weak")
    with built.path.open("rb") as file:
        header = read_plan_header(file)
    assert header.flavor == "TensorRT"
    assert parse_version(header.version)[:3] == parse_version(full.version)[:3]
    assert header.size == built.size


def test_a_dynamic_engine_runs_at_every_end_of_its_profile(full: Bench) -> None:
    built = full.build(dense(batch="n"), "fp16", profiles=[DYNAMIC], verification=checks())

    assert built.facts.checked == "engine"
    assert built.facts.profiles[0]["shapes"]["x"]["max"] == [8, 64]


def test_two_builds_of_one_process_are_each_equal_to_their_model(full: Bench) -> None:
    try:
        built = [
            full.build(dense(width=width), "fp16", verification=checks(), may_build_again=True)
            for width in (96, 160)
        ]
        assert kept_answers() == 2
    finally:
        stop_kept()

    for one in built:
        assert one.facts.checked == "engine"
        assert one.facts.accuracy is not None
        assert one.facts.accuracy["outputs"][0]["outside"] == 0
        assert "error:" not in one.log.read_text()


@of(SETTABLE)
def test_an_option_is_taken_by_the_real_builder(full: Bench, row: OptionRow) -> None:
    skip_unless_it_has(row, full)
    options = {row.option: row.example}
    if row.option == "weightStreaming" and not is_strongly_typed("TensorRT", full.version):
        pytest.skip("weight streaming needs a strongly typed network")
    if row.option == "tacticSources" and row.part in EXTERNAL_LIBRARIES and full.lacks_cublas:
        pytest.skip(f"TensorRT {full.version} needs cuBLAS and cuDNN for {row.part}, and they are not here")
    if row.name == "versionCompatible.enabled":
        skip_without_lean_runtime(full)

    assert full.build(dense(), options=options).size > 0


@of(LEVEL_ROWS)
def test_a_level_of_compatibility_is_taken_and_the_engine_runs_here(full: Bench, row: OptionRow) -> None:
    skip_unless_it_has(row, full)
    if full.gpu.integrated or full.gpu.capability < (8, 0):
        pytest.skip(f"no level reaches beyond {full.gpu.name}")
    built = full.build(dense(), "fp16", compatibility=row.part, verification=checks())

    assert built.facts.checked == "engine"
    assert built.facts.settings is not None
    assert built.facts.settings["hardwareCompatibilityLevel"] == row.attributes[1].partition(".")[2]


def test_a_stripped_engine_is_smaller_and_whole_again_after_refitting(full: Bench) -> None:
    if not hasattr(full.trt, "OnnxParserRefitter"):
        pytest.skip(f"TensorRT {full.version} cannot strip a plan")
    model = dense(width=512)
    whole = full.build(model, "fp32")
    stripped = full.build(model, "fp32", options={"stripPlan": True})
    assert stripped.size < whole.size / 2

    trt, logger = full.trt, full.trt.Logger()
    engine = trt.Runtime(logger).deserialize_cuda_engine(stripped.path.read_bytes())
    refitter = trt.Refitter(engine, logger)
    assert trt.OnnxParserRefitter(refitter, logger).refit_from_file(str(stripped.path.parent / "model.onnx"))
    assert refitter.refit_cuda_engine()
    assert len(bytes(engine.serialize())) > whole.size / 2


def test_a_version_compatible_engine_is_loaded_only_where_its_host_code_is_trusted(full: Bench) -> None:
    skip_without_lean_runtime(full)
    built = full.build(dense(), options={"versionCompatible": {"enabled": True}})

    is_loaded, said = loaded("tensorrt", built.path)
    assert not is_loaded
    cause = cause_of(said)
    assert cause is not None, said
    assert cause.reason is Reason.HostCodeNotTrusted
    assert loaded("tensorrt", built.path, host_code=True)[0]


def test_where_no_lean_runtime_is_installed_the_remedy_that_is_named_builds(full: Bench) -> None:
    if not row_of("versionCompatible.enabled").exists_in(full.release):
        pytest.skip(f"TensorRT {full.version} has no version compatible engines")
    if found := lean_runtime(full.trt):
        pytest.skip(f"a lean runtime is installed: {found.name}")
    with pytest.raises(IgnitionError) as caught:
        full.build(dense(), options={"versionCompatible": {"enabled": True}})
    assert caught.value.reason is Reason.UnsupportedOption
    assert "options.versionCompatible.excludeLeanRuntime: true" in caught.value.remedy

    without = {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}}
    built = full.build(dense(), options=without)
    assert {"VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME"} <= set(built.facts.flags)
    assert loaded("tensorrt", built.path)[0]


def test_a_plan_with_another_magic_is_refused_in_words_we_know(full: Bench) -> None:
    path = damaged(full.build(dense()).path, at=0)

    is_loaded, said = loaded("tensorrt", path)

    assert not is_loaded
    cause = cause_of(said)
    assert cause is not None, said
    assert cause.reason is Reason.PlanRejected


def test_a_plan_of_another_version_is_refused_by_us_whatever_tensorrt_does(full: Bench) -> None:
    path = full.build(dense()).path
    before = header_of(path)[1]
    changed = header_of(damaged(path, at=full.place_of_version))[1]
    refusal = runtime_refusal(EngineFacts.of_header(changed), Runtime("TensorRT", before.version))
    assert refusal is not None
    assert refusal.reason is Reason.WrongTensorRT

    is_loaded, said = loaded("tensorrt", path)
    if full.checks_the_version:
        assert not is_loaded
        cause = cause_of(said)
        assert cause is not None, said
        assert cause.reason is Reason.WrongTensorRT
    else:
        # Run: 8.6.0 loads it, so our own check is the only one.
        assert is_loaded, said


def test_a_second_build_uses_the_timing_cache_of_the_first(full: Bench, tmp_path: Path) -> None:
    cache, model = tmp_path / "timing.cache", dense(width=256)
    first = full.build(model, timing_cache=TimingCacheTask(mode=READ_WRITE, path_out=str(cache)))
    second = full.build(model, timing_cache=TimingCacheTask(mode=READ_ONLY, path_in=str(cache)))

    assert first.facts.timing_cache is not None
    assert first.facts.timing_cache["missed"]
    assert cache.stat().st_size > 0
    assert second.facts.timing_cache is not None
    assert (second.facts.timing_cache["used"], second.facts.timing_cache["missed"]) == (True, False)


def test_two_timing_caches_put_together_spare_both_builds(full: Bench, tmp_path: Path) -> None:
    caches, models = [tmp_path / "a.cache", tmp_path / "b.cache"], [dense(width=256), dense(width=320)]
    for cache, model in zip(caches, models, strict=True):
        full.build(model, timing_cache=TimingCacheTask(mode=READ_WRITE, path_out=str(cache)))
    builder = full.trt.Builder(full.trt.Logger())
    both = tmp_path / "both.cache"
    both.write_bytes(merged(builder.create_builder_config(), *(cache.read_bytes() for cache in caches)))

    for model in models:
        facts = full.build(model, timing_cache=TimingCacheTask(mode=READ_ONLY, path_in=str(both))).facts
        assert facts.timing_cache is not None
        assert (facts.timing_cache["used"], facts.timing_cache["missed"]) == (True, False)


def test_a_bit_flipped_within_a_timing_cache_fails_no_build(full: Bench, tmp_path: Path) -> None:
    cache, model = tmp_path / "timing.cache", dense(width=256)
    full.build(model, timing_cache=TimingCacheTask(mode=READ_WRITE, path_out=str(cache)))
    damaged(cache, at=cache.stat().st_size // 2)
    task = TimingCacheTask(mode=READ_ONLY, path_in=str(cache))
    built = full.build(model, verification=checks(), timing_cache=task)

    assert built.facts.checked == "engine"


@pytest.mark.parametrize("mode", [READ_WRITE, READ_ONLY])
@pytest.mark.parametrize("damage", ["nonsense", "cut", "inverted"])
def test_a_damaged_timing_cache_is_ignored_and_the_build_goes_on(
    full: Bench, tmp_path: Path, damage: str, mode: str
) -> None:
    cache, left, model = tmp_path / "timing.cache", tmp_path / "left.cache", dense(width=256)
    full.build(model, timing_cache=TimingCacheTask(mode=READ_WRITE, path_out=str(cache)))
    good = cache.read_bytes()
    inverted = bytes(byte ^ 0xFF for byte in good)
    cache.write_bytes(
        {"nonsense": b"nonsense" * 64, "cut": good[: len(good) // 2], "inverted": inverted}[damage]
    )
    out = str(left) if mode == READ_WRITE else None
    facts = full.build(model, timing_cache=TimingCacheTask(mode=mode, path_in=str(cache), path_out=out)).facts

    assert facts.timing_cache is not None
    assert facts.timing_cache["used"] is False
    assert [item for item in facts.warnings if item["code"] == "TimingCacheIgnored"]
    if mode == READ_WRITE:
        again = full.build(model, timing_cache=TimingCacheTask(mode=READ_ONLY, path_in=str(left))).facts
        assert again.timing_cache is not None
        assert (again.timing_cache["used"], again.timing_cache["missed"]) == (True, False)


def test_another_gpu_than_the_one_asked_for_is_refused_before_anything_is_built(full: Bench) -> None:
    other = "sm_75" if full.gpu.arch != "sm_75" else "sm_86"
    with pytest.raises(IgnitionError) as caught:
        full.build(dense(), arch=other)

    assert caught.value.reason is Reason.WrongGPU
    assert full.gpu.name in caught.value.message


def test_another_product_of_the_same_architecture_is_refused(full: Bench) -> None:
    other = Bench(full.flavor, full.version, replace(full.gpu, name="NVIDIA Imaginary 1"), full.folder)
    with pytest.raises(IgnitionError) as caught:
        other.build(dense())

    assert caught.value.reason is Reason.WrongGPU
    assert "NVIDIA-Imaginary-1" in caught.value.message


def test_the_header_of_a_real_plan_is_read_from_its_first_bytes(full: Bench) -> None:
    plan = full.build(dense()).path.read_bytes()

    assert read_plan_header(io.BytesIO(plan[:64])).size == len(plan)
