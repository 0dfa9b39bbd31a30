"""Every row of the options' table against NVIDIA's own bindings, in both directions."""

from typing import Any

import pytest

from bindings import cells
from bindings.cells import NO, ROWS, TYPED, ContradictionError, answer, cell, question_of
from bindings.inventory import Inventory, inventories
from bindings.matrix import columns, page, printed
from bindings.releases import TENSORRT, TENSORRT_RTX
from ignition_hub.compatibility.option_row import OptionRow
from ignition_hub.compatibility.options import WEAK_TYPE_ROWS, row_of

FULL = [item for item in inventories() if item.release.flavor == TENSORRT]
RTX = [item for item in inventories() if item.release.flavor == TENSORRT_RTX]


def of_rows(rows: tuple[OptionRow, ...] = ROWS) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in rows])


def lacking(row: OptionRow, inventory: Inventory) -> list[str]:
    return [name for name in row.attributes if not inventory.has(name)]


@of_rows()
def test_a_row_begins_and_ends_where_the_bindings_do(row: OptionRow) -> None:
    wrong = [
        (item.release.version, lacking(row, item))
        for item in FULL
        if row.attributes and row.exists_in(item.release.numbers) == bool(lacking(row, item))
    ]

    assert wrong == []


@of_rows()
def test_what_tensorrt_rtx_takes_is_in_its_bindings(row: OptionRow) -> None:
    taken = row.rtx.verdict == "Takes"

    assert [item.release.version for item in RTX if taken and lacking(row, item)] == []


@of_rows()
def test_every_release_has_an_answer_and_a_refusal_names_what_it_refuses(row: OptionRow) -> None:
    for item in inventories():
        if cell(row, item) == NO:
            said = answer(question_of(row), item)
            assert said.reason in ("UnsupportedOption", "UnsupportedPrecision", "CompatibilityUnsupported"), (
                said
            )
            assert row.part in said.message or row.option in said.message
            assert said.remedy


def test_properties_that_are_set_can_be_set_in_every_release_that_has_them() -> None:
    names = {name for row in ROWS for name in row.attributes}
    settable = {name for item in inventories() for name in names if item.settable(name)}

    assert settable
    for item in inventories():
        assert [name for name in settable if item.has(name) and not item.settable(name)] == []


def test_a_row_that_claims_too_much_is_caught() -> None:
    eager = row_of("tilingOptimizationLevel")._replace(attributes=("IBuilderConfig.no_such_property",))

    with pytest.raises(ContradictionError, match=r"10\.12\.0\.36.*no_such_property"):
        cell(eager, next(item for item in FULL if item.release.version == "10.12.0.36"))


def test_strong_typing_is_claimed_only_where_networks_can_be_typed() -> None:
    for item in inventories():
        if cell(WEAK_TYPE_ROWS[0], item) == TYPED:
            assert item.has("NetworkDefinitionCreationFlag.STRONGLY_TYPED")
        else:
            assert item.has("BuilderFlag.FP16")


def test_the_matrix_holds_every_release_once_and_says_so() -> None:
    shown = [item.release for column in columns() for item in column.inventories]

    assert shown == [item.release for item in inventories()]
    assert printed().endswith("refused, 0 unknown")
    assert f"{len(ROWS) * len(shown)} answers" in printed()
    assert all(f"`{row.name}`" in page() for row in cells.ROWS)
