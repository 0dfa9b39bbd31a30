"""Which TensorRT has which option."""

import pytest

from ignition_hub.compatibility.options import (
    LEVEL_ROWS,
    OPTION_ROWS,
    WEAK_TYPE_ROWS,
    asked_rows,
    row_of,
)
from ignition_hub.compatibility.support_matrix import is_strongly_typed

ROWS = (*OPTION_ROWS, *LEVEL_ROWS, *WEAK_TYPE_ROWS)


def names_asked(options):
    return [row.name for row, _ in asked_rows(options)]


def test_every_row_has_a_name_of_its_own():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row.name)
def test_the_example_of_a_row_asks_for_it(row):
    assert row.name in names_asked({row.option: row.example})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_rtx_does_not_take_says_why(row):
    assert bool(row.rtx.why) == (row.rtx.verdict != "Takes")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"stripPlan": False}, []),
        ({"maxAuxStreams": 0}, ["maxAuxStreams"]),
        ({"optimizationLevel": 0}, ["optimizationLevel"]),
        ({"versionCompatible": {"enabled": False, "excludeLeanRuntime": False}}, []),
        ({"versionCompatible": {"enabled": True}}, ["versionCompatible.enabled"]),
        ({"refit": "RefitIdentical"}, ["refit.RefitIdentical"]),
        ({"runtimePlatform": "SameAsBuild"}, []),
        ({"tacticSources": ["CUDNN", "CUBLAS"]}, ["tacticSources.CUBLAS", "tacticSources.CUDNN"]),
        ({"memoryPools": {"tacticDram": 1}}, ["memoryPools.tacticDram"]),
        ({"calibration": {"source": {"uri": "s3://models/a.npz"}}}, ["calibration"]),
        ({"calibration": {"source": {"uri": "s3://models/a.cache"}}}, ["calibration.cache", "calibration"]),
        ({"plugins": []}, []),
        ({"optimizationLevel": 3, "avgTimingIterations": 1, "profilingVerbosity": "LayerNamesOnly"}, []),
        ({"tilingOptimizationLevel": "None", "stripPlan": None, "memoryPools": {"tacticDram": None}}, []),
    ],
)
def test_options_ask_for_rows(options, names):
    assert names_asked(options) == names


@pytest.mark.parametrize(
    ("name", "version", "exists"),
    [
        ("stripPlan", (8, 6, 1), False),
        ("stripPlan", (10, 0, 1), True),
        ("maxNumTactics", (10, 3, 0), False),
        ("maxNumTactics", (10, 4, 0), True),
        ("tacticSources.CUDNN", (10, 16, 1), True),
        ("tacticSources.CUDNN", (11, 0, 0), False),
        ("compatibility.SameComputeCapability", (10, 8, 0), False),
        ("precision.fp16", (11, 1, 0), False),
    ],
)
def test_an_option_exists_from_one_version_until_another(name, version, exists):
    assert row_of(name).exists_in(version) is exists


@pytest.mark.parametrize(
    ("flavor", "version", "strong"),
    [
        ("TensorRT", "8.6.1.6", False),
        ("TensorRT", "10.11.0.33", False),
        ("TensorRT", "10.12.0.36", True),
        ("TensorRT", "11.4.0.106", True),
        ("TensorRTRTX", "1.4.0.76", True),
    ],
)
def test_typing_follows_flavor_and_version(flavor, version, strong):
    assert is_strongly_typed(flavor, version) is strong
