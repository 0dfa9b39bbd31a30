"""The timing cache of a build: taken in, grown, locked, and never forced upon another release."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faketensorrt import content_of, fake_tensorrt
from faketensorrt.building import Builder
from faketensorrt.configuring import MYELIN, TIMING_CACHE_REFUSED, ITimingCache
from ignition_builder.compiling.compiler import Compiler
from ignition_builder.compiling.nvidia import TensorRTBackend
from ignition_builder.compiling.request import CompilationRequest
from ignition_builder.compiling.rtx import RtxBackend
from ignition_builder.compiling.timing import merged
from ignition_builder.documents import TimingCacheTask
from ignition_builder.journal import Journal
from ignition_builder.options import options_of
from ignition_builder.report import Report
from ignition_hub.engine.errors import IgnitionError, Reason
from smallmodels import dense, request_for, saved

RELEASE = "10.12.0.36"
KEY, ETAG = "timing-caches/it.cache", "e1"


def cache_of(*entries: str, version: str = RELEASE) -> bytes:
    return json.dumps({"version": version, "entries": list(entries)}).encode()


class Build:
    """One build with a timing cache; ``left`` is what it wrote for the store."""

    def __init__(
        self,
        folder: Path,
        mode: str,
        cache: bytes | None = None,
        release: str = RELEASE,
        *,
        level: int = 3,
        trouble: str | None = None,
    ) -> None:
        self.path_in, self.path_out = folder / "in.cache", folder / "out.cache"
        if cache is not None:
            self.path_in.write_bytes(cache)
        task = TimingCacheTask(
            mode=mode,
            path_in=str(self.path_in) if cache is not None else None,
            path_out=str(self.path_out),
            key=KEY,
            etag=ETAG,
            trouble=trouble,
        )
        fake: Any = fake_tensorrt(release)
        backend = RtxBackend(fake) if fake.is_rtx else TensorRTBackend(fake)
        options = options_of({"optimizationLevel": level})
        inputs = replace(
            request_for(flavor=backend.flavor).inputs, compatibility="Product", product="NVIDIA-A10"
        )
        with Journal(folder / "log") as self.journal, (folder / "pipe").open("wb") as pipe:
            self.compiler = Compiler(
                backend,
                CompilationRequest(inputs=inputs, options=options, timing_cache=task, typing=typing_of(fake)),
                self.journal,
            )
            self.compiler.parse(saved(dense(), folder))
            self.compiler.compile(folder / "engine", Report(pipe.fileno()))
        self.flags = set(content_of((folder / "engine").read_bytes())["flags"])
        self.facts = self.compiler.timing_cache

    @property
    def left(self) -> list[str] | None:
        """The entries of the cache that was left, None when none was."""
        return json.loads(self.path_out.read_bytes())["entries"] if self.path_out.exists() else None


def facts(mode: str, *, used: bool, missed: bool | None) -> dict[str, Any]:
    return {"mode": mode, "used": used, "missed": missed, "key": KEY, "etag": ETAG if used else None}


def typing_of(fake: Any) -> str:
    return "Strong" if "STRONGLY_TYPED" in fake.NetworkDefinitionCreationFlag.__members__ else "Weak"


def refusal(folder: Path, *asked: Any, **others: Any) -> IgnitionError:
    with pytest.raises(IgnitionError) as caught:
        Build(folder, *asked, **others)
    assert caught.value.remedy
    return caught.value


def test_the_first_build_of_a_product_leaves_a_cache(tmp_path):
    build = Build(tmp_path, "ReadWrite")

    assert build.left == ["level 3"]
    assert build.facts == facts("ReadWrite", used=False, missed=True)
    assert not build.journal.warnings


def test_a_cache_that_knows_everything_is_left_as_it_is(tmp_path):
    build = Build(tmp_path, "ReadWrite", cache_of("level 3"))

    assert build.left is None
    assert build.facts == facts("ReadWrite", used=True, missed=False)


def test_what_the_cache_did_not_know_is_counted_and_added(tmp_path):
    build = Build(tmp_path, "ReadWrite", cache_of("level 3"), level=5)

    assert build.left == ["level 3", "level 5"]
    assert build.journal.warnings == {"TimingCacheMiss": 1}


def test_a_cache_that_is_only_read_is_not_left(tmp_path):
    build = Build(tmp_path, "ReadOnly", cache_of("level 3"), level=5)

    assert build.left is None
    assert build.facts == facts("ReadOnly", used=True, missed=True)


def test_a_cache_of_another_release_is_ignored_and_counted(tmp_path):
    build = Build(tmp_path, "ReadWrite", cache_of("level 3", version="10.9.0.34"))

    assert build.journal.warnings == {"TimingCacheIgnored": 1}
    assert build.facts["used"] is False
    assert build.left == ["level 3"]


def test_a_cache_that_did_not_come_is_counted_and_made_anew(tmp_path):
    build = Build(tmp_path, "ReadWrite", trouble="the store did not answer")

    assert build.journal.first_warnings == {"TimingCacheIgnored": "the store did not answer"}
    assert build.left == ["level 3"]


DAMAGED = pytest.mark.parametrize(
    "damaged",
    [b"nonsense" * 64, cache_of("level 3")[:20], bytes(byte ^ 0xFF for byte in cache_of("level 3"))],
    ids=["nonsense", "cut", "flipped"],
)


@DAMAGED
@pytest.mark.parametrize("release", ["8.5.3.1", "8.6.0", RELEASE])
@pytest.mark.parametrize(("mode", "left"), [("ReadWrite", ["level 3"]), ("ReadOnly", None)])
def test_a_damaged_cache_is_ignored_and_the_build_goes_on(mode, left, release, damaged, tmp_path):
    build = Build(tmp_path, mode, damaged, release)

    assert build.journal.warnings == {"TimingCacheIgnored": 1}
    assert "Magic tag does not match" in build.journal.first_warnings["TimingCacheIgnored"]
    assert build.facts == facts(mode, used=False, missed=True)
    assert build.left == left


@DAMAGED
def test_a_damaged_cache_cannot_be_locked(damaged, tmp_path):
    error = refusal(tmp_path, "Locked", damaged)

    assert error.reason is Reason.UnsupportedOption
    assert "Magic tag does not match" in error.message
    assert "ReadWrite" in error.remedy
    assert not (tmp_path / "engine").exists()


def test_a_cache_that_is_put_away_without_a_word_is_not_called_used(tmp_path, monkeypatch):
    monkeypatch.setattr(ITimingCache, "_read", lambda *_: {})
    build = Build(tmp_path, "ReadWrite", cache_of("level 3"))

    assert build.facts == facts("ReadWrite", used=False, missed=True)
    assert build.journal.warnings == {"TimingCacheIgnored": 1}
    assert build.left == ["level 3"]


@pytest.mark.parametrize("mode", ["ReadWrite", "ReadOnly"])
@pytest.mark.parametrize("release", ["8.5.3.1", "8.6.0", "8.6.1"])
def test_a_good_cache_is_used_whatever_tensorrt_says_of_it(release, mode, tmp_path):
    build = Build(tmp_path, mode, cache_of("level 3", version=fake_tensorrt(release).__version__), release)

    assert build.facts == facts(mode, used=True, missed=False)
    assert (build.journal.warnings, build.journal.errors) == ({}, [])
    assert "The timing cache will not be used!" in (tmp_path / "log").read_text()


def test_what_is_said_of_the_cache_while_building_fails_nothing(tmp_path, monkeypatch):
    measured = Builder._complaints

    def and_speaks(self, network, config):
        self._module.log("ERROR", MYELIN)
        self._module.log("ERROR", TIMING_CACHE_REFUSED)
        return measured(self, network, config)

    monkeypatch.setattr(Builder, "_complaints", and_speaks)
    build = Build(tmp_path, "ReadWrite", cache_of("level 3"))

    assert build.facts == facts("ReadWrite", used=True, missed=False)


def test_a_build_that_measures_nothing_misses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Builder, "_measure", lambda *_: None)
    build = Build(tmp_path, "ReadWrite")

    assert build.facts == facts("ReadWrite", used=False, missed=False)
    assert build.left is None


def test_a_locked_cache_measures_nothing(tmp_path):
    build = Build(tmp_path, "Locked", cache_of("level 3"))

    assert build.flags == {"EDITABLE_TIMING_CACHE", "ERROR_ON_TIMING_CACHE_MISS"}
    assert build.left is None


@pytest.mark.parametrize(
    ("cache", "why"),
    [
        (None, "the store has no timing cache"),
        (cache_of(), "not in the timing cache"),
        (cache_of("level 3", version="10.9.0.34"), "different TensorRT version"),
    ],
)
def test_what_a_locked_cache_lacks_is_a_failure_with_a_remedy(cache, why, tmp_path):
    error = refusal(tmp_path, "Locked", cache)

    assert why in error.message
    assert "ReadWrite" in error.remedy


def test_locking_needs_a_release_that_can(tmp_path):
    error = refusal(tmp_path, "Locked", cache_of("level 3"), "10.7.0")

    assert error.reason is Reason.UnsupportedOption
    assert "EDITABLE_TIMING_CACHE" in error.message
    assert "10.8" in error.remedy


def test_off_keeps_nothing(tmp_path):
    build = Build(tmp_path, "Off", cache_of("level 3"))

    assert build.flags == {"DISABLE_TIMING_CACHE"}
    assert (build.left, build.facts) == (None, facts("Off", used=False, missed=None))


@pytest.mark.parametrize("mode", ["ReadWrite", "Locked", "Off"])
def test_rtx_has_no_timing_cache(mode, tmp_path):
    build = Build(tmp_path, mode, cache_of("level 3"), "1.7.1.116")

    assert build.facts == {"used": False, "why": "TensorRT-RTX has no timing cache"}
    assert (build.left, build.flags) == (None, set())


@pytest.fixture(params=[True, False], ids=["misreporting", "true"])
def config(request):
    """A configuration of a TensorRT that answers of caches as 8.6.0 does, or as it should."""
    fake = fake_tensorrt(RELEASE)
    fake.misreports_caches = request.param
    return fake.Builder(fake.Logger()).create_builder_config()


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (["a", "b"], ["b", "c"], ["a", "b", "c"]),
        (["a", "b"], ["b"], ["a", "b"]),
        (["b"], ["a", "b"], ["a", "b"]),
        (["a"], ["a"], ["a"]),
        ([], ["a"], ["a"]),
    ],
)
def test_two_caches_become_one_that_knows_what_either_knows(config, first, second, both):
    assert json.loads(merged(config, cache_of(*first), cache_of(*second)))["entries"] == both


@pytest.mark.parametrize("second", [cache_of("b", version="10.9.0.34"), b"nonsense" * 64])
@pytest.mark.parametrize("other_way", [False, True])
def test_caches_that_do_not_go_together_are_not_made_one(config, second, other_way):
    pair = (second, cache_of("a")) if other_way else (cache_of("a"), second)

    with pytest.raises(ValueError, match="timing caches"):
        merged(config, *pair)
