"""Quantities, durations and the summary lines, as people write and read them."""

from typing import Any

import pytest

from ignition_hub.api.quantities import bytes_of, seconds_of
from ignition_hub.api.summary import size_line, summary_of, time_line


@pytest.mark.parametrize(
    ("written", "size"),
    [("4Gi", 4 * 1024**3), ("1.5Ki", 1536), ("1k", 1000), ("1500m", 2), ("12", 12), (12, 12), ("1E", 10**18)],
)
def test_a_quantity_is_a_number_of_bytes(written: str | int, size: int) -> None:
    assert bytes_of(written) == size


@pytest.mark.parametrize("written", ["", "4 Gi", "4GB", "-1", "Gi", "1e3", "4gi"])
def test_what_is_no_quantity_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="write for example 512Mi or 4Gi"):
        bytes_of(written)


@pytest.mark.parametrize(
    ("written", "seconds"), [("4ms", 0.004), ("1h30m", 5400), ("0.5s", 0.5), ("1m1m", 120), ("24h", 86400)]
)
def test_a_duration_is_a_number_of_seconds(written: str, seconds: float) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["", "5", "2 h", "1d", "h", "-1s"])
def test_what_is_no_duration_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="write for example 250ms, 90s or 1h30m"):
        seconds_of(written)


@pytest.mark.parametrize(
    ("size", "line"),
    [(0, ""), (512, "512B"), (1536, "1.5Ki"), (104857600, "100Mi"), (2**30, "1Gi"), (1023 * 2**20, "1023Mi")],
)
def test_sizes_are_short(size: int, line: str) -> None:
    assert size_line(size) == line


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(0, ""), (0.72, "0.7s"), (9.96, "10s"), (59.6, "1m0s"), (213, "3m33s"), (3600, "1h0m"), (7262, "2h1m")],
)
def test_times_are_short(seconds: float, line: str) -> None:
    assert time_line(seconds) == line


def target(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "state": "Ready", "gpuArch": "sm_89"} | fields


def test_a_summary_names_a_product_where_one_was_named() -> None:
    targets = [target(), target(product="NVIDIA-L4"), target()]

    assert summary_of(targets) == {"gpus": "sm_89,NVIDIA-L4"}


def test_a_summary_counts_what_it_does_not_name() -> None:
    targets = [target(gpuArch=f"sm_{number}") for number in (75, 80, 86, 89, 120)]

    assert summary_of(targets)["gpus"] == "sm_75,sm_80,sm_86,+2"


def test_a_summary_adds_up_sizes_and_times() -> None:
    built = target(
        sizeBytes=52428800, buildSeconds=100.5, sha256="ab" * 32, tensorrt={"version": "1.7.1.116"}
    )

    assert summary_of([built, built]) == {
        "gpus": "sm_89",
        "tensorrt": "1.7.1.116",
        "size": "100Mi",
        "buildTime": "3m21s",
        "digest": "abababababab",
    }


def test_a_summary_of_nothing_is_empty() -> None:
    assert summary_of([]) == {}
