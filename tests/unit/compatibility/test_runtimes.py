"""Which runtime reads which engine, by version alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.loading import EngineFacts
from ignition_hub.compatibility.runtimes import Runtime, readers_of, runtime_refusal
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.engine.errors import Reason


def built_by(version, *, compatible=False, flavor="TensorRT"):
    return EngineFacts(flavor=flavor, version=version, version_compatible=compatible)


@pytest.mark.parametrize(
    ("version", "compatible", "runtime", "word"),
    [
        ("10.13.2.6", False, "10.13.2.6", None),
        ("10.13.2.6", False, "10.13.2", None),
        ("10.13.2.6", False, "10.13.2.7", "all four parts"),
        ("10.13.2.6", False, "10.13.3.9", "all four parts"),
        ("10.13.2.6", False, "11.1.0.106", "all four parts"),
        ("10.13.2.6", True, "10.13.2.7", None),
        ("10.13.2.6", True, "10.16.1.11", None),
        ("10.13.2.6", True, "11.4.0.106", None),
        ("10.13.2.6", True, "10.13.2.5", "older"),
        ("10.13.2.6", True, "10.9.0.34", "older"),
        ("11.1.0.106", True, "10.16.1.11", "older"),
        ("8.5.3.1", False, "8.5.3.1", None),
        ("8.5.3.1", False, "8.5.2.2", "all four parts"),
        ("8.5.3.1", True, "8.6.1.6", "all four parts"),
        ("8.5", False, "8.5.3.1", None),
        ("8.5", False, "8.6.0.12", "all four parts"),
        ("8.6.1.6", True, "8.6.3.1", None),
        ("8.6.1.6", True, "10.0.1.6", None),
        ("8.6.1.6", True, "11.0.0.114", "8 to 11 is not supported"),
        ("8.6.1.6", True, "9.3.0.1", "8 to 9 is not supported"),
        ("11.1.0.106", True, "12.0.0.1", "11 to 12 is not supported"),
    ],
)
def test_versions_agree_or_the_refusal_says_why(version, compatible, runtime, word):
    refusal = runtime_refusal(built_by(version, compatible=compatible), Runtime("TensorRT", runtime))

    assert (refusal is None) is (word is None)
    if refusal:
        assert word in refusal.message
        assert refusal.reason is Reason.WrongTensorRT
        assert version in refusal.message
        assert runtime in refusal.message


def test_an_rtx_engine_needs_its_own_release_whatever_it_was_asked_to_be():
    engine = built_by("1.7.1.116", compatible=True, flavor="TensorRTRTX")

    assert runtime_refusal(engine, Runtime("TensorRTRTX", "1.7.1.116")) is None
    assert "own release" in runtime_refusal(engine, Runtime("TensorRTRTX", "1.8.0.1")).message


def test_no_flavor_reads_the_other():
    refusal = runtime_refusal(built_by("10.13.2.6"), Runtime("TensorRTRTX", "1.7.1.116"))

    assert "the runtime is TensorRT-RTX 1.7.1.116" in refusal.message


def test_an_engine_of_unknown_version_is_not_held_against_the_runtime():
    assert runtime_refusal(built_by(None), Runtime("TensorRT", "10.13.2.6")) is None


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (built_by("10.13.2.6"), "exactly TensorRT 10.13.2.6"),
        (built_by("8.6.1.6", compatible=True), "TensorRT 8.6.1.6 and newer 8.x, and every TensorRT 10"),
        (built_by("11.1.0.106", compatible=True), "TensorRT 11.1.0.106 and newer 11.x"),
        (built_by("1.7.1.116", flavor="TensorRTRTX"), "exactly TensorRT-RTX 1.7.1.116"),
        (built_by(None), "TensorRT of the version that built it"),
    ],
)
def test_the_runtimes_that_read_an_engine_are_said_in_words(engine, words):
    assert readers_of(engine) == words


VERSIONS = st.tuples(
    st.sampled_from([8, 10, 11]), st.integers(0, 16), st.integers(0, 3), st.integers(0, 200)
).map(lambda parts: ".".join(map(str, parts)))


@given(VERSIONS, VERSIONS)
def test_no_engine_is_read_by_an_older_runtime(built, here):
    if parse_version(here) < parse_version(built):
        assert runtime_refusal(built_by(built, compatible=True), Runtime("TensorRT", here))


@given(VERSIONS, VERSIONS)
def test_version_compatibility_never_takes_a_runtime_away(built, here):
    runtime = Runtime("TensorRT", here)

    if runtime_refusal(built_by(built), runtime) is None:
        assert runtime_refusal(built_by(built, compatible=True), runtime) is None


@given(VERSIONS, VERSIONS)
def test_building_with_the_version_the_refusal_names_works(built, here):
    refusal = runtime_refusal(built_by(built), Runtime("TensorRT", here))

    if refusal:
        assert f'tensorrt.version: "{here}"' in refusal.remedy
        assert runtime_refusal(built_by(here), Runtime("TensorRT", here)) is None
