"""The small parts of the gateway: pace and flags."""

import pytest

from ignition_hub.gateway.process.progress import ProgressThrottle
from ignition_hub.gateway.process.settings import Role, parse_settings


class Clock:
    """Time as a test wants it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_one_report_per_job_in_five_seconds():
    clock = Clock()
    pace = ProgressThrottle(seconds=5, size=2, clock=clock)

    assert [pace.is_due("a"), pace.is_due("a"), pace.is_due("b")] == [True, False, True]
    clock.now += 5
    assert pace.is_due("a")


def test_a_pace_forgets_the_job_that_was_quiet_longest():
    pace = ProgressThrottle(seconds=5, size=2, clock=Clock())
    for job in "abc":
        pace.is_due(job)

    assert pace.is_due("a")
    assert not pace.is_due("c")


def test_flags_win_over_the_environment_and_the_url_follows_the_namespace():
    environment = {"IGNITION_TLS_CERT": "/c", "IGNITION_TLS_KEY": "/k", "IGNITION_PORT": "1"}

    settings = parse_settings(
        ["--signing-key=/s", "--port=2", "--release-namespace=hub", "--previous-keys=/a,/b"], environment
    )

    assert (settings.port, str(settings.tls_cert)) == (2, "/c")
    assert settings.gateway_url == "https://ignition-hub-gateway.hub.svc:443"
    assert [str(path) for path in settings.previous_keys] == ["/a", "/b"]
    assert settings.ca_bundle is None


def test_a_flag_that_lacks_is_named(capsys):
    with pytest.raises(SystemExit):
        parse_settings([], {})

    assert "--tls-cert" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--serve=pods"], "--signing-key is required to serve pods"),
        (["--serve=admission,builds"], "'admission,builds' is not one or more of: pods, admission"),
    ],
)
def test_what_to_serve_is_said_in_words_that_exist_and_with_what_it_needs(flags, message, capsys):
    with pytest.raises(SystemExit):
        parse_settings(["--tls-cert=/c", "--tls-key=/k", *flags], {})

    assert message in capsys.readouterr().err


def test_admission_alone_needs_no_signing_key():
    settings = parse_settings(["--tls-cert=/c", "--tls-key=/k", "--serve=admission"], {})

    assert (settings.serve, settings.signing_key) == ({Role.ADMISSION}, None)
