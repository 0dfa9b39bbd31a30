"""``docs/building.md``: what it shows is in the examples, which are built on real nodes."""

import re
from pathlib import Path

import pytest

from ignition_hub.api.v1alpha1 import BuildSettings, ProfileSpec
from ignition_hub.engine.request import TIMING_CACHES
from installation.hub import KEYS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "building.md").read_text()
EXAMPLES = [path.read_text() for path in (ROOT / "examples").glob("*.yaml")]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_block_stands_in_an_example(block: str) -> None:
    assert any(block in example for example in EXAMPLES)


def test_every_field_of_a_profile_is_explained() -> None:
    assert all(f"| `{field.alias or name}` |" in PAGE for name, field in ProfileSpec.model_fields.items())


def test_every_mode_of_the_timing_cache_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)`(?: \(default\))? \| (?:yes|no)", PAGE, re.M)) == set(TIMING_CACHES)
    assert f"`{BuildSettings().timing_cache}` (default)" in PAGE


def test_the_keys_are_read_where_real_nodes_have_them() -> None:
    assert f"kubectl get --raw {KEYS} >" in PAGE
