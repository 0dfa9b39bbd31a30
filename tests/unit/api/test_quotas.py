"""What counts against a namespace's storage quota, and which quota that is."""

import random
from typing import Any

import pytest

from ignition_hub.api.quotas import EngineSizes, StorageUse, quota_of

GIB = 1024**3
LARGE, SMALL = "aa" * 32, "bb" * 32


def store(*quotas: tuple[list[str], str | int]) -> dict[str, Any]:
    return {"quotas": [{"namespaces": names, "storage": storage} for names, storage in quotas]}


def target(identity: str | None, size: int | None = None) -> dict[str, Any]:
    fields = {"name": "sm-89", "identity": identity, "sizeBytes": size}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    ("spec", "quota"),
    [
        ({}, None),
        (store((["audio"], "1Gi")), None),
        (store((["audio", "vision"], "2Gi")), 2 * GIB),
        (store((["vision"], "2Gi"), (["*"], "1Gi")), 2 * GIB),
        (store((["*"], "1Gi"), (["vision"], "2Gi")), GIB),
        (store((["vision"], 0)), 0),
    ],
    ids=["no quotas", "of others", "one of several", "before *", "after *", "nothing"],
)
def test_the_first_entry_that_lists_a_namespace_is_its_quota(spec: dict[str, Any], quota: int | None) -> None:
    assert quota_of(spec, "vision") == quota


def test_a_quota_may_be_used_to_the_last_byte() -> None:
    use = StorageUse("vision", 60, 100)

    assert use.has_room_for(40)
    assert not use.has_room_for(41)
    assert not use.is_full
    assert StorageUse("vision", 100, 100).is_full
    assert StorageUse("vision", 0, 0).is_full


def test_a_use_says_how_much_of_what() -> None:
    use = StorageUse("vision", 3 * GIB // 2, 200 * GIB)

    assert str(use) == "namespace vision uses 1.5Gi of its storage quota of 200Gi"
    assert str(StorageUse("vision", 0, 0)) == "namespace vision uses 0 of its storage quota of 0"


def test_an_engine_counts_once_in_a_namespace_and_in_each_that_uses_it() -> None:
    sizes = EngineSizes()
    for namespace in ("vision", "vision", "audio"):
        sizes.enter(namespace, [target(LARGE, 100), target(SMALL, 1)])

    assert [sizes.bytes_in(name) for name in ("vision", "audio", "others")] == [101, 101, 0]
    assert sizes.size_of("vision", LARGE) == 100
    assert sizes.namespaces_of(LARGE) == ["vision", "audio"]

    sizes.leave("vision", [target(LARGE, 100), target(SMALL, 1)])
    assert sizes.bytes_in("vision") == 101
    sizes.leave("vision", [target(LARGE, 100), target(SMALL, 1)])
    assert sizes.bytes_in("vision") == 0
    assert sizes.namespaces_of(LARGE) == ["audio"]


def test_an_engine_that_is_waited_for_has_no_size_and_a_namespace() -> None:
    sizes = EngineSizes()
    sizes.enter("vision", [target(LARGE), target(None)])

    assert sizes.bytes_in("vision") == 0
    assert sizes.namespaces_of(LARGE) == ["vision"]
    sizes.enter("vision", [target(LARGE, 100)])
    sizes.enter("vision", [target(LARGE)])
    assert sizes.bytes_in("vision") == 100


def test_a_rebuilt_engine_counts_with_its_new_size() -> None:
    sizes = EngineSizes()
    sizes.enter("vision", [target(LARGE, 100)])
    sizes.leave("vision", [target(LARGE, 100)])
    sizes.enter("vision", [target(LARGE, 70)])

    assert sizes.bytes_in("vision") == 70


@pytest.mark.parametrize("seed", range(20))
def test_after_any_events_the_sum_is_that_of_what_is_there_and_nothing_stays(seed: int) -> None:
    chance, sizes = random.Random(seed), EngineSizes()
    bytes_of = {f"{n:064x}": n + 1 for n in range(6)}
    there: list[tuple[str, list[dict[str, Any]]]] = []
    for _ in range(200):
        if there and chance.random() < 0.5:
            sizes.leave(*there.pop(chance.randrange(len(there))))
        else:
            some = chance.sample(sorted(bytes_of), chance.randrange(4))
            there.append((chance.choice("abc"), [target(one, bytes_of[one]) for one in some]))
            sizes.enter(*there[-1])
        for namespace in "abc":
            engines = {one["identity"] for name, targets in there if name == namespace for one in targets}
            assert sizes.bytes_in(namespace) == sum(bytes_of[one] for one in engines)

    for one in there:
        sizes.leave(*one)
    assert sizes.namespaces() == []
    assert vars(sizes) == vars(EngineSizes())
