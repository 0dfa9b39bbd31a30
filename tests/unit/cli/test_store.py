"""``ignition store check``: what a server does, in a table and for programs; the servers are stand-ins."""

import json

import pytest

from commandline import run_command
from ignition_hub.cli.errors import REFUSED, UNREACHABLE
from oddstore import odd_store


@pytest.fixture
def check(monkeypatch, capsys):
    for name in ("ARTIFACTS_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARTIFACTS_ACCESS_KEY", "a")
    monkeypatch.setenv("ARTIFACTS_SECRET_KEY", "b")

    def run(*words):
        return run_command(monkeypatch, capsys, "store", "check", *words)

    return run


def test_a_server_that_keeps_writers_apart_is_a_table_and_exit_code_0(check):
    with odd_store() as server:
        code, printed = check(f"{server.endpoint}/engines/ignition")

    lines = printed.splitlines()
    assert code == 0
    assert lines[0].split() == ["ASKED", "HOLDS", "SEEN"]
    completed = next(line for line in lines if "CompleteMultipartUpload" in line)
    assert completed.split("   ")[-1].strip() == "a second upload is refused"
    assert lines[-1] == "Conditional writes keep two writers apart."


def test_a_server_that_does_not_is_told_with_what_follows_and_exit_code_1(check):
    with odd_store(completes_over=True) as server:
        code, printed = check(f"{server.endpoint}/engines/ignition", "-o", "json")

    told = json.loads(printed)
    broken = {one["asked"]: one["seen"] for one in told["asked"] if not one["holds"]}
    assert (code, told["conditionalWrites"]) == (1, False)
    assert broken["CompleteMultipartUpload, If-None-Match"] == "ignored: a second upload replaced the first"


@pytest.mark.parametrize(
    ("words", "ends", "told"),
    [
        ((), 1, "no store is named: give https://s3.example.com/engines/ignition"),
        (("http://127.0.0.1:9/engines",), 3, "127.0.0.1:9"),
    ],
    ids=["none", "away"],
)
def test_a_store_that_is_not_named_or_away_is_one_line(check, words, ends, told):
    code, printed = check(*words)

    assert code == ends
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert told in printed


@pytest.mark.parametrize(
    ("place", "environ", "told"),
    [
        ("https://[::1/engines", {}, "STORE: 'https://[::1/engines': not an address"),
        ("http://127.0.0.1:99999/engines", {}, "STORE: 'http://127.0.0.1:99999/engines': not an address"),
        ("http://127.0.0.1:abc/engines", {}, "STORE: 'http://127.0.0.1:abc/engines': not an address"),
        ("http://s3..example.com/engines", {}, "Invalid endpoint: http://s3..example.com"),
        ("http://127.0.0.1:9/my bucket", {}, 'Invalid bucket name "my bucket"'),
        ("http://127.0.0.1:9/engines", {"ARTIFACTS_REGION": "us east"}, "region_name 'us east'"),
        ("http://127.0.0.1:9/engines", {"ARTIFACTS_ACCESS_KEY": "a\n"}, "a line end in the access key"),
        ("s3://engines", {"AWS_ENDPOINT_URL": "localhost:9000"}, "AWS_ENDPOINT_URL: 'localhost:9000'"),
        ("s3://engines", {"ARTIFACTS_ACCESS_KEY": ""}, "STORE s3://engines: the artifacts store needs"),
    ],
)
def test_a_setting_that_no_request_can_be_made_of_is_refused_and_not_said_to_be_retried(
    check, monkeypatch, place, environ, told
):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    code, printed = check(place)

    assert code == REFUSED
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert told in printed
    assert [word for word in ("retried", "EngineStore") if word in printed] == []


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_no_profile_and_no_file_of_aws_is_read(check, monkeypatch, tmp_path, variable):
    (tmp_path / "config").write_text("[profile\n")
    monkeypatch.setenv(variable, "missing" if variable == "AWS_PROFILE" else str(tmp_path / "config"))

    assert check("http://127.0.0.1:9/engines")[0] == UNREACHABLE
