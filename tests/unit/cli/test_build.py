"""``ignition build`` and ``ignition cache`` as a person types them: results, one-line errors, exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commandline import exit_code_of as ignition
from ignition_hub import __version__
from ignition_hub.cli.arguments import batch_of, duration, options_of, seconds_of
from ignition_hub.cli.build import Form, result_of, show
from ignition_hub.cli.errors import CliError
from ignition_hub.cli.progress_bar import lines
from ignition_hub.local.cache import Cache
from local_harness import ARCH, placed
from smallmodels import dense, saved


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    for name in ("ARTIFACTS_ENDPOINT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TENSORRT_CACHE_DIR", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


def test_a_build_prints_what_was_built_and_where_it_loads(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    model = saved(dense(), tmp_path)
    assert ignition(monkeypatch, "build", model, "--arch", ARCH, "--classic") == 0
    text = capsys.readouterr()
    copy = tmp_path / "fp16" / "bs1" / "model.engine"

    assert f"engine    {copy}" in text.out
    assert "source    built" in text.out
    assert "loads on  every sm_89 GPU, linux-x86_64, with exactly TensorRT-RTX 1.7.1.116" in text.out
    assert "model.onnx for sm_89: Building engine" in text.err
    assert copy.with_name("model.engine.json").exists()

    assert (
        ignition(monkeypatch, "build", model, "--arch", ARCH, "--output", tmp_path / "it", "-o", "json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["source"] == "local_cache"
    assert Path(document["path"]).read_bytes() == copy.read_bytes()
    assert document["sizeBytes"] == copy.stat().st_size


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arch", "sm_90"], "FlavorCannotTarget: TensorRT-RTX compiles for"),
        (["--arch", "sm_89", "--precision", "fp64"], "InvalidRequest: precision: 'fp64'"),
        (["--arch", "sm_89", "--option", "speed=11"], "InvalidRequest: options.speed: 11: unknown option"),
        (["--arch", "sm_89", "--batch-size", "many"], "InvalidRequest: --batch-size many"),
        (["--arch", "sm_89", "--arch", "sm_86", "--classic"], "give one --arch"),
        (["--arch", "sm_89", "--arch", "sm89"], "did you mean sm_89?"),
        (["--arch", "sm_89", "--classic", "--output", "it"], "give one of them"),
        (["--arch", "sm_89", "--output", "/"], "output: '/': a folder: name a file"),
        (["--arch", "sm_89", "--store", "s3://engines"], "needs credentials"),
    ],
)
def test_a_refusal_is_a_line_and_with_json_a_reason(words, said, tmp_path, monkeypatch, capsys):
    model = saved(dense(), tmp_path)
    assert ignition(monkeypatch, "build", model, *words, "-o", "json") == 1
    printed = capsys.readouterr()

    error = json.loads(printed.out)["error"]
    assert said in f"{error['reason']}: {error['message']}"
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


def test_a_check_that_fails_is_a_reason_and_no_engine_and_the_remedy_works(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    words = ["build", saved(dense(), tmp_path), "--arch", ARCH, "-o", "json", "--verify", "accuracy.atol=0"]
    assert ignition(monkeypatch, *words, "--verify", "accuracy.rtol=0") == 1
    error = json.loads(capsys.readouterr().out)["error"]

    assert error["reason"] == "VerificationFailed"
    assert error["message"].endswith(" would let it pass) that the task allows")
    assert not list((tmp_path / "cache").rglob("*.trt"))
    assert ignition(monkeypatch, *words, "--verify", "accuracy.rtol=0.1") == 0
    assert json.loads(capsys.readouterr().out)["checked"] == "model"


def test_a_file_where_the_format_belongs_is_told_from_the_file_of_the_engine(monkeypatch, capsys):
    assert ignition(monkeypatch, "build", "model.onnx", "-o", "model.engine") == 2
    assert "use text or json; --output takes a file" in " ".join(capsys.readouterr().err.split())


def test_the_help_shows_every_command_whole_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert ignition(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80
    assert ignition(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"ignition {__version__}\n"


def test_a_cache_that_cannot_keep_the_engine_is_said_before_the_build(tmp_path, monkeypatch, capsys, cache):
    cache.root.write_text("a file")

    assert ignition(monkeypatch, "build", saved(dense(), tmp_path), "--arch", ARCH) == 1
    said = capsys.readouterr().err
    assert "cannot be written (Not a directory)" in said or "cannot be written (File exists)" in said
    assert "Building engine" not in said


def test_the_cache_is_listed_and_cleared(monkeypatch, capsys, cache):
    engine = placed(cache)
    assert ignition(monkeypatch, "cache", "list") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "VERSION", "PRECISION", "ARCH", "TENSORRT", "SIZE", "AGE", "IDENTITY"]
    assert row.split()[:4] == ["resnet50", "v1", "fp16", "sm_89"]
    assert row.split()[-1] == engine.manifest.identity[:16]

    assert ignition(monkeypatch, "cache", "list", "-o", "json") == 0
    assert [one["path"] for one in json.loads(capsys.readouterr().out)] == [str(engine.path)]
    assert ignition(monkeypatch, "cache", "clear", "--dry-run") == 0
    assert ignition(monkeypatch, "cache", "clear", "--yes", "--model", "another") == 0
    assert ignition(monkeypatch, "cache", "clear", "--yes", "--older-than", "5200w") == 0
    assert engine.path.exists()
    assert ignition(monkeypatch, "cache", "clear", "--yes") == 0
    assert not engine.path.exists()
    assert "removed 1 engine, " in capsys.readouterr().err
    assert ignition(monkeypatch, "cache", "list") == 0
    assert capsys.readouterr() == ("", f"no engines in {cache.root}\n")


def test_options_are_read_as_people_write_them():
    given = ["optimizationLevel=5", "workspace=4Gi", "versionCompatible.enabled=true", 'failOnWarnings=["A"]']

    assert options_of(given) == {
        "optimizationLevel": 5,
        "workspace": "4Gi",
        "versionCompatible": {"enabled": True},
        "failOnWarnings": ["A"],
    }
    for wrong in ("speed", "=1", "a..b=1"):
        with pytest.raises(CliError, match="NAME=VALUE"):
            options_of([wrong])
    with pytest.raises(CliError, match="has a value already"):
        options_of(["a=1", "a.b=2"])


def test_batches_and_durations_are_read_and_told():
    assert (batch_of(None), batch_of("32"), batch_of("1:8:32")) == (None, 32, (1, 8, 32))
    assert (seconds_of(None), seconds_of("90s"), seconds_of("7d")) == (0.0, 90.0, 604800.0)
    assert [duration(age) for age in (5, 120, 7200, 200000)] == ["5s", "2m", "2h", "2d"]
    with pytest.raises(CliError, match="--older-than soon"):
        seconds_of("soon")


def test_without_a_terminal_a_line_tells_each_phase_and_now_and_then_more(capsys):
    now = 0.0
    watch = lines("m.onnx", lambda: now)
    watch("Checking model", 0.0)
    watch("Checking model", 0.05)
    watch("Building engine", 0.1)
    now = 6.0
    watch("Building engine", 0.5)

    assert capsys.readouterr().err.splitlines() == [
        "m.onnx: Checking model, 0%",
        "m.onnx: Building engine, 10%",
        "m.onnx: Building engine, 50%",
    ]


def test_a_manifest_that_a_stranger_wrote_breaks_neither_the_result_nor_the_terminal(tmp_path, capsys):
    engine = placed(Cache(tmp_path))
    words = (7, "\x1b[2J", {"code": "\x1b[2JInt64Clamped", "count": 2}, {"code": "Alone"})
    build = replace(engine.manifest.build, warnings=words)
    stranger = replace(engine, manifest=replace(engine.manifest, build=build))
    show(result_of(stranger, "remote", engine.path), Form.text)

    shown = capsys.readouterr().out
    assert "Int64Clamped (2)" in shown
    assert "\x1b" not in shown
