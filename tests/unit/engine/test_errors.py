"""One table of reasons and exit codes, read by both programs and by the Job's failure policy."""

import pytest

from ignition_hub.engine.errors import (
    EXITS,
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
    codes = [getattr(row, program) for row in EXITS.values() if getattr(row, program) is not None]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_code_leads_back_to_its_reason(program):
    for reason, row in EXITS.items():
        code = getattr(row, program)
        assert code is None or reason_of_exit(code, program) is reason


@pytest.mark.parametrize(
    ("codes", "retry"), [(range(10, 20), False), (range(20, 30), False), (range(30, 40), True)]
)
def test_a_range_of_builder_codes_is_retried_or_not(codes, retry):
    rows = [row for row in EXITS.values() if row.builder in codes]

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


def test_a_reason_outside_the_table_is_not_retried():
    code = exit_code_of(Reason.PlanRejected)

    assert reason_of_exit(code) is Reason.BuildFailed
    assert not EXITS[Reason.BuildFailed].retry


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
