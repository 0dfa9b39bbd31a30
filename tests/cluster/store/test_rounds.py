"""Two gateways that publish one identity at the same moment, on a real S3 server."""

import pytest

from ignition_hub.store.habits import CONDITIONAL, Habits
from oddstore import odd_store
from s3server import CHOSEN, S3Server
from stores.asking import Finding
from stores.rounds import Harm, play
from stores.table import SERVERS

pytestmark = pytest.mark.cluster

ROUNDS = 3


@pytest.mark.parametrize("same_bytes", [True, False], ids=["the same bytes", "other bytes"])
def test_of_two_gateways_at_once_one_publishes_and_the_other_tells_of_the_same_engine(same_bytes):
    with S3Server.start() as server:
        report = play(server, ROUNDS, same_bytes=same_bytes)

    assert (report.refused, report.rounds) == ("", ROUNDS)
    assert report.words == []
    # A server that looks before it writes may be lucky in both probes: what stays verifies all the same.
    is_lucky = not report.takes_turns and not CHOSEN.keeps_writers_apart
    assert set(report.harm) <= ({Harm.OVERWRITTEN} if is_lucky else set())
    assert report.takes_turns >= bool(CHOSEN.lacks & set(CONDITIONAL))


def test_rounds_show_what_two_gateways_do_that_trust_a_server_without_conditions(monkeypatch):
    monkeypatch.setattr(Habits, "are_conditional", True)

    # Of three rounds none may do harm: one gateway is done before the other has looked.
    assert any(overwritten_in_some_rounds() for _ in range(8))


def overwritten_in_some_rounds():
    with odd_store(ignores_conditions=True) as server:
        report = play(server, ROUNDS, same_bytes=False)
    assert report.rounds == ROUNDS
    return report.harm[Harm.OVERWRITTEN]


def test_only_a_server_that_its_module_calls_refused_may_be_refused_by_the_probe():
    refused, taken = SERVERS["s3s-fs"], SERVERS["rclone"]

    assert Finding(refused, refused="it lists no ETags").verdict == "refused: it lists no ETags"
    assert Finding(refused, refused="it lists no ETags").is_expected
    assert not Finding(taken, refused="it lists no ETags").is_expected
    assert not Finding(refused).is_expected
