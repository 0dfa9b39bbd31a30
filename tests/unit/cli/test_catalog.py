"""``kubectl ignition catalog``: what is asked of the API server and how the rows are printed."""

import http.client
import json
import sys
import threading

import pytest

from catalogrows import READY, engine, target
from commandline import exit_code_of
from ignition_hub.catalog.rows import rows_of
from ignition_hub.cli.catalog import Scope
from ignition_hub.cli.catalog_server import CatalogSite, address_of, listening
from ignition_hub.cli.errors import CliError

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
        code = exit_code_of(monkeypatch, "catalog", *words, program="kubectl-ignition")
        calls = tmp_path / "calls"
        return code, capsys.readouterr(), calls.read_text().strip() if calls.exists() else ""

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


def listing(namespace):
    if namespace == "secret":
        raise CliError("you may not list")
    return f"Namespace {namespace or 'vision'}", rows_of(engine(name="<b>"))


SITE = CatalogSite(listing)
HERE = "127.0.0.1:4711"


def test_the_page_shows_the_rows_of_the_user_and_may_run_nothing():
    reply = SITE.reply(f"{SITE.path}?namespace=vision", HERE, HERE)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "&lt;b&gt;" in reply.body
    assert "Namespace vision, as of" in reply.body
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", HERE, 404),
        ("/catalog", HERE, 404),
        (SITE.path.rstrip("/"), HERE, 404),
        ("/\u00e4", HERE, 404),
        (SITE.path, "localhost:4711", 421),
        (SITE.path, "attacker.example:4711", 421),
        (SITE.path, "", 421),
        (f"{SITE.path}?page=0", HERE, 400),
        (f"{SITE.path}?namespace=secret", HERE, 502),
    ],
    ids=["root", "name", "folder", "letter", "localhost", "another", "no host", "page", "namespace"],
)
def test_another_path_another_name_and_what_is_refused_show_no_row(target, host, status):
    reply = SITE.reply(target, host, HERE)

    assert (reply.status, reply.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert "arcface" not in reply.body


def test_two_servers_have_paths_that_cannot_be_guessed_from_each_other():
    paths = {CatalogSite(listing).path for _ in range(10)}

    assert len(paths) == 10
    assert min(map(len, paths)) >= 24


def test_a_browser_of_this_machine_is_answered_and_the_path_is_not_logged(capsys):
    with listening(SITE) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connection = http.client.HTTPConnection(address_of(server), timeout=10)
        try:
            connection.request("GET", SITE.path)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
            assert b"Engine catalog" in answer.read()
        finally:
            connection.close()
            server.shutdown()
            thread.join(timeout=10)
    assert "".join(capsys.readouterr()) == ""


def test_the_address_is_printed_with_what_was_asked_for_and_ctrl_c_is_a_good_end(catalog, monkeypatch):
    def interrupted(server):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)

    (code, printed, _) = catalog("--serve", "--gpu", "L4", "--state", "Ready", answer=[])

    assert code == 0
    assert printed.out.startswith("http://127.0.0.1:")
    assert printed.out.endswith("/?gpu=L4&state=Ready\n")


class Asked:
    """A kubectl that notes what it is asked."""

    def __init__(self):
        self.words = []

    def run(self, *words):
        self.words.append(words)
        return '{"items": []}'

    def namespace(self):
        return "vision"


@pytest.mark.parametrize(
    ("namespace", "everywhere", "named", "scope", "words"),
    [
        ("", False, "", "Namespace vision", ()),
        ("lab", False, "", "Namespace lab", ("--namespace", "lab")),
        ("", True, "", "All namespaces", ("--all-namespaces",)),
        ("", True, "speech", "Namespace speech", ("--namespace", "speech")),
        ("lab", False, "speech", "Namespace speech", ("--namespace", "speech")),
    ],
)
def test_a_namespace_of_the_form_is_asked_for_with_the_users_rights(
    namespace, everywhere, named, scope, words
):
    kubectl = Asked()

    assert Scope(kubectl, namespace, everywhere).listing(named) == (scope, [])
    assert kubectl.words == [("get", "tensorrtengines.ignitionhub.io", *words, "--output", "json")]
