"""``kubectl ignition catalog``: what is asked of the API server and how the rows are printed."""

import json
import sys

import pytest

from catalogrows import READY, engine, target
from ignition_hub.cli import app

KUBECTL = """#!{python}
import sys
with open("{folder}/calls", "a") as log:
    print(*sys.argv[1:], file=log)
answer = open("{folder}/answer").read()
sys.exit(answer) if answer.startswith("Error") else print(answer)
"""


@pytest.fixture
def catalog(tmp_path, monkeypatch, capsys):
    """Call the command with what kubectl answers; its code, what it printed, and what kubectl was asked."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    def run(*words, answer):
        text = answer if isinstance(answer, str) else json.dumps({"items": answer})
        (tmp_path / "answer").write_text(text)
        monkeypatch.setattr(sys, "argv", ["kubectl-ignition", "catalog", *words])
        try:
            code = app.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, capsys.readouterr(), (tmp_path / "calls").read_text().strip()

    return run


def columns(text):
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()]


def test_the_engines_of_the_contexts_namespace_are_a_table(catalog):
    code, printed, asked = catalog(answer=[engine(READY, target("sm_86", "Failed", reason="BuildFailed"))])

    heads, failed, ready = columns(printed.out)
    assert code == 0
    assert asked == "get tensorrtengines.ignitionhub.io --output json"
    assert heads == [
        "RESOURCE", "MODEL", "PRECISION", "GPU", "STATE", "TENSORRT", "POOL", "SIZE", "BUILD",
        "MAX ERROR", "LATENCY", "AGE",
    ]  # fmt: skip
    assert failed == [
        "arcface", "arcface_r100 v1.0", "fp16", "sm_86", "Failed: BuildFailed", *["-"] * 7
    ]  # fmt: skip
    assert ready[:9] == [
        "arcface", "arcface_r100 v1.0", "fp16", "NVIDIA-L4", "Ready", "10.13.2.6", "l4 (Native)", "50Mi",
        "3m33s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("-n", "vision"), "get tensorrtengines.ignitionhub.io --namespace vision --output json"),
        (("-A",), "get tensorrtengines.ignitionhub.io --all-namespaces --output json"),
        (("--context", "lab"), "--context lab get tensorrtengines.ignitionhub.io --output json"),
    ],
)
def test_kubectl_is_asked_with_the_users_own_rights(catalog, words, asked):
    assert catalog(*words, answer=[])[2] == asked


def test_of_all_namespaces_the_namespace_is_a_column(catalog):
    _, printed, _ = catalog("--all-namespaces", answer=[engine()])

    heads, row = columns(printed.out)
    assert (heads[0], row[0]) == ("NAMESPACE", "vision")


def test_rows_are_chosen_by_model_gpu_and_state(catalog):
    engines = [
        engine(),
        engine(name="other", model="resnet50"),
        engine(target("sm_86", "Failed"), name="old"),
    ]

    _, printed, _ = catalog("--model", "face", "--gpu", "sm_86", "--state", "Failed", answer=engines)

    assert [row[0] for row in columns(printed.out)[1:]] == ["old"]


def test_where_there_is_none_that_is_said_and_a_program_reads_an_empty_list(catalog):
    code, printed, _ = catalog(answer=[])
    assert (code, printed.out, printed.err) == (0, "", "No engines found.\n")

    _, printed, _ = catalog("-o", "json", answer=[])
    assert json.loads(printed.out) == {"engines": []}


def test_a_program_reads_the_rows_with_where_each_engine_is(catalog):
    _, printed, _ = catalog("-o", "json", answer=[engine()])

    (row,) = json.loads(printed.out)["engines"]
    assert (row["uri"], row["gpu"]["product"]) == (READY["uri"], "NVIDIA-L4")


def test_what_would_steer_a_terminal_is_not_printed(catalog):
    _, printed, _ = catalog(answer=[engine({**READY, "pool": "l4\x1b[2J"})])

    assert "\x1b" not in printed.out
    assert "l4\ufffd[2J" in printed.out


def test_what_kubectl_refuses_is_the_error(catalog):
    code, printed, _ = catalog(
        "-A", answer='Error from server (Forbidden): you may not list "tensorrtengines"'
    )

    assert code == 1
    assert "you may not list" in printed.err
