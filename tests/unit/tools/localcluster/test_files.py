"""What is built, where it lands, and image files that Python writes and reads."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import images, paths, recipe, toolchain
from localcluster.errors import LocalClusterError
from localcluster.starting import log_of


def make_sources(folder: Path) -> Path:
    folder.mkdir()
    (folder / "main.go").write_text("package main")
    (folder / "notes.txt").write_text("a")
    return folder


def test_another_version_is_another_recipe(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "go")
    newer = [replace(recipe.KUBERNETES, variables=()), *recipe.COMPONENTS[1:]]

    assert recipe.recipe_hash(sources=sources) != recipe.recipe_hash(newer, sources)


def test_a_changed_line_of_go_is_another_recipe_and_a_note_is_not(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "go")
    before = recipe.recipe_hash(sources=sources)

    (sources / "notes.txt").write_text("b")
    same = recipe.recipe_hash(sources=sources)
    (sources / "main.go").write_text("package other")

    assert (same == before, recipe.recipe_hash(sources=sources) == before) == (True, False)


def test_the_module_pins_the_version_of_the_recipe() -> None:
    text = (recipe.GO_SOURCES / "go.mod").read_text()

    assert f"k8s.io/kubernetes v{recipe.KUBERNETES_VERSION}\n" in text


def test_the_control_plane_set_is_part_of_all() -> None:
    assert set(recipe.SETS["control-plane"]) < set(recipe.SETS["all"])


def test_binaries_land_below_the_cache_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert paths.bin_folder().is_relative_to(tmp_path / "ignition-hub" / "localcluster")


def test_a_program_that_is_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(LocalClusterError, match=r"kubelet is not built.*\n.*localcluster build"):
        paths.binary("kubelet")


@pytest.mark.parametrize(
    ("printed", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.9 linux/arm64", (1, 9)), ("gcc", None)],
)
def test_the_version_of_go_is_read(printed: str, version: tuple[int, int] | None) -> None:
    assert toolchain.go_version(printed) == version


def test_a_written_image_reads_back_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!")
    path = tmp_path / "image.tar"

    images.write_static_image(path, "localhost/a:1", {"/program": tmp_path / "program"}, ["/program"])

    assert images.read_image_file(path).names == ("localhost/a:1",)


def test_the_digest_of_an_image_follows_its_content(tmp_path: Path) -> None:
    digests = []
    for content in ("a", "a", "b"):
        (tmp_path / "program").write_text(content)
        images.write_static_image(tmp_path / "i.tar", "x:1", {"/p": tmp_path / "program"}, ["/p"])
        digests.append(images.read_image_file(tmp_path / "i.tar").digest)

    assert (digests[0] == digests[1], digests[1] == digests[2]) == (True, False)


def test_executables_of_a_written_image_may_be_executed(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!")
    images.write_static_image(tmp_path / "i.tar", "x:1", {"/bin/p": tmp_path / "program"}, ["/bin/p"])

    with tarfile.open(tmp_path / "i.tar") as outer:
        layer = next(name for name in outer.getnames() if name.endswith(".tar"))
        with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
            assert [(entry.name, entry.mode) for entry in inner] == [("bin/p", 0o755)]


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("nothing")

    with pytest.raises(LocalClusterError, match=r"x\.tar is no image file"):
        images.read_image_file(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("localhost/a/b:1", "localhost/a/b:1"),
        ("registry.example.com:5000/a", "registry.example.com:5000/a:latest"),
        ("a:1", "docker.io/library/a:1"),
        ("a/b", "docker.io/a/b:latest"),
    ],
)
def test_a_name_is_completed_as_containerd_does(given: str, kept: str) -> None:
    assert images.full_name(given) == kept


def test_the_listing_of_containerd_gives_digests() -> None:
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\nlocalhost/a:1 application/x sha256:12 3.0 MiB linux/amd64 -\n"
    )

    assert images.parse_images(listing) == {"localhost/a:1": "sha256:12"}


def test_the_log_of_a_node_program_is_found_by_its_process_name(tmp_path: Path) -> None:
    (tmp_path / "nodes" / "gpu-l4").mkdir(parents=True)

    found = [log_of(tmp_path, name).relative_to(tmp_path) for name in ("etcd", "gpu-l4", "gpu-l4-kubelet")]

    assert [str(path) for path in found] == [
        "log/etcd.log",
        "nodes/gpu-l4/holder.log",
        "nodes/gpu-l4/kubelet.log",
    ]
