"""The layer of ``builder-image/Dockerfile`` over a plain Debian: all of the image but NVIDIA's part."""

import pytest

from images.base import base_key, ensure_base
from images.build import Order, build
from images.buildah import Buildah
from images.errors import ImagesError
from images.paths import ROOT, storage_folder, wheel_folder
from images.recipe import images_named
from images.wheels import ensure_wheels

pytestmark = pytest.mark.e2e

(IMAGE,) = images_named(["builder"])


@pytest.fixture(scope="module")
def buildah() -> Buildah:
    build(Order((IMAGE,)))
    return Buildah.open(storage_folder())


def test_an_image_without_tensorrt_says_so_in_one_line(buildah: Buildah) -> None:
    code, said = buildah.try_in(
        IMAGE.reference, ["python3", "-m", "ignition_builder.image_check", "TensorRT"]
    )

    assert code == 21, said
    told = [line for line in said.splitlines() if line.startswith("WrongTensorRT: ")]
    assert len(told) == 1
    assert "this image contains no TensorRT" in told[0]
    assert "Traceback" not in said


def test_the_builder_starts_and_names_what_its_pod_lacks(buildah: Buildah) -> None:
    code, said = buildah.try_in(IMAGE.reference, ["python3", "-m", "ignition_builder"])

    assert code == 19, said
    assert "IGNITION_GATEWAY_URL" in said
    assert "Traceback" not in said


def test_nothing_phones_home_and_nobody_is_root(buildah: Buildah) -> None:
    command = "import os, onnxruntime; print(os.getuid(), os.environ['ORT_DISABLE_TELEMETRY'])"

    assert buildah.try_in(IMAGE.reference, ["python3", "-c", command]) == (0, "65532 1\n")


def test_a_false_claim_about_the_base_stops_the_build(buildah: Buildah) -> None:
    wheels = ensure_wheels(ROOT / "requirements/builder.txt", wheel_folder())
    arguments = {
        "BASE": ensure_base(buildah, base_key()),
        "PIP_NO_INDEX": "1",
        "REQUIREMENTS": "/wheels/requirements.txt",
        "TENSORRT_VERSION": "10.14.1",
    }

    with pytest.raises(ImagesError, match="WrongTensorRT: this image contains no TensorRT"):
        buildah.build(
            "localhost/ignition-hub/builder:claimed",
            ROOT / IMAGE.dockerfile,
            ROOT,
            arguments=arguments,
            mounts={wheels: "/wheels"},
        )
