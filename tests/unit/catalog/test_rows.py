"""What the catalog has of a TensorRTEngine, what is found in it, and in which words it is shown."""

import pytest

from catalogrows import NOW, READY, engine, target
from ignition_hub.catalog.cells import table
from ignition_hub.catalog.rows import NOT_PROCESSED, rows_of
from ignition_hub.catalog.selection import PAGE_ROWS, Selection, found, shown
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.state import State


def cells(*targets):
    heads, *rows = table(rows_of(engine(*targets)), NOW)
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_an_engine_that_is_ready_is_a_row_with_what_and_where_it_was_built():
    assert cells() == [
        {
            "Namespace": "vision",
            "Resource": "arcface",
            "Model": "arcface_r100 v1.0",
            "Precision": "fp16",
            "GPU": "NVIDIA-L4",
            "State": "Ready",
            "TensorRT": "10.13.2.6",
            "Pool": "l4 (Native)",
            "Size": "50Mi",
            "Build": "3m33s",
            "Max error": "0.0012",
            "Latency": "1.21 ms",
            "Age": "3d",
        }
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"state": "Building", "reason": "Building", "progress": {"phase": "x", "percent": 40}},
            "Building 40%",
        ),
        ({"state": "Building", "reason": "Building"}, "Building"),
        ({"state": "Failed", "reason": "ModelRejected"}, "Failed: ModelRejected"),
        ({"state": "Pending", "reason": "Suspended"}, "Pending: Suspended"),
        ({"state": "Queued"}, "Queued"),
    ],
)
def test_a_state_is_shown_with_what_it_waits_for_or_ended_with(fields, words):
    (row,) = cells(target("sm_89", **fields))

    assert row["State"] == words


def test_of_an_engine_that_is_not_there_nothing_is_made_up():
    (row,) = cells(target("sm_120", "Unbuildable", reason="NoPool"))

    assert (row["GPU"], row["State"]) == ("sm_120", "Unbuildable: NoPool")
    unknown = ("TensorRT", "Pool", "Size", "Build", "Max error", "Latency", "Age")
    assert {row[head] for head in unknown} == {""}


@pytest.mark.parametrize(
    ("flavor", "words"), [("TensorRT", "10.13.2.6"), ("TensorRTRTX", "RTX 10.13.2.6"), ("", "10.13.2.6")]
)
def test_an_engine_of_tensorrt_rtx_is_told_from_one_of_tensorrt(flavor, words):
    (row,) = cells({**READY, "tensorrt": {"flavor": flavor, "version": "10.13.2.6"}})

    assert row["TensorRT"] == words


@pytest.mark.parametrize(
    ("built", "age"),
    [
        ("2026-01-03T23:59:18Z", "42s"),
        ("2026-01-03T23:01:00Z", "59m"),
        ("2026-01-03T01:00:00Z", "23h"),
        ("2026-01-09T00:00:00Z", "0s"),
        ("yesterday", ""),
        ("0001-01-01", ""),
    ],
)
def test_an_age_is_in_its_largest_whole_unit(built, age):
    (row,) = cells({**READY, "newest": {"builtAt": built}})

    assert row["Age"] == age


def test_a_status_of_an_earlier_specification_says_nothing_of_this_one():
    (row,) = rows_of(engine(observed=1))

    assert (row.state, row.message, row.product, row.uri) == ("Pending", NOT_PROCESSED, "NVIDIA-L4", "")


def test_a_resource_that_was_just_applied_has_a_row_for_each_target():
    body = engine()
    del body["status"]

    assert [(row.state, row.gpu) for row in rows_of(body)] == [("Pending", "NVIDIA-L4")]


def test_a_program_reads_what_is_known_and_no_empty_fields():
    (row,) = rows_of(engine(target("sm_86", "Queued", message="waits for pool a10")))

    assert row.to_json() == {
        "namespace": "vision",
        "resource": "arcface",
        "target": "sm-86",
        "model": {"name": "arcface_r100", "version": "v1.0", "precision": "fp16"},
        "gpu": {"arch": "sm_86"},
        "state": "Queued",
        "message": "waits for pool a10",
    }


def test_a_program_reads_how_an_engine_was_built_in_units_that_are_named():
    (row,) = rows_of(engine())

    assert row.to_json()["build"] == {
        "pool": "l4",
        "tier": "Native",
        "source": "Built",
        "product": "NVIDIA L4",
        "driver": "570.124",
        "seconds": 213.0,
        "at": "2026-01-01T00:00:00Z",
    }
    assert row.to_json()["sizeBytes"] == 52428800
    assert row.to_json()["benchmark"]["medianMilliseconds"] == 1.21


@pytest.fixture
def rows():
    return [
        *rows_of(engine(name="resnet", namespace="speech", model="resnet50")),
        *rows_of(engine(READY, target("sm_86", "Failed", reason="BuildFailed"))),
    ]


@pytest.mark.parametrize(
    ("words", "resources"),
    [
        ({}, ["arcface", "arcface", "resnet"]),
        ({"namespace": "speech"}, ["resnet"]),
        ({"model": "ArcFace"}, ["arcface", "arcface"]),
        ({"gpu": "l4"}, ["arcface", "resnet"]),
        ({"gpu": "sm_86"}, ["arcface"]),
        ({"state": "Failed"}, ["arcface"]),
        ({"model": "resnet", "state": "Failed"}, []),
    ],
)
def test_rows_are_found_by_namespace_model_gpu_and_state(rows, words, resources):
    assert [row.resource for row in found(rows, Selection(**words))] == resources


def test_pages_hold_all_rows_once_and_say_how_many_there_are():
    rows = [row for number in range(250) for row in rows_of(engine(name=f"e{number:03}"))]

    pages = [shown(reversed(rows), Selection(page=page)) for page in (1, 2, 3)]
    assert [len(page.rows) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 50]
    assert [row for page in pages for row in page.rows] == rows
    assert [(page.first, page.total, page.ready, page.pages) for page in pages] == [
        (1, 250, 250, 3),
        (101, 250, 250, 3),
        (201, 250, 250, 3),
    ]


def test_a_page_beyond_the_last_is_the_last(rows):
    page = shown(rows, Selection(page=9))

    assert (page.selection.page, page.first, len(page.rows)) == (1, 1, 3)


def test_where_nothing_is_found_there_is_one_empty_page():
    page = shown([], Selection(model="x"))

    assert (page.pages, page.first, page.total, list(page.rows)) == (1, 0, 0, [])


def test_a_query_is_read_as_it_is_written():
    selection = Selection(namespace="vision", model="a&b=<c>", gpu="l4", state="Ready", page=3)

    assert selection.query(page=3) == "namespace=vision&model=a%26b%3D%3Cc%3E&gpu=l4&state=Ready&page=3"
    assert Selection.of_query({"namespace": " vision ", "page": "2"}) == Selection(namespace="vision", page=2)
    assert Selection().query() == ""


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "9" * 10, ""])
def test_a_page_that_is_no_number_is_refused(page):
    with pytest.raises(ContractError, match="pages count from 1"):
        Selection.of_query({"page": page})


@pytest.mark.parametrize("name", ["namespace", "model", "gpu"])
def test_a_word_that_no_name_could_have_is_refused(name):
    with pytest.raises(ContractError, match=f"{name}: 254 characters"):
        Selection.of_query({name: "x" * 254})


def test_a_state_that_is_none_is_refused_with_those_that_are():
    with pytest.raises(ContractError, match="one of Pending, Queued, Building"):
        Selection.of_query({"state": "ready"})


def test_every_state_can_be_asked_for():
    assert [Selection.of_query({"state": str(state)}).state for state in State] == list(map(str, State))
