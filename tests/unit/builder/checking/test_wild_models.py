"""Whatever graph or profile comes, inspection answers with a model or with a reason that says something."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ignition_builder.checking.expressible import check_expressible
from ignition_builder.checking.inspection import inputs_of, load_checked
from ignition_builder.checking.integers import warn_of_clamping
from ignition_builder.checking.plugin_nodes import check_plugin_nodes
from ignition_builder.checking.profiles import resolved
from ignition_builder.checking.signature import ModelInput
from ignition_builder.journal import Journal
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange
from smallmodels import request_for, saved
from zoo.graphs import random_model

REASONS = {Reason.InvalidModel, Reason.UnsupportedOperator, Reason.InvalidProfile}


def refusal_of(path: Path, folder: Path) -> RequestError | None:
    inputs = request_for().inputs
    with Journal(folder / "log") as journal:
        try:
            model = load_checked(path)
            check_expressible(model, inputs, journal)
            check_plugin_nodes(model, inputs, journal)
            warn_of_clamping(model, folder, inputs, journal)
            resolved([], inputs_of(model))
        except RequestError as error:
            return error
    return None


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_random_graph_is_inspected_or_refused_with_a_reason(random):
    with TemporaryDirectory() as name:
        error = refusal_of(saved(random_model(random), Path(name)), Path(name))

    assert error is None or error.reason in REASONS
    assert error is None or error.message


sizes = st.one_of(st.integers(-2, 9), st.sampled_from([2**31, 2**62]))
shapes = st.lists(sizes, max_size=4).map(tuple)
ranges = st.one_of(
    st.builds(ShapeRange, shapes, shapes, shapes),
    st.lists(st.integers(1, 9), max_size=4).map(lambda low: ShapeRange(*[tuple(low)] * 3)),
)
names = st.sampled_from(["x", "y", "z"])
profiles = st.builds(
    Profile,
    shapes=st.dictionaries(names, ranges, max_size=3),
    values=st.dictionaries(names, ranges, max_size=1),
    batch_size=st.none() | st.builds(BatchRange, sizes, sizes, sizes) | st.just(BatchRange(1, 2, 4)),
    max_sequence_length=st.none() | sizes,
)
dimensions = st.one_of(st.integers(0, 9), st.sampled_from(["", "n", "m", "batch", "seq", "h", "batch + seq"]))
inputs_given = st.lists(
    st.builds(
        ModelInput,
        names,
        st.sampled_from(["float", "int64"]),
        st.none() | st.lists(dimensions, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item.name,
)


def outcome_of(wanted: list[Profile], inputs: list[ModelInput]) -> tuple[Profile, ...] | RequestError:
    try:
        return resolved(wanted, inputs)
    except RequestError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(st.lists(profiles, max_size=2), inputs_given)
def test_profiles_are_resolved_whole_or_refused_by_name(wanted, inputs):
    found = outcome_of(wanted, inputs)

    if isinstance(found, RequestError):
        assert found.reason is Reason.InvalidProfile
        assert found.message
        assert found.remedy
        return
    assert len(found) == len(wanted)
    for profile in found:
        assert (profile.batch_size, profile.max_sequence_length) == (None, None)
        assert {item.name for item in inputs if item.dynamic} <= profile.shapes.keys()
        for item in inputs:
            if item.shape is not None and item.name in profile.shapes:
                assert fits(item.shape, profile.shapes[item.name])


def fits(shape, wanted) -> bool:
    ordered = all(
        low <= usual <= high for low, usual, high in zip(wanted.min, wanted.opt, wanted.max, strict=True)
    )
    fixed = all(
        isinstance(size, str) or size == low == high
        for size, low, high in zip(shape, wanted.min, wanted.max, strict=True)
    )
    return ordered and fixed
