"""The files a request names besides its model."""

import pytest

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.pinned import PinnedFile, pinned_files

DIGEST = "9f" * 32


def source(name: str) -> dict[str, str]:
    return {"uri": f"s3://models/{name}", "sha256": DIGEST}


def test_every_file_is_found_with_the_field_that_names_it():
    options = {
        "calibration": {"source": source("calibration.npz"), "method": "max"},
        "plugins": [{"name": "attention", "source": source("libattention.so")}],
        "optimizationLevel": 5,
    }
    verification = {"accuracy": {"inputs": {"source": source("inputs.npz")}, "rtol": 0.1}}

    assert pinned_files(options, verification) == (
        PinnedFile(
            "calibration",
            "calibration.npz",
            "s3://models/calibration.npz",
            DIGEST,
            "options.calibration.source",
        ),
        PinnedFile(
            "inputs", "inputs.npz", "s3://models/inputs.npz", DIGEST, "verification.accuracy.inputs.source"
        ),
        PinnedFile(
            "plugin", "attention", "s3://models/libattention.so", DIGEST, "options.plugins[attention].source"
        ),
    )


def test_a_request_without_further_files_names_none():
    assert pinned_files({"optimizationLevel": 5}, {"accuracy": {"rtol": 0.1}, "benchmark": {}}) == ()


@pytest.mark.parametrize("broken", [None, "s3://models/x", {"uri": "s3://models/x"}, {"sha256": DIGEST}])
def test_a_source_that_is_not_pinned_is_refused_by_field(broken):
    with pytest.raises(ContractError, match=r"options\.calibration\.source: .* is not a pinned source"):
        pinned_files({"calibration": {"source": broken}}, {})
