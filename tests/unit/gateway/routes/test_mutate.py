"""Which engines of a review are asked for by name when the watch has not brought them."""

import pytest

from ignition_hub.gateway.routes.mutate import named_engines


def review(engines=None):
    annotations = {} if engines is None else {"ignitionhub.io/engines": engines}
    return {"request": {"object": {"metadata": {"annotations": annotations}}}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, set()),
        ("", set()),
        ("resnet50, det=yolo-v8,", {"resnet50", "yolo-v8"}),
        ("../nodes, Upper, ok", {"ok"}),
        (",".join(f"e{number}" for number in range(17)), set()),
    ],
)
def test_only_names_that_can_be_of_an_engine_are_asked_for_and_of_too_many_none(text, names):
    assert named_engines(review(text)) == names


@pytest.mark.parametrize("request_", [{}, {"object": None}, {"object": {"metadata": None}}])
def test_a_review_without_a_pod_names_none(request_):
    assert named_engines({"request": request_}) == set()
