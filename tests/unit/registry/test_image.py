"""What an engine is as an image, to the byte."""

import hashlib
import io
import tarfile
from dataclasses import replace

import pytest

from ignition_hub.registry.image import (
    LayerFile,
    configuration,
    header,
    image_manifest,
    layer,
    layer_files,
    layer_size,
    tag_of,
)
from storefixtures import make_inputs, make_manifest

ENGINE = b"engine" * 1000
MANIFEST = make_manifest(sha256=hashlib.sha256(ENGINE).hexdigest(), size=len(ENGINE))


def digest_of_image(engine_chunks, manifest=MANIFEST, provenance=b"{}"):
    files = layer_files(manifest, provenance, engine_chunks)
    data = b"".join(layer(files))
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return image_manifest(manifest, configuration(manifest, digest), digest, len(data)).digest


def test_an_engine_has_one_digest_however_it_is_read():
    whole = digest_of_image([ENGINE])

    assert digest_of_image(ENGINE[at : at + 7] for at in range(0, len(ENGINE), 7)) == whole
    assert whole == "sha256:e31dd13091ba8f9ecd48ac4a637b25357ccc4907252976b1928b09eda8599225"


def test_another_engine_manifest_or_provenance_is_another_image():
    later = make_manifest(sha256=MANIFEST.engine.sha256, size=len(ENGINE), built_at="2026-01-02T03:04:06Z")
    images = {
        digest_of_image([ENGINE]),
        digest_of_image([ENGINE[::-1]]),
        digest_of_image([ENGINE], later),
        digest_of_image([ENGINE], provenance=b"{ }"),
    }

    assert len(images) == 4
    assert tag_of(later) != tag_of(MANIFEST)
    assert tag_of(later)[:16] == tag_of(MANIFEST)[:16] == MANIFEST.engine.sha256[:16]


def test_the_size_of_a_layer_is_known_before_it_is_made():
    files = layer_files(MANIFEST, b"x" * 513, [ENGINE])

    assert layer_size(files) == len(b"".join(layer(files)))


@pytest.mark.parametrize("gib", [1, 8, 64])
def test_an_engine_as_large_as_the_hub_takes_has_its_size_in_one_header(gib):
    block = header(LayerFile("model.engine", gib * 1024**3, ()))
    with tarfile.open(fileobj=io.BytesIO(block)) as tar:
        found = tar.next()

    assert len(block) == 512
    assert (found.size, found.mode, found.uid, found.mtime) == (gib * 1024**3, 0o644, 0, 0)


@pytest.mark.parametrize(
    ("platform", "architecture"),
    [("linux-x86_64", "amd64"), ("linux-aarch64", "arm64"), ("jetpack-6.2", "arm64")],
)
def test_an_image_is_for_the_processor_of_its_engine(platform, architecture):
    manifest = replace(MANIFEST, inputs=make_inputs(platform=platform))

    assert f'"architecture":"{architecture}"'.encode() in configuration(manifest, "sha256:1").data
