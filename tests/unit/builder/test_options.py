"""Options as the API writes them: what this builder cannot honour is refused by name."""

import pytest

from ignition_builder.options import Options, options_of
from ignition_hub.engine.errors import Reason, RequestError


def test_no_options_are_tensorrts_defaults():
    assert options_of({}) == Options()
    assert options_of({"versionCompatible": None, "plugins": [], "failOnWarnings": []}) == Options()


def test_workspace_is_a_number_of_bytes():
    assert options_of({"workspace": 4 << 30}).workspace == 4 << 30


def test_what_fails_on_warnings_is_kept():
    assert options_of({"failOnWarnings": ["Int64Clamped"]}).fail_on_warnings == ("Int64Clamped",)


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
    ],
)
def test_a_bad_option_is_refused_by_its_field(document, field):
    with pytest.raises(RequestError, match=field) as caught:
        options_of(document)

    assert caught.value.reason is Reason.UnsupportedOption
    assert caught.value.remedy
