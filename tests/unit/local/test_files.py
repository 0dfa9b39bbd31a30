"""Files a request names by path: their bytes are in the identity; a wrong name is said before any build."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ignition_hub import build_or_load_engine
from ignition_hub.engine.errors import RequestError
from ignition_hub.local.digests import DigestCache, sha256_of
from ignition_hub.local.files import pinned
from local_harness import ARCH
from smallmodels import dense, saved


@pytest.fixture
def digests(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "digests")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_path_becomes_a_name_and_a_digest(tmp_path, digests):
    samples, inputs = written(tmp_path / "s.npz", b"samples"), written(tmp_path / "i.npz", b"inputs")
    libraries = [written(tmp_path / name, name.encode()) for name in ("b.so", "a.so")]
    found = pinned(
        {
            "calibration": {"source": str(samples), "method": "max"},
            "plugins": [{"name": path.stem, "source": path} for path in libraries],
        },
        {"accuracy": {"rtol": 0.1, "inputs": {"source": inputs}}},
        digests,
    )

    assert found.options["calibration"] == {
        "source": {"uri": "s.npz", "sha256": sha256_of(samples)},
        "method": "max",
    }
    assert found.verification["accuracy"]["inputs"] == {
        "source": {"uri": "i.npz", "sha256": sha256_of(inputs)}
    }
    assert found.files.plugins == {"a": libraries[1], "b": libraries[0]}
    assert found.files.plugin_digests == tuple(sorted(sha256_of(path) for path in libraries))
    assert (found.files.calibration, found.files.inputs) == (samples, inputs)
    assert found.files.calibration_digest == sha256_of(samples)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calibration": {"method": "max"}}, r"options\.calibration\.source: None: not the path"),
        ({"calibration": {"source": "/nowhere.npz"}}, r"'/nowhere\.npz': No such file"),
        ({"calibration": {"source": {"uri": "s3://a/b", "sha256": "0" * 64}}}, "not the path of a file"),
        ({"plugins": [{"source": "a.so"}]}, r"options\.plugins\[0\].*unique name"),
        ({"plugins": [{"name": "a"}]}, r"options\.plugins\[a\]\.source"),
    ],
)
def test_a_source_that_is_no_file_is_named(options: dict[str, Any], words, digests):
    with pytest.raises(RequestError, match=words) as caught:
        pinned(options, {}, digests)
    assert caught.value.remedy


def test_other_calibration_data_is_another_engine(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    model, samples = saved(dense(), tmp_path), tmp_path / "samples.npz"
    identities = []
    for seed in range(2):
        drawn = np.random.default_rng(seed).standard_normal((8, 2, 64)).astype(np.float32)
        np.savez(samples, x=drawn)
        engine, source = build_or_load_engine(
            model,
            "int8",
            arch=ARCH,
            options={"calibration": {"source": samples}},
            verification={"accuracy": {"rtol": 0.1, "atol": 0.1}},
            cache_dir=tmp_path / "cache",
        )
        identities.append(engine.manifest.identity)
        assert (source, engine.manifest.build.checked) == ("built", "model")
        assert engine.manifest.inputs.calibration_digest == sha256_of(samples)

    assert len(set(identities)) == 2
