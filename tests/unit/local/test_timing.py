"""What TensorRT measured on this machine is kept beside the engines; TensorRT and its GPU are fakes here."""

import json
from pathlib import Path

import pytest

from fakedriver import COMPILER
from fakemachine import fake_machine
from ignition_hub.local.timing import clear_timing_caches
from local_harness import command, finished
from smallmodels import dense, saved

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the fake driver needs a C compiler")

RELEASE = "10.12.0.36"
KEY = f"timing-caches/NVIDIA-L4/{RELEASE}/namespaces/local/linux-x86_64-cuda12.9.cache"


@pytest.fixture
def build(tmp_path: Path):
    (tmp_path / "machine").mkdir()
    machine = fake_machine(tmp_path / "machine", RELEASE)
    model = saved(dense(), tmp_path)

    def run(*words: str):
        asked = ("build", model, "--flavor", "TensorRT", "--precision", "fp32", *words)
        process = command(*asked, "--cache-dir", tmp_path / "cache", "-o", "json", **machine)
        code, out, err = finished(process)
        assert code == 0, err
        engine = Path(json.loads(out)["path"])
        manifest = engine.parent.parent / f"{engine.name}.json"
        return json.loads(manifest.read_text())["build"]["timing_cache"]

    return run


def test_what_one_build_measured_the_next_one_is_spared(build, tmp_path):
    first = build()
    second = build("--option", "maxAuxStreams=1")
    third = build("--option", "optimizationLevel=5")

    assert [cache["key"] for cache in (first, second, third)] == [KEY] * 3
    assert [(cache["used"], cache["missed"]) for cache in (first, second, third)] == [
        (False, True),
        (True, False),
        (True, True),
    ]
    assert json.loads((tmp_path / "cache" / KEY).read_text())["entries"] == ["level 3", "level 5"]


def test_clearing_takes_the_timings_and_no_other_file(tmp_path):
    kept, mine = tmp_path / KEY, tmp_path / "timing-caches/notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"timings")
    mine.write_text("mine")
    clear_timing_caches(tmp_path)

    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        "timing-caches",
        "timing-caches/notes.txt",
    ]


def test_there_may_be_nothing_to_clear(tmp_path):
    clear_timing_caches(tmp_path)

    assert not list(tmp_path.iterdir())
