"""The page of symptoms quotes what the code says, and tells of reasons that exist."""

import re
from pathlib import Path

import pytest

from ignition_hub.controller.policy.pool_status import PoolReason
from ignition_hub.engine.errors import ENDINGS, Reason
from ignition_hub.engine.store_findings import StoreReason, WritesReason

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SYMPTOMS = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| ")]
QUOTED = sorted({quote for cell in SYMPTOMS for quote in re.findall(r"`([^`]+)`", cell)})
KUBERNETES = (
    'failed calling webhook "inject.ignitionhub.io"',
    "/readyz",
    "kubectl get buildpools,enginestores",
)
REASONS = {str(reason) for reason in (*Reason, *PoolReason, *StoreReason, *WritesReason)}
NO_REASONS = {"FailedCreate", "SchedulingGated"}
"""Kubernetes' own words."""
OTHER_NAMES = {"AutoBuild", "EngineUnavailable"}
"""Of a condition and of an event."""


def source() -> str:
    """The product's source with strings of several lines as one."""
    files = (*(ROOT / "operator").rglob("*.py"), *(ROOT / "builder-image").rglob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(file.read_text() for file in files))


SOURCE = source()


@pytest.mark.parametrize("quote", [quote for quote in QUOTED if " " in quote and quote not in KUBERNETES])
def test_a_message_on_the_page_is_one_of_the_codes(quote):
    pattern = r"[^\n]*".join(re.escape(part.strip()) for part in quote.split("...") if part.strip(" :;"))

    assert re.search(pattern, SOURCE)


@pytest.mark.parametrize("quote", [quote for quote in QUOTED if re.fullmatch("[A-Z][A-Za-z]+", quote)])
def test_a_word_of_a_symptom_is_a_reason_or_a_state(quote):
    assert quote in REASONS | OTHER_NAMES or quote == "Unbuildable"


def test_every_reason_that_the_page_names_exists():
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z]+[a-z]*)+)`", PAGE))

    assert named - REASONS - NO_REASONS == OTHER_NAMES
    assert named >= NO_REASONS
    assert all(f'"{name}"' in SOURCE for name in OTHER_NAMES)


@pytest.mark.parametrize("reason", sorted({*PoolReason, *StoreReason} - {StoreReason.BUCKET_REACHABLE}))
def test_every_trouble_of_a_pool_and_of_a_store_is_a_symptom(reason):
    assert reason in QUOTED


def test_an_init_containers_exit_code_is_that_of_its_reason():
    told = re.findall(r"^\| `(\w+)`.*? \| (\d\d) \|", PAGE, re.MULTILINE)

    assert len(told) == 13
    assert [(reason, code) for reason, code in told if ENDINGS[Reason(reason)].fetcher != int(code)] == []
