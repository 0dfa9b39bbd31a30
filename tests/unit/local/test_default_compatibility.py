"""How far an engine reaches when nobody says, and builds with a fake of TensorRT 8.6."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakedriver import COMPILER
from fakemachine import fake_machine
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.local.default_compatibility import check_level, product_of, widest
from local_harness import command, finished
from smallmodels import dense, saved

L4 = DeviceFacts(name="NVIDIA L4", capability=(8, 9), memory_bytes=24 << 30, multiprocessors=58, cuda=(12, 8))
OLD, NEW = "8.6.1", "10.12.0.36"
SEED = """
import json
from ignition_hub import build_or_load_engine
engine, source = build_or_load_engine(onnx_path="arcface_r100.onnx", precision="fp16", batch_size=32)
inputs = engine.manifest.inputs
print(json.dumps([source, inputs.release, inputs.compatibility, inputs.product, engine.manifest.identity]))
"""


@pytest.mark.parametrize(
    ("flavor", "version", "arch", "level"),
    [
        ("TensorRT", "8.5.3.1", "sm_86", "Product"),
        ("TensorRT", "8.6.1", "sm_89", "Product"),
        ("TensorRT", "10.8.0.43", "sm_89", "Product"),
        ("TensorRT", "10.9.0.34", "sm_89", "SameComputeCapability"),
        ("TensorRT", "11.4.1.8", "sm_90", "SameComputeCapability"),
        ("TensorRT", "10.13.2.6", "sm_87", "Product"),
        ("TensorRTRTX", "1.7.1.116", "sm_89", "SameComputeCapability"),
    ],
)
def test_the_default_is_the_widest_level_that_the_release_has_for_the_gpu(flavor, version, arch, level):
    assert widest(flavor, version, arch) == level


def test_the_product_is_this_machines_where_it_has_the_gpu_and_spelt_as_a_label():
    assert product_of(None, "TensorRT 8.6.1", "sm_89", lambda: L4) == "NVIDIA-L4"
    assert product_of("NVIDIA A10", "TensorRT 8.6.1", "sm_86", lambda: L4) == "NVIDIA-A10"


@pytest.mark.parametrize(("gpu", "there"), [(L4, "NVIDIA-L4, sm_89"), (None, "no usable GPU")])
def test_an_unknown_product_is_asked_for_and_the_remedy_works(gpu, there):
    with pytest.raises(RequestError, match=f"product: missing: .*TensorRT 8.6.1.*{there}") as caught:
        product_of(None, "TensorRT 8.6.1", "sm_86", lambda: gpu)

    assert caught.value.remedy == "give the product, for example NVIDIA-A10"
    assert product_of("NVIDIA-A10", "TensorRT 8.6.1", "sm_86", lambda: gpu) == "NVIDIA-A10"


@pytest.mark.parametrize(
    ("level", "product", "said"),
    [
        ("Native", None, "compatibility: 'Native': unknown level"),
        ("AmperePlus", "NVIDIA-L4", "product: 'NVIDIA-L4': AmperePlus covers more than one product"),
    ],
)
def test_a_level_that_is_none_or_takes_no_product_is_refused(level, product, said):
    with pytest.raises(RequestError) as caught:
        check_level(level, product)

    assert caught.value.reason is Reason.InvalidRequest
    assert said in caught.value.message
    check_level("Product", product)
    check_level(None, product)


@pytest.fixture
def machine(tmp_path: Path):
    """Return what prepares a machine with a release, an L4 and a model; and a folder to work in."""
    if COMPILER is None:
        pytest.skip("the fake driver needs a C compiler")
    saved(dense(batch="N"), tmp_path, "arcface_r100.onnx")

    def prepared(release: str) -> dict[str, str]:
        (tmp_path / release).mkdir()
        cache = {"TENSORRT_CACHE_DIR": str(tmp_path / "cache")}
        return fake_machine(tmp_path / release, release) | cache

    return prepared


def build(folder: Path, machine: dict[str, str], *words: str) -> tuple[int, dict[str, Any], str]:
    model = folder / "arcface_r100.onnx"
    asked = ("build", model, "--precision", "fp16", "--batch-size", "32", "-o", "json", *words)
    code, out, err = finished(command(*asked, **machine))
    return code, json.loads(out), err


def test_the_first_example_works_with_tensorrt_8_6(machine, tmp_path):
    found = machine(OLD)
    ran = subprocess.run(
        [sys.executable, "-c", SEED],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env=found,
    )
    source, release, level, product, identity = json.loads(ran.stdout)

    assert (source, release) == ("built", "TensorRT 8.6.1")
    assert (level, product) == ("Product", "NVIDIA-L4")
    code, result, _ = build(tmp_path, found, "--flavor", "TensorRT")
    assert (code, result["source"], result["identity"]) == (0, "local_cache", identity)


@pytest.mark.parametrize(
    ("release", "words", "taken"),
    [
        (OLD, (), ("Product", "NVIDIA-L4", "NVIDIA-L4 alone, linux-x86_64")),
        (
            OLD,
            ("--compatibility", "AmperePlus"),
            (
                "AmperePlus",
                None,
                "every GPU of compute capability 8.0 or newer except Jetson "
                "(sm_80, sm_86, sm_89, sm_90, sm_100, sm_103, sm_120, sm_121), linux-x86_64",
            ),
        ),
        (NEW, (), ("SameComputeCapability", None, "every sm_89 GPU, linux-x86_64")),
        (NEW, ("--compatibility", "Product"), ("Product", "NVIDIA-L4", "NVIDIA-L4 alone, linux-x86_64")),
        (NEW, ("--product", "NVIDIA L4"), ("Product", "NVIDIA-L4", "NVIDIA-L4 alone, linux-x86_64")),
    ],
)
def test_the_command_line_says_which_level_was_taken(release, words, taken, machine, tmp_path):
    code, result, err = build(tmp_path, machine(release), "--flavor", "TensorRT", *words)

    assert code == 0, err
    loads, _, _ = result["loadsOn"].partition(", with")
    assert (result["source"], result["compatibility"], result["product"], loads) == ("built", *taken)


def test_the_command_line_says_of_an_engine_for_windows_what_inspect_says(machine, tmp_path):
    words = ("--flavor", "TensorRT", "--option", "runtimePlatform=WindowsAMD64")
    code, result, err = build(tmp_path, machine(NEW), *words)

    assert code == 0, err
    assert ", windows-x86_64, with" in result["loadsOn"]


def test_a_level_that_the_release_lacks_is_refused_and_the_remedy_works(machine, tmp_path):
    found = machine(OLD)
    code, result, err = build(tmp_path, found, "--compatibility", "SameComputeCapability")

    assert code == 1
    assert result["error"]["reason"] == "CompatibilityUnsupported"
    assert "SameComputeCapability exists from TensorRT 10.9 on" in err
    assert (
        "use compatibility: Product with product: NVIDIA-L4; on the command line: --compatibility LEVEL, "
        in err
    )
    code, result, err = build(tmp_path, found, "--compatibility", "Product", "--product", "NVIDIA-L4")
    assert (code, result["source"]) == (0, "built"), err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--arch", "sm_86"), "product: missing"),
        (("--arch", "sm_89", "--arch", "sm_86", "--product", "NVIDIA-L4"), "give one --arch"),
        (("--product", "NVIDIA-L40S"), "NVIDIA-L40S"),
        (("--compatibility", "Native"), "use one of Product, SameComputeCapability, AmperePlus"),
    ],
)
def test_a_product_that_is_not_here_is_refused_in_one_line(words, said, machine, tmp_path):
    code, result, err = build(tmp_path, machine(OLD), "--flavor", "TensorRT", *words)

    assert code == 1
    assert said in result["error"]["message"]
    assert err.startswith("error: ")
    assert err.count("\n") == 1
