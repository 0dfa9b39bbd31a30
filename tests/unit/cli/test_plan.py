"""``kubectl ignition plan``: the words of the status before anything is applied, one line for a mistake."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from commandline import run_command
from ignition_hub.cli import app
from plannedresources import CPU, L4, OLD, engine, pool

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
KUBECTL = """#!{python}
import sys
if sys.argv[1:4] != ["get", "buildpools.ignitionhub.io", "--output"]:
    sys.exit("Error from server (Forbidden): you may not " + sys.argv[1])
print(open("{pools}").read())
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(engines: Any, pools: list[dict[str, Any]] | None = None, *words: str) -> tuple[int, str]:
        file, offered = tmp_path / "engine.yaml", tmp_path / "pools.yaml"
        file.write_text(engines if isinstance(engines, str) else yaml.safe_dump(engines))
        offered.write_text(yaml.safe_dump_all([L4, CPU] if pools is None else pools))
        return run_command(monkeypatch, capsys, "plan", "-f", file, "--pools", offered, *words)

    return run


def test_a_plan_names_pool_version_tier_and_where_the_engine_loads(plan):
    code, said = plan(engine({"gpuArch": "sm_89", "product": "NVIDIA-L4", "compatibility": "Product"}))

    assert code == 0
    assert said.splitlines() == [
        "vision/resnet  fp16  1 of 1 targets can be built",
        "  nvidia-l4: pool l4 builds it with TensorRT 10.13.2.6, tier Native",
        "    loads on NVIDIA-L4 alone, linux-x86_64, with exactly TensorRT 10.13.2.6",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "exactly TensorRT 10.13.2.6"),
        (
            {"versionCompatible": {"enabled": True}},
            "TensorRT 10.13.2.6 and newer 10.x, and every TensorRT 11; set engine_host_code_allowed",
        ),
        (
            {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}},
            "load it through runtime.load_runtime",
        ),
        ({"runtimePlatform": "WindowsAMD64"}, "every sm_89 GPU, windows-x86_64"),
    ],
)
def test_a_plan_says_what_the_loading_process_needs(plan, options, words):
    code, said = plan(engine(options=options), [L4])

    assert code == 0
    assert words in said


def test_one_target_that_cannot_be_built_is_exit_code_1(plan):
    code, said = plan(engine({"gpuArch": "sm_89"}, {"gpuArch": "sm_90"}), [L4, CPU], "-o", "json")

    good, bad = json.loads(said)["engines"][0]["targets"]
    assert code == 1
    assert (good["buildable"], good["loads"]["gpuArchs"]) == (True, ["sm_89"])
    assert (bad["buildable"], bad["reason"]) == (False, "NoPoolForArch")
    assert "add a BuildPool with a Hopper GPU" in bad["message"]


def test_a_target_without_a_level_on_an_old_release_is_told_the_product_and_the_remedy_works(plan):
    code, said = plan(engine(), [OLD])

    assert code == 1
    assert "sm-89: CompatibilityUnsupported" in said
    assert "use compatibility: Product with product: NVIDIA-L4" in said
    code, said = plan(engine({"gpuArch": "sm_89", "compatibility": "Product", "product": "NVIDIA-L4"}), [OLD])
    assert code == 0
    assert "pool old builds it with TensorRT 8.6.1.6, tier Native" in said


def test_pools_come_from_the_cluster_when_no_file_is_given(tmp_path, monkeypatch, capsys):
    (tmp_path / "pools.json").write_text(json.dumps({"kind": "List", "items": [L4]}))
    (tmp_path / "engine.json").write_text(json.dumps(engine()))
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, pools=tmp_path / "pools.json"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["kubectl-ignition", "plan", "-f", str(tmp_path / "engine.json")])

    with pytest.raises(SystemExit) as ended:
        app.main()

    assert not ended.value.code
    assert "pool l4 builds it" in capsys.readouterr().out


TEAMS = [
    {"namespaces": ["vision"], "queueName": "gpu-high", "priorityClassName": "high"},
    {"namespaces": ["default"], "queueName": "gpu-low", "mayName": ["queueName"]},
]


def teams(name: str = "l4") -> dict[str, Any]:
    return pool(name, gpu={"arch": "sm_89", "product": "NVIDIA-L4"}, tenants=TEAMS)


def test_a_plan_says_which_queue_and_priority_class_the_pool_gives(plan):
    code, said = plan(engine(), [teams()])
    assert (code, said.splitlines()[2:4]) == (0, ["    queueName gpu-high", "    priorityClassName high"])

    _, said = plan(engine(), [teams()], "-o", "json")
    (target,) = json.loads(said)["engines"][0]["targets"]
    assert (target["queueName"], target["priorityClassName"]) == ("gpu-high", "high")


def test_a_queue_that_the_namespace_may_not_name_is_refused_before_anything_is_applied(plan):
    code, said = plan(engine(build={"queueName": "gold"}), [teams()])

    assert code == 1
    assert said.splitlines()[1:] == [
        "  sm-89: SchedulingForbidden",
        "    spec.build.queueName is gold, but spec.tenants[0] of BuildPool l4 does not let namespace vision "
        "name it: remove it, which gives the build queueName gpu-high, or have the platform team add "
        "queueName to mayName of that entry",
    ]


def test_a_file_without_a_namespace_is_planned_for_the_one_that_kubectl_would_apply_it_to(
    plan, tmp_path, monkeypatch, capsys
):
    body = engine(build={"queueName": "gold"})
    del body["metadata"]["namespace"]
    assert "queueName gold" in plan(body, [teams()])[1]  # default may name one

    (tmp_path / "pools.json").write_text(json.dumps({"kind": "List", "items": [teams()]}))
    program = tmp_path / "kubectl"
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"print('vision' if sys.argv[1] == 'config' else open({str(tmp_path / 'pools.json')!r}).read())\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["kubectl-ignition", "plan", "-f", str(tmp_path / "engine.yaml")])
    with pytest.raises(SystemExit):
        app.main()

    assert "does not let namespace vision name it" in capsys.readouterr().out


def test_several_documents_lists_and_folders_are_read(plan, tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    (folder / "a.yaml").write_text(yaml.safe_dump_all([engine(), None, pool("l4")]))
    (folder / "b.json").write_text(json.dumps({"kind": "List", "items": [engine()]}))
    (folder / "README.md").write_text("not: [yaml")

    _, said = plan(engine(), [L4], "-f", str(folder), "-o", "json")

    assert len(json.loads(said)["engines"]) == 3


def test_standard_input_is_read(plan, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(yaml.safe_dump(engine(precision="int8"))))

    _, said = plan(engine(), [L4], "-f", "-", "-o", "json")

    assert [one["precision"] for one in json.loads(said)["engines"]] == ["fp16", "int8"]


def with_version(written: str) -> str:
    body = engine()
    body["spec"]["model"]["version"] = "WRITTEN"
    return yaml.safe_dump(body).replace("WRITTEN", written)


@pytest.mark.parametrize("written", ["2026-11-30", "2026-02-30", "1.5.2", "0x1p4", "1e", "'1234e56'"])
def test_a_version_that_kubectl_reads_as_a_string_is_planned(plan, written):
    code, _ = plan(with_version(written), [L4])

    assert code == 0


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1234e56", "1.234e+59"),
        ("08", "8.0"),
        ("0o17", "15"),
        ("1_0", "10"),
        ("y", "True"),
        ("N", "False"),
        ("off", "False"),
    ],
)
def test_a_version_that_kubectl_reads_as_something_else_is_refused(plan, written, read):
    code, said = plan(with_version(written))

    assert code == 1
    assert f"spec.model.version: '{read}': input should be a valid string" in said


def test_minutes_and_seconds_are_no_number_to_base_60(plan):
    assert "spec.model.version: '12:30': string should match" in plan(with_version("12:30"))[1]


def test_every_example_is_read_without_a_mistake(plan):
    code, said = plan(engine(), [L4], "-f", str(EXAMPLES), "-o", "json")

    names = [one["name"] for one in json.loads(said)["engines"]]
    assert code in (0, 1)
    assert {"arcface-r100", "detector", "bert-base"} <= set(names)


def without(body: dict[str, Any], field: str) -> dict[str, Any]:
    return {**body, "spec": {name: value for name, value in body["spec"].items() if name != field}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [b", ["not YAML"]),
        ("just words", ["'just words' is not an object"]),
        ("", ["no TensorRTEngine found; it contains nothing"]),
        (pool("l4"), ["no TensorRTEngine found; it contains BuildPool"]),
        ({**engine(), "apiVersion": "v1"}, ["apiVersion: 'v1': must be ignitionhub.io/v1alpha1"]),
        (engine(precison="fp16"), ["spec.precison: unknown field; did you mean precision?"]),
        (engine(options={"fastMath": True}), ["spec.options.fastMath: unknown field"]),
        (engine({"gpuArch": "sm_89", "gpu": "L4"}), ["spec.targets[0].gpu: unknown field"]),
        (
            engine(profiles=[{"shapes": {"x": {"mini": [1]}}}]),
            ["spec.profiles[0].shapes.x.mini: unknown field; did you mean min?"],
        ),
        (engine({"gpuArch": "ada"}), ["spec.targets[0].gpuArch: 'ada': string should match"]),
        (engine(precision="fp12"), ["spec.precision: 'fp12': input should be 'fp32'"]),
        (without(engine(), "precision"), ["spec.precision: field required"]),
        (without(engine(), "targets"), ["spec.targets: field required"]),
        (engine(options={"workspace": "much"}), ["spec.options.workspace: 'much'"]),
        ({**engine(), "spec": 7}, ["spec: '7': input should be"]),
        ({**engine(), "metadata": None}, ["metadata"]),
        ({**engine(), "metadata": "foo"}, ["metadata: 'foo': input should be"]),
        ("a: !!timestamp 2026-02-30", ["not YAML: day is out of range for month"]),
    ],
)
def test_a_mistake_is_one_line_with_field_value_and_why(plan, text, words):
    code, said = plan(text)

    assert code == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert [word for word in words if word not in said] == []


def test_a_file_that_is_not_there_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ignition", "plan", "-f", "nowhere.yaml"])

    assert app.main() == 1
    assert capsys.readouterr().err == "error: nowhere.yaml: No such file or directory\n"
