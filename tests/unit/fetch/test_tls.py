"""The fetcher speaks TLS to the gateway, and believes only the authority it was given."""

import ssl

import pytest

from fetch_harness import ENGINE, KIB, pausing_at_the_deadline, publish_large, running_world
from loopback_certificate import loopback_certificate


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


def test_tls_is_used_where_the_url_says_so(world, tmp_path):
    authority = secured(world, tmp_path)

    assert world.run(IGNITION_CA=authority) == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_a_part_that_was_cut_goes_on_from_the_byte_it_reached_over_tls_too(world, tmp_path):
    world.store = ["cut"]

    assert world.run(IGNITION_CA=secured(world, tmp_path)) == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert any((first + 8 * KIB, stop) in world.ranges for first, stop in world.ranges)


def test_a_long_answer_is_read_in_batches_to_its_last_byte_over_tls_too(world, tmp_path, monkeypatch):
    content, parts = publish_large(world, monkeypatch)

    assert world.run(IGNITION_CA=secured(world, tmp_path)) == 0
    assert world.paths.engine.read_bytes() == content
    assert sorted(world.ranges) == parts


def test_a_certificate_nobody_vouches_for_is_refused(world, tmp_path, monkeypatch):
    pausing_at_the_deadline(monkeypatch)
    secured(world, tmp_path)

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 43
    assert "not trusted" in world.message
    assert world.tokens == []


def secured(world, folder):
    """Put the server behind TLS; returns its certificate authority as PEM."""
    authority = loopback_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    world.server.speak_tls(context)
    return authority
