"""The local cache: found only whole, damaged files are noticed, and clearing touches nothing else."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.local.cache import Cache, Damaged
from ignition_hub.local.errors import CacheUnusable
from ignition_hub.local.locking import locked
from ignition_hub.local.prune import clear, entries
from local_harness import files_in, placed
from storefixtures import make_inputs

INPUTS = make_inputs()
IDENTITY = identity_of(INPUTS)
OTHER = make_inputs(model=Model("vit", "v1", "sha256:" + "ab" * 32))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_what_is_placed_is_found_in_the_stores_own_tree(cache):
    engine = placed(cache)
    found = cache.find(INPUTS, IDENTITY)

    assert found == engine
    assert Path(engine).read_bytes() == b"an engine"
    assert str(engine.path.relative_to(cache.root)) == engine.manifest.engine.key
    assert engine.manifest_path.read_bytes() == engine.manifest.to_bytes()
    folder = f"engines/resnet50/{IDENTITY[:16]}"
    name = "resnet50_v1_fp16_sm_89_1.7.1.trt"
    build = f"{folder}/{engine.manifest.engine.sha256[:16]}"
    assert files_in(cache.root) == {f"{folder}/{name}.json", f"{build}/{name}", f"{build}/build.log"}


def test_an_engine_without_a_manifest_does_not_exist(cache):
    placed(cache).manifest_path.unlink()

    assert cache.find(INPUTS, IDENTITY) is None
    assert cache.find(OTHER, identity_of(OTHER)) is None


@pytest.mark.parametrize("damage", [b"an engin", b"an engine, longer", b"an enginE"])
def test_a_changed_engine_is_noticed(cache, damage):
    engine = placed(cache)
    engine.path.write_bytes(damage)

    with pytest.raises(Damaged, match="does not match its manifest"):
        cache.find(INPUTS, IDENTITY)


def test_a_manifest_that_cannot_be_read_or_is_of_another_engine_is_noticed(cache):
    engine = placed(cache)
    stranger = replace(engine.manifest, identity="0" * 64)
    for content in (b"{", b"", stranger.to_bytes()):
        engine.manifest_path.write_bytes(content)
        with pytest.raises(Damaged):
            cache.find(INPUTS, IDENTITY)


def test_a_rebuilt_engine_takes_the_place_of_the_old(cache):
    placed(cache)
    placed(cache, b"a better engine")
    found = cache.find(INPUTS, IDENTITY)

    assert found is not None
    assert found.path.read_bytes() == b"a better engine"


def test_staging_leaves_nothing_and_sweeps_what_the_killed_left(cache):
    left = cache.root / "tmp" / f"{IDENTITY[:16]}-killed"
    left.mkdir(parents=True)
    (left / "engine.trt.part").write_bytes(b"half")
    with pytest.raises(ZeroDivisionError), cache.staging(IDENTITY) as folder:
        (folder / f"file {0 if left.exists() else 1 // 0}").write_text("")

    assert list((cache.root / "tmp").iterdir()) == []


def test_a_cache_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")

    with pytest.raises(CacheUnusable, match="Not a directory"), cache.staging(IDENTITY):
        pass
    with pytest.raises(CacheUnusable), locked(cache.lock(IDENTITY), seconds=1, waiting=lambda: None):
        pass
    assert cache.find(INPUTS, IDENTITY) is None


def test_entries_tell_what_is_there_and_how_old_it_is(cache):
    placed(cache)
    placed(cache, model=Model("vit", "v1", "sha256:" + "ab" * 32))
    found = entries(cache)

    assert [entry.manifest.inputs.model.name for entry in found] == ["resnet50", "vit"]
    assert all(entry.engine.exists() and entry.size > 9 for entry in found)
    assert found[0].age == pytest.approx(time.time() - 1767323045, abs=60)  # built_at of the fixtures


def test_clearing_takes_what_was_chosen_and_leaves_what_others_put_there(cache):
    kept, gone = placed(cache), placed(cache, model=OTHER.model)
    note = cache.root / "engines" / "vit" / "README"
    note.write_text("mine")
    cleared = clear(cache, model_name="vit")

    assert [entry.manifest for entry in cleared] == [gone.manifest]
    assert note.read_text() == "mine"
    assert kept.path.exists()
    assert not gone.path.exists()
    assert clear(cache, older_than=1e12) == []
    assert len(clear(cache)) == 1
    assert files_in(cache.root) == {"engines/vit/README"}


def test_clearing_follows_no_link_out_of_the_cache(cache, tmp_path):
    engine = placed(cache)
    elsewhere = tmp_path / "elsewhere"
    engine.path.parent.rename(elsewhere)
    engine.path.parent.symlink_to(elsewhere)

    assert len(clear(cache)) == 1
    assert (elsewhere / engine.path.name).exists()
    assert not engine.manifest_path.exists()


def test_what_cannot_be_removed_is_said_in_a_line(cache):
    engine = placed(cache)
    (engine.manifest_path.parent / "other.trt.json").mkdir()

    with pytest.raises(CacheUnusable, match="cannot be written"):
        clear(cache)


def test_clearing_leaves_an_engine_that_is_being_built(cache):
    engine = placed(cache)
    half = cache.root / "tmp" / f"{IDENTITY[:16]}-at-work"
    half.mkdir(parents=True)
    with locked(cache.lock(IDENTITY), seconds=1, waiting=lambda: None):
        assert clear(cache) == []
    assert engine.path.exists()
    assert half.exists()

    assert len(clear(cache)) == 1
    assert not half.exists()
