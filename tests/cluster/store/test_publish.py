"""Publishing and finding engines in a real bucket, cut off and contended."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import NewerRelease
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import StorePaths
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.find import DOCUMENT_BYTES, find, manifest_key_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import Publication, vouched_for
from ignition_hub.store.publish import publish as publish_uploaded
from ignition_hub.store.trust import SigningKey, sign
from oddstore import odd_store
from s3server import S3Server
from storefixtures import make_inputs, make_manifest

pytestmark = pytest.mark.cluster

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
OTHER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
KEYS = {KEY.keyid: KEY.public}


@pytest.fixture(scope="module")
def s3():
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        yield s3


@pytest.fixture
def store(s3, request):
    settings = replace(s3.settings(bucket="engines"), prefix=request.node.name[-40:])
    store = ObjectStore(settings)
    yield store
    store.close()


def manifest_in(store, **changes):
    manifest = make_manifest(prefix=store.settings.prefix, **changes)
    return vouched_for(manifest, paths_of(store, manifest))


def paths_of(store, manifest):
    return StorePaths(store.settings.prefix, manifest.inputs, manifest.identity)


def publish(store, key, keys, manifest, **how) -> Publication:
    """Upload the engine of a manifest, and publish it."""
    store.put(manifest.engine.key, b"\0" * manifest.engine.size)
    return publish_uploaded(store, key, keys, manifest, **how)


def found(store, keys=KEYS):
    inputs = make_inputs()
    return find(store, keys, inputs, identity_of(inputs))


def test_what_is_published_is_found(store):
    manifest = manifest_in(store)
    assert found(store) is None

    publication = publish(store, KEY, KEYS, manifest)

    assert publication.is_new
    assert found(store) == manifest
    assert manifest_key_of(f"s3://engines/{manifest.engine.key}") == publication.manifest_key


def test_publishing_again_answers_with_what_is_there(store):
    first = publish(store, KEY, KEYS, manifest_in(store))

    again = publish(store, KEY, KEYS, manifest_in(store, built_at="2027-01-01T00:00:00Z"))

    assert (again.is_new, again.manifest) == (False, first.manifest)
    assert found(store) == first.manifest


def test_of_builders_with_different_bytes_the_first_wins(store):
    manifests = [manifest_in(store, sha256=f"{n:02x}" * 32) for n in range(8)]

    with ThreadPoolExecutor(8) as pool:
        publications = list(pool.map(lambda m: publish(store, KEY, KEYS, m), manifests))

    assert [p.is_new for p in publications].count(True) == 1
    assert {p.manifest.engine.sha256 for p in publications} == {found(store).engine.sha256}


def test_builders_with_equal_bytes_and_other_facts_agree_on_one_manifest(store):
    manifests = [manifest_in(store, built_at=f"2026-01-02T03:04:{n:02}Z") for n in range(8)]

    with ThreadPoolExecutor(8) as pool:
        publications = list(pool.map(lambda m: publish(store, KEY, KEYS, m), manifests))

    assert {p.manifest for p in publications} == {found(store)}


def test_a_publication_cut_off_before_its_manifest_is_begun_again_with_a_provenance_of_its_own(store):
    signed = manifest_in(store)
    store.put(signed.provenance_key, sign(signed, signed.to_bytes(), KEY))
    later = manifest_in(store, built_at="2027-01-01T00:00:00Z")

    assert publish(store, KEY, KEYS, later).manifest == later
    assert found(store) == later
    assert later.provenance_key != signed.provenance_key


def test_of_two_manifests_about_equal_bytes_the_one_that_stays_verifies_whichever_it_is():
    """A server without conditions: each of two gateways writes over the other at the worst moment."""
    for last in (0, 1):
        with odd_store(ignores_conditions=True) as server:
            store = ObjectStore(server.settings())
            both = [manifest_in(store, built_at=f"2026-01-02T03:04:0{n}Z") for n in (1, 2)]
            for one in both:
                publish(store, KEY, KEYS, one, replace=True)

            store.put(manifest_key(store, both[last]), both[last].to_bytes())

            assert found(store) == both[last]
            store.close()


def test_who_is_written_over_while_publishing_answers_with_what_is_there(store, monkeypatch):
    ours, theirs = (manifest_in(store, sha256=digit * 64) for digit in "67")
    publish(store, KEY, KEYS, theirs)
    store.delete(manifest_key(store, theirs))
    put_new = ObjectStore.put_new

    def raced(self, key, data):
        return put_new(self, key, data) and self.put(key, theirs.to_bytes())

    monkeypatch.setattr(ObjectStore, "put_new", raced)

    answer = publish(store, KEY, KEYS, ours)

    assert (answer.manifest, answer.is_new) == (theirs, False)


def test_a_manifest_that_somebody_else_signed_is_refused_and_replaced_by_a_build(store):
    poisoned = manifest_in(store, sha256="66" * 32)
    publish(store, OTHER, {OTHER.keyid: OTHER.public}, poisoned)
    with pytest.raises(ManifestRefused, match="no signature from a trusted key"):
        found(store)

    honest = manifest_in(store)

    assert publish(store, KEY, KEYS, honest).is_new
    assert found(store) == honest


def test_a_forced_rebuild_replaces_a_good_manifest(store):
    publish(store, KEY, KEYS, manifest_in(store))
    rebuilt = manifest_in(store, sha256="77" * 32, built_at="2026-01-02T03:04:06Z")

    assert publish(store, KEY, KEYS, rebuilt, replace=True).is_new
    assert found(store) == rebuilt


@pytest.mark.parametrize("clock", ["2026-01-02T03:04:05Z", "2025-01-01T00:00:00Z"], ids=["equal", "behind"])
def test_a_rebuild_has_a_later_time_than_what_it_replaces_whatever_the_clock_says(store, clock):
    publish(store, KEY, KEYS, manifest_in(store, built_at="2026-01-02T03:04:05Z"))

    publish(store, KEY, KEYS, manifest_in(store, sha256="77" * 32, built_at=clock), replace=True)

    assert found(store).built_at == "2026-01-02T03:04:06Z"


def test_a_rebuild_that_gives_the_bytes_of_an_earlier_build_is_signed_again_and_is_no_rollback(store):
    days = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    first, second = (
        manifest_in(store, built_at=days[0]),
        manifest_in(store, sha256="77" * 32, built_at=days[1]),
    )
    publish(store, KEY, KEYS, first)
    publish(store, KEY, KEYS, second, replace=True)

    publish(store, KEY, KEYS, manifest_in(store, built_at=days[2]), replace=True)

    assert found(store).engine == first.engine
    assert not found(store).is_rolled_back(second.built_at, second.engine.sha256)
    assert first.is_rolled_back(second.built_at, second.engine.sha256)


def test_a_signed_manifest_copied_into_another_folder_is_refused(store):
    other = make_inputs(precision="fp32")
    donor = manifest_in(store, inputs=other)
    publish(store, KEY, KEYS, donor)
    victim = manifest_in(store)
    key = publish(store, KEY, KEYS, victim).manifest_key

    store.put(key, donor.to_bytes())

    with pytest.raises(ManifestRefused, match="outside its own folder"):
        found(store)


def test_a_manifest_without_its_provenance_is_refused(store):
    manifest = manifest_in(store)
    publish(store, KEY, KEYS, manifest)
    store.delete(manifest.provenance_key)

    with pytest.raises(ManifestRefused, match="has no provenance"):
        found(store)


def test_a_manifest_that_is_not_one_is_refused(store):
    key = publish(store, KEY, KEYS, manifest_in(store)).manifest_key
    store.put(key, b"not json")

    with pytest.raises(ManifestRefused, match="cannot be read"):
        found(store)


def test_a_manifest_too_large_to_be_one_is_replaced_by_a_build(store):
    key = publish(store, KEY, KEYS, manifest_in(store)).manifest_key
    store.put(key, b" " * (DOCUMENT_BYTES + 1))
    rebuilt = manifest_in(store, sha256="77" * 32)
    store.put(rebuilt.provenance_key, b" " * (DOCUMENT_BYTES + 1))

    assert publish(store, KEY, KEYS, rebuilt).is_new
    assert found(store) == rebuilt


def test_the_statement_of_an_older_engine_does_not_stand_in_for_a_new_one(store):
    older = manifest_in(store)
    publish(store, KEY, KEYS, older)
    rebuilt = manifest_in(store, sha256="77" * 32, built_at="2026-01-02T03:04:06Z")
    store.put(rebuilt.provenance_key, store.get(older.provenance_key, DOCUMENT_BYTES))

    assert publish(store, KEY, KEYS, rebuilt, replace=True).manifest == rebuilt
    assert found(store) == rebuilt


def test_an_engine_that_is_gone_is_not_found_and_a_build_replaces_it(store):
    lost = publish(store, KEY, KEYS, manifest_in(store)).manifest
    store.delete(lost.engine.key)
    assert found(store) is None

    publication = publish(store, KEY, KEYS, manifest_in(store, sha256="ef" * 32))

    assert publication.is_new
    assert found(store) == publication.manifest != lost


def test_an_engine_that_is_gone_and_built_with_the_same_bytes_counts_again(store):
    lost = publish(store, KEY, KEYS, manifest_in(store)).manifest
    store.delete(lost.engine.key)

    publish(store, KEY, KEYS, manifest_in(store, built_at="2027-01-01T00:00:00Z"))

    assert found(store) == lost


def test_an_engine_of_another_size_than_was_signed_is_refused_and_a_build_replaces_it(store):
    changed = publish(store, KEY, KEYS, manifest_in(store)).manifest
    store.put(changed.engine.key, b"another")
    with pytest.raises(ManifestRefused, match="has 7 bytes; its manifest says 3"):
        found(store)

    assert publish(store, KEY, KEYS, manifest_in(store, sha256="ef" * 32)).is_new


def later_release_published(store, manifest, key=KEY, **build):
    """Put what a later release signs: its manifest has ``build`` besides; return what the bucket then has."""
    document = json.loads(manifest.to_bytes())
    document["build"] |= build
    data = canonical_json(document)
    store.put(manifest.engine.key, b"\0" * manifest.engine.size)
    store.put(manifest.provenance_key, sign(manifest, data, key))
    store.put(manifest_key(store, manifest), data)
    return content(store, manifest)


def manifest_key(store, manifest):
    return paths_of(store, manifest).manifest


def content(store, manifest):
    """Return every object of the engine's folder by key."""
    folder = manifest_key(store, manifest).rpartition("/")[0] + "/"
    return {one.key: store.get(one.key, DOCUMENT_BYTES) for one in store.listed(folder, most=1000)}


def test_a_manifest_of_a_later_release_with_a_field_more_is_used_and_kept_as_it_is(store):
    manifest = manifest_in(store)
    before = later_release_published(store, manifest, addedLater={"of": 1})

    assert found(store) == manifest
    again = publish_uploaded(store, KEY, KEYS, manifest_in(store, built_at="2027-01-01T00:00:00Z"))

    assert (again.is_new, again.manifest) == (False, manifest)
    assert content(store, manifest) == before


@pytest.mark.parametrize("replace", [False, True], ids=["a build", "a rebuild"])
@pytest.mark.parametrize("sha256", ["ab" * 32, "77" * 32], ids=["the same bytes", "other bytes"])
def test_what_only_a_later_release_can_read_is_neither_used_nor_replaced(store, replace, sha256):
    manifest = manifest_in(store)
    before = later_release_published(store, manifest, checked="twice")
    rebuilt = manifest_in(store, sha256=sha256, built_at="2027-01-01T00:00:00Z")

    with pytest.raises(NewerRelease, match="checked: 'twice' is not known"):
        publish_uploaded(store, KEY, KEYS, rebuilt, replace=replace)

    assert content(store, manifest) == before


def test_what_no_release_of_ours_signed_is_refused_and_replaced_whatever_it_says(store):
    later_release_published(store, manifest_in(store), OTHER, checked="twice")
    with pytest.raises(ManifestRefused, match="no signature from a trusted key"):
        found(store)

    honest = manifest_in(store, sha256="77" * 32)

    assert publish(store, KEY, KEYS, honest).is_new
    assert found(store) == honest
