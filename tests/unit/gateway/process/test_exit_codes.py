"""How the gateway's process ends before it has begun."""

from pathlib import Path

import pytest

from ignition_hub.gateway import __main__ as program
from ignition_hub.gateway.process.exit_codes import CANNOT_START

FLAGS = ("--tls-cert=tls.crt", "--tls-key=tls.key", "--fetcher-image=fetcher")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "log_as_json", lambda: None)


def start(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr("sys.argv", ["ignition-gateway", *flags])
    return program.main()


def test_a_key_that_is_not_there_ends_it_with_the_file_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = tmp_path / "signing.key"

    assert start(monkeypatch, *FLAGS, f"--signing-key={key}") == CANNOT_START
    assert f"the gateway cannot start: [Errno 2] No such file or directory: '{key}'" in caplog.text


def test_a_flag_that_is_unknown_ends_it_with_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        start(monkeypatch, *FLAGS, "--signing-key=signing.key", "--colour=blue")

    assert ended.value.code == CANNOT_START
