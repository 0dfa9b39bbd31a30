"""The small parts of the gateway: pace, reservations and flags."""

import pytest

from ignition_hub.api.quotas import EngineSizes
from ignition_hub.gateway.artifacts.storage_quotas import Reservations, used_bytes
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


def test_what_is_reserved_counts_until_it_is_released_or_its_time_is_over():
    clock = Clock()
    held = Reservations(clock=clock)
    held.hold("vision", "first", "models/x", 10, 5.0)
    held.hold("vision", "again", "models/x", 10, 60.0)
    held.hold("vision", "other", "models/y", 1, float("inf"))

    assert held.of("vision") == {"models/x": 10, "models/y": 1}
    assert held.of("audio") == {}
    held.release("vision", "other")
    clock.now += 5
    assert held.of("vision") == {"models/x": 10}
    clock.now += 55
    assert held.of("vision") == {}
    assert vars(held)["_held"] == {}


def test_what_several_namespaces_reserve_is_shortened_in_all_of_them():
    clock = Clock()
    held = Reservations(clock=clock)
    for namespace in ("vision", "audio"):
        held.hold(namespace, "engine", "engine", 10, 3600.0)

    held.shorten("engine", 300.0)

    clock.now += 299
    assert (held.of("vision"), held.of("audio")) == ({"engine": 10}, {"engine": 10})
    held.shorten("engine", 0.0)
    assert (held.of("vision"), held.of("audio")) == ({}, {})


def test_what_is_stored_and_reserved_counts_once_and_what_is_replaced_not_at_all():
    sizes = EngineSizes()
    sizes.enter("vision", [{"identity": "engine", "sizeBytes": 1000}, {"identity": "soon"}])
    models = {"models/x": 100}
    held = {"models/x": 100, "models/y": 10, "engine": 1000, "soon": 1}

    def used(what):
        return used_bytes("vision", what, models, sizes, held)

    assert used("models/new") == 1111
    assert [used(folder) for folder in ("models/", "model", "models/x/")] == [1001, 1111, 1111]
    assert [used(what) for what in ("models/x", "models/y", "engine", "soon")] == [1011, 1101, 111, 1110]


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
