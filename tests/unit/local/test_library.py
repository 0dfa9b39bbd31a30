"""``build_or_load_engine`` with real builds: where the engine comes from, and what may be broken."""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import ignition_hub
from ignition_builder import pipeline
from ignition_hub import build_or_load_engine, clear_cache
from ignition_hub.device import NoGPU, probe
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.plan_header import read_plan_header
from ignition_hub.local import provider
from ignition_hub.local.script_layout import classic_path, copied
from ignition_hub.local.shapes import profiles_of
from ignition_hub.runtime.loading import look_at
from local_harness import ARCH, files_in, library_warnings
from smallmodels import RTX_VERSION, dense, saved
from storefixtures import make_inputs

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

HIT = """
import json, sys
from ignition_hub import build_or_load_engine
engine, source = build_or_load_engine(sys.argv[1], arch=sys.argv[2])
print(json.dumps([source, sorted(sys.modules)]))
"""
CREDENTIALS = {"ARTIFACTS_ACCESS_KEY": "me", "ARTIFACTS_SECRET_KEY": "secret"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("ARTIFACTS_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TENSORRT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(dense(), tmp_path)


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What the library warns of, line by line."""
    with library_warnings() as said:
        yield said


@contextlib.contextmanager
def tiny_disk(folder: Path, *options: str) -> Iterator[Path]:
    """Give a file system of its own, so that it can be full or read-only even for root."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def load(model: Path, **changes: Any) -> Any:
    return build_or_load_engine(model, arch=ARCH, **changes)


def test_an_engine_is_built_once_and_then_found(model, tmp_path, warned):
    heard: list[tuple[str, float]] = []
    engine, source = load(model, on_progress=lambda *word: heard.append(word))
    again, second = load(model)

    assert (source, second) == ("built", "local_cache")
    assert again == engine
    assert heard
    assert [fraction for _, fraction in heard] == sorted(fraction for _, fraction in heard)
    with Path(engine).open("rb") as file:
        header = read_plan_header(file)
    assert (header.version, header.capabilities) == (RTX_VERSION, (ARCH,))
    assert len(files_in(tmp_path / "cache")) == 3
    assert warned == []


def test_the_identity_is_the_one_a_cluster_computes_for_a_pinned_model(model):
    engine, _ = load(model, model_name="dense", model_version="v7", options={"workspace": "64Mi"})
    inputs = engine.manifest.inputs
    in_a_cluster = make_inputs(
        model=ignition_hub.engine.identity.Model(
            "dense", "v7", fingerprint("s3://models/dense.onnx", sha256=engine.manifest.build.model["sha256"])
        ),
        options={"workspace": 64 * 2**20},
        tensorrt_version=RTX_VERSION,
    )

    assert inputs == in_a_cluster
    assert engine.manifest.identity == identity_of(in_a_cluster)


def test_a_batch_size_opens_every_batch_up_to_it(tmp_path):
    engine, _ = load(saved(dense(batch="n"), tmp_path), batch_size=8)

    assert engine.manifest.build.profiles == (
        {"shapes": {"x": {"min": [1, 64], "opt": [8, 64], "max": [8, 64]}}},
    )
    assert classic_path(tmp_path / "model.onnx", engine.manifest.inputs) == (
        tmp_path / "fp16" / "bs8" / "model.engine"
    )


@pytest.mark.parametrize(
    ("shapes", "folder"),
    [
        ({"a": [[1, 3], [4, 3], [8, 3]]}, "bs8"),
        ({"a": [[1, 3], [4, 3], [8, 3]], "b": [[1], [4], [8]]}, "bs8"),
        ({"state": [[2, 1], [2, 1], [2, 4]], "b": [[1], [4], [4]]}, "bs1"),
        ({}, "bs1"),
    ],
)
def test_the_classic_layout_names_the_batch_that_the_shapes_agree_on(shapes, folder):
    inputs = make_inputs(profiles=profiles_of(None, None, shapes))

    assert classic_path(Path("m.onnx"), inputs).parent.name == folder


@pytest.mark.parametrize("special", ["it", "it.json"])
def test_a_copy_never_takes_the_place_of_what_is_no_file(special, model, tmp_path):
    engine, _ = load(model)
    os.mkfifo(tmp_path / special)

    with pytest.raises(IgnitionError, match="not a regular file"):
        copied(engine, tmp_path / "it")
    assert stat.S_ISFIFO((tmp_path / special).stat().st_mode)


def test_an_engine_is_printed_as_the_path_it_is(model):
    engine, _ = load(model)
    assert f"{engine}" == str(engine.path)


def test_the_runtime_finds_who_vouches_for_an_engine_in_the_cache_and_in_the_classic_layout(model, tmp_path):
    engine, _ = load(model)
    copy = copied(engine, classic_path(model, engine.manifest.inputs))

    for path in (engine.path, copy):
        voucher = look_at(path).voucher
        assert voucher is not None
        assert voucher.manifest == engine.manifest
    assert files_in(tmp_path / "fp16") == {"bs1/model.engine", "bs1/model.engine.json"}


@pytest.mark.skipif(probe() is not None, reason="this machine has a GPU")
def test_loading_without_a_gpu_is_refused_with_a_reason(model):
    engine, _ = load(model)

    with pytest.raises(NoGPU):
        engine.load()


def test_a_forced_rebuild_builds(model):
    load(model)

    assert load(model, force_rebuild=True)[1] == "built"
    assert load(model)[1] == "local_cache"


def test_a_damaged_engine_is_made_again_with_one_warning(model, warned):
    engine, _ = load(model)
    content = engine.path.read_bytes()
    engine.path.write_bytes(content[:-1] + b"?")
    again, source = load(model)

    assert (source, again.path.read_bytes()) == ("built", content)
    assert len(warned) == 1
    assert "does not match its manifest; rebuilding it" in warned[0]


@pytest.mark.parametrize("name", ["resnet.onnx", "weights.bin"])
def test_a_model_that_changes_while_it_is_built_leaves_no_engine(tmp_path, monkeypatch, name):
    path, real = tmp_path / "resnet.onnx", pipeline.build
    onnx.save(dense(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)

    def build(*given: Any, **named: Any) -> Any:
        built = real(*given, **named)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1] + b"!")
        return built

    monkeypatch.setattr(pipeline, "build", build)
    with pytest.raises(IgnitionError, match=f"{name} changed during the build") as caught:
        load(path)

    assert caught.value.reason is Reason.ModelDigestMismatch
    assert not any(file.endswith(".trt.json") for file in files_in(tmp_path / "cache"))


def test_a_cache_of_another_user_costs_a_warning(model, tmp_path, warned):
    if os.geteuid() != 0:
        pytest.skip("to give a folder away needs root")
    load(model)
    assert warned == []
    os.chown(tmp_path / "cache", 12345, -1)
    load(model)

    assert warned == [f"{tmp_path / 'cache'} belongs to user 12345, who can run code here through it"]


def test_a_copy_is_readable_for_those_who_may_read_the_engine_and_replaces_a_link(model, tmp_path):
    engine, _ = load(model)
    engine.path.chmod(0o600)
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "copy.engine").symlink_to(victim)
    target = copied(engine, tmp_path / "copy.engine")

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not target.is_symlink()
    assert victim.read_text() == "kept"


def test_clearing_frees_what_was_built(model, tmp_path):
    engine, _ = load(model)

    assert clear_cache(model_name="another") == 0
    assert clear_cache() > engine.manifest.engine.size
    assert files_in(tmp_path / "cache") == set()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arch": "sm_90"}, Reason.FlavorCannotTarget),
        ({"arch": "sm_1"}, Reason.UnknownArch),
        ({"precision": "fp16", "arch": "sm_75", "options": {"refit": "Refit"}}, Reason.UnsupportedOption),
        ({"precision": "half"}, Reason.InvalidRequest),
        ({"flavor": "TRT"}, Reason.InvalidRequest),
        ({"tensorrt_version": "1.2"}, Reason.InvalidRequest),
        ({"tensorrt_version": "latest"}, Reason.InvalidRequest),
        ({"tensorrt_version": "1.2.0.54"}, Reason.NoPoolForVersion),
        ({"shapes": {"x": [[1], [2]]}}, Reason.InvalidRequest),
        ({"shapes": {"x": "2x64"}}, Reason.InvalidRequest),
        ({"shapes": {"x": {"min": [1]}}}, Reason.InvalidRequest),
        ({"shapes": {"x": ([1], [1, 2], [3])}}, Reason.InvalidRequest),
        ({"shapes": {"x": ([3], [2], [1])}}, Reason.InvalidRequest),
        ({"batch_size": (1, "8", 32)}, Reason.InvalidRequest),
        ({"batch_size": 0}, Reason.InvalidRequest),
        ({"max_sequence_length": 0}, Reason.InvalidRequest),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_built(model, changes, reason, tmp_path):
    with pytest.raises(IgnitionError) as caught:
        build_or_load_engine(model, **{"arch": ARCH, **changes})

    assert caught.value.reason is reason
    assert caught.value.remedy
    assert files_in(tmp_path / "cache") == set()


def test_a_build_that_failed_leaves_its_log_until_the_cache_is_cleared(tmp_path):
    model = dense()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((64, 64), 1e6, np.float32), "w"))
    with pytest.raises(IgnitionError, match="failOnWarnings") as caught:
        load(saved(model, tmp_path), options={"failOnWarnings": ["WeightsTruncated"]})
    (log,) = files_in(tmp_path / "cache")

    assert caught.value.remedy.endswith(f"the log is kept in {tmp_path / 'cache' / log}")
    assert "WeightsTruncated" in (tmp_path / "cache" / log).read_text()
    clear_cache()
    assert files_in(tmp_path / "cache") == set()


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(IgnitionError, match=r"onnx_path: .*none\.onnx.*No such file"):
        load(tmp_path / "none.onnx")


def test_without_a_gpu_the_target_has_to_be_named(model, monkeypatch):
    monkeypatch.setattr("ignition_hub.local.resolution.machine_gpu", lambda: None)

    with pytest.raises(IgnitionError, match="arch: missing"):
        build_or_load_engine(model)


def test_without_a_builder_one_line_says_what_to_install(model, monkeypatch):
    monkeypatch.setattr("ignition_hub.local.installed.find_spec", lambda name: None)

    with pytest.raises(IgnitionError) as caught:
        load(model)
    assert "cannot be built here" in caught.value.message
    assert caught.value.remedy == "pip install 'ignition-hub[builder-rtx]'"


def test_a_read_only_cache_gives_its_engines_and_new_ones_for_this_process(
    tmp_path, model, monkeypatch, warned
):
    with tiny_disk(tmp_path / "disk") as disk:
        monkeypatch.setenv("TENSORRT_CACHE_DIR", str(disk))
        known, _ = load(model)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        provider.folder_of_this_process.cache_clear()

        assert load(model) == (known, "local_cache")
        assert warned == []
        fresh, source = load(model, precision="fp32")
        again, second = load(model, precision="fp32")

    assert (source, second) == ("built", "local_cache")
    assert fresh.temporary
    assert again.path == fresh.path
    assert fresh.path.exists()
    assert "Read-only file system" in warned[0]
    assert "until this process ends" in warned[0]


def test_a_full_disk_costs_a_warning_and_no_engine(tmp_path, model, monkeypatch, warned):
    with tiny_disk(tmp_path / "disk", "-o", "size=128k") as disk:
        monkeypatch.setenv("TENSORRT_CACHE_DIR", str(disk))
        engine, source = load(model)
        left = files_in(disk)

    assert (source, engine.temporary) == ("built", True)
    assert left == set()
    assert len(warned) == 1
    assert "No space left on device" in warned[0]


def test_an_engine_that_must_stay_is_not_built_for_a_moment(tmp_path, model):
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(IgnitionError, match="cannot be written") as caught:
        load(model, may_be_temporary=False)
    assert "TENSORRT_CACHE_DIR" in caught.value.remedy


def test_a_store_without_credentials_costs_a_warning(model, monkeypatch, warned):
    monkeypatch.setenv("ARTIFACTS_ENDPOINT", "http://127.0.0.1:9/engines")

    assert load(model)[1] == "built"
    assert load(model)[1] == "local_cache"
    assert len(warned) == 1
    assert "set ARTIFACTS_ACCESS_KEY and ARTIFACTS_SECRET_KEY" in warned[0]


def test_a_store_that_is_away_costs_a_warning_and_a_few_seconds(model, monkeypatch, warned):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    _, source = load(model, artifacts_endpoint=f"http://127.0.0.1:{port}/engines")

    assert source == "built"
    assert len(warned) == 1
    assert warned[0].startswith("s3://engines: ")
    assert warned[0].endswith("continuing without the artifacts store")


def test_a_store_that_no_request_can_be_made_to_costs_a_warning(model, monkeypatch, warned):
    for name, value in {**CREDENTIALS, "ARTIFACTS_REGION": "us east"}.items():
        monkeypatch.setenv(name, value)
    _, source = load(model, artifacts_endpoint="http://127.0.0.1:9/engines")

    assert source == "built"
    assert len(warned) == 1
    assert "region_name 'us east'" in warned[0]
    assert "EngineStore" not in warned[0]
    assert warned[0].endswith("continuing without the artifacts store")


def test_a_store_that_never_answers_is_left_after_its_deadline(model, monkeypatch, warned):
    monkeypatch.setattr("ignition_hub.local.artifacts.LOOKUP_SECONDS", 0.2)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        _, source = load(model, artifacts_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}/engines")

    assert source == "built"
    assert len(warned) == 1
    assert "timeout" in warned[0]


def test_two_threads_build_once(model):
    sources: list[str] = []
    threads = [threading.Thread(target=lambda: sources.append(load(model)[1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(sources) == ["built", "local_cache"]


def test_a_hit_loads_neither_the_builder_nor_the_store(model, tmp_path):
    load(model)
    ran = subprocess.run(
        [sys.executable, "-c", HIT, str(model), ARCH], check=True, capture_output=True, text=True, timeout=60
    )
    source, loaded = json.loads(ran.stdout)

    assert source == "local_cache"
    assert not {"boto3", "filelock", "ignition_builder", "numpy", "onnx", "pydantic", "tensorrt_rtx"} & set(
        loaded
    )
