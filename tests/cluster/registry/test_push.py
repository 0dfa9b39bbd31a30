"""Engines in a real registry: what is pushed, what is pushed twice, and what is never tagged."""

import hashlib
import io
import json
import ssl
import tarfile
import urllib.request
from base64 import b64encode
from dataclasses import replace

import pytest

from ignition_hub.registry.client import Registry
from ignition_hub.registry.errors import RegistryRefused, RegistryUnavailable
from ignition_hub.registry.image import CONFIG_TYPE, MANIFEST_TYPE, Blob, image_manifest, tag_of
from ignition_hub.registry.push import find_pushed, push
from ignition_hub.registry.settings import RegistrySettings
from ignition_hub.wire.deadline import Deadline
from loopback_certificate import loopback_certificate
from registryserver import RegistryServer
from storefixtures import make_manifest

pytestmark = pytest.mark.cluster

ENGINE = bytes(range(256)) * 8192
PROVENANCE = b'{"payload": ""}'
MANIFEST = make_manifest(sha256=hashlib.sha256(ENGINE).hexdigest(), size=len(ENGINE))


@pytest.fixture(scope="module", params=["http", "https"])
def authorities(request, tmp_path_factory):
    """What vouches for the registry, whose certificate lies in the same folder; None for no TLS."""
    if request.param == "http":
        return None
    folder = tmp_path_factory.mktemp("tls")
    (folder / "authorities.pem").write_text(loopback_certificate(folder))
    return folder / "authorities.pem"


@pytest.fixture(scope="module")
def server(authorities, tmp_path_factory):
    tls = authorities and authorities.with_name("tls.pem")
    with RegistryServer.start(tmp_path_factory.mktemp("registry"), tls=tls) as server:
        yield server


@pytest.fixture
def settings(server, authorities):
    return RegistrySettings(
        host=server.host,
        path="hub/engines",
        user=server.user,
        password=server.password,
        authorities=authorities.read_text() if authorities else "",
        plain_http=authorities is None,
    )


@pytest.fixture
def registry(settings):
    return Registry(settings, Deadline(60))


def chunks(data=ENGINE, size=100_000):
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.fixture
def got(settings, authorities):
    """Read what the registry has below a path."""
    pair = b64encode(f"{settings.user}:{settings.password}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Accept": MANIFEST_TYPE}
    tls = authorities and ssl.create_default_context(cafile=authorities)

    def read(path):
        request = urllib.request.Request(f"{settings.url}/v2/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10, context=tls) as answer:
            return answer.read()

    return read


def test_a_pushed_engine_is_an_image_of_one_tar_with_its_documents_beside_it(registry, server, got):
    pushed = push(registry, "hub/engines/team/whole", MANIFEST, PROVENANCE, chunks())

    host_and_name, _, digest = pushed.reference.partition("@")
    document = got(f"hub/engines/team/whole/manifests/{digest}")
    manifest = json.loads(document)
    config = json.loads(got(f"hub/engines/team/whole/blobs/{manifest['config']['digest']}"))
    layer = got(f"hub/engines/team/whole/blobs/{manifest['layers'][0]['digest']}")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        files = {one.name: (oct(one.mode), one.mtime, tar.extractfile(one).read()) for one in tar}

    assert pushed.new
    assert host_and_name == f"{server.host}/hub/engines/team/whole"
    assert digest == f"sha256:{hashlib.sha256(document).hexdigest()}"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert files == {
        "model.engine": ("0o644", 0, ENGINE),
        "manifest.json": ("0o644", 0, MANIFEST.to_bytes()),
        "provenance.intoto.json": ("0o644", 0, PROVENANCE),
    }


def test_an_engine_that_is_there_is_not_read_again(registry):
    first = push(registry, "hub/engines/team/twice", MANIFEST, PROVENANCE, chunks())

    again = push(registry, "hub/engines/team/twice", MANIFEST, PROVENANCE, iter(()))

    assert not again.new
    assert again.reference == first.reference
    assert find_pushed(registry, "hub/engines/team/other", MANIFEST) is None


def test_an_engine_that_is_not_the_signed_one_gets_no_tag(registry):
    with pytest.raises(RegistryRefused, match="nothing was tagged"):
        push(registry, "hub/engines/team/damaged", MANIFEST, PROVENANCE, chunks(ENGINE[:-1] + b"x"))

    assert find_pushed(registry, "hub/engines/team/damaged", MANIFEST) is None


def test_a_push_that_broke_in_the_middle_is_completed_by_the_next(registry):
    def broken():
        yield ENGINE[:100_000]
        raise ConnectionAbortedError("the store went away")

    with pytest.raises(RegistryUnavailable, match="the store went away"):
        push(registry, "hub/engines/team/broken", MANIFEST, PROVENANCE, broken())
    assert registry.digest_of("hub/engines/team/broken", tag_of(MANIFEST)) is None

    assert push(registry, "hub/engines/team/broken", MANIFEST, PROVENANCE, chunks()).new


def test_a_refusal_is_told_in_the_registrys_own_words(registry, settings):
    stranger = replace(settings, user="x", password="y")

    with pytest.raises(RegistryRefused, match="answered 401 Unauthorized"):
        push(Registry(stranger, Deadline(60)), "hub/a/b", MANIFEST, PROVENANCE, chunks())
    described = image_manifest(MANIFEST, Blob(CONFIG_TYPE, b"{}"), f"sha256:{'ab' * 32}", 1)
    with pytest.raises(RegistryRefused, match="MANIFEST_BLOB_UNKNOWN: blob unknown to registry"):
        registry.put_manifest("hub/engines/team/odd", "tag", described)


def test_a_registry_that_no_authority_vouches_for_is_sent_nothing(settings, authorities):
    if authorities is None:
        with pytest.raises(RegistryUnavailable, match="it does not speak TLS"):
            Registry(replace(settings, plain_http=False), Deadline(10)).digest_of("hub/a/b", "tag")
    else:
        with pytest.raises(RegistryUnavailable, match="not trusted"):
            Registry(replace(settings, authorities=""), Deadline(10)).digest_of("hub/a/b", "tag")
