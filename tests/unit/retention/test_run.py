"""A run asks page by page, tries a page again, and sums up; in a pod it ends with an exit code."""

import json
from pathlib import Path

import pytest

from ignition_hub.engine.errors import ContractError, Reason, TransientError
from ignition_hub.retention import __main__ as program
from ignition_hub.retention.documents import PruneAnswer, PruneRequest, Removed, Row, Stayed
from ignition_hub.retention.run import ATTEMPTS, PruneRefused, run
from ignition_hub.wire.outcomes import Transient
from ignition_hub.wire.response import GatewayResponse
from loggingkept import logging_as_before


def page(after, *removed, kept=(), looked_at=10):
    answer = PruneAnswer("default", True, looked_at, tuple(removed), tuple(kept), after)
    return GatewayResponse.of(200, json.dumps(answer.to_json()).encode())


def refused(status, reason="GatewayUnavailable", message="not now"):
    return GatewayResponse.of(status, json.dumps({"reason": reason, "message": message}).encode())


class Gateway:
    """Answers in turn and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.pauses = []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, *, dry_run=True):
        return run(self, dry_run=dry_run, pause=self.pauses.append)


ONE = Removed("models", "models/a/1", "no resource uses it", 2, 100)
TWO = Removed("models", "models/a/2", "no resource uses it", 1, 50)
KEPT = Stayed("engines", "in use by a resource", 3, 7)


def test_a_run_goes_on_where_each_page_ended_and_sums_up():
    gateway = Gateway(page("0|x", ONE, kept=[KEPT]), page("1|y", TWO, kept=[KEPT]), page(None))

    total = gateway.run()

    name = gateway.asked[0].run
    assert len(name) == 32
    assert gateway.asked == [PruneRequest(True, name, after) for after in ("", "0|x", "1|y")]
    assert total.removed_rows == [Row("models", "no resource uses it", 3, 150)]
    assert total.kept_rows == [Row("engines", "in use by a resource", 6, 14)]
    assert (total.store, total.looked_at) == ("default", 30)


def test_a_page_that_is_not_answered_is_asked_for_again():
    gateway = Gateway(Transient("refused"), refused(503), refused(502), page(None, ONE))

    assert gateway.run().removed == [ONE]
    assert len(gateway.pauses) == 3
    assert {request.after for request in gateway.asked} == {""}


def test_a_gateway_that_stays_away_ends_the_run_with_its_own_words():
    gateway = Gateway(*[refused(503)] * ATTEMPTS)

    with pytest.raises(TransientError, match="not now"):
        gateway.run()
    assert len(gateway.asked) == ATTEMPTS


def test_a_refusal_is_passed_on_and_not_tried_again():
    gateway = Gateway(refused(403, "NotPermitted", "bind the ClusterRole"))

    with pytest.raises(PruneRefused, match="bind the ClusterRole") as caught:
        gateway.run()
    assert caught.value.reason is Reason.NotPermitted
    assert gateway.pauses == []


@pytest.mark.parametrize("pages", [(page("1|b"), page("1|a")), (page("1|b"), page("1|b"))])
def test_a_gateway_that_leads_in_a_circle_is_not_followed(pages):
    with pytest.raises(ContractError, match="once more"):
        Gateway(*pages).run()


def test_a_page_whose_time_was_over_amid_a_large_unit_is_gone_on_with():
    gateway = Gateway(page("1|b", ONE), page("1|b", TWO), page(None))

    assert gateway.run(dry_run=False).removed == [ONE, TWO]


def test_an_answer_that_is_none_is_named():
    with pytest.raises(ContractError, match="PruneAnswer"):
        Gateway(GatewayResponse.of(200, b"<html>")).run()


def files(folder: Path, authority="no certificate"):
    (folder / "ca.crt").write_text(authority)
    (folder / "token").write_text("secret")
    return [f"--ca-file={folder / 'ca.crt'}", f"--token-file={folder / 'token'}"]


def test_a_pod_without_an_authority_to_trust_does_not_send_its_token(tmp_path, capsys):
    with logging_as_before():
        code = program.main(["--gateway=https://127.0.0.1:1", *files(tmp_path)])

    assert code == program.INCOMPLETE
    assert "not a PEM certificate bundle" in capsys.readouterr().err


def test_a_gateway_that_cannot_be_reached_is_tried_again_and_named(tmp_path):
    tls = program.tls_context(None, only=False)
    files(tmp_path)
    gateway = program.Gateway(program.Address.of("https://127.0.0.1:1"), tls, tmp_path / "token")

    with pytest.raises(Transient, match=r"https://127\.0\.0\.1:1 cannot be asked"):
        gateway.ask(PruneRequest(True, "0" * 32))
