"""docs/threat-model.md: every attack has a test that exists, and no row stands there twice."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "threat-model.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| who |")
]
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_no_attack_stands_there_twice():
    attacks = [row[1] for row in ROWS]

    assert len(attacks) == len(set(attacks)) > 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:60])
def test_an_attack_names_tests_that_exist(row):
    named = TEST.findall(row[-1])

    assert named
    for file, function in named:
        assert re.search(rf"^(async )?def {function or 'test_'}", (ROOT / file).read_text(), re.MULTILINE)
