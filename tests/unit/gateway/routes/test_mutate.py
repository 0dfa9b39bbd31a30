"""Which engines of a review are asked for by name when the watch has not brought them."""

import pytest

from ignition_hub.gateway.routes.mutate import named_engines, outcome_of


def review(engines=None):
    annotations = {} if engines is None else {"ignitionhub.io/engines": engines}
    return {"request": {"object": {"metadata": {"annotations": annotations}}}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, set()),
        ("", set()),
        ("resnet50, det=yolo-v8,", {"resnet50", "yolo-v8"}),
        ("../nodes, ok", set()),
        ("Upper, ok", set()),
        ("x," * 3000, set()),
        (["resnet50"], set()),
        (",".join(f"e{number}" for number in range(17)), set()),
    ],
)
def test_what_a_pod_names_is_asked_for_and_nothing_of_an_annotation_that_is_refused(text, names):
    assert named_engines(review(text)) == names


@pytest.mark.parametrize("request_", [{}, {"object": None}, {"object": {"metadata": None}}])
def test_a_review_without_a_pod_names_none(request_):
    assert named_engines({"request": request_}) == set()


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ({"allowed": True, "patch": "W10=", "patchType": "JSONPatch"}, "patched"),
        ({"allowed": True}, "unchanged"),
        ({"allowed": False, "status": {"code": 400}}, "denied"),
    ],
)
def test_what_became_of_a_pod_is_told_by_the_answer(response, outcome):
    assert outcome_of({"response": response}) == outcome
