"""Pruning the store: what is asked of the gateway, what a person sees before and after, how it ends."""

import contextlib
import io
import json
import ssl
import sys

import httpx
import pytest

from commandline import exit_code_of
from ignition_hub.cli import prune as command
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.upload import GatewayEndpoint
from ignition_hub.retention import run as module
from ignition_hub.retention.documents import PruneAnswer, Removed, Stayed
from ignition_hub.wire.back_off import BackOff

GONE = Removed("supersededBuilds", "ignition/engines/m/1/2/", "replaced by a later build", 3, 5 * 2**20)
KEPT = Stayed("engines", "in use by a resource", 4, 2**20)
PRUNE = sys.modules["ignition_hub.cli.prune"]


class Hub:
    """A gateway that answers two pages a run, and a kubectl that hands out tokens."""

    def __init__(self, *removed, failure=None):
        self.removed, self.failure = removed, failure
        self.asked = []
        self.tokens = []

    def answer(self, request):
        body = json.loads(request.content)
        self.asked.append((body["dry_run"], body["after"]))
        assert request.url.path == "/v1/prune"
        assert request.headers["Authorization"] == "Bearer a-token"
        assert request.extensions["sni_hostname"] == "gateway.svc"
        if self.failure:
            return self.failure()
        first = not body["after"]
        page = PruneAnswer(
            "default", body["dry_run"], 7, self.removed if first else (), (KEPT,), "1|x" if first else None
        )
        return httpx.Response(200, json=page.to_json())

    @contextlib.contextmanager
    def reached(self, kubectl, url, hub, token):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        transport = httpx.MockTransport(self.answer)
        yield GatewayEndpoint(
            "https://gateway", token, context, server_name="gateway.svc", transport=transport
        )

    def token(self, namespace, account):
        self.tokens.append((namespace, account))
        return "a-token"


@pytest.fixture
def ignition(monkeypatch, capsys):
    """Call the command with a hub, and what a person answers; its code and what it printed."""

    def call(hub, *words, answers=""):
        monkeypatch.setattr(PRUNE, "reached", hub.reached)
        monkeypatch.setattr(Kubectl, "token", hub.token)
        monkeypatch.setattr(module, "BACK_OFF", BackOff(first=0.0))
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{answers}\n"))
        code = exit_code_of(monkeypatch, "prune", *words, program="kubectl-ignition")
        return code, capsys.readouterr()

    return call


def test_a_dry_run_shows_what_would_be_removed_and_removes_nothing(ignition):
    hub = Hub(GONE, GONE)

    code, printed = ignition(hub, "--dry-run")

    assert code == 0
    assert hub.asked == [(True, ""), (True, "1|x")]
    assert printed.out.splitlines() == [
        "CLASS              OBJECTS   SIZE       REASON",
        "supersededBuilds   6         10.0 MiB   replaced by a later build",
    ]
    assert "kept engines: 8 objects, 2.0 MiB (in use by a resource)" in printed.err
    assert "would remove 6 objects, 10.0 MiB from EngineStore default" in printed.err


def test_the_account_of_the_hub_is_asked_as_or_the_one_that_is_named(ignition):
    hub = Hub()

    ignition(hub, "--dry-run")
    ignition(hub, "--dry-run", "--hub-namespace", "hub", "--service-account", "platform")

    assert hub.tokens == [("ignition-hub", "ignition-hub-prune"), ("hub", "platform")]


@pytest.mark.parametrize(("answer", "passes", "code"), [("n", {True}, 1), ("y", {True, False}, 0)])
def test_what_would_be_removed_is_shown_and_asked_about_first(ignition, answer, passes, code):
    hub = Hub(GONE)

    ended, printed = ignition(hub, answers=answer)

    assert ended == code
    assert {dry_run for dry_run, _ in hub.asked} == passes
    assert "supersededBuilds   3         5.0 MiB" in printed.err


def test_a_run_without_a_question_shows_how_far_it_is_and_what_was_removed(ignition):
    hub = Hub(GONE)

    code, printed = ignition(hub, "--yes")

    assert code == 0
    assert hub.asked == [(True, ""), (True, "1|x"), (False, ""), (False, "1|x")]
    assert "removing: 3 objects, 5.0 MiB, 50%" in printed.err
    assert "removed 3 objects, 5.0 MiB from EngineStore default" in printed.err
    assert "supersededBuilds" in printed.out


def test_where_there_is_nothing_to_remove_no_question_is_asked(ignition):
    hub = Hub()

    code, printed = ignition(hub)

    assert (code, printed.out) == (0, "")
    assert {dry_run for dry_run, _ in hub.asked} == {True}
    assert "removed 0 objects" in printed.err


def test_a_program_reads_each_thing_that_was_removed_with_its_reason(ignition):
    code, printed = ignition(Hub(GONE), "--yes", "-o", "json")

    assert code == 0
    assert json.loads(printed.out) == {
        "store": "default",
        "dryRun": False,
        "lookedAt": 14,
        "removed": [
            {
                "class": "supersededBuilds",
                "key": "ignition/engines/m/1/2/",
                "reason": "replaced by a later build",
                "objects": 3,
                "sizeBytes": 5 * 2**20,
            }
        ],
        "kept": [
            {"class": "engines", "reason": "in use by a resource", "objects": 8, "sizeBytes": 2 * 2**20}
        ],
    }


def unreachable():
    raise httpx.ConnectError("connection refused")


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (unreachable, 3, "https://gateway did not answer: connection refused"),
        (lambda: httpx.Response(503, json={"reason": "GatewayUnavailable", "message": "busy"}), 3, "busy"),
        (lambda: httpx.Response(403, json={"reason": "NotPermitted", "message": "bind it"}), 1, "bind it"),
        (lambda: httpx.Response(404, text="404: Not Found"), 1, "the gateway answered 404"),
    ],
)
def test_a_hub_that_is_away_is_told_from_a_refusal(ignition, failure, code, said):
    ended, printed = ignition(Hub(failure=failure), "--dry-run")

    assert ended == code
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert command.ACCOUNT not in printed.err
