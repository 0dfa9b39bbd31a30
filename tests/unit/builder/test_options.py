"""Options as the API writes them: what this builder cannot honour is refused by name."""

from pathlib import Path

import pytest

import ignition_builder
from ignition_builder.compiling.applying import TELL
from ignition_builder.options import BuildOptions, PluginLibrary, options_of
from ignition_hub.compatibility.options import OPTION_ROWS
from ignition_hub.engine.errors import Reason, RequestError


def test_no_options_are_tensorrts_defaults():
    assert options_of({}) == BuildOptions()
    assert options_of({"versionCompatible": None, "plugins": [], "failOnWarnings": []}) == BuildOptions()


def test_workspace_is_a_number_of_bytes():
    assert options_of({"workspace": 4 << 30}).asked == {"workspace": 4 << 30}


def test_what_fails_on_warnings_is_kept():
    assert options_of({"failOnWarnings": ["Int64Clamped"]}).fail_on_warnings == ("Int64Clamped",)


TOLD_ELSEWHERE = {
    "plugins": "compiling/libraries.py",
    "calibration": "precision/calibration.py",
    "calibration.cache": "compiling/weak_typing.py",
    "failOnWarnings": "pipeline.py",
}


@pytest.mark.parametrize("place", TOLD_ELSEWHERE.values())
def test_what_is_told_elsewhere_has_a_place(place):
    assert (Path(ignition_builder.__file__).parent / place).is_file()


@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row.name)
def test_the_builder_reads_every_option_and_has_what_tells_it(row):
    asked = options_of({row.option: row.example}).asked

    owner, name = row.setting
    assert row.name in asked
    assert row.name in TOLD_ELSEWHERE or (name and owner in {*TELL, "TacticSource"})


def test_plugins_and_tactic_sources_are_kept_whole():
    options = options_of({"plugins": [{"name": "a"}], "tacticSources": []})

    assert (options.plugins, options.tactic_sources) == ((PluginLibrary("a"),), ())


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"optimizationLevel": 6}, "options.optimizationLevel"),
        ({"optimizationLevel": True}, "options.optimizationLevel"),
        ({"workspace": "4Gi"}, "options.workspace"),
        ({"workspace": 0}, "options.workspace"),
        ({"memoryPools": {"tacticDram": True}}, "options.memoryPools.tacticDram"),
        ({"versionCompatible": "yes"}, "options.versionCompatible"),
        ({"turbo": True}, "options.turbo"),
        ({"memoryPools": {"dla": 1}}, "options.memoryPools.dla"),
        ({"versionCompatible": {"enabled": 1}}, "options.versionCompatible.enabled"),
        ({"versionCompatible": {"lean": True}}, "options.versionCompatible.lean"),
        ({"refit": "Always"}, "options.refit"),
        ({"stripPlan": "yes"}, "options.stripPlan"),
        ({"tacticSources": ["CUDA"]}, "options.tacticSources"),
        ({"failOnWarnings": ["Int64Clampd"]}, "options.failOnWarnings"),
        ({"plugins": [{"name": "a", "delivery": "Copied"}]}, r"options.plugins\[0\].delivery"),
    ],
)
def test_a_bad_option_is_refused_by_its_field(document, field):
    with pytest.raises(RequestError, match=field) as caught:
        options_of(document)

    assert caught.value.reason is Reason.UnsupportedOption
    assert caught.value.remedy
