"""One table of reasons and exit codes, read by both programs and by the Job's failure policy."""

import pytest

from ignition_hub.engine.errors import (
    ENDINGS,
    ContractError,
    IgnitionError,
    NodeError,
    Program,
    Reason,
    RequestError,
    TransientError,
    exit_code_of,
    reason_of_exit,
)

PROGRAMS: tuple[Program, ...] = ("builder", "fetcher")


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_two_reasons_share_a_code_of_one_program(program):
    codes = [getattr(row, program) for row in ENDINGS.values() if getattr(row, program) is not None]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_code_leads_back_to_its_reason(program):
    for reason, row in ENDINGS.items():
        code = getattr(row, program)
        assert code is None or reason_of_exit(code, program) is reason


@pytest.mark.parametrize(
    ("codes", "retry"), [(range(10, 20), False), (range(20, 30), False), (range(30, 40), True)]
)
def test_a_range_of_builder_codes_is_retried_or_not(codes, retry):
    rows = [row for row in ENDINGS.values() if row.builder in codes]

    assert rows
    assert {row.retry for row in rows} == {retry}


@pytest.mark.parametrize(
    ("code", "program", "reason"),
    [
        (10, "builder", Reason.InvalidModel),
        (14, "builder", Reason.UnsupportedPrecision),
        (20, "builder", Reason.WrongGPU),
        (31, "builder", Reason.StoreUnavailable),
        (44, "fetcher", Reason.StoreUnavailable),
        (40, "fetcher", Reason.NoEngineForGPU),
        (137, "builder", Reason.OutOfMemory),
        (143, "fetcher", Reason.Interrupted),
        (139, "builder", Reason.Crashed),
        (1, "fetcher", Reason.Crashed),
        (40, "builder", Reason.Crashed),
    ],
)
def test_an_exit_code_means_one_thing_for_each_program(code, program, reason):
    assert reason_of_exit(code, program) is reason


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("reason", Reason)
def test_no_reason_ever_ends_a_program_with_success(reason, program):
    assert exit_code_of(reason, program) > 0


PLACE = "operator/ignition_hub/engine/errors.py ENDINGS"


def test_every_reason_has_a_row_in_the_order_of_the_reasons():
    assert set(Reason) - ENDINGS.keys() == set(), f"say in {PLACE} how it ends, or that it is STATED alone"
    assert list(ENDINGS) == list(Reason), f"keep {PLACE} in the order of the reasons"


@pytest.mark.parametrize("reason", Reason)
def test_every_exit_code_has_a_meaning(reason):
    row = ENDINGS[reason]

    assert bool(row.meaning) == (row.builder is not None or row.fetcher is not None), f"{PLACE}: {reason}"


@pytest.mark.parametrize("reason", Reason)
def test_every_answer_that_ends_the_fetcher_has_a_remedy(reason):
    row = ENDINGS[reason]

    assert bool(row.remedy) == (row.http is not None and row.fetcher is not None), f"{PLACE}: {reason}"


def test_every_status_is_one_of_a_failure():
    assert [row for row in ENDINGS.values() if row.http is not None and not 400 <= row.http < 600] == []


def test_a_reason_without_an_exit_code_is_not_retried():
    code = exit_code_of(Reason.PlanRejected)

    assert reason_of_exit(code) is Reason.BuildFailed
    assert not ENDINGS[Reason.BuildFailed].retry


def test_a_reason_is_spelt_as_its_name():
    assert all(reason.value == reason.name for reason in Reason)


def test_an_error_shows_its_remedy_and_keeps_it_apart():
    error = RequestError(Reason.InvalidProfile, "profiles[0].shapes.data: max is below opt", "raise max")

    assert str(error) == "profiles[0].shapes.data: max is below opt: raise max"
    assert error.message == "profiles[0].shapes.data: max is below opt"
    assert error.to_json() == {"reason": "InvalidProfile", "message": str(error)}
    assert error.exit_code == 13


@pytest.mark.parametrize("kind", [RequestError, NodeError, TransientError])
def test_every_error_is_caught_as_one(kind):
    with pytest.raises(IgnitionError, match="gone"):
        raise kind(Reason.StoreUnavailable, "gone")


def test_a_document_of_the_wrong_shape_is_an_invalid_request():
    assert ContractError("x: missing").reason is Reason.InvalidRequest
    assert ContractError("x: missing").exit_code == 19
