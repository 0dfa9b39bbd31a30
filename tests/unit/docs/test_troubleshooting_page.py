"""The page of symptoms quotes what the code says, and tells of reasons that exist."""

import re
from pathlib import Path

import pytest

from ignition_hub.engine.errors import ENDINGS, Reason

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SYMPTOMS = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| ")]
QUOTED = sorted({quote for cell in SYMPTOMS for quote in re.findall(r"`([^`]+)`", cell)})
KUBERNETES = (
    'failed calling webhook "inject.ignitionhub.io"',
    "/readyz",
    "kubectl get buildpools,enginestores",
)


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
def test_a_word_on_the_page_is_a_reason_or_a_state(quote):
    assert quote in Reason.__members__ or quote == "Unbuildable"


def test_an_init_containers_exit_code_is_that_of_its_reason():
    told = re.findall(r"^\| `(\w+)`.*? \| (\d\d) \|", PAGE, re.MULTILINE)

    assert len(told) == 10
    assert [(reason, code) for reason, code in told if ENDINGS[Reason(reason)].fetcher != int(code)] == []
