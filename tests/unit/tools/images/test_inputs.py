"""What makes an image be built anew, and what does not."""

import os
from pathlib import Path

import pytest

from images.inputs import key_of
from images.recipe import IMAGES, Image, images_named

IMAGE = Image("app", "app/Dockerfile", sources=("app/code",), pins="pins.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    files = {
        "app/Dockerfile": "FROM x",
        "app/code/a.py": "a = 1",
        "app/other.py": "unrelated",
        "pins.txt": "boto3==1",
        ".dockerignore": "*",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def key(checkout: Path, base: str = "base-1", image: Image = IMAGE) -> str:
    return key_of(image, checkout, base=base, programs=checkout)


@pytest.mark.parametrize("name", ["app/Dockerfile", "app/code/a.py", "pins.txt", ".dockerignore"])
def test_a_changed_input_is_a_new_key(checkout: Path, name: str):
    before = key(checkout)
    (checkout / name).write_text("something else")

    assert key(checkout) != before


def test_a_new_file_and_a_new_base_are_new_keys(checkout: Path):
    before = key(checkout)
    assert key(checkout, base="base-2") != before

    (checkout / "app/code/b.py").write_text("")
    assert key(checkout) != before


def test_a_renamed_file_is_a_new_key(checkout: Path):
    before = key(checkout)
    (checkout / "app/code/a.py").rename(checkout / "app/code/z.py")

    assert key(checkout) != before


def test_timestamps_caches_and_files_that_are_not_copied_do_not_count(checkout: Path):
    before = key(checkout)
    os.utime(checkout / "app/code/a.py", (1, 1))
    (checkout / "app/other.py").write_text("changed")
    (checkout / "app/code/__pycache__").mkdir()
    (checkout / "app/code/__pycache__/a.pyc").write_bytes(b"compiled")

    assert key(checkout) == before


def test_an_image_of_a_program_depends_on_the_program_and_not_on_the_base(checkout: Path):
    image = Image("s3", "app/Dockerfile", sources=(), programs=("server",), needs_base=False)
    (checkout / "server").write_bytes(b"1")
    before = key(checkout, image=image)

    assert key(checkout, base="base-2", image=image) == before
    (checkout / "server").write_bytes(b"2")
    assert key(checkout, image=image) != before


def test_an_unknown_image_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="no image is called bulider; there are operator, fetcher"):
        images_named(["bulider"])
    assert images_named([]) == tuple(image for image in IMAGES if image.name != "builder")
    assert [image.name for image in images_named(["builder"])] == ["builder"]
