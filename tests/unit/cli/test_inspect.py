"""``ignition inspect`` as a person calls it: files of every layout, damage, and verdicts for named GPUs."""

import json
from dataclasses import replace

import pytest

from commandline import exit_code_of
from fakeruntime import L4, Engine, plan
from ignition_hub.cli.errors import REFUSED
from ignition_hub.store.trust import SigningKey, keys_to_json, sign
from oddstore import odd_store

RTX = Engine(inputs={"flavor": "TensorRTRTX", "tensorrt_version": "1.7.1.116"}, mask=0x0C)
PLAIN = Engine(
    facts={
        "engine_io": {
            "inputs": [{"name": "x", "dtype": "half", "shape": [-1, 64]}],
            "outputs": [{"name": "y", "dtype": "half", "shape": [-1, 10]}],
        },
        "profiles": ({"shapes": {"x": {"min": [1, 64], "opt": [4, 64], "max": [8, 64]}}},),
        "gpu": {"name": "NVIDIA L4", "compute_capability": "8.9", "memory_bytes": None},
        "flags": ("TF32",),
        "warnings": ({"code": "Int64Clamped", "count": 2},),
        "checked": "engine",
        "accuracy": {"max_absolute": 0.001},
    },
)


@pytest.fixture
def inspect(monkeypatch, capsys):
    monkeypatch.setattr("ignition_hub.cli.load_verdict.probe", lambda: None)
    monkeypatch.setenv("COLUMNS", "116")

    def run(*words):
        code = exit_code_of(monkeypatch, "inspect", *words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def rows(text):
    """Return the laid out lines as ``{"name": "value"}``; what goes on below belongs to the name above."""
    found, name = {}, ""
    for line in text.splitlines():
        if line.startswith("  "):
            name = line[2:15].strip() or name
            found[name] = f"{found[name]}\n{line[16:]}" if not line[2:15].strip() else line[16:]
    return found


def test_an_engine_and_its_manifest_are_laid_out_for_people(inspect, tmp_path):
    code, out, err = inspect(PLAIN.cached(tmp_path))

    assert (code, err) == (0, "")
    shown = rows(out)
    assert shown["built by"] == "TensorRT 10.13.2.6"
    assert shown["file"] == "resnet50_v1_fp16_sm_89_10.13.2.trt"
    assert shown["model"] == "resnet50 v1"
    # The manifest is one of an earlier release, with TensorRT's words.
    assert shown["inputs"] == "x float16 [?, 64]"
    assert shown["profiles"] == "0: x [1, 64] to [8, 64], tuned for [4, 64]"
    assert shown["on"] == "NVIDIA L4 (compute_capability 8.9)"
    assert shown["with"] == "exactly TensorRT 10.13.2.6"
    assert shown["warnings"] == "Int64Clamped x 2"
    assert shown["ran"] == "the engine"
    assert shown["digest"].startswith("matches ")
    assert shown["signature"].startswith("not checked: no keys in ARTIFACTS_TRUSTED_KEYS")


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (
            {"proven": True, "outputs": [{"output": "y", "relative": 0.0003}]},
            "proven against the model\noutput y, relative 0.0003",
        ),
        ({"proven": False, "why": "it takes more than 30 s"}, "not proven: it takes more than 30 s"),
        ("no such facts", None),
        (None, None),
    ],
)
def test_whether_a_conversion_was_proven_is_said(proof, said, inspect, tmp_path):
    converter = {"path": "Converted", **({"proof": proof} if proof else {})}
    shown = rows(inspect(Engine(facts={"converter": converter}).cached(tmp_path))[1])
    assert shown.get("conversion") == said


def test_a_narrow_terminal_is_not_overrun_except_by_what_is_copied(inspect, tmp_path, monkeypatch):
    path = PLAIN.cached(tmp_path)
    wide = inspect(path)[1]
    monkeypatch.setenv("COLUMNS", "60")
    narrow = inspect(path)[1]

    assert narrow.split() == wide.split()
    assert all(len(line) <= 60 or len(line.split()) <= 3 for line in narrow.splitlines())


def test_where_it_loads_is_said_with_what_the_consumer_must_do(inspect, tmp_path):
    compatible = Engine(inputs={"options": {"versionCompatible": {"enabled": True}}})

    _, out, _ = inspect(compatible.classic(tmp_path))

    assert "every sm_89 GPU" in out
    assert "TensorRT 10.13.2.6 and newer 10.x, and every TensorRT 11" in out
    assert "engine_host_code_allowed = True" in rows(out)["you must"]


@pytest.mark.parametrize("layout", ["fetched", "cached", "classic"])
def test_the_manifest_is_found_in_every_layout(layout, inspect, tmp_path):
    code, out, _ = inspect(getattr(RTX, layout)(tmp_path), "-o", "json")

    document = json.loads(out)
    assert code == 0
    assert document["plan"]["gpuArchs"] == ["sm_86", "sm_89"]
    assert document["manifest"]["identity"] == RTX.manifest.identity
    assert document["loads"]["gpuArchs"] == ["sm_86", "sm_89"]


def test_a_manifest_alone_tells_everything_but_the_header(inspect, tmp_path):
    path = tmp_path / "resnet50.json"
    path.write_bytes(PLAIN.manifest.to_bytes())

    code, out, _ = inspect(path, "-o", "json")

    assert code == 0
    assert "plan" not in json.loads(out)
    assert json.loads(out)["manifest"]["build"]["checked"] == "engine"


@pytest.mark.parametrize(
    "facts",
    [
        {"engine_io": {"inputs": 5}},
        {"engine_io": {"inputs": [5]}},
        {"profiles": ({"shapes": {"x": 1}},)},
        {"warnings": ("many",)},
        {"parser_messages": (None,)},
    ],
)
def test_facts_of_a_shape_nobody_knows_are_one_line(facts, inspect, tmp_path):
    path = Engine(facts=facts).classic(tmp_path)

    code, _, err = inspect(path)

    assert code == 1
    assert "the manifest's build facts cannot be read" in err
    assert err.count("\n") == 1
    assert inspect(path, "-o", "json")[0] == 0


def test_yaml_and_json_say_the_same(inspect, tmp_path):
    yaml = pytest.importorskip("yaml")
    path = PLAIN.classic(tmp_path)

    assert yaml.safe_load(inspect(path, "-o", "yaml")[1]) == json.loads(inspect(path, "-o", "json")[1])


def test_a_plan_without_a_manifest_is_told_by_its_header(inspect, tmp_path):
    path = tmp_path / "yolo.engine"
    path.write_bytes(b"\x02\x00\x00\x00{}" + plan(body=b"kernels"))

    code, out, _ = inspect(path)

    assert code == 0
    assert rows(out)["size"] == "39 bytes, after 6 bytes of Ultralytics metadata"
    assert rows(out)["digest"] == "not checked: there is no manifest beside it"
    assert "unknown GPUs (the plan does not record them)" in out


def test_damage_is_said_after_what_could_be_read(inspect, tmp_path):
    path = PLAIN.classic(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    code, out, err = inspect(path)

    assert code == 1
    assert rows(out)["digest"].startswith("does not match")
    assert "its SHA-256 is not the one in" in err


def test_a_cut_file_and_another_plan_are_told_apart(inspect, tmp_path):
    path = PLAIN.classic(tmp_path)
    path.write_bytes(PLAIN.data[:-1])
    assert "truncated or padded" in inspect(path)[2]

    path.write_bytes(plan(version="10.3.0.26", body=b"kernels"))
    assert "is a TensorRT 10.3.0.26 plan, but its manifest is about TensorRT 10.13.2.6" in inspect(path)[2]


def test_what_is_no_plan_is_one_line(inspect, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x07" * 40)

    code, out, err = inspect(path)

    assert (code, out) == (1, "")
    assert err.startswith("error: not a TensorRT plan")
    assert err.count("\n") == 1
    assert inspect(tmp_path / "nowhere.trt")[2].endswith("nowhere.trt: No such file or directory\n")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--gpu", "sm_89"], 0, "sm_89: loads"),
        (["--gpu", "NVIDIA-L4"], 0, "NVIDIA-L4 (sm_89): loads"),
        (
            ["--gpu", "NVIDIA L40S", "--tensorrt", "10.13.2.6"],
            0,
            "NVIDIA-L40S (sm_89), TensorRT 10.13.2.6: loads",
        ),
        (["--gpu", "NVIDIA-A10"], 1, "NVIDIA-A10 (sm_86): refused"),
        (["--gpu", "sm_89", "--tensorrt", "10.13.3.9"], 1, "all four parts must be equal"),
        (["--tensorrt", "11.1.0"], 1, 'build it with tensorrt.version: "11.1.0"'),
        (["--tensorrt", "10.13.2.6"], 0, "TensorRT 10.13.2.6: loads"),
    ],
)
def test_a_verdict_is_given_for_what_is_named(words, code, says, inspect, tmp_path):
    ended, out, _ = inspect(PLAIN.classic(tmp_path), *words)

    assert ended == code
    assert says in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--gpu", "sm_33"], "sm_33"),
        (["--gpu", "8.9"], "did you mean sm_89?"),
        (["--gpu", "RTX-9090"], "--gpu RTX-9090: unknown product"),
        (["--tensorrt", "newest"], "not a version such as 10.13.2.6"),
    ],
)
def test_an_unknown_name_is_refused_with_what_would_work(words, says, inspect, tmp_path):
    code, out, err = inspect(PLAIN.classic(tmp_path), *words)

    assert (code, out) == (1, "")
    assert says in err


def test_on_a_machine_with_a_gpu_the_verdict_is_for_it(inspect, tmp_path, monkeypatch):
    monkeypatch.setattr("ignition_hub.cli.load_verdict.probe", lambda: replace(L4, cuda=(11, 8)))

    code, out, _ = inspect(PLAIN.classic(tmp_path), "--tensorrt", "10.13.2.6")

    assert code == 0
    assert rows(out)["here"].startswith("NVIDIA-L4 (sm_89) of this machine, TensorRT 10.13.2.6: loads with")
    assert "the driver runs CUDA up to 11.8" in out


def test_a_signature_is_checked_when_keys_are_named(inspect, tmp_path, monkeypatch, signing_key):
    path, manifest = PLAIN.cached(tmp_path), PLAIN.manifest
    envelope = path.with_name(f"{path.name}.intoto.json")
    keys = {signing_key.keyid: signing_key.public}
    monkeypatch.setenv("ARTIFACTS_TRUSTED_KEYS", json.dumps(keys_to_json(keys)))

    assert rows(inspect(path)[1])["signature"] == "missing: there is no provenance beside it"

    envelope.write_bytes(sign(manifest, manifest.to_bytes(), signing_key))
    assert rows(inspect(path)[1])["signature"] == "holds"

    other = Engine(body=b"another").manifest
    envelope.write_bytes(sign(other, other.to_bytes(), signing_key))
    assert inspect(path)[2].startswith("error: the signed provenance is about another manifest")


@pytest.fixture
def signing_key():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SigningKey(Ed25519PrivateKey.generate())


def test_a_store_without_credentials_says_which_to_set(inspect, monkeypatch):
    for name in ("ARTIFACTS_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)

    code, _, err = inspect("s3://engines/ignition/engines/m/0/1/m.trt")

    assert code == 1
    assert "ARTIFACTS_ACCESS_KEY" in err
    assert "--store" not in err


def test_a_store_that_no_request_can_be_made_to_is_refused_in_words_of_this_machine(inspect, monkeypatch):
    monkeypatch.setenv("ARTIFACTS_ACCESS_KEY", "a")
    monkeypatch.setenv("ARTIFACTS_SECRET_KEY", "b")
    monkeypatch.setenv("ARTIFACTS_REGION", "us east")

    code, _, err = inspect("s3://engines/ignition/engines/m/0/1/m.trt")

    assert code == REFUSED
    assert "region_name 'us east'" in err
    assert "EngineStore" not in err


def test_an_address_that_names_no_object_is_refused(inspect):
    assert "names no object" in inspect("s3://engines/")[2]


@pytest.mark.parametrize(
    "content",
    [b"", b"ftrt\0\0\0\0", b"<html><body>404</body></html>", b"BZh9" + bytes(200), b"none" * 200],
    ids=["empty", "cut", "a page", "shorter than is looked at", "longer"],
)
def test_what_is_no_plan_is_told_of_an_object_as_of_a_file(content, inspect, tmp_path, monkeypatch):
    path = tmp_path / "m.trt"
    path.write_bytes(content)
    with odd_store() as server:
        server.objects["engines", "e/m.trt"] = content
        monkeypatch.setenv("ARTIFACTS_ENDPOINT", f"{server.endpoint}/engines")
        monkeypatch.setenv("ARTIFACTS_ACCESS_KEY", "a")
        monkeypatch.setenv("ARTIFACTS_SECRET_KEY", "b")
        told = inspect("s3://engines/e/m.trt")

    assert told == inspect(path)
    assert told[2].startswith("error: not a TensorRT plan: ")
