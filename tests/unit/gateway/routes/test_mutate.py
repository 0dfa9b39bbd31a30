"""Which engines of a review are asked for by name when the watch has not brought them."""

import pytest

from ignition_hub.gateway.process.image_list import ImageFile, ImageList
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


IMAGES = ImageList("", {"vision": {"resnet50": {"ab" * 32: "registry.example.com/e@sha256:1"}}})


def test_what_one_process_writes_of_images_the_other_reads_and_reads_again_when_it_changed(tmp_path):
    writer, reader = (ImageFile(tmp_path / "images.json") for _ in range(2))
    assert reader.read() == ImageList()

    writer.write(IMAGES)
    assert reader.read() == IMAGES
    assert reader.read().of("vision") == IMAGES.images["vision"]
    assert reader.read().of("other") == {}

    writer.write(ImageList(trouble="the Secret is gone"))
    assert reader.read() == ImageList(trouble="the Secret is gone")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"other": 1}', "\x00"])
def test_a_list_of_images_that_cannot_be_read_leaves_pods_to_download(tmp_path, text):
    (tmp_path / "images.json").write_text(text)

    found = ImageFile(tmp_path / "images.json").read()

    assert (found.images, found.trouble) == ({}, "the list of images cannot be read")


def test_without_a_file_there_are_no_images_and_nothing_is_written():
    file = ImageFile(None)
    file.write(IMAGES)

    assert file.read() == ImageList()
    assert file.read().trouble == "the EngineStore names no registry"
