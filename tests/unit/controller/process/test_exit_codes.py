"""How the controller's process ends before it has begun."""

import pytest
from kubernetes.aio.config import ConfigException

from ignition_hub.controller import __main__ as program
from ignition_hub.controller.process.exit_codes import FAILED, USAGE


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "log_as_json", lambda _: None)


def start(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr("sys.argv", ["ignition-controller", *flags])
    return program.main()


@pytest.mark.parametrize(
    "flags", [[], ["--gateway-url", "http://gateway"], ["--gateway-url=https://g", "--x"]]
)
def test_a_flag_that_cannot_be_used_ends_it_with_the_code_of_usage(
    monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(monkeypatch, *flags)

    assert ended.value.code == USAGE


def test_a_cluster_that_cannot_be_logged_in_to_ends_it_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refuse(_: object) -> int:
        raise ConfigException("no configuration")

    monkeypatch.setattr(program, "run", refuse)

    assert start(monkeypatch, "--gateway-url", "https://gateway") == FAILED
    assert "cannot log in to Kubernetes: no configuration" in capsys.readouterr().err
