"""What circulates and is not so: each claim is refused with a remedy, and the remedy works."""

import pytest

from false_claims import FALSE_CLAIMS

CLAIMS = pytest.mark.parametrize("claim", FALSE_CLAIMS, ids=lambda claim: claim.claim)


@CLAIMS
def test_a_false_claim_gets_a_true_answer(claim):
    answer = claim.shown.answer()

    assert (answer.yes, answer.reason) == (claim.says, claim.reason)
    assert claim.word in answer.message


@CLAIMS
def test_the_remedy_of_a_false_claim_works(claim):
    answer = claim.works.answer()

    assert answer.yes, answer.message
