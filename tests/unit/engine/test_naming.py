"""Names of engines, Jobs and store keys, as other people's scripts will rely on them."""

import re
from dataclasses import replace

import pytest

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import EngineInputs, Model, identity_of
from ignition_hub.engine.naming import (
    StorePaths,
    Tree,
    engine_file_name,
    engines_named,
    is_plain_path,
    job_name,
    pushed_bundle_folder,
    pushed_model_key,
    timing_cache_key,
)

INPUTS = EngineInputs(
    model=Model("arcface_r100", "v1.0", "sha256:" + "9f" * 32),
    precision="fp16",
    profiles=(),
    flavor="TensorRT",
    tensorrt_version="8.6.1.6",
    platform="linux-x86_64",
    gpu_arch="sm_86",
    product=None,
    compatibility="AmperePlus",
    options={},
    verification={},
)
IDENTITY = "5f0c" * 16
ENGINE = "9d21" * 16
NAME = "arcface_r100_v1.0_fp16_sm_86_8.6.1.trt"


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("8.6.1.6", NAME),
        ("8.6.1", NAME),
        ("10.13.2.6", "arcface_r100_v1.0_fp16_sm_86_10.13.2.trt"),
        ("1.7.1.116", "arcface_r100_v1.0_fp16_sm_86_1.7.1.trt"),
    ],
)
def test_an_engine_file_is_named_for_people(version, name):
    assert engine_file_name(replace(INPUTS, tensorrt_version=version)) == name


def test_a_job_is_named_by_the_identity_and_fits_a_label():
    assert job_name(IDENTITY) == "ignition-build-5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c"
    assert re.fullmatch(r"[a-z0-9-]{1,63}", job_name(identity_of(INPUTS)))


def test_the_store_keeps_builds_of_one_identity_apart():
    paths = StorePaths("ignition", INPUTS, IDENTITY)
    folder = "ignition/engines/arcface_r100/5f0c5f0c5f0c5f0c"

    assert paths.folder == folder
    assert paths.manifest == f"{folder}/{NAME}.json"
    assert paths.engine(ENGINE) == f"{folder}/9d219d219d219d21/{NAME}"
    assert paths.provenance(ENGINE) == f"{folder}/9d219d219d219d21/{NAME}.intoto.json"
    assert paths.log(ENGINE) == f"{folder}/9d219d219d219d21/build.log"


@pytest.mark.parametrize(
    ("prefix", "start"), [("", "engines/"), ("/", "engines/"), ("a/", "a/engines/"), ("/a/b", "a/b/engines/")]
)
def test_a_prefix_is_joined_by_one_slash(prefix, start):
    assert StorePaths(prefix, INPUTS, IDENTITY).folder.startswith(start)


def test_a_pushed_model_lies_under_its_namespace():
    assert pushed_model_key("ignition", "vision", ENGINE) == f"ignition/models/vision/{ENGINE}.onnx"


@pytest.mark.parametrize("namespace", ["", "..", "a/b", "Vision", "-a", "a" * 64])
def test_a_namespace_cannot_reach_into_another_folder(namespace):
    with pytest.raises(ContractError, match="namespace"):
        pushed_model_key("ignition", namespace, ENGINE)


@pytest.mark.parametrize("digest", ["", "5f0c", "../" * 21 + "x", "Z" * 64])
def test_a_key_is_made_of_whole_digests_only(digest):
    paths = StorePaths("ignition", INPUTS, IDENTITY)

    for make in (job_name, paths.engine, paths.log, lambda value: pushed_model_key("p", "ns", value)):
        with pytest.raises(ContractError, match="SHA-256"):
            make(digest)


@pytest.mark.parametrize("name", ["a", "weights.bin", "layers/0/ä b.bin", "..a/b..", "x" * 255])
def test_a_plain_path_means_the_same_everywhere(name):
    assert is_plain_path(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a\\b",
        "a\nb",
        "x" * 256,
        "ä" * 128,
        "a/" * 256 + "a",
    ],
)
def test_a_path_that_leaves_its_folder_or_fits_no_file_system_is_not_plain(name):
    assert not is_plain_path(name)


def test_a_pushed_bundle_has_a_folder_beside_the_pushed_models():
    assert pushed_bundle_folder("ignition", "vision", "9f" * 32) == f"ignition/models/vision/{'9f' * 32}/"
    with pytest.raises(ContractError, match="is not a SHA-256"):
        pushed_bundle_folder("ignition", "vision", "..")


def test_every_key_is_below_one_of_the_hubs_folders():
    cache = timing_cache_key("hub", INPUTS, product="NVIDIA-A10", owner="namespaces/vision", cuda="12.9")
    keys = [StorePaths("hub", INPUTS, "0" * 64).manifest, pushed_model_key("hub", "vision", "0" * 64), cache]

    assert {key.split("/")[1] for key in keys} == set(Tree) - {Tree.UNSIGNED}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("yolo", [("yolo", "yolo")]),
        (" det = yolo , arcface,", [("det", "yolo"), ("arcface", "arcface")]),
        ("det=,=yolo,a=b=c", [("det", ""), ("", "yolo"), ("a", "b=c")]),
        (" , ", []),
    ],
)
def test_an_annotation_names_engines_by_alias_or_by_themselves(text, pairs):
    assert engines_named(text) == pairs
