"""Kubernetes' quantities, as numbers that can be compared."""

from decimal import Decimal

import pytest

from ignition_hub.api.quantities import amount_of, bytes_of


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("500m", "0.5"),
        ("4", "4"),
        (4, "4"),
        ("1.5", "1.5"),
        ("2Ki", "2048"),
        ("3G", "3000000000"),
        ("0", "0"),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(quantity, amount):
    assert amount_of(quantity) == Decimal(amount)


def test_bytes_are_whole_and_rounded_up():
    assert (bytes_of("1500m"), bytes_of("0.1Ki"), bytes_of("4Gi")) == (2, 103, 4 * 1024**3)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "-1", "1e3", "1KB", "1ki"])
def test_what_is_no_quantity_is_refused_with_what_would_work(text):
    with pytest.raises(ValueError, match="write for example 512Mi or 4Gi"):
        amount_of(text)
