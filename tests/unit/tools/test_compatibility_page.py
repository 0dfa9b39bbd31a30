"""The generated page of the truth table."""

from pathlib import Path

from compatibility_page import tables
from compatibility_page.page import page

DOCS = Path(__file__).resolve().parents[3] / "docs"


def cell(rows, row, column):
    head, *body = rows
    return next(line for line in body if row in line[0])[next(i for i, h in enumerate(head) if column in h)]


def test_the_page_in_the_docs_is_what_the_truth_table_says():
    assert (DOCS / "compatibility.md").read_text() == page()


def test_the_tables_say_what_nvidia_says():
    assert cell(list(tables.levels()), "`Product`", "L40S") == "loads with a warning"
    assert cell(list(tables.levels()), "AmperePlus", "T4") == "refused"
    assert cell(list(tables.readers()), "8.6.1.6", "11.1.0.106") == "no"
    assert cell(list(tables.readers()), "8.6.1.6", "10.0.1.6") == "version compatible"
    assert cell(list(tables.archs_by_version()), "sm_70", "10.4.0.26") == "P"
    assert cell(list(tables.archs_by_version()), "sm_70", "10.8.0.43") == "no"
    assert cell(list(tables.archs_by_version()), "sm_120", "10.4.0.26") == "no"
    assert cell(list(tables.archs_by_version()), "sm_120", "10.8.0.43") == "P A"
    assert cell(list(tables.archs_by_version()), "sm_90", "RTX") == "no"
    assert cell(list(tables.options()), "tacticSources.CUDNN", "11.0") == "no"


def test_every_row_is_as_long_as_the_head():
    every = (tables.levels, tables.readers, tables.archs_by_version, tables.options, tables.internals)
    for table in (*every, tables.refused_by_rtx, tables.claims):
        assert len({len(row) for row in table()}) == 1


def test_a_bar_in_a_cell_does_not_end_it():
    assert tables.markdown([["a"], ["b|c"]]).endswith("| b\\|c |\n")
