"""``docs/building.md``: what it shows is in the examples, which are built on real nodes."""

import re
from pathlib import Path

import pytest

from ignition_hub.api.crd import DEFINITIONS
from ignition_hub.api.v1alpha1 import BuildSettings, ProfileSpec
from ignition_hub.controller.adapters.bucket import PROBE_EVERY
from ignition_hub.controller.passes.engine_stores import READ_SECRET_EVERY
from ignition_hub.controller.policy.pool_status import COUNT_AFTER, PoolReason
from ignition_hub.controller.process.work_queue import BackOff
from ignition_hub.controller.reconciler import STORE_IS_BACK
from ignition_hub.engine.request import TIMING_CACHES
from ignition_hub.engine.store_findings import StoreReason, WritesReason
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


@pytest.mark.parametrize("reason", [*PoolReason, *StoreReason, *WritesReason])
def test_every_reason_of_a_pool_and_of_a_store_is_explained(reason: str) -> None:
    assert f"\n| `{reason}` | " in PAGE


def test_the_page_shows_the_columns_that_kubectl_does() -> None:
    for definition in DEFINITIONS:
        narrow = ["NAME", *(column.name.upper() for column in definition.columns if not column.wide)]
        if not definition.namespaced:
            assert any(re.split(r"\s{2,}", line) == narrow for line in PAGE.splitlines())


def test_the_page_has_the_pauses_of_the_passes() -> None:
    assert f"written at most every {COUNT_AFTER:.0f} seconds" in PAGE
    assert (READ_SECRET_EVERY, PROBE_EVERY) == (30.0, 240.0)
    assert "Secret every half minute. It asks the bucket" in PAGE
    assert "every four minutes; while that fails, after half a second" in PAGE
    assert "every time, at most half a minute" in PAGE
    assert BackOff() == BackOff(first=0.5, longest=300.0)
    assert f"that wait for the store in use go on within {STORE_IS_BACK:.0f} seconds" in PAGE
